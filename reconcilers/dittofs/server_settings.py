"""What the operator keeps right inside a running server: its adapters, accounts and stores; and how it is.

Asked only while the pod is ready. A call that fails ends the look, so that a slow server holds a worker but once.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from informers.resource import ObjectKey
from reconcilers import names
from reconcilers.api.dittofs import DittoFS
from reconcilers.dittofs.accounts import Accounts
from reconcilers.dittofs.adapter_settings import AdapterSettings
from reconcilers.dittofs.admin_login import AdminLogin, LockedOut
from reconcilers.dittofs.facts import ServerFacts, ServerState
from reconcilers.dittofs.grace_period import GracePeriods
from reconcilers.dittofs.remote_stores import RemoteStores
from reconcilers.dittofs.report import Report
from reconcilers.dittofs.restarts import Restarts
from reconcilers.dittofs.visit import Visit
from reconcilers.server.credentials import CredentialsMissing
from reconcilers.server.errors import (
    FAILED,
    LoginRefused,
    PasswordChangeRequired,
    ServerError,
    ServerRefused,
    ServerUnreachable,
    treatment,
)
from reconcilers.server.rows import Adapter
from reconcilers.server.session import ServerSession

#: What the status says of an adapter that the server does not list.
MISSING = "missing"


@dataclass(frozen=True, slots=True)
class WantedAdapter:
    """A protocol listener as it should be."""

    type: str
    enabled: bool
    port: int

    def is_met_by(self, row: Adapter) -> bool:
        """Whether `row` needs no change; the port of a disabled one does not matter."""
        return row.enabled == self.enabled and (not self.enabled or row.port == self.port)


def wanted_adapters(instance: DittoFS, *, off: bool = False) -> tuple[WantedAdapter, ...]:
    """The listeners of `instance`, on the ports that are fixed inside the pod; `off`: none of them listens."""
    adapters = instance.spec.adapters
    return (
        WantedAdapter("nfs", enabled=adapters.nfs.enabled and not off, port=names.NFS_CONTAINER_PORT),
        WantedAdapter("smb", enabled=adapters.smb.enabled and not off, port=names.SMB_CONTAINER_PORT),
    )


class ServerSettings:
    """Looks after the servers. Safe for many threads, for different instances."""

    def __init__(
        self,
        *,
        login: AdminLogin,
        accounts: Accounts,
        remote_stores: RemoteStores,
        adapter_settings: AdapterSettings,
        restarts: Restarts,
    ) -> None:
        self._login = login
        self._accounts = accounts
        self._remote_stores = remote_stores
        self._adapter_settings = adapter_settings
        self._grace_periods = GracePeriods()
        self._restarts = restarts
        #: By uid: when the server started that the session is with.
        self._started: dict[str, str] = {}

    def forget(self, instance: ObjectKey, uid: str) -> None:
        """Drop everything about an instance that is gone."""
        self._login.forget(instance, uid)
        self._started.pop(uid, None)
        self._accounts.forget(uid)
        self._remote_stores.forget(uid)
        self._adapter_settings.forget(uid)
        self._restarts.forget(uid)
        self._grace_periods.forget(uid)

    def look(
        self,
        instance: DittoFS,
        base_url: str,
        *,
        start: str,
        change_password: bool,
        remote: bytes | None,
        change: bool,
        adapters_off: bool = False,
        unloaded: tuple[str, ...] = (),
        report: Report,
    ) -> ServerFacts:
        """How the server at `base_url` is, after (with `change`) setting right what differs.

        `start` tells one start of the server from the next. `change_password`: another admin password is wanted than
        the one in force; `remote`: what the rows of remote stores depend on; `adapters_off`: no client is to be let in;
        `unloaded`: the shares that wait for another process. Raises a `ClientError` when a Secret can't be read or
        written.
        """
        try:
            credentials = self._login.credentials(instance)
        except CredentialsMissing as error:
            return ServerFacts(ServerState.REFUSED, str(error))
        visit = Visit(
            instance,
            base_url,
            credentials,
            start=start,
            change=change,
            adapters_off=adapters_off,
            change_password=change_password,
            remote=remote,
            unloaded=unloaded,
            report=report,
        )
        try:
            return self._look(visit)
        except LockedOut as error:
            return ServerFacts(ServerState.LOCKED_OUT, str(error))
        except ServerUnreachable as error:
            return ServerFacts(ServerState.UNREACHABLE, f"the server does not answer: {error}")
        except ServerRefused as error:
            health = self._health(visit) if treatment(error) is FAILED else ""
            return ServerFacts(ServerState.REFUSED, str(error), health=health)

    def _health(self, visit: Visit) -> str:
        """What a server that fails says of itself; empty when it says nothing."""
        try:
            return self._login.open(visit, visit.credentials).health().status
        except ServerError:
            return ""

    def _look(self, visit: Visit) -> ServerFacts:
        self._begin(visit)
        session = self._login.open(visit, visit.credentials)
        try:
            # The one call of a poll: a server that lists these rows has read its database just now.
            rows = session.adapters()
        except LoginRefused:
            session = self._login.open_with_another(visit)
            rows = session.adapters()
        except PasswordChangeRequired:
            if not visit.change:
                raise
            session = self._login.confirm(visit, session)
            rows = session.adapters()
        else:
            self._login.worked(visit, session)
        adapters = dict(self._settle(visit, session, {row.type: row for row in rows}))
        if visit.change and visit.remote is not None:
            self._remote_stores.settle(visit.instance, session, visit.start, visit.remote, visit.report)
        if visit.change:
            self._adapter_settings.settle(visit.instance, session, visit.start, visit.report)
            self._accounts.settle(visit.instance, session, visit.start, visit.report)
            self._restart_for_shares(visit, session)
        under_way = self._grace_periods.look(visit.instance, session, visit.start)
        return ServerFacts(ServerState.ANSWERS, adapters=adapters, under_way=under_way)

    def _restart_for_shares(self, visit: Visit, session: ServerSession) -> None:
        uid = visit.instance.metadata.uid
        if not visit.unloaded:
            self._restarts.forget(uid)
            return
        process = session.health().started_at
        if not visit.report.outdated_process and self._restarts.is_due(uid, process):
            visit.report.outdated_process = process
            visit.report.restarted_for.extend(visit.unloaded)

    def _begin(self, visit: Visit) -> None:
        """Log in anew to a server that was started again: it may have another database, with another password.

        The old token would go on to work, and hide that.
        """
        uid = visit.instance.metadata.uid
        if self._started.get(uid, visit.start) != visit.start:
            self._login.begin_anew(visit.instance.key)
        self._started[uid] = visit.start

    def _settle(self, visit: Visit, session: ServerSession, rows: dict[str, Adapter]) -> Iterator[tuple[str, str]]:
        """Sets the adapters right; gives the health of each that is enabled."""
        for wanted in wanted_adapters(visit.instance, off=visit.adapters_off):
            row = rows.get(wanted.type)
            if row is not None and not wanted.is_met_by(row) and visit.change:
                row = session.put_adapter(wanted.type, enabled=wanted.enabled, port=wanted.port)
                state = f"on, port {wanted.port}" if wanted.enabled else "off"
                visit.report.server_changes.append(f"{wanted.type} {state}")
            if wanted.enabled:
                yield wanted.type, row.health.status if row is not None else MISSING
