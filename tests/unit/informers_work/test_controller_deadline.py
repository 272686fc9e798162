"""The time that a pass may take."""

from __future__ import annotations

import threading
from collections.abc import Callable

import pytest

from informers import deadline
from informers.errors import DeadlineExceeded
from informers.resource import ObjectKey
from informers.result import Backoff, Done, Result
from tests.support.clock import FakeClock
from tests.support.controller_world import FakeSource, Script, World, thing

TIMEOUT_S = 5.0

Step = Callable[[FakeClock], Result]


def request(clock: FakeClock, seconds: float) -> None:
    """What the client does: nothing after the deadline, and no longer than until it."""
    left_s = deadline.left_s()
    if left_s is None:
        clock.advance(seconds)
        return
    if left_s <= 0:
        raise DeadlineExceeded("not sent")
    clock.advance(min(seconds, left_s))


def in_time(clock: FakeClock) -> Result:
    request(clock, TIMEOUT_S - 1)
    return Done()


def too_late(clock: FakeClock) -> Result:
    for _ in range(3):
        request(clock, TIMEOUT_S)
    return Done()


def told(clock: FakeClock) -> Result:
    try:
        return too_late(clock)
    except DeadlineExceeded:
        return Backoff("out of time")


def own_shorter_limit(clock: FakeClock) -> Result:
    with deadline.within(1, clock=clock):
        return too_late(clock)


@pytest.mark.parametrize(
    ("step", "timeout_s", "timeouts", "failures"),
    [
        (too_late, TIMEOUT_S, 1, 1),
        (told, TIMEOUT_S, 1, 1),
        (own_shorter_limit, TIMEOUT_S, 0, 1),
        (in_time, TIMEOUT_S, 0, 0),
        (too_late, None, 0, 0),
    ],
    ids=["over", "over and told", "a shorter one of the reconciler", "in time", "none"],
)
def test_t102_a_timeout_counts_when_the_limit_of_the_pass_was_reached_and_backs_off(
    step: Step, timeout_s: float | None, timeouts: int, failures: int
) -> None:
    script = Script(lambda _: step(world.clock))
    world = World(script, FakeSource(thing("a")), timeout_s=timeout_s)
    world.controller.start()
    script.wait_for_passes(1)
    world.idle()

    assert world.metric("runtime_reconcile_timeouts_total") == timeouts
    assert world.metric("runtime_reconcile_panics_total") == 0
    assert world.failures() == failures
    assert world.lines("reconcile raised") == [], "it is no bug, so there is no traceback"


def test_t102_every_timeout_counts_and_the_next_pass_has_its_whole_time_again() -> None:
    left: list[float | None] = []

    def reconcile(_: ObjectKey) -> Result:
        left.append(deadline.left_s())
        return too_late(world.clock)

    script = Script(*[reconcile] * 3)
    world = World(script, FakeSource(thing("a")), timeout_s=TIMEOUT_S)
    world.controller.start()
    for delay in (1, 2, 0):
        script.wait_for_passes(1)
        world.idle()
        world.clock.advance(delay)

    assert left == [TIMEOUT_S] * 3
    assert world.metric("runtime_reconcile_timeouts_total") == 3


def test_t102_a_stop_is_no_timeout() -> None:
    script = Script()
    script.blocked = threading.Event()
    world = World(script, FakeSource(thing("a")), timeout_s=TIMEOUT_S)
    world.controller.start()
    script.wait_for_passes(1)
    stopping = threading.Thread(target=world.controller.stop, args=(1,), daemon=True)
    stopping.start()
    world.clock.until_waiting(condition=world.controller._changed)
    script.blocked.set()
    stopping.join(10)

    assert world.metric("runtime_reconcile_timeouts_total") == 0


def test_a_deadline_within_another_never_reaches_beyond_it_and_ends_with_its_block() -> None:
    clock = FakeClock()
    assert deadline.left_s() is None
    with deadline.within(2, clock=clock):
        with deadline.within(10, clock=clock):
            assert deadline.left_s() == 2
        with deadline.within(1, clock=clock):
            clock.advance(1.5)
            assert deadline.left_s() == -0.5
        assert deadline.left_s() == 0.5
    assert deadline.left_s() is None
