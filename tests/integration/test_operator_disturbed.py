"""Two operators while one of them, the API server or etcd is disturbed: never two writers, and nothing missed.

Who wrote when is read from the audit log of a kube-apiserver, which knows the two by their tokens.
"""

from __future__ import annotations

import contextlib
import itertools
import signal
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest

from hack.localcluster.resources import NAMESPACE
from informers.errors import NotFound
from reconcilers.api.resources import CONFIG_MAP, DITTOFS, SERVICE, STATEFUL_SET
from tests.support.acceptance import World
from tests.support.audited_plane import AuditedPlane, Call, audited_plane, writes_without_lease
from tests.support.eventually import eventually
from tests.support.operator_process import OperatorProcess, may_lead_in, operator_process
from tests.support.place import Place, PlaceName

pytestmark = [
    pytest.mark.integration,
    pytest.mark.places("controlplane", reason="it kills an API server, compacts etcd and reads an audit log"),
    pytest.mark.timeout(180),
]

LEASE_S, RETRY_S = 3.0, 0.5
SHORT = (f"--lease-duration={LEASE_S:g}s", "--renew-deadline=2s", "--retry-period=500ms")
#: Without a hint a follower would look for a free Lease every ten to 22 seconds.
RARE = ("--lease-duration=60s", "--renew-deadline=40s", "--retry-period=10s")
#: What two busy cores may add to a time.
NOISE_S = 1.5
PATIENCE_S = 60.0

_numbers = itertools.count()


@pytest.fixture(scope="module")
def plane(tmp_path_factory: pytest.TempPathFactory) -> Iterator[AuditedPlane]:
    with audited_plane(tmp_path_factory.mktemp("audited")) as made:
        yield made


class Pair:
    """Two operators, "one" and "other", with a Lease of their own in the namespace that `world` shows."""

    def __init__(
        self, plane: AuditedPlane, directory: Path, stack: contextlib.ExitStack, flags: tuple[str, ...]
    ) -> None:
        name = f"disturbed-{next(_numbers)}"
        self.world = World(plane.client, name)
        manifest = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}}
        plane.client.create(NAMESPACE, manifest, field_manager="tests")
        kubeconfig = plane.plane.kubeconfig
        may_lead_in(name, Place(PlaceName.CONTROL_PLANE, kubeconfig, kubeconfig, None), plane.client)
        self._plane = plane
        self._names = {}
        for which in ("one", "other"):
            identity = f"{name}-{which}"
            run = operator_process(
                plane.kubeconfig_of(identity), directory / f"{which}.log", lease_namespace=name, flags=flags
            )
            self._names[stack.enter_context(run)] = identity
        for process in self._names:
            process.until_ready()
        eventually(lambda: any(process.leads() for process in self._names), PATIENCE_S, what="a leader")
        self.leader, self.follower = sorted(self._names, key=lambda process: not process.leads())

    def second_writers(self) -> list[Call]:
        return writes_without_lease(self._plane.calls(*self._names.values()))

    def is_gone(self, name: str) -> bool:
        try:
            self.world.get(DITTOFS, name)
        except NotFound:
            return True
        return False

    def writes_of(self, process: OperatorProcess) -> int:
        return sum(call.writes for call in self._plane.calls(self._names[process]))

    def make(self, *names: str) -> None:
        for name in names:
            self.world.instance(name)

    def until_done(self, *names: str) -> None:
        """Wait until each instance has its children, up to the last, and a status."""
        for name in names:
            eventually(lambda name=name: self._is_done(name), PATIENCE_S, what=f"all about {name}")

    def _is_done(self, name: str) -> bool:
        children = ((CONFIG_MAP, f"{name}-dittofs-config"), (SERVICE, f"{name}-nfs"), (STATEFUL_SET, name))
        return all(self.world.get(*child) for child in children) and "status" in self.world.get(DITTOFS, name)


Start = Callable[..., Pair]


@pytest.fixture
def start(plane: AuditedPlane, tmp_path: Path) -> Iterator[Start]:
    """Starts two operators with the given flags; one leads then."""
    with contextlib.ExitStack() as stack:
        yield lambda *flags: Pair(plane, tmp_path, stack, flags)


def when(process: OperatorProcess, event: str) -> datetime:
    """The time of the last log line `event`."""
    times = [line["timestamp"] for line in process.log_lines() if line["event"] == event]
    assert times, f"no {event!r} in {process.log_tail()}"
    return datetime.fromisoformat(times[-1])


def says(process: OperatorProcess, event: str) -> bool:
    return any(line["event"] == event for line in process.log_lines())


