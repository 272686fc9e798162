"""The work queue: every key at most once waiting and at most once in work, with delays, back-off and causes.

A key is in one place only: queued (ready now), waiting (ready at a time) or neither; being processed is a flag beside
it. Adding merges: the earliest time wins and causes collect. No thread runs inside: `get` itself waits for due keys.
"""

from __future__ import annotations

import heapq
import math
import threading
from collections import deque
from collections.abc import Callable, Hashable
from dataclasses import dataclass
from typing import Generic, Protocol, TypeVar

from informers.clock import Clock
from informers.ratelimit import RateLimiter, default_limiter

MAX_CAUSES = 5
"""More distinct causes of one queue entry than this are dropped: they are for a log line."""

HEARTBEAT_S = 10.0
"""A waiting `get` looks again at least this often: a thread's wait may not count the time a machine was suspended."""

Key = TypeVar("Key", bound=Hashable)


@dataclass(frozen=True, slots=True)
class Entry(Generic[Key]):
    """One key handed out: why it was added, and how long it was queued (seconds, from when it was due)."""

    key: Key
    causes: tuple[str, ...]
    queued_s: float


class QueueMetrics(Protocol):
    """What a queue reports; the three gauges are read through functions when somebody looks."""

    def observe(
        self, *, depth: Callable[[], float], unfinished_s: Callable[[], float], longest_s: Callable[[], float]
    ) -> None:
        """Take the functions that give the gauges' values."""

    def added(self) -> None:
        """A key became queued."""

    def retried(self) -> None:
        """A key was added with a delay."""

    def handed_out(self, queued_s: float) -> None:
        """A key was handed out after `queued_s` seconds in the queue."""

    def finished(self, worked_s: float) -> None:
        """A key was done after `worked_s` seconds of work."""


@dataclass(slots=True)
class _Due:
    at: float
    order: int
    causes: tuple[str, ...]


@dataclass(slots=True)
class _Dirty:
    since: float
    causes: tuple[str, ...]


