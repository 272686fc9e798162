"""The work queue beside `queue.Queue`, which has none of its promises: a yardstick, not a rival."""

from __future__ import annotations

import queue
import statistics
import threading
import time
from collections.abc import Callable

from hack.bench.subjects import Figures
from informers.clock import SystemClock
from informers.workqueue import WorkQueue

WORKERS = 8

#: Between two adds when the time from add to hand-out is measured: long enough for all workers to wait again.
_PAUSE_S = 0.002


def of_the_layer(_: str, count: int) -> Figures:
    """`WorkQueue`: add, get, done."""
    throughput: WorkQueue[int] = WorkQueue(clock=SystemClock())
    latency: WorkQueue[int] = WorkQueue(clock=SystemClock())

    def takes(from_queue: WorkQueue[int]) -> Callable[[Callable[[int], None]], None]:
        def work(seen: Callable[[int], None]) -> None:
            while (entry := from_queue.get()) is not None:
                seen(entry.key)
                from_queue.done(entry.key)

        return work

    return _measured(
        count,
        (throughput.add, takes(throughput), throughput.shut_down),
        (latency.add, takes(latency), latency.shut_down),
    )


def of_the_standard_library(_: str, count: int) -> Figures:
    """`queue.Queue`: put, get, task_done."""
    throughput: queue.Queue[int | None] = queue.Queue()
    latency: queue.Queue[int | None] = queue.Queue()

    def takes(from_queue: queue.Queue[int | None]) -> Callable[[Callable[[int], None]], None]:
        def work(seen: Callable[[int], None]) -> None:
            while (number := from_queue.get()) is not None:
                seen(number)
                from_queue.task_done()

        return work

    def end(of_queue: queue.Queue[int | None]) -> Callable[[], None]:
        def tell_each() -> None:
            for _ in range(WORKERS):
                of_queue.put(None)

        return tell_each

    return _measured(
        count,
        (throughput.put, takes(throughput), end(throughput)),
        (latency.put, takes(latency), end(latency)),
    )


_Queue = tuple[Callable[[int], None], Callable[[Callable[[int], None]], None], Callable[[], None]]


def _measured(count: int, throughput: _Queue, latency: _Queue) -> Figures:
    return {"operations/s": _throughput(count, *throughput), **_latency(max(10, count // 100), *latency)}


def _throughput(
    count: int, add: Callable[[int], None], work: Callable[[Callable[[int], None]], None], end: Callable[[], None]
) -> float:
    """Keys through the queue per second, with all workers at it while the keys are added."""
    threads = _start(work, lambda _: None)
    started = time.perf_counter()
    for number in range(count):
        add(number)
    end()
    _join(threads)
    return count / (time.perf_counter() - started)


def _latency(
    count: int, add: Callable[[int], None], work: Callable[[Callable[[int], None]], None], end: Callable[[], None]
) -> Figures:
    """From an add to the hand-out, with every worker waiting."""
    added = [0.0] * count
    taken = [0.0] * count

    def seen(number: int) -> None:
        taken[number] = time.perf_counter()

    threads = _start(work, seen)
    pause = threading.Event()
    for number in range(count):
        pause.wait(_PAUSE_S)
        added[number] = time.perf_counter()
        add(number)
    end()
    _join(threads)
    waited_us = sorted((took - put) * 1e6 for put, took in zip(added, taken, strict=True))
    return {"median µs": statistics.median(waited_us), "99 % µs": waited_us[int(len(waited_us) * 0.99)]}


def _start(work: Callable[[Callable[[int], None]], None], seen: Callable[[int], None]) -> list[threading.Thread]:
    threads = [threading.Thread(target=work, args=(seen,), daemon=True) for _ in range(WORKERS)]
    for thread in threads:
        thread.start()
    return threads


def _join(threads: list[threading.Thread]) -> None:
    for thread in threads:
        thread.join()