def too_old(process: OperatorProcess) -> set[str]:
    """The types whose watch the server refused, since the version to go on from is forgotten."""
    ended = (line for line in process.log_lines() if line.get("ending") == "our version is too old")
    return {str(line["resource"]).partition(".")[0] for line in ended}


def seconds_to_lead(process: OperatorProcess, since: datetime) -> float:
    """How long after `since` the process began to lead; waits until it does."""
    eventually(lambda: says(process, "became leader"), PATIENCE_S, what="a follower that leads")
    return (when(process, "became leader") - since).total_seconds()


def test_a_leader_asked_to_stop_hands_over_in_less_than_half_a_second_whatever_the_retry_period(start: Start) -> None:
    pair = start(*RARE)
    pair.make("a", "b")
    pair.until_done("a", "b")

    pair.leader.signal(signal.SIGTERM)

    assert pair.leader.wait() == 0
    assert seconds_to_lead(pair.follower, when(pair.leader, "lease released")) < 0.5 + NOISE_S
    pair.make("c")
    pair.until_done("c")
    assert pair.second_writers() == []


def test_a_killed_leader_is_followed_within_its_lease_and_a_second(start: Start) -> None:
    pair = start(*SHORT)
    pair.make("a")
    pair.until_done("a")
    pair.make("b")

    killed_at = datetime.now(UTC)
    pair.leader.signal(signal.SIGKILL)

    # The last renewal may have been a retry period before the end.
    assert LEASE_S - RETRY_S - 0.5 < seconds_to_lead(pair.follower, killed_at) < LEASE_S + 1 + NOISE_S
    pair.make("c")
    pair.until_done("b", "c")
    assert pair.second_writers() == []


def test_tc_a_leader_paused_for_longer_than_its_lease_writes_nothing_when_it_wakes_and_follows(start: Start) -> None:
    """It is paused in the middle of its work, so each of its workers has a next write at hand."""
    pair = start(*SHORT)
    names = [f"i{number}" for number in range(12)]
    pair.make(*names)
    eventually(lambda: pair.writes_of(pair.leader) > 10, PATIENCE_S, what="a leader at work")

    pair.leader.signal(signal.SIGSTOP)
    paused_at = datetime.now(UTC)
    assert seconds_to_lead(pair.follower, paused_at) < LEASE_S + 1 + NOISE_S
    pair.until_done(*names)
    written = pair.writes_of(pair.leader)
    assert written < pair.writes_of(pair.follower), "the leader had too little left to do"
    pair.leader.signal(signal.SIGCONT)

    eventually(lambda: says(pair.leader, "stopped leading"), PATIENCE_S, what="a former leader that knows")
    eventually(lambda: "does not hold the lease" in pair.leader.log.read_text(), PATIENCE_S, what="a refused write")
    pair.make("later")
    pair.until_done("later")
    assert pair.leader.health("/readyz")[0] == 200
    assert not pair.leader.leads()
    assert pair.writes_of(pair.leader) == written
    assert pair.second_writers() == []


def test_a_restart_of_the_api_server_costs_no_restart_of_an_operator_and_no_change(
    plane: AuditedPlane, start: Start
) -> None:
    pair = start(*SHORT)
    pair.make("a")
    pair.until_done("a")

    plane.plane.kill_api_server()
    eventually(lambda: says(pair.leader, "stopped leading"), PATIENCE_S, what="a leader that can't renew")
    plane.plane.restart_api_server()
    pair.make("b")
    pair.world.delete(SERVICE, "a-nfs")

    pair.until_done("a", "b")
    assert [process.process.poll() for process in (pair.leader, pair.follower)] == [None, None]
    assert pair.second_writers() == []


def test_what_changed_before_a_compaction_is_found_by_a_new_list_when_the_operators_come_back(
    plane: AuditedPlane, start: Start
) -> None:
    """Both are stopped and their connections cut, so that they come back with versions that etcd has forgotten."""
    pair = start(*SHORT)
    pair.make("kept", "gone")
    pair.until_done("kept", "gone")
    both = (pair.leader, pair.follower)
    for process in both:
        process.signal(signal.SIGSTOP)
    plane.plane.restart_api_server()
    pair.make("made")
    pair.world.delete(SERVICE, "kept-nfs")
    pair.world.delete(DITTOFS, "gone")
    plane.plane.compact()

    for process in both:
        process.signal(signal.SIGCONT)

    pair.until_done("made", "kept")
    eventually(lambda: pair.is_gone("gone"), PATIENCE_S, what="the end of the deleted one")
    for process in both:
        eventually(lambda process=process: too_old(process) >= {"dittofs", "services"}, PATIENCE_S, what="new lists")
    assert [process.process.poll() for process in both] == [None, None]
    assert pair.second_writers() == []
