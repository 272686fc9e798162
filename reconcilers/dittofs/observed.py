"""Everything that the status of a DittoFS is decided from."""

from __future__ import annotations

from dataclasses import dataclass, field

from reconcilers.dittofs.bucket import BucketFacts
from reconcilers.dittofs.facts import EMBEDDED, DatabaseFacts, PodFacts, Problem, ServerFacts, StatefulSetFacts
from reconcilers.hold import Hold


@dataclass(frozen=True, slots=True)
class Observed:
    """Everything that the status of an instance depends on."""

    #: How many pods there are to be, hold or no hold.
    replicas: int
    deleting: bool = False
    suspended: bool = False
    #: The hold of a backup that keeps the server stopped or without clients.
    hold: Hold | None = None
    #: Whether the server has run since it was last stopped or created.
    was_running: bool = False
    #: What keeps the pod from its wanted configuration; None: nothing.
    config_problem: Problem | None = None
    #: Settings of adapters that the server does not take, each with the reason.
    setting_problems: tuple[str, ...] = ()
    #: Users and groups that the server can't have as declared, each with the reason.
    account_problems: tuple[str, ...] = ()
    #: Keys of configOverrides that the server passes over in silence.
    unknown_settings: tuple[str, ...] = ()
    #: Children whose name belongs to an object that is not ours, as `Service demo-nfs`.
    conflicts: tuple[str, ...] = ()
    #: Children that somebody else changes back each time, as `Service demo-nfs: .spec.type: conflict with "x"`.
    contested: tuple[str, ...] = ()
    #: Children that a deleted DittoFS of the same name left, and that are about to go.
    leftovers: tuple[str, ...] = ()
    #: What goes on, inside the server or around it, beside the rollout itself.
    under_way: tuple[Problem, ...] = ()
    #: What the cluster does not give although it is declared.
    not_given: tuple[Problem, ...] = ()
    #: Children that could not be written this time, each with the reason.
    failures: tuple[str, ...] = ()
    stateful_set: StatefulSetFacts | None = None
    pod: PodFacts | None = None
    server: ServerFacts = field(default_factory=ServerFacts)
    database: DatabaseFacts = EMBEDDED
    declared_shares: int = 0
    #: The paths of the declared shares that the server does not serve although they were made on it.
    missing_shares: tuple[str, ...] = ()
    #: What the caches of one badger store may take, in MiB; 0: the metadata is in no badger store.
    badger_cache_mb: int = 0
    shares_file_truncated: bool = False
    #: Why the server does not take the bucket as specified.
    bucket_problem: str = ""
    bucket: BucketFacts | None = None
