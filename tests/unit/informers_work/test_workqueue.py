"""What the work queue promises about keys, delays, retries and its end, in virtual time."""

from __future__ import annotations

import gc
import threading
import weakref
from collections.abc import Callable, Hashable

import pytest
from prometheus_client import CollectorRegistry

from informers.clock import SystemClock
from informers.metrics import Metrics
from informers.ratelimit import ItemExponential
from informers.workqueue import Entry, WorkQueue
from tests.support.clock import FakeClock


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock()


@pytest.fixture
def queue(clock: FakeClock) -> WorkQueue[str]:
    return WorkQueue(clock=clock, limiter=ItemExponential(base_s=0.001))


def take(queue: WorkQueue[str]) -> str:
    entry = queue.get()
    assert entry is not None
    return entry.key


def in_thread(work: Callable[[], object]) -> threading.Thread:
    thread = threading.Thread(target=work, daemon=True)
    thread.start()
    return thread


def joined(thread: threading.Thread) -> None:
    thread.join(10)
    assert not thread.is_alive()


def test_t1_no_key_is_lost_and_none_is_in_two_hands_at_once() -> None:
    queue: WorkQueue[int] = WorkQueue(clock=SystemClock())
    in_work: set[int] = set()
    handled: set[int] = set()
    doubled: list[int] = []

    def consume() -> None:
        while (entry := queue.get()) is not None:
            if entry.key in in_work:
                doubled.append(entry.key)
            in_work.add(entry.key)
            handled.add(entry.key)
            in_work.discard(entry.key)
            queue.done(entry.key)

    def produce() -> None:
        for key in range(200):
            queue.add(key % 50)

    consumers = [in_thread(consume) for _ in range(4)]
    producers = [in_thread(produce) for _ in range(4)]
    for thread in producers:
        joined(thread)
    queue.shut_down()
    for thread in consumers:
        joined(thread)

    assert handled == set(range(50))
    assert doubled == []


def test_t2_a_queue_that_is_shut_down_takes_nothing(queue: WorkQueue[str]) -> None:
    queue.shut_down()

    queue.add("a")
    queue.add_after("b", 0)
    queue.add_rate_limited("c")

    assert len(queue) == 0
    assert queue.get() is None


def test_t3_a_key_added_while_in_work_is_handed_out_once_more_and_only_after_done(
    queue: WorkQueue[str], clock: FakeClock
) -> None:
    queue.add("a")
    assert take(queue) == "a"
    queue.add("a")
    got: list[Entry[str] | None] = []
    other = in_thread(lambda: got.append(queue.get()))
    clock.until_waiting()
    assert got == []

    queue.done("a")
    joined(other)

    assert [entry and entry.key for entry in got] == ["a"]
    queue.done("a")
    assert len(queue) == 0


def test_t4_a_key_added_many_times_is_queued_once(queue: WorkQueue[str]) -> None:
    for _ in range(10):
        queue.add("a")

    assert len(queue) == 1
    assert take(queue) == "a"
    assert len(queue) == 0


def test_t5_any_number_of_adds_during_work_mean_one_more_pass(queue: WorkQueue[str]) -> None:
    queue.add("a")
    take(queue)
    for _ in range(10):
        queue.add("a")
    assert len(queue) == 1

    queue.done("a")

    assert len(queue) == 1
    take(queue)
    queue.done("a")
    assert len(queue) == 0


def test_t6_a_drain_returns_only_after_all_work_is_done(queue: WorkQueue[str], clock: FakeClock) -> None:
    queue.add("a")
    queue.add("b")
    queue.add_after("dropped", 60)
    take(queue), take(queue)
    results: list[bool] = []
    drain = in_thread(lambda: results.append(queue.shut_down_with_drain()))
    clock.until_waiting()

    queue.done("a")
    assert results == []
    queue.done("b")
    joined(drain)

    assert results == [True]


def test_t7_a_plain_shut_down_waits_for_nothing(queue: WorkQueue[str]) -> None:
    queue.add("a")
    take(queue)

    queue.shut_down()

    assert queue.get() is None


def test_t8_a_plain_shut_down_ends_a_drain(queue: WorkQueue[str], clock: FakeClock) -> None:
    queue.add("a")
    take(queue)
    results: list[bool] = []
    drain = in_thread(lambda: results.append(queue.shut_down_with_drain()))
    clock.until_waiting()

    queue.shut_down()
    joined(drain)

    assert results == [False]


def test_t9_a_drain_hands_out_what_was_added_during_its_last_pass(queue: WorkQueue[str], clock: FakeClock) -> None:
    queue.add("a")
    take(queue)
    queue.add("a")
    results: list[bool] = []
    drain = in_thread(lambda: results.append(queue.shut_down_with_drain()))
    clock.until_waiting()

    queue.done("a")
    assert take(queue) == "a"
    queue.done("a")
    joined(drain)

    assert results == [True]
    assert queue.get() is None


