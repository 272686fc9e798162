"""The status of a DittoFS, decided from what one pass observed. Pure: no client, no clock."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from reconcilers.api.dittofs_status import DittoFSCondition, DittoFSPhase
from reconcilers.conditions import Condition, all_of, false, true, unknown
from reconcilers.dittofs.defects import NAMES_SHOWN, degraded, has_legacy_layout
from reconcilers.dittofs.facts import DatabaseFacts, PodFacts, ServerFacts, ServerState, StatefulSetFacts
from reconcilers.dittofs.observed import Observed
from reconcilers.hold import HELD, Hold

#: Why a container waits in the normal course of a start.
STARTING_REASONS = frozenset({"", "ContainerCreating", "PodInitializing"})

HEALTHY = "healthy"


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
    degrading = degraded(observed)
    conditions = (database, config, stateful_set, available, ready, progressing, degrading)
    draft = Assessment(DittoFSPhase.PENDING, conditions)
    phase = next(phase for phase, applies in PHASES if applies(observed, draft))
    return Assessment(phase, conditions)


def api_reachable(observed: Observed) -> bool:
    """Whether shares can be worked on: the pod is ready and the login works."""
    answers = observed.server.state is ServerState.ANSWERS
    return observed.replicas > 0 and answers and _stateful_set_ready(observed).holds


def needs_person(observed: Observed) -> bool:
    """Whether only a person can help: nothing that the operator does again will change it."""
    return bool(
        observed.conflicts
        or observed.server.state is ServerState.LOCKED_OUT
        or has_legacy_layout(observed)
        or (observed.config_problem is not None and not observed.was_running)
    )


def _stopped(observed: Observed) -> bool:
    stateful_set = observed.stateful_set
    if observed.replicas or observed.pod is not None:
        return False
    # Until its controller has seen that none is wanted, it may be about to make a pod.
    return stateful_set is None or (stateful_set.existing == 0 and stateful_set.wanted == 0 and stateful_set.caught_up)


#: The phase is the first whose test is true.
PHASES: tuple[tuple[DittoFSPhase, Callable[[Observed, Assessment], bool]], ...] = (
    (DittoFSPhase.DELETING, lambda observed, _: observed.deleting),
    (DittoFSPhase.SUSPENDED, lambda observed, _: observed.suspended),
    (DittoFSPhase.MAINTENANCE, lambda observed, _: observed.hold is not None),
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
        why = "spec.replicas is 0" if observed.hold is None else observed.hold.words()
        if _stopped(observed):
            return true(kind, "Stopped", why)
        return false(kind, "Stopping", f"{why}: the pod is still going")
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
        return _held(kind, observed.hold) if observed.hold else false(kind, "Stopped", "spec.replicas is 0")
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
            return _held(kind, observed.hold) if observed.hold else _healthy(kind, server)


def _held(kind: str, hold: Hold) -> Condition:
    return false(kind, HELD, hold.words())


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
    if observed.hold is not None:
        return true(kind, HELD, observed.hold.words())
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


def _leftovers(observed: Observed) -> str:
    return "waiting for what a deleted DittoFS of this name left: " + ", ".join(observed.leftovers)
