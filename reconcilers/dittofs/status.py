"""The status of a DittoFS, decided from what one pass observed (decisions.md C9). Pure: no client, no clock."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

from reconcilers.api.dittofs_status import DittoFSCondition, DittoFSPhase
from reconcilers.conditions import Condition, all_of, false, true, unknown
from reconcilers.dittofs.bucket import NO_BUCKET, BucketFacts
from reconcilers.dittofs.facts import (
    EMBEDDED,
    DatabaseFacts,
    PodFacts,
    Problem,
    ServerFacts,
    ServerState,
    StatefulSetFacts,
)

#: Each badger store has caches of its own. Unused they cost next to nothing (docs/memory.md), but beyond this many
#: shares they may fill more memory than a pod is likely to have.
MAX_BADGER_SHARES = 16

#: The server ends with this when a share directory still has the block layout of an old release: no restart helps.
LEGACY_LAYOUT_EXIT_CODE = 78

#: Why a container waits in the normal course of a start.
STARTING_REASONS = frozenset({"", "ContainerCreating", "PodInitializing"})

HEALTHY = "healthy"
NAMES_SHOWN = 5


@dataclass(frozen=True, slots=True)
class Observed:
    """Everything that the status of an instance depends on."""

    replicas: int
    deleting: bool = False
    suspended: bool = False
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


@dataclass(frozen=True, slots=True)
class Assessment:
    """The phase, and the conditions in the order of `DittoFSCondition`."""

    phase: DittoFSPhase
    conditions: tuple[Condition, ...]

    @property
    def ready(self) -> bool:
        """Whether the condition Ready holds."""
        return self[DittoFSCondition.READY].holds

    def __getitem__(self, kind: DittoFSCondition) -> Condition:
        return next(condition for condition in self.conditions if condition.type == kind)


def assess(observed: Observed) -> Assessment:
    """What `observed` means."""
    database = _database_ready(observed.database)
    config = _config_ready(observed)
    stateful_set = _stateful_set_ready(observed)
    available = _available(observed, stateful_set)
    ready = all_of(
        DittoFSCondition.READY,
        (database, config, stateful_set, available),
        reason="Ready",
        message="the server serves as declared",
    )
    progressing = _progressing(observed, stateful_set)
    degraded = _degraded(observed)
    conditions = (database, config, stateful_set, available, ready, progressing, degraded)
    draft = Assessment(DittoFSPhase.PENDING, conditions)
    phase = next(phase for phase, applies in PHASES if applies(observed, draft))
    return Assessment(phase, conditions)


def api_reachable(observed: Observed) -> bool:
    """Whether shares can be worked on: the pod is ready and the login works (decisions.md A3)."""
    answers = observed.server.state is ServerState.ANSWERS
    return observed.replicas > 0 and answers and _stateful_set_ready(observed).holds


def needs_person(observed: Observed) -> bool:
    """Whether only a person can help: nothing that the operator does again will change it."""
    return bool(
        observed.conflicts
        or observed.server.state is ServerState.LOCKED_OUT
        or _legacy_layout(observed)
        or (observed.config_problem is not None and not observed.was_running)
    )


def _stopped(observed: Observed) -> bool:
    existing = observed.stateful_set.existing if observed.stateful_set else 0
    return observed.replicas == 0 and observed.pod is None and existing == 0


#: The phase is the first whose test is true.
PHASES: tuple[tuple[DittoFSPhase, Callable[[Observed, Assessment], bool]], ...] = (
    (DittoFSPhase.DELETING, lambda observed, _: observed.deleting),
    (DittoFSPhase.SUSPENDED, lambda observed, _: observed.suspended),
    (DittoFSPhase.STOPPED, lambda observed, _: _stopped(observed)),
    (DittoFSPhase.FAILED, lambda observed, _: needs_person(observed)),
    (DittoFSPhase.WAITING_FOR_DATABASE, lambda observed, _: not observed.database.ready and not observed.was_running),
    (DittoFSPhase.RUNNING, lambda _, draft: draft.ready and not draft[DittoFSCondition.DEGRADED].holds),
    (DittoFSPhase.DEGRADED, lambda observed, draft: observed.was_running or draft.ready),
    (DittoFSPhase.PROVISIONING, lambda observed, _: observed.stateful_set is not None),
    (DittoFSPhase.PENDING, lambda _observed, _draft: True),
)


def _database_ready(database: DatabaseFacts) -> Condition:
    verdict = true if database.ready else false
    return verdict(DittoFSCondition.DATABASE_READY, database.reason, database.message)


def _config_ready(observed: Observed) -> Condition:
    if observed.config_problem is not None:
        return false(DittoFSCondition.CONFIG_READY, observed.config_problem.reason, observed.config_problem.message)
    if observed.unknown_settings:
        unknown_keys = ", ".join(observed.unknown_settings[:NAMES_SHOWN])
        return true(
            DittoFSCondition.CONFIG_READY,
            "UnknownSettings",
            f"keys of configOverrides that the server passes over as unknown: {unknown_keys}; check the spelling",
        )
    return true(DittoFSCondition.CONFIG_READY, "Rendered", "config.yaml and the Secrets are in place")


def _stateful_set_ready(observed: Observed) -> Condition:
    kind = DittoFSCondition.STATEFUL_SET_READY
    if observed.replicas == 0:
        if _stopped(observed):
            return true(kind, "Stopped", "spec.replicas is 0")
        return false(kind, "Stopping", "spec.replicas is 0 and the pod is still going")
    if observed.stateful_set is None:
        return unknown(kind, "NotCreated", "the StatefulSet does not exist yet")
    return _pod_ready(kind, observed.stateful_set, observed)


def _pod_ready(kind: str, stateful_set: StatefulSetFacts, observed: Observed) -> Condition:
    pod = observed.pod
    if not stateful_set.caught_up or stateful_set.wanted != observed.replicas:
        return false(kind, "RollingOut", "the StatefulSet's change has not been taken up yet")
    if pod is None:
        return false(kind, "Starting", "the pod does not exist yet")
    if _waits(pod):
        return false(kind, "ContainerWaiting", f"container of pod {pod.name} waits: {_waiting(pod)}")
    outdated = bool(pod.revision and stateful_set.update_revision) and pod.revision != stateful_set.update_revision
    if pod.deleting or outdated:
        return false(kind, "RollingOut", f"pod {pod.name} is being replaced")
    if not pod.ready or stateful_set.ready < observed.replicas:
        return false(kind, "PodNotReady" if observed.was_running else "Starting", f"pod {pod.name} is not ready yet")
    return true(kind, "Ready", f"pod {pod.name} is ready")


def _waits(pod: PodFacts) -> bool:
    return pod.waiting_reason not in STARTING_REASONS


def _waiting(pod: PodFacts) -> str:
    ended = "" if pod.exit_code is None else f" (last exit code {pod.exit_code}, {pod.restarts} restarts)"
    text = f"{pod.waiting_reason}: {pod.waiting_message}" if pod.waiting_message else pod.waiting_reason
    return text + ended


def _available(observed: Observed, stateful_set: Condition) -> Condition:
    kind = DittoFSCondition.AVAILABLE
    if observed.replicas == 0:
        return false(kind, "Stopped", "spec.replicas is 0")
    if not stateful_set.holds:
        return Condition(kind, stateful_set.status, stateful_set.reason, stateful_set.message)
    server = observed.server
    match server.state:
        case ServerState.NOT_ASKED:
            return unknown(kind, "NotAsked", "the server was not asked yet")
        case ServerState.UNREACHABLE:
            return false(kind, "ServerUnreachable", server.message)
        case ServerState.LOCKED_OUT:
            return false(kind, "AdminLockedOut", server.message)
        case ServerState.REFUSED if server.health and server.health != HEALTHY:
            return false(
                kind, "ServerUnhealthy", f"GET /health of the server answers {server.health}, and {server.message}"
            )
        case ServerState.REFUSED:
            return false(kind, "ServerRefused", server.message)
        case ServerState.ANSWERS:
            return _healthy(kind, server)


def _healthy(kind: str, server: ServerFacts) -> Condition:
    sick = sorted(f"{name} is {health}" for name, health in (server.adapters or {}).items() if health != HEALTHY)
    if sick:
        return false(kind, "AdapterUnhealthy", "adapters that do not serve: " + ", ".join(sick))
    return true(kind, "ServerHealthy", "the server answers, the login works, the enabled adapters are healthy")


def _progressing(observed: Observed, stateful_set: Condition) -> Condition:
    kind = DittoFSCondition.PROGRESSING
    if observed.deleting:
        return true(kind, "Deleting", "the children are being removed")
    if observed.leftovers:
        return true(kind, "WaitingForDeletion", _leftovers(observed))
    if observed.suspended:
        return false(kind, "Suspended", "spec.suspend is true: nothing is changed")
    if stateful_set.reason == "ContainerWaiting":
        return false(kind, "RolloutStuck", stateful_set.message)
    if observed.stateful_set is None and not observed.database.ready:
        return true(kind, "WaitingForDatabase", observed.database.message)
    if observed.stateful_set is None and observed.config_problem is not None:
        return false(kind, observed.config_problem.reason, observed.config_problem.message)
    if not stateful_set.holds:
        return true(kind, stateful_set.reason, stateful_set.message)
    if observed.under_way:
        text = "; ".join(matter.message for matter in observed.under_way)
        return true(kind, observed.under_way[0].reason, text)
    return false(kind, "Settled", "nothing is under way")


def _degraded(observed: Observed) -> Condition:
    found = [Problem(reason, text) for reason, text in _defects(observed) if text]
    if not found:
        return false(DittoFSCondition.DEGRADED, "AsDeclared")
    return true(DittoFSCondition.DEGRADED, found[0].reason, "; ".join(problem.message for problem in found))


def _defects(observed: Observed) -> tuple[tuple[str, str], ...]:
    """Each reason of Degraded with its message, empty when it does not apply; the first that applies names it."""
    server, config, bucket = observed.server, observed.config_problem, observed.bucket or NO_BUCKET
    return (
        ("NameConflict", _conflicts(observed)),
        ("AdminLockedOut", server.message if server.state is ServerState.LOCKED_OUT else ""),
        ("LegacyBlockLayout", LEGACY_LAYOUT_REMEDY if _legacy_layout(observed) else ""),
        ("CacheLost", bucket.lost_cache),
        ("BucketShared", bucket.sharing),
        ("BucketRefused", observed.bucket_problem),
        (config.reason if config else "ConfigInvalid", config.message if config else ""),
        ("ApplyFailed", "; ".join(observed.failures)),
        ("Contested", _contested(observed)),
        *((matter.reason, matter.message) for matter in observed.not_given),
        ("SettingsNotApplied", "; ".join(observed.setting_problems[:NAMES_SHOWN])),
        ("AccountsNotApplied", "; ".join(observed.account_problems[:NAMES_SHOWN])),
        ("SharesNotLoaded", _missing(observed.missing_shares)),
        ("TooManyBadgerStores", _badger_advice(observed)),
        ("CacheOvercommitted", bucket.overcommitment),
        ("SharesFileTruncated", SHARES_FILE_REMEDY if observed.shares_file_truncated else ""),
    )


SHARES_FILE_REMEDY = (
    "the declared shares are more than a ConfigMap holds: shares.yaml lists them in short and can't rebuild the server "
    "alone, the DittoFSShares can; keep those backed up, or spread them over more instances"
)
LEGACY_LAYOUT_REMEDY = (
    "the server ended with code 78: a share directory still has the block layout of a release before v0.16; "
    "run the older release's migration on the payload claim first"
)


def _legacy_layout(observed: Observed) -> bool:
    pod = observed.pod
    return pod is not None and not pod.ready and pod.exit_code == LEGACY_LAYOUT_EXIT_CODE


def _conflicts(observed: Observed) -> str:
    if not observed.conflicts:
        return ""
    names = ", ".join(observed.conflicts)
    return f"not ours, so left untouched: {names}; rename or remove it, or choose another name for this DittoFS"


def _contested(observed: Observed) -> str:
    if not observed.contested:
        return ""
    listed = "; ".join(observed.contested)
    return f"changed back by somebody else each time, so set right once a minute only ({listed}): stop the other one"


def _leftovers(observed: Observed) -> str:
    return "waiting for what a deleted DittoFS of this name left: " + ", ".join(observed.leftovers)


def _missing(paths: tuple[str, ...]) -> str:
    if not paths:
        return ""
    more = f" and {len(paths) - NAMES_SHOWN} more" if len(paths) > NAMES_SHOWN else ""
    return f"declared shares that the server could not load: {', '.join(paths[:NAMES_SHOWN])}{more}"


def _badger_advice(observed: Observed) -> str:
    shares = observed.declared_shares
    if not observed.badger_cache_mb or shares <= MAX_BADGER_SHARES:
        return ""
    caches_mb = shares * observed.badger_cache_mb
    return (
        f"the caches of {shares} shares with a badger store each may take {caches_mb} MiB: more than "
        f"{MAX_BADGER_SHARES} shares belong on a DittoFS with metadata.type sqlite"
    )
