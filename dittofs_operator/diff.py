"""`dittofs-operator diff`: what this version of the operator would change for the objects that exist. Writes nothing.

Each DittoFS goes through its reconciler, over a client whose every write is a dry run of the API server; what that
answers is compared with what is there. Servers are not asked, so what would change inside them is not told.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from dittofs_operator.listed import Listed
from dittofs_operator.rehearsal import Change, Rehearsal
from informers.apply import Applier
from informers.client import Client
from informers.clock import Clock
from informers.resource import Resource, View
from informers.result import Backoff, Terminal
from informers.store import Indexer
from reconcilers import names
from reconcilers.api import resources
from reconcilers.dittofs.caches import DITTOFS_INDEXERS, DittoFSCaches
from reconcilers.dittofs.reconciler import DittoFSReconciler
from reconcilers.server.credentials import CredentialsSource
from reconcilers.server.errors import ServerUnreachable
from reconcilers.server.session import Sessions
from reconcilers.server.tls import Tls
from reconcilers.share.caches import SHARE_INDEXERS

_INDEXERS: Mapping[Resource, Mapping[str, Indexer]] = {
    resources.DITTOFS: DITTOFS_INDEXERS,
    resources.DITTOFS_SHARE: SHARE_INDEXERS,
}
_OURS_ONLY = frozenset({*resources.CHILDREN, resources.POD, resources.SERVICE_MONITOR} - {resources.SECRET})


@dataclass(frozen=True, slots=True)
class Comparison:
    """What came of comparing."""

    changes: tuple[Change, ...]
    #: What could not be compared, each with the reason.
    problems: tuple[str, ...]


def diff(client: Client, *, clock: Clock, namespaces: Iterable[str] = (), operator_namespace: str = "") -> Comparison:
    """What would change in `namespaces` (none: in all); `client` must be one of dry runs.

    Raises the `ClientError` of a question that was not answered.
    """
    stores = {
        resource: Listed(
            client,
            resource,
            tuple(namespaces),
            indexers=_INDEXERS.get(resource),
            selector=names.MANAGED_SELECTOR if resource in _OURS_ONLY else "",
        )
        for resource in _WATCHED
    }
    rehearsal = Rehearsal(client)
    reconciler = DittoFSReconciler(
        caches=DittoFSCaches(
            dittofs=stores[resources.DITTOFS],
            shares=stores[resources.DITTOFS_SHARE],
            backups=stores[resources.DITTOFS_BACKUP],
            config_maps=stores[resources.CONFIG_MAP],
            secrets=stores[resources.SECRET],
            service_accounts=stores[resources.SERVICE_ACCOUNT],
            claims=stores[resources.PERSISTENT_VOLUME_CLAIM],
            stateful_sets=stores[resources.STATEFUL_SET],
            services=stores[resources.SERVICE],
            network_policies=stores[resources.NETWORK_POLICY],
            pods=stores[resources.POD],
            postgres_clusters=stores[resources.POSTGRES_CLUSTER],
            service_monitors=stores[resources.SERVICE_MONITOR],
        ),
        client=rehearsal,
        applier=Applier(rehearsal, names.FIELD_MANAGER, clock=clock),
        recorder=_Silent(),
        sessions=Sessions(clock=clock, transport_factory=_Unasked),
        credentials=CredentialsSource(client, stores[resources.SECRET]),
        clock=clock,
        operator_namespace=operator_namespace,
    )
    problems = []
    for key in stores[resources.DITTOFS].names():
        match reconciler.reconcile(key):
            case Backoff(reason=reason) | Terminal(reason=reason):
                problems.append(f"{resources.DITTOFS.kind} {key}: {reason}")
            case _:
                pass
    return Comparison(tuple(rehearsal.changes), tuple(problems))


_WATCHED = (
    resources.DITTOFS,
    resources.DITTOFS_SHARE,
    resources.DITTOFS_BACKUP,
    *resources.CHILDREN,
    resources.POD,
    resources.POSTGRES_CLUSTER,
    resources.SERVICE_MONITOR,
)


class _Silent:
    """Tells nobody what was only rehearsed."""

    def normal(self, regarding: View, reason: str, note: str, action: str = "Reconcile") -> None:
        """Nothing happened."""

    def warning(self, regarding: View, reason: str, note: str, action: str = "Reconcile") -> None:
        """Nothing happened."""


class _Unasked:
    """The way to a server that nobody goes."""

    def __init__(self, base_url: str, *, host: str, clock: Clock, tls: Tls | None) -> None:
        """Connects to nothing."""

    def call(self, *_: object, **__: object) -> object:
        """Answers nothing."""
        raise ServerUnreachable("servers are not asked")

    def close(self) -> None:
        """There is nothing to close."""
