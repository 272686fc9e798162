"""A group of keys gets a bounded part of the workers, and what waits for its turn is neither lost nor out of order."""

from __future__ import annotations

import random
import threading

import pytest

from informers.clock import SystemClock
from informers.groups import Grouping
from informers.ratelimit import ItemExponential
from informers.workqueue import LOW_PRIORITY, WorkQueue
from tests.support.clock import FakeClock


def group_of(key: str) -> str | None:
    """The word before the hyphen; none without one."""
    group, hyphen, _ = key.partition("-")
    return group if hyphen else None


@pytest.fixture
def queue() -> WorkQueue[str]:
    return WorkQueue(clock=FakeClock(), limiter=ItemExponential(base_s=0.001), grouping=Grouping(of=group_of, limit=2))


def take(queue: WorkQueue[str]) -> str:
    entry = queue.get()
    assert entry is not None
    return entry.key


def test_a_group_at_its_limit_lets_others_pass(queue: WorkQueue[str]) -> None:
    for key in ("a-1", "a-2", "a-3", "a-4", "b-1", "none"):
        queue.add(key)

    assert [take(queue) for _ in range(4)] == ["a-1", "a-2", "b-1", "none"]
    assert len(queue) == 2

    queue.done("a-2")
    assert take(queue) == "a-3"
    queue.done("b-1")
    queue.done("a-1")
    assert take(queue) == "a-4"
    assert len(queue) == 0


def test_of_those_that_wait_in_a_group_the_most_urgent_comes_first(queue: WorkQueue[str]) -> None:
    for key in ("a-1", "a-2"):
        queue.add(key)
    assert [take(queue), take(queue)] == ["a-1", "a-2"]
    for key in ("a-3", "a-4", "a-5"):
        queue.add(key, priority=LOW_PRIORITY)
    queue.add("b-1")
    assert take(queue) == "b-1"  # the three others of "a" were passed over
    queue.add("a-5")

    queue.done("a-1")
    assert take(queue) == "a-5"
    queue.done("a-5")
    assert take(queue) == "a-3"
    queue.done("a-2")
    queue.done("a-3")
    assert take(queue) == "a-4"
    queue.done("a-4")
    queue.shut_down()
    assert queue.get() is None


def test_after_a_shut_down_all_that_is_ready_is_handed_out_and_nobody_waits_for_others(queue: WorkQueue[str]) -> None:
    """A worker that stops is not done with what it was handed last."""
    for key in ("a-1", "a-2", "a-3", "a-4"):
        queue.add(key)
    queue.add("b-1")
    assert [take(queue), take(queue), take(queue)] == ["a-1", "a-2", "b-1"]

    queue.shut_down()

    assert [take(queue), take(queue)] == ["a-3", "a-4"]
    assert queue.get() is None


def test_no_key_is_lost_and_no_group_exceeds_its_limit() -> None:
    queue: WorkQueue[str] = WorkQueue(clock=SystemClock(), grouping=Grouping(of=group_of, limit=2))
    lock, in_work, handled, exceeded = threading.Lock(), list[str](), set[str](), list[str]()

    def work() -> None:
        while (entry := queue.get()) is not None:
            group = group_of(entry.key) or ""
            with lock:
                in_work.append(group)
                handled.add(entry.key)
                if in_work.count(group) > 2:
                    exceeded.append(group)
            with lock:
                in_work.remove(group)
            queue.done(entry.key)

    workers = [threading.Thread(target=work, daemon=True) for _ in range(6)]
    for worker in workers:
        worker.start()
    keys = [f"{group}-{number}" for group in "abc" for number in range(200)]
    chance = random.Random(4)
    chance.shuffle(keys)
    for key in keys:
        queue.add(key, priority=chance.choice((0, LOW_PRIORITY)))
        queue.add(key)
    assert queue.shut_down_with_drain(timeout_s=20)
    for worker in workers:
        worker.join(10)

    assert handled == set(keys)
    assert exceeded == []