def test_a_drain_gives_up_after_its_timeout(queue: WorkQueue[str], clock: FakeClock) -> None:
    queue.add("a")
    take(queue)
    results: list[bool] = []
    drain = in_thread(lambda: results.append(queue.shut_down_with_drain(5)))
    clock.until_waiting()

    clock.advance(5)
    joined(drain)

    assert results == [False]


def test_t10_a_key_that_is_done_is_not_held_any_more(clock: FakeClock) -> None:
    class Key:
        pass

    queue: WorkQueue[Key] = WorkQueue(clock=clock)
    key = Key()
    reference = weakref.ref(key)
    queue.add_after(key, 10, cause="soon", priority=-5)
    queue.add(key, priority=-4)
    queue.add(key)
    assert queue.get() is not None
    queue.done(key)
    clock.advance(20)
    queue.add(Key())
    assert queue.get() is not None
    assert len(queue) == 0

    del key
    gc.collect()

    assert reference() is None


def test_t11_a_delayed_key_appears_when_its_time_has_come_and_only_once(
    queue: WorkQueue[str], clock: FakeClock
) -> None:
    queue.add_after("a", 0.05)
    clock.advance(0.04)
    assert len(queue) == 0

    clock.advance(0.02)
    assert take(queue) == "a"
    queue.done("a")

    clock.advance(60)
    assert len(queue) == 0


def test_t11_a_blocked_get_wakes_when_a_delayed_key_is_due(queue: WorkQueue[str], clock: FakeClock) -> None:
    got: list[Entry[str] | None] = []
    worker = in_thread(lambda: got.append(queue.get()))
    clock.until_waiting()
    queue.add_after("a", 3)
    clock.until_waiting()

    clock.advance(3)
    joined(worker)

    assert [entry and entry.key for entry in got] == ["a"]


@pytest.mark.parametrize(("second", "due"), [(0.07, 0.05), (0.03, 0.03)])
def test_t12_the_earlier_of_two_delays_wins(queue: WorkQueue[str], clock: FakeClock, second: float, due: float) -> None:
    queue.add_after("a", 0.05)
    queue.add_after("a", second)

    clock.advance(due - 0.001)
    assert len(queue) == 0
    clock.advance(0.002)
    assert take(queue) == "a"
    queue.done("a")

    clock.advance(1)
    assert len(queue) == 0


def test_t13_delayed_keys_come_in_the_order_of_their_times(queue: WorkQueue[str], clock: FakeClock) -> None:
    queue.add_after("first", 1)
    queue.add_after("second", 0.05)
    clock.advance(0.06)
    assert take(queue) == "second"
    queue.add_after("third", 2)

    clock.advance(1)
    assert take(queue) == "first"
    assert len(queue) == 0
    clock.advance(2)
    assert take(queue) == "third"


def test_t14_keys_that_became_due_together_come_shortest_delay_first(queue: WorkQueue[str], clock: FakeClock) -> None:
    for key, seconds in (("1 s", 1), ("0.5 s", 0.5), ("0.25 s", 0.25)):
        queue.add_after(key, seconds)

    clock.advance(2)

    assert [take(queue) for _ in range(3)] == ["0.25 s", "0.5 s", "1 s"]


def test_t20_a_rate_limited_key_waits_longer_each_time_until_it_is_forgotten(
    queue: WorkQueue[str], clock: FakeClock
) -> None:
    assert [queue.add_rate_limited("a") for _ in range(2)] == pytest.approx([0.001, 0.002])
    assert [queue.add_rate_limited("b") for _ in range(2)] == pytest.approx([0.001, 0.002])
    assert queue.failures("a") == 2

    queue.forget("a")

    assert (queue.failures("a"), queue.failures("b")) == (0, 2)
    assert queue.add_rate_limited("a") == pytest.approx(0.001)
    clock.advance(0.001)
    assert len(queue) == 2, "forget must not remove what is scheduled"


