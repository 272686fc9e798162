"""The truth table of C9: what each observed state of an instance is called."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from types import MappingProxyType

import pytest

from reconcilers.api.dittofs_status import DittoFSCondition, DittoFSPhase
from reconcilers.dittofs.defects import MAX_BADGER_SHARES
from reconcilers.dittofs.facts import DatabaseFacts, PodFacts, Problem, ServerFacts, ServerState, StatefulSetFacts
from reconcilers.dittofs.observed import Observed
from reconcilers.dittofs.status import api_reachable, assess
from reconcilers.hold import Hold, HoldMode

STATEFUL_SET = StatefulSetFacts(
    generation=1, observed_generation=1, wanted=1, existing=1, ready=1, update_revision="demo-1"
)
POD = PodFacts(name="demo-0", ready=True, deleting=False, revision="demo-1")
SERVER = ServerFacts(state=ServerState.ANSWERS, adapters=MappingProxyType({"nfs": "healthy", "smb": "healthy"}))
RUNNING = Observed(replicas=1, was_running=True, stateful_set=STATEFUL_SET, pod=POD, server=SERVER)
NOT_ASKED = ServerFacts()

NEW = Observed(replicas=1)
CREATED = replace(NEW, stateful_set=replace(STATEFUL_SET, existing=0, ready=0))
STARTING = replace(NEW, stateful_set=replace(STATEFUL_SET, ready=0), pod=replace(POD, ready=False))
SERVING = replace(RUNNING, was_running=False)
NOT_READY = replace(RUNNING, pod=replace(POD, ready=False), server=NOT_ASKED)
OUTDATED = replace(RUNNING, stateful_set=replace(STATEFUL_SET, update_revision="demo-2"), server=NOT_ASKED)
NOT_TAKEN_UP = replace(RUNNING, stateful_set=replace(STATEFUL_SET, generation=2), server=NOT_ASKED)
BAD_IMAGE = replace(NOT_READY, pod=replace(POD, ready=False, waiting_reason="ImagePullBackOff"))
NEVER_PULLED = replace(BAD_IMAGE, was_running=False)
LEGACY = replace(NOT_READY, pod=replace(POD, ready=False, waiting_reason="CrashLoopBackOff", exit_code=78))
UNREACHABLE = replace(RUNNING, server=ServerFacts(ServerState.UNREACHABLE, "timed out"))
LOCKED_OUT = replace(RUNNING, server=ServerFacts(ServerState.LOCKED_OUT, "neither password works"))
REFUSED = replace(RUNNING, server=ServerFacts(ServerState.REFUSED, "403"))
DATABASE_AWAITED = DatabaseFacts(ready=False, reason="ClusterNotFound", message="create it")
NO_DATABASE = replace(RUNNING, server=ServerFacts(ServerState.REFUSED, "500", health="degraded"))
SICK_ADAPTER = replace(RUNNING, server=replace(SERVER, adapters=MappingProxyType({"nfs": "unknown"})))
UNLOADED = replace(RUNNING, missing_shares=tuple(f"/s{n}" for n in range(7)))
MANY_SHARES = replace(RUNNING, badger_cache_mb=96, declared_shares=MAX_BADGER_SHARES + 1)
CONFLICT = replace(RUNNING, conflicts=("Service demo-nfs",))
FAILURE = replace(RUNNING, failures=("Service demo-nfs: Invalid: no",))
LEFTOVERS = replace(CREATED, stateful_set=None, leftovers=("StatefulSet demo",))
BAD_SECRET = Problem("JwtSecretInvalid", 'Secret "own" has no key "jwt-secret"')
SECRET_VANISHED = replace(RUNNING, config_problem=BAD_SECRET)
SECRET_NEVER_GOOD = replace(NEW, config_problem=BAD_SECRET)
STOPPING = replace(RUNNING, replicas=0, server=NOT_ASKED)
STOPPED = Observed(replicas=0, stateful_set=replace(STATEFUL_SET, wanted=0, existing=0, ready=0))

STOP = Hold("nightly", "u", HoldMode.STOP, datetime(2030, 1, 2, tzinfo=UTC))
HELD_STOPPING = replace(STOPPING, hold=STOP)
HELD_STOPPED = replace(STOPPED, hold=STOP)
HELD_WHILE_A_POD_COMES = replace(HELD_STOPPED, stateful_set=replace(STATEFUL_SET, wanted=0, existing=0, generation=2))
HELD_WITHOUT_CLIENTS = replace(
    RUNNING, hold=replace(STOP, mode=HoldMode.ADAPTERS_OFF), server=replace(SERVER, adapters=MappingProxyType({}))
)

TRUE, FALSE, UNKNOWN = "True", "False", "Unknown"

#: phase, then status and reason of ConfigReady, StatefulSetReady, Available, Ready, Progressing, Degraded
TABLE = {
    "new": (
        NEW,
        DittoFSPhase.PENDING,
        (TRUE, "Rendered"),
        (UNKNOWN, "NotCreated"),
        (UNKNOWN, "NotCreated"),
        (UNKNOWN, "NotCreated"),
        (TRUE, "NotCreated"),
        (FALSE, "AsDeclared"),
    ),
    "created": (
        CREATED,
        DittoFSPhase.PROVISIONING,
        (TRUE, "Rendered"),
        (FALSE, "Starting"),
        (FALSE, "Starting"),
        (FALSE, "Starting"),
        (TRUE, "Starting"),
        (FALSE, "AsDeclared"),
    ),
    "starting": (
        STARTING,
        DittoFSPhase.PROVISIONING,
        (TRUE, "Rendered"),
        (FALSE, "Starting"),
        (FALSE, "Starting"),
        (FALSE, "Starting"),
        (TRUE, "Starting"),
        (FALSE, "AsDeclared"),
    ),
    "serving for the first time": (
        SERVING,
        DittoFSPhase.RUNNING,
        (TRUE, "Rendered"),
        (TRUE, "Ready"),
        (TRUE, "ServerHealthy"),
        (TRUE, "Ready"),
        (FALSE, "Settled"),
        (FALSE, "AsDeclared"),
    ),
    "running": (
        RUNNING,
        DittoFSPhase.RUNNING,
        (TRUE, "Rendered"),
        (TRUE, "Ready"),
        (TRUE, "ServerHealthy"),
        (TRUE, "Ready"),
        (FALSE, "Settled"),
        (FALSE, "AsDeclared"),
    ),
    "suspended while running": (
        replace(RUNNING, suspended=True),
        DittoFSPhase.SUSPENDED,
        (TRUE, "Rendered"),
        (TRUE, "Ready"),
        (TRUE, "ServerHealthy"),
        (TRUE, "Ready"),
        (FALSE, "Suspended"),
        (FALSE, "AsDeclared"),
    ),
    "deleting while suspended": (
        replace(RUNNING, suspended=True, deleting=True),
        DittoFSPhase.DELETING,
        (TRUE, "Rendered"),
        (TRUE, "Ready"),
        (TRUE, "ServerHealthy"),
        (TRUE, "Ready"),
        (TRUE, "Deleting"),
        (FALSE, "AsDeclared"),
    ),
    "pod no longer ready": (
        NOT_READY,
        DittoFSPhase.DEGRADED,
        (TRUE, "Rendered"),
        (FALSE, "PodNotReady"),
        (FALSE, "PodNotReady"),
        (FALSE, "PodNotReady"),
        (TRUE, "PodNotReady"),
        (FALSE, "AsDeclared"),
    ),
    "pod of an old revision": (
        OUTDATED,
        DittoFSPhase.DEGRADED,
        (TRUE, "Rendered"),
        (FALSE, "RollingOut"),
        (FALSE, "RollingOut"),
        (FALSE, "RollingOut"),
        (TRUE, "RollingOut"),
        (FALSE, "AsDeclared"),
    ),
    "specification not taken up yet": (
        NOT_TAKEN_UP,
        DittoFSPhase.DEGRADED,
        (TRUE, "Rendered"),
        (FALSE, "RollingOut"),
        (FALSE, "RollingOut"),
        (FALSE, "RollingOut"),
        (TRUE, "RollingOut"),
        (FALSE, "AsDeclared"),
    ),
    "stuck rollout of a server that ran": (
        BAD_IMAGE,
        DittoFSPhase.DEGRADED,
        (TRUE, "Rendered"),
        (FALSE, "ContainerWaiting"),
        (FALSE, "ContainerWaiting"),
        (FALSE, "ContainerWaiting"),
        (FALSE, "RolloutStuck"),
        (FALSE, "AsDeclared"),
    ),
    "stuck first rollout": (
        NEVER_PULLED,
        DittoFSPhase.PROVISIONING,
        (TRUE, "Rendered"),
        (FALSE, "ContainerWaiting"),
        (FALSE, "ContainerWaiting"),
        (FALSE, "ContainerWaiting"),
        (FALSE, "RolloutStuck"),
        (FALSE, "AsDeclared"),
    ),
    "block layout of an old release": (
        LEGACY,
        DittoFSPhase.FAILED,
        (TRUE, "Rendered"),
        (FALSE, "ContainerWaiting"),
        (FALSE, "ContainerWaiting"),
        (FALSE, "ContainerWaiting"),
        (FALSE, "RolloutStuck"),
        (TRUE, "LegacyBlockLayout"),
    ),
    "server unreachable": (
        UNREACHABLE,
        DittoFSPhase.DEGRADED,
        (TRUE, "Rendered"),
        (TRUE, "Ready"),
        (FALSE, "ServerUnreachable"),
        (FALSE, "ServerUnreachable"),
        (FALSE, "Settled"),
        (FALSE, "AsDeclared"),
    ),
    "locked out": (
        LOCKED_OUT,
        DittoFSPhase.FAILED,
        (TRUE, "Rendered"),
        (TRUE, "Ready"),
        (FALSE, "AdminLockedOut"),
        (FALSE, "AdminLockedOut"),
        (FALSE, "Settled"),
        (TRUE, "AdminLockedOut"),
    ),
    "call refused": (
        REFUSED,
        DittoFSPhase.DEGRADED,
        (TRUE, "Rendered"),
        (TRUE, "Ready"),
        (FALSE, "ServerRefused"),
        (FALSE, "ServerRefused"),
        (FALSE, "Settled"),
        (FALSE, "AsDeclared"),
    ),
    "server without its database": (
        NO_DATABASE,
        DittoFSPhase.DEGRADED,
        (TRUE, "Rendered"),
        (TRUE, "Ready"),
        (FALSE, "ServerUnhealthy"),
        (FALSE, "ServerUnhealthy"),
        (FALSE, "Settled"),
        (FALSE, "AsDeclared"),
    ),
    "adapter that is not bound": (
        SICK_ADAPTER,
        DittoFSPhase.DEGRADED,
        (TRUE, "Rendered"),
        (TRUE, "Ready"),
        (FALSE, "AdapterUnhealthy"),
        (FALSE, "AdapterUnhealthy"),
        (FALSE, "Settled"),
        (FALSE, "AsDeclared"),
    ),
    "declared shares not loaded": (
        UNLOADED,
        DittoFSPhase.DEGRADED,
        (TRUE, "Rendered"),
        (TRUE, "Ready"),
        (TRUE, "ServerHealthy"),
        (TRUE, "Ready"),
        (FALSE, "Settled"),
        (TRUE, "SharesNotLoaded"),
    ),
    "too many badger stores": (
        MANY_SHARES,
        DittoFSPhase.DEGRADED,
        (TRUE, "Rendered"),
        (TRUE, "Ready"),
        (TRUE, "ServerHealthy"),
        (TRUE, "Ready"),
        (FALSE, "Settled"),
        (TRUE, "TooManyBadgerStores"),
    ),
    "name conflict": (
        CONFLICT,
        DittoFSPhase.FAILED,
        (TRUE, "Rendered"),
        (TRUE, "Ready"),
        (TRUE, "ServerHealthy"),
        (TRUE, "Ready"),
        (FALSE, "Settled"),
        (TRUE, "NameConflict"),
    ),
    "child that could not be written": (
        FAILURE,
        DittoFSPhase.DEGRADED,
        (TRUE, "Rendered"),
        (TRUE, "Ready"),
        (TRUE, "ServerHealthy"),
        (TRUE, "Ready"),
        (FALSE, "Settled"),
        (TRUE, "ApplyFailed"),
    ),
    "children of a deleted namesake": (
        LEFTOVERS,
        DittoFSPhase.PENDING,
        (TRUE, "Rendered"),
        (UNKNOWN, "NotCreated"),
        (UNKNOWN, "NotCreated"),
        (UNKNOWN, "NotCreated"),
        (TRUE, "WaitingForDeletion"),
        (FALSE, "AsDeclared"),
    ),
    "Secret that vanished under a running server": (
        SECRET_VANISHED,
        DittoFSPhase.DEGRADED,
        (FALSE, "JwtSecretInvalid"),
        (TRUE, "Ready"),
        (TRUE, "ServerHealthy"),
        (FALSE, "JwtSecretInvalid"),
        (FALSE, "Settled"),
        (TRUE, "JwtSecretInvalid"),
    ),
    "Secret that was never good": (
        SECRET_NEVER_GOOD,
        DittoFSPhase.FAILED,
        (FALSE, "JwtSecretInvalid"),
        (UNKNOWN, "NotCreated"),
        (UNKNOWN, "NotCreated"),
        (FALSE, "JwtSecretInvalid"),
        (FALSE, "JwtSecretInvalid"),
        (TRUE, "JwtSecretInvalid"),
    ),
    "waiting for its database": (
        replace(NEW, database=DATABASE_AWAITED),
        DittoFSPhase.WAITING_FOR_DATABASE,
        (TRUE, "Rendered"),
        (UNKNOWN, "NotCreated"),
        (UNKNOWN, "NotCreated"),
        (FALSE, "ClusterNotFound"),
        (TRUE, "WaitingForDatabase"),
        (FALSE, "AsDeclared"),
    ),
    "running on a database that can't be looked at": (
        replace(RUNNING, database=DATABASE_AWAITED),
        DittoFSPhase.DEGRADED,
        (TRUE, "Rendered"),
        (TRUE, "Ready"),
        (TRUE, "ServerHealthy"),
        (FALSE, "ClusterNotFound"),
        (FALSE, "Settled"),
        (FALSE, "AsDeclared"),
    ),
    "stopping": (
        STOPPING,
        DittoFSPhase.DEGRADED,
        (TRUE, "Rendered"),
        (FALSE, "Stopping"),
        (FALSE, "Stopped"),
        (FALSE, "Stopping"),
        (TRUE, "Stopping"),
        (FALSE, "AsDeclared"),
    ),
    "held, stopping": (
        HELD_STOPPING,
        DittoFSPhase.MAINTENANCE,
        (TRUE, "Rendered"),
        (FALSE, "Stopping"),
        (FALSE, "HeldByBackup"),
        (FALSE, "Stopping"),
        (TRUE, "HeldByBackup"),
        (FALSE, "AsDeclared"),
    ),
    "held, stopped": (
        HELD_STOPPED,
        DittoFSPhase.MAINTENANCE,
        (TRUE, "Rendered"),
        (TRUE, "Stopped"),
        (FALSE, "HeldByBackup"),
        (FALSE, "HeldByBackup"),
        (TRUE, "HeldByBackup"),
        (FALSE, "AsDeclared"),
    ),
    "held, a pod may come yet": (
        HELD_WHILE_A_POD_COMES,
        DittoFSPhase.MAINTENANCE,
        (TRUE, "Rendered"),
        (FALSE, "Stopping"),
        (FALSE, "HeldByBackup"),
        (FALSE, "Stopping"),
        (TRUE, "HeldByBackup"),
        (FALSE, "AsDeclared"),
    ),
    "held without clients": (
        HELD_WITHOUT_CLIENTS,
        DittoFSPhase.MAINTENANCE,
        (TRUE, "Rendered"),
        (TRUE, "Ready"),
        (FALSE, "HeldByBackup"),
        (FALSE, "HeldByBackup"),
        (TRUE, "HeldByBackup"),
        (FALSE, "AsDeclared"),
    ),
    "held and suspended": (
        replace(HELD_STOPPED, suspended=True),
        DittoFSPhase.SUSPENDED,
        (TRUE, "Rendered"),
        (TRUE, "Stopped"),
        (FALSE, "HeldByBackup"),
        (FALSE, "HeldByBackup"),
        (FALSE, "Suspended"),
        (FALSE, "AsDeclared"),
    ),
    "stopped": (
        STOPPED,
        DittoFSPhase.STOPPED,
        (TRUE, "Rendered"),
        (TRUE, "Stopped"),
        (FALSE, "Stopped"),
        (FALSE, "Stopped"),
        (FALSE, "Settled"),
        (FALSE, "AsDeclared"),
    ),
}


@pytest.mark.parametrize("case", TABLE.values(), ids=TABLE.keys())
def test_each_state_has_its_phase_and_conditions(case: tuple[object, ...]) -> None:
    observed, phase, *expected = case
    assert isinstance(observed, Observed)

    assessment = assess(observed)

    found = [(str(condition.status), str(condition.reason)) for condition in assessment.conditions]
    assert assessment.phase == phase
    assert found == [(TRUE if observed.database.ready else FALSE, observed.database.reason), *expected]


def test_every_condition_is_present_from_the_first_pass() -> None:
    assert [condition.type for condition in assess(NEW).conditions] == list(DittoFSCondition)


def test_every_phase_is_reached_by_the_table() -> None:
    assert {case[1] for case in TABLE.values()} == set(DittoFSPhase)


@pytest.mark.parametrize(
    ("observed", "reachable"),
    [
        (RUNNING, True),
        (CONFLICT, True),
        (UNLOADED, True),
        (SICK_ADAPTER, True),
        (NO_DATABASE, False),
        (SECRET_VANISHED, True),
        (STARTING, False),
        (UNREACHABLE, False),
        (LOCKED_OUT, False),
        (STOPPING, False),
        (STOPPED, False),
    ],
)
def test_shares_can_be_worked_on_when_the_pod_is_ready_and_the_login_works(observed: Observed, reachable: bool) -> None:
    """A3: never the instance's Ready, which would wait for itself."""
    assert api_reachable(observed) is reachable


def test_the_container_s_waiting_reason_is_in_the_message() -> None:
    looping = replace(POD, ready=False, waiting_reason="CrashLoopBackOff", waiting_message="back-off")
    pod = replace(looping, exit_code=1, restarts=4)

    message = assess(replace(NOT_READY, pod=pod))[DittoFSCondition.STATEFUL_SET_READY].message

    assert message == "container of pod demo-0 waits: CrashLoopBackOff: back-off (last exit code 1, 4 restarts)"


def test_at_most_five_unloaded_shares_are_named() -> None:
    message = assess(UNLOADED)[DittoFSCondition.DEGRADED].message

    assert message == "declared shares that the server could not load: /s0, /s1, /s2, /s3, /s4 and 2 more"


def test_several_defects_share_one_condition_under_the_gravest_reason() -> None:
    degraded = assess(replace(UNLOADED, conflicts=("Service demo-nfs",)))[DittoFSCondition.DEGRADED]

    assert degraded.reason == "NameConflict"
    assert "/s0" in degraded.message
    assert "Service demo-nfs" in degraded.message