class WorkQueue(Generic[Key]):
    """See the module; all methods may be called from any thread."""

    def __init__(
        self, *, clock: Clock, limiter: RateLimiter | None = None, metrics: QueueMetrics | None = None
    ) -> None:
        self._clock = clock
        self._limiter = limiter or default_limiter(clock)
        self._metrics = metrics
        self._lock = threading.Lock()
        self._ready = threading.Condition(self._lock)
        self._idle = threading.Condition(self._lock)
        self._queue: deque[Key] = deque()
        self._dirty: dict[Key, _Dirty] = {}
        self._processing: dict[Key, float] = {}
        self._waiting: dict[Key, _Due] = {}
        self._heap: list[tuple[float, int, Key]] = []
        self._order = 0
        self._closed = False
        self._draining = False
        if metrics is not None:
            metrics.observe(depth=self.__len__, unfinished_s=self.unfinished_s, longest_s=self.longest_s)

    def __len__(self) -> int:
        """How many keys are ready to be handed out; those waiting for their time or being processed don't count."""
        with self._lock:
            self._promote()
            return len(self._queue)

    def add(self, key: Key, *, cause: str = "") -> None:
        """Hand out `key` as soon as a worker is free, and after its present pass when it is being processed."""
        with self._lock:
            if self._closed:
                return
            due = self._waiting.pop(key, None)
            self._make_dirty(key, self._clock.monotonic(), due.causes if due else (), cause)

    def add_after(self, key: Key, seconds: float, *, cause: str = "") -> None:
        """Hand out `key` in `seconds`, unless it is due earlier anyway; at once when not positive."""
        with self._lock:
            self._add_after(key, seconds, cause)

    def add_rate_limited(self, key: Key, *, cause: str = "", at_most_s: float = math.inf) -> float:
        """Count a failure of `key`, hand it out after its growing delay or `at_most_s`; gives which (seconds)."""
        with self._lock:
            seconds = min(self._limiter.delay(key), at_most_s)
            self._add_after(key, seconds, cause)
            return seconds

    def forget(self, key: Key) -> None:
        """Count no failures of `key` any more. What is scheduled stays scheduled."""
        with self._lock:
            self._limiter.forget(key)

    def failures(self, key: Key) -> int:
        """How many failures of `key` are counted since it was last forgotten."""
        with self._lock:
            return self._limiter.failures(key)

    def get(self) -> Entry[Key] | None:
        """The next key, waiting for one if need be; None when the queue is shut down and empty.

        `done` must be called with the key afterwards: until then it isn't handed out again.
        """
        with self._lock:
            while True:
                self._promote()
                if self._queue:
                    return self._hand_out()
                if self._closed and not (self._draining and self._processing):
                    return None
                self._clock.wait(self._ready, self._next_due_in())

    def done(self, key: Key) -> None:
        """`key` is processed; when it was added meanwhile, it is queued again."""
        with self._lock:
            started = self._processing.pop(key, None)
            if started is None:
                return
            if self._metrics is not None:
                self._metrics.finished(self._clock.monotonic() - started)
            if key in self._dirty:
                self._queue.append(key)
                self._ready.notify()
            elif not self._processing:
                self._idle.notify_all()
                if self._closed:
                    self._ready.notify_all()

    def shut_down(self) -> None:
        """Take nothing more and drop what waits for its time; what is queued is still handed out. Ends a drain."""
        with self._lock:
            self._draining = False
            self._close()

    def shut_down_with_drain(self, timeout_s: float | None = None) -> bool:
        """`shut_down`, then wait until all that is queued is done; False when `timeout_s` or `shut_down` ended that."""
        deadline = None if timeout_s is None else self._clock.monotonic() + timeout_s
        with self._lock:
            self._draining = True
            self._close()
            while self._draining and (self._processing or self._queue):
                left = None if deadline is None else deadline - self._clock.monotonic()
                if left is not None and left <= 0:
                    break
                self._clock.wait(self._idle, left)
            return not (self._processing or self._queue)

    def unfinished_s(self) -> float:
        """Seconds of work in progress, summed over the keys being processed."""
        with self._lock:
            now = self._clock.monotonic()
            return sum(now - started for started in self._processing.values())

    def longest_s(self) -> float:
        """Seconds since the longest-running key in work was handed out; 0 when none is."""
        with self._lock:
            return self._clock.monotonic() - min(self._processing.values()) if self._processing else 0.0

    def _add_after(self, key: Key, seconds: float, cause: str) -> None:
        if self._closed:
            return
        if self._metrics is not None:
            self._metrics.retried()
        now = self._clock.monotonic()
        if seconds <= 0 or key in self._dirty:
            due = self._waiting.pop(key, None)
            self._make_dirty(key, now, due.causes if due else (), cause)
            return
        known = self._waiting.get(key)
        causes = _merged(known.causes if known else (), cause)
        if known is not None and known.at <= now + seconds:
            known.causes = causes
            return
        self._order += 1
        self._waiting[key] = _Due(now + seconds, self._order, causes)
        heapq.heappush(self._heap, (now + seconds, self._order, key))
        self._compact()
        self._ready.notify()

    def _make_dirty(self, key: Key, since: float, earlier: tuple[str, ...], cause: str) -> None:
        dirty = self._dirty.get(key)
        if dirty is not None:
            dirty.causes = _merged(dirty.causes, *earlier, cause)
            return
        self._dirty[key] = _Dirty(since, _merged(earlier, cause))
        if self._metrics is not None:
            self._metrics.added()
        if key not in self._processing:
            self._queue.append(key)
            self._ready.notify()

    def _promote(self) -> None:
        """Queue every waiting key whose time has come, in the order of their times."""
        now = self._clock.monotonic()
        while self._heap and (self._heap[0][0] <= now or self._is_stale(self._heap[0])):
            at, order, key = heapq.heappop(self._heap)
            if not self._is_stale((at, order, key)):
                self._make_dirty(key, at, self._waiting.pop(key).causes, "")

    def _hand_out(self) -> Entry[Key]:
        key = self._queue.popleft()
        dirty = self._dirty.pop(key)
        now = self._clock.monotonic()
        self._processing[key] = now
        if self._queue or self._heap:
            # This thread may have been the only one that knew the next due time: let another one look.
            self._ready.notify()
        if self._metrics is not None:
            self._metrics.handed_out(now - dirty.since)
        return Entry(key, dirty.causes, now - dirty.since)

    def _next_due_in(self) -> float:
        return min(self._heap[0][0] - self._clock.monotonic(), HEARTBEAT_S) if self._heap else HEARTBEAT_S

    def _is_stale(self, item: tuple[float, int, Key]) -> bool:
        due = self._waiting.get(item[2])
        return due is None or due.order != item[1]

    def _compact(self) -> None:
        if len(self._heap) > 2 * len(self._waiting) + 64:
            self._heap = [item for item in self._heap if not self._is_stale(item)]
            heapq.heapify(self._heap)

    def _close(self) -> None:
        self._closed = True
        self._waiting.clear()
        self._heap.clear()
        self._ready.notify_all()
        self._idle.notify_all()


def _merged(causes: tuple[str, ...], *more: str) -> tuple[str, ...]:
    new = [cause for cause in dict.fromkeys(more) if cause and cause not in causes]
    return (*causes, *new)[:MAX_CAUSES]