def test_t21_metrics_follow_the_clock_and_count_collapsed_adds_once(clock: FakeClock) -> None:
    registry = CollectorRegistry()
    queue: WorkQueue[str] = WorkQueue(clock=clock, metrics=Metrics(registry).queue("demo"))

    def value(name: str, **labels: str) -> float | None:
        return registry.get_sample_value(name, {"name": "demo", "controller": "demo", **labels})

    queue.add("a")
    assert (value("workqueue_adds_total"), value("workqueue_depth", priority="0")) == (1, 1)
    clock.advance(0.05)
    take(queue)
    assert value("workqueue_queue_duration_seconds_sum") == pytest.approx(0.05)
    for _ in range(5):
        queue.add("a")
    clock.advance(0.025)
    assert value("workqueue_unfinished_work_seconds") == pytest.approx(0.025)
    assert value("workqueue_longest_running_processor_seconds") == pytest.approx(0.025)
    queue.done("a")
    assert value("workqueue_work_duration_seconds_sum") == pytest.approx(0.025)
    take(queue)
    queue.done("a")

    assert value("workqueue_adds_total") == 2
    assert value("workqueue_queue_duration_seconds_sum") == pytest.approx(0.075)
    assert value("workqueue_unfinished_work_seconds") == 0
    assert value("workqueue_longest_running_processor_seconds") == 0
    assert value("workqueue_retries_total") == 0
    queue.add_rate_limited("a")
    assert value("workqueue_retries_total") == 1


def test_t33_shut_down_releases_every_blocked_get_and_drops_what_waits_for_its_time(
    queue: WorkQueue[str], clock: FakeClock
) -> None:
    queue.add_after("later", 1)
    got: list[Entry[str] | None] = []
    threads = [in_thread(lambda: got.append(queue.get())) for _ in range(3)]
    clock.until_waiting(3)

    queue.shut_down()
    for thread in threads:
        joined(thread)

    assert got == [None, None, None]


def test_t19_a_delay_is_never_longer_than_what_the_adder_allows(clock: FakeClock) -> None:
    class Steep(ItemExponential):
        def delay(self, key: Hashable) -> float:
            super().delay(key)
            return 0.005 if self.failures(key) <= 100 else 1000.0

    queue: WorkQueue[str] = WorkQueue(clock=clock, limiter=Steep())

    delays = [queue.add_rate_limited("a", at_most_s=500) for _ in range(200)]

    assert delays == [0.005] * 100 + [500] * 100


def test_t22_the_gauges_of_a_queue_that_is_shut_down_and_idle_stay_at_zero(clock: FakeClock) -> None:
    registry = CollectorRegistry()
    queue: WorkQueue[str] = WorkQueue(clock=clock, metrics=Metrics(registry).queue("demo"))
    queue.add("a")
    queue.add_after("b", 1)
    take(queue)
    threads = threading.active_count()
    queue.shut_down()
    queue.done("a")

    clock.advance(600)

    labels = {"name": "demo", "controller": "demo"}
    for gauge in ("unfinished_work_seconds", "longest_running_processor_seconds"):
        assert registry.get_sample_value(f"workqueue_{gauge}", labels) == 0
    assert registry.get_sample_value("workqueue_depth", {**labels, "priority": "0"}) == 0
    assert threading.active_count() == threads, "nothing that could update them runs"


def test_what_is_deferred_comes_again_as_it_was_at_its_time_or_when_added(
    queue: WorkQueue[str], clock: FakeClock
) -> None:
    for wake in (lambda: clock.advance(1), lambda: queue.add("a", priority=-100)):
        queue.add("a", cause="changed", priority=7)
        entry = queue.get()
        assert entry is not None
        queue.defer(entry, 1)
        queue.done("a")
        assert len(queue) == 0

        wake()

        again = queue.get()
        assert again is not None
        assert (again.causes, again.priority) == (("changed",), 7)
        queue.done("a")


def test_two_waiting_workers_take_two_keys_that_become_due_one_after_the_other(
    queue: WorkQueue[str], clock: FakeClock
) -> None:
    """The worker that wakes for the first key must not leave the other asleep past the time of the second."""
    got: list[str] = []
    threads = [in_thread(lambda: got.append(take(queue))) for _ in range(2)]
    clock.until_waiting(2)
    queue.add_after("first", 1)
    queue.add_after("second", 2)

    clock.advance(1)
    while len(got) < 1:
        clock.until_waiting(1)
    clock.until_waiting(1)
    clock.advance(1)
    for thread in threads:
        joined(thread)

    assert got == ["first", "second"]


def test_re_adding_a_waiting_key_for_ever_does_not_grow_the_queue(queue: WorkQueue[str]) -> None:
    for _ in range(5000):
        queue.add_after("a", 1000)
        queue.add("a")
        queue.done(take(queue))

    assert len(queue._due_heap) < 100


def test_raising_keys_behind_a_steady_stream_does_not_grow_the_queue(queue: WorkQueue[str]) -> None:
    for number in range(5000):
        queue.add("urgent", priority=1)
        queue.add("a", priority=-100)
        queue.add("a", priority=2)
        assert take(queue) == "a", number
        queue.done("a")

    assert len(queue._ready_heap) < 100
