"""What shares at rest cost their server: one list for all of them in each poll, and an even trickle of deep looks."""

from __future__ import annotations

import heapq
from collections import Counter
from typing import Any

import pytest

from informers.resource import ObjectKey
from informers.result import RequeueAfter
from reconcilers.api.dittofs import DittoFS
from reconcilers.api.share import DittoFSShare
from reconcilers.share.convergence import DEEP_POLL_INTERVAL_S
from reconcilers.share.deep_looks import MAX_CALLS_PER_S, DeepLooks
from reconcilers.share.desired import desired_share
from reconcilers.share.detail_calls import calls_of_look
from tests.support.clock import FakeClock
from tests.support.share_world import INSTANCE, POLL_S, ShareWorld

SHARES = 12
CALLS_PER_LOOK = 4
EVERYTHING = {
    "permissions": [{"group": "users", "level": "read"}],
    "quotas": [{"scope": "user", "id": 1000, "hardSize": "1Gi"}],
    "nfs": {"allowedClients": ["192.0.2.0/24"], "squash": "none"},
    "snapshotPolicy": {"interval": "24h"},
}


class Looks:
    """Looks at shares when the pass before asked for it, as the queue does, in the world's time."""

    def __init__(self, world: ShareWorld) -> None:
        self._world = world
        self._due: list[tuple[float, str, ObjectKey]] = []

    def add(self, key: ObjectKey) -> None:
        heapq.heappush(self._due, (self._world.clock.monotonic(), key.name, key))

    def go_on(self, for_s: float) -> None:
        clock = self._world.clock
        end = clock.monotonic() + for_s
        while self._due[0][0] < end:
            at, name, key = heapq.heappop(self._due)
            clock.advance(max(0.0, at - clock.monotonic()))
            result = self._world.reconciler.reconcile(key)
            assert isinstance(result, RequeueAfter)
            heapq.heappush(self._due, (clock.monotonic() + result.seconds, name, key))
        clock.advance(end - clock.monotonic())


@pytest.fixture
def looks(world: ShareWorld) -> Looks:
    """Of shares that were made one after the other over a poll interval."""
    made = Looks(world)
    for number in range(SHARES):
        key = world.put_share(f"s{number}")
        world.settle(key)
        made.add(key)
        made.go_on(POLL_S / SHARES)
    return made


def test_all_shares_of_an_instance_cost_one_list_in_each_poll(world: ShareWorld, looks: Looks) -> None:
    """However their looks were spread when they were made."""
    looks.go_on(POLL_S)
    world.calls.clear()
    writes = len(world.objects.writes)

    looks.go_on(10 * POLL_S)

    calls = Counter(f"{call.method} {call.path}" for call in world.calls)
    assert abs(calls["GET /api/v1/shares"] - 10) <= 1
    assert len(world.objects.writes) == writes
    assert {call.method for call in world.calls if not call.path.startswith("/api/v1/auth")} == {"GET"}


def test_what_somebody_changes_in_any_share_is_set_right_within_one_poll(world: ShareWorld, looks: Looks) -> None:
    looks.go_on(POLL_S * 1.3)
    for number in range(SHARES):
        world.hand.update_share(f"/s{number}", fields={"read_only": True})

    looks.go_on(POLL_S + 1)

    assert [share.name for share in world.hand.shares() if share.read_only] == []


def test_a_further_share_of_an_instance_is_made_in_nine_calls(world: ShareWorld) -> None:
    """Its store and the one of all, the share, its quota and reading back; then what an earlier one may have left."""
    world.settle(world.put_share("first"))
    key = world.put_share("second", path="/a/b")
    world.reconciler.reconcile(key)
    world.calls.clear()

    world.settle(key)

    assert [f"{call.method} {call.path.removeprefix('/api/v1/')}" for call in world.calls] == [
        "GET store/metadata/op-a%252Fb",
        "GET store/block/local/op-payload",
        "POST store/metadata",
        "POST shares",
        "GET shares/a%2Fb",
        "GET shares/a%2Fb/adapters/nfs/config",
        "GET shares/a%2Fb/permissions",
        "GET shares/a%2Fb/quotas",
        "GET shares/a%2Fb/snapshot-policy",
    ]
    assert world.status(key)["stores"] == {"metadata": "op-a%2Fb", "local": "op-payload", "remote": ""}


