"""What the work queue promises about priorities, together with delays, in virtual time."""

from __future__ import annotations

import pytest
from prometheus_client import CollectorRegistry

from informers.metrics import Metrics
from informers.queue_metrics import MAX_PRIORITIES, OVERFLOW
from informers.ratelimit import ItemExponential
from informers.workqueue import Entry, WorkQueue
from tests.support.clock import FakeClock


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock()


@pytest.fixture
def registry() -> CollectorRegistry:
    return CollectorRegistry()


@pytest.fixture
def queue(clock: FakeClock, registry: CollectorRegistry) -> WorkQueue[str]:
    return WorkQueue(clock=clock, limiter=ItemExponential(), metrics=Metrics(registry).queue("demo"))


def taken(queue: WorkQueue[str]) -> Entry[str]:
    entry = queue.get()
    assert entry is not None
    return entry


def take(queue: WorkQueue[str]) -> str:
    return taken(queue).key


def depths(registry: CollectorRegistry) -> dict[str, float]:
    return {
        sample.labels["priority"]: sample.value
        for family in registry.collect()
        for sample in family.samples
        if sample.name == "workqueue_depth"
    }


def test_t23_a_key_in_work_is_passed_over_and_counts_as_waiting(
    queue: WorkQueue[str], registry: CollectorRegistry
) -> None:
    queue.add("foo")
    take(queue)
    queue.add("foo")
    queue.add("bar")

    assert take(queue) == "bar"

    assert depths(registry) == {"0": 1}


def test_t24_a_key_added_while_in_work_comes_in_its_place_once_it_is_done(queue: WorkQueue[str]) -> None:
    queue.add("foo")
    take(queue)
    queue.add("foo")
    queue.add("bar")
    assert take(queue) == "bar"
    queue.add("baz")

    queue.done("foo")

    assert [take(queue), take(queue)] == ["foo", "baz"]


@pytest.mark.parametrize("delayed", [False, True])
def test_t25_the_highest_priority_given_is_kept(queue: WorkQueue[str], clock: FakeClock, delayed: bool) -> None:
    for priority in (1, 2, -7):
        queue.add_after("foo", 5 if delayed else 0, priority=priority)
    clock.advance(5)

    assert taken(queue).priority == 2
    queue.done("foo")
    queue.add("foo")
    assert taken(queue).priority == 0, "it lasts until the key is handed out"


def test_t26_a_key_that_is_raised_goes_behind_those_of_its_priority(queue: WorkQueue[str]) -> None:
    queue.add("foo")
    queue.add("bar", priority=1)

    queue.add("foo", priority=1)

    assert [take(queue), take(queue)] == ["bar", "foo"]


def test_t27_the_shorter_of_two_delays_is_kept_whatever_the_priorities(queue: WorkQueue[str], clock: FakeClock) -> None:
    queue.add_after("foo", 1, priority=3)
    queue.add_after("foo", 0.5)
    assert len(queue) == 0

    clock.advance(0.5)

    assert taken(queue).priority == 3


def test_t28_adding_a_waiting_key_plainly_makes_it_ready_now_and_not_again_later(
    queue: WorkQueue[str], clock: FakeClock
) -> None:
    queue.add_after("a", 3600, cause="after 1 h")

    queue.add("a", cause="changed")

    assert taken(queue) == Entry("a", ("after 1 h", "changed"), 0, 0.0)
    queue.done("a")
    clock.advance(4000)
    assert len(queue) == 0


def test_t29_a_high_priority_that_becomes_due_overtakes_what_is_left_of_the_low(
    queue: WorkQueue[str], clock: FakeClock
) -> None:
    queue.add("low 1", priority=-100)
    queue.add("low 2", priority=-100)
    queue.add_after("high", 1)
    assert take(queue) == "low 1"

    clock.advance(1)

    assert [take(queue), take(queue)] == ["high", "low 2"]


def test_t30_length_and_depth_count_what_is_ready(
    queue: WorkQueue[str], clock: FakeClock, registry: CollectorRegistry
) -> None:
    for _ in range(2):
        for number in range(4):
            queue.add_after(f"{number}", 0 if number < 2 else 5, priority=number)
        assert (len(queue), sum(depths(registry).values())) == (2, 2)
        clock.advance(5)
        assert (len(queue), depths(registry)) == (4, dict.fromkeys("0123", 1))
        for left in (3, 2, 1, 0):
            queue.done(take(queue))
            assert (len(queue), sum(depths(registry).values())) == (left, left)


def test_t31_a_delay_that_passed_and_a_plain_add_count_once(
    queue: WorkQueue[str], clock: FakeClock, registry: CollectorRegistry
) -> None:
    queue.add_after("a", 1)
    clock.advance(2)

    queue.add("a")

    assert (len(queue), depths(registry)) == (1, {"0": 1})
    take(queue)
    assert (len(queue), depths(registry)) == (0, {"0": 0})


def test_t32_back_off_is_counted_per_key(queue: WorkQueue[str], clock: FakeClock, registry: CollectorRegistry) -> None:
    for _ in range(7):
        queue.add_rate_limited("bar")
    clock.advance(1)
    take(queue)
    queue.done("bar")

    delays = {key: queue.add_rate_limited(key) for key in ("foo", "bar")}

    assert delays == pytest.approx({"foo": 0.005, "bar": 0.640})
    retries = registry.get_sample_value("workqueue_retries_total", {"name": "demo", "controller": "demo"})
    assert retries == 7 + 2
    clock.advance(0.005)
    assert take(queue) == "foo"
    assert len(queue) == 0


def test_t36_priorities_beyond_the_limit_share_one_series(queue: WorkQueue[str], registry: CollectorRegistry) -> None:
    for _ in range(5):
        queue.add("again", priority=1)
    for number in range(MAX_PRIORITIES + 10):
        queue.add(f"{number}", priority=number)

    shown = depths(registry)

    assert len(shown) == MAX_PRIORITIES + 1
    assert sum(shown.values()) == len(queue) == MAX_PRIORITIES + 11
    assert shown[OVERFLOW] > 1
    while len(queue):
        queue.done(take(queue))
    assert len(depths(registry)) == MAX_PRIORITIES, "those that had a series keep it, at 0"
    assert set(depths(registry).values()) == {0}
