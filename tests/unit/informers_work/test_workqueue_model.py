"""The work queue against a simple model of it, and under many threads."""

from __future__ import annotations

import random
import threading
from collections.abc import Callable
from dataclasses import dataclass

import pytest

from informers.clock import SystemClock
from informers.ratelimit import ItemExponential
from informers.workqueue import WorkQueue
from tests.support.clock import FakeClock

LIMIT_S = 20


def in_thread(work: Callable[[], object]) -> threading.Thread:
    thread = threading.Thread(target=work, daemon=True)
    thread.start()
    return thread


def joined(thread: threading.Thread) -> None:
    thread.join(LIMIT_S)
    assert not thread.is_alive()


@dataclass
class Wanted:
    """What the model knows of one key: from when it has to be handed out, how urgently, and behind which others."""

    at: float
    priority: int
    #: None while it is not ready.
    place: int | None = None


class Model:
    def __init__(self) -> None:
        self.wanted: dict[int, Wanted] = {}
        self.in_work: set[int] = set()
        self._places = 0

    def add(self, key: int, now: float, seconds: float, priority: int) -> None:
        self.ripen(now)
        known = self.wanted.setdefault(key, Wanted(now + seconds, priority))
        if known.place is None:
            known.at = min(known.at, now + seconds)
            known.priority = max(known.priority, priority)
            self.ripen(now)
        elif priority > known.priority:
            known.priority, known.place = priority, self._next_place()

    def ripen(self, now: float) -> None:
        due = [wanted for wanted in self.wanted.values() if wanted.place is None and wanted.at <= now]
        for wanted in sorted(due, key=lambda each: each.at):
            wanted.place = self._next_place()

    def ready(self) -> int:
        return sum(wanted.place is not None for wanted in self.wanted.values())

    def first(self) -> int | None:
        free = {key: each for key, each in self.wanted.items() if each.place is not None and key not in self.in_work}
        return min(free, key=lambda key: (-free[key].priority, free[key].place), default=None)

    def _next_place(self) -> int:
        self._places += 1
        return self._places


@pytest.mark.parametrize("seed", range(20))
def test_t35_a_random_schedule_agrees_with_a_simple_model(seed: int) -> None:
    chance = random.Random(seed)
    clock, model = FakeClock(), Model()
    queue: WorkQueue[int] = WorkQueue(clock=clock)

    for _ in range(600):
        key, now, priority = chance.randrange(8), clock.monotonic(), chance.choice([-100, 0, 0, 5])
        match chance.randrange(6):
            case 0 | 1:
                queue.add(key, priority=priority)
                model.add(key, now, 0, priority)
            case 2:
                # Few equal times: keys that are due together may come in either order.
                seconds = chance.choice([0.5, 1.0, 3.0]) + chance.random()
                queue.add_after(key, seconds, priority=priority)
                model.add(key, now, seconds, priority)
            case 3:
                clock.advance(chance.choice([0.25, 1.0]))
            case 4 if model.in_work:
                key = chance.choice(sorted(model.in_work))
                model.in_work.discard(key)
                queue.done(key)
            case _:
                model.ripen(now)
                assert len(queue) == model.ready()
                first = model.first()
                if first is not None:
                    entry = queue.get()
                    assert entry is not None
                    assert (entry.key, entry.priority) == (first, model.wanted.pop(first).priority)
                    model.in_work.add(first)


def test_t35_under_many_threads_no_key_is_out_twice_and_none_is_lost() -> None:
    queue: WorkQueue[int] = WorkQueue(clock=SystemClock(), limiter=ItemExponential(base_s=0.0001))
    lock, in_work, doubled, handled = threading.Lock(), set[int](), list[int](), set[int]()

    def consume(seed: int) -> None:
        chance = random.Random(seed)
        while (entry := queue.get()) is not None:
            with lock:
                if entry.key in in_work:
                    doubled.append(entry.key)
                in_work.add(entry.key)
                handled.add(entry.key)
            if chance.random() < 0.1:
                queue.add_rate_limited(entry.key, priority=entry.priority)
            with lock:
                in_work.discard(entry.key)
            queue.done(entry.key)

    def produce(seed: int) -> None:
        chance = random.Random(seed)
        for number in range(300):
            queue.add_after(number % 100, chance.choice([0, 0, 0.001]), priority=chance.randrange(-3, 3))

    consumers = [in_thread(lambda seed=seed: consume(seed)) for seed in range(6)]
    for thread in [in_thread(lambda seed=seed: produce(seed)) for seed in range(4)]:
        joined(thread)
    for key in range(100):
        queue.add(key)
    assert queue.shut_down_with_drain(LIMIT_S)
    for thread in consumers:
        joined(thread)

    assert handled == set(range(100))
    assert doubled == []


def test_t34_shutting_down_in_mid_flight_lets_every_worker_return() -> None:
    for _ in range(50):
        queue: WorkQueue[int] = WorkQueue(clock=SystemClock(), limiter=ItemExponential(base_s=0.0001))
        worked = threading.Semaphore(0)

        def work(queue: WorkQueue[int] = queue, worked: threading.Semaphore = worked) -> None:
            while (entry := queue.get()) is not None:
                worked.release()
                queue.add((entry.key + 1) % 50, priority=entry.key % 3)
                queue.add_rate_limited(entry.key)
                queue.done(entry.key)

        threads = [in_thread(work) for _ in range(20)]
        for number in range(50):
            queue.add(number)
        for _ in range(30):
            assert worked.acquire(timeout=LIMIT_S)
        queue.shut_down()
        for thread in threads:
            joined(thread)