def test_after_a_restart_the_shares_cost_one_list_and_no_call_of_their_own(world: ShareWorld) -> None:
    keys = [world.put_share(f"s{number}", **EVERYTHING) for number in range(SHARES)]
    for key in keys:
        world.settle(key)
    world.restarted()
    world.calls.clear()

    for key in keys:
        world.reconciler.reconcile(key)

    assert [f"{call.method} {call.path}" for call in world.calls] == ["GET /api/v1/shares"]


@pytest.mark.parametrize("spec", [{}, EVERYTHING], ids=["nothing", "everything"])
def test_a_deep_look_takes_as_many_calls_as_its_rate_counts_with(world: ShareWorld, spec: dict[str, Any]) -> None:
    key = world.put_share(**spec)
    world.settle(key)
    world.calls.clear()

    world.clock.advance(DEEP_POLL_INTERVAL_S)
    world.reconciler.reconcile(key)

    view, instance = world.objects.shares.get(key), world.objects.instances.get(INSTANCE)
    assert view is not None
    assert instance is not None
    desired = desired_share(DittoFSShare.from_view(view), DittoFS.from_view(instance))
    calls = [call for call in world.calls if call.path not in ("/api/v1/shares", "/api/v1/auth/refresh")]
    assert {call.method for call in calls} == {"GET"}
    assert len(calls) == calls_of_look(desired.details)


def looks_by_second(shares: int, *, interval_s: float, for_s: int) -> tuple[Counter[int], Counter[ObjectKey]]:
    """How many of `shares` looked in each second and how often each share did, as the queue would wake them."""
    clock = FakeClock()
    start = clock.monotonic()
    looks, seconds, times = DeepLooks(clock=clock, interval_s=interval_s), Counter[int](), Counter[ObjectKey]()
    keys = [ObjectKey("default", f"share-{number}") for number in range(shares)]
    due = [(start + looks.due_in_s(key), number) for number, key in enumerate(keys)]
    heapq.heapify(due)
    while (at := due[0][0]) < start + for_s:
        number = heapq.heappop(due)[1]
        clock.advance(max(0.0, at - clock.monotonic()))
        if looks.begin(keys[number], INSTANCE, calls=CALLS_PER_LOOK):
            seconds[int(clock.monotonic() - start)] += 1
            times[keys[number]] += 1
            looks.done(keys[number])
        heapq.heappush(due, (clock.monotonic() + looks.due_in_s(keys[number]), number))
    return seconds, times


def test_deep_looks_are_spread_evenly_over_their_interval() -> None:
    seconds, times = looks_by_second(300, interval_s=300, for_s=600)

    assert max(seconds.values()) <= MAX_CALLS_PER_S / CALLS_PER_LOOK + 1
    assert set(times.values()) <= {1, 2, 3}
    assert len(times) == 300
    # Nobody is left idle for long while others come in a heap.
    assert len(seconds) > 600 / 3


def test_a_server_with_more_shares_than_fit_is_asked_at_the_bounded_rate_and_each_share_has_its_turn() -> None:
    seconds, times = looks_by_second(1500, interval_s=60, for_s=1300)

    assert max(seconds.values()) <= MAX_CALLS_PER_S / CALLS_PER_LOOK + 1
    assert sum(seconds.values()) * CALLS_PER_LOOK / 1300 <= MAX_CALLS_PER_S
    assert len(times) == 1500
    assert max(times.values()) - min(times.values()) <= 1
