"""The work queue: every key at most once waiting and at most once in work, with delays, priorities and causes.

A key is ready, or due at a time, or neither; being in work is a flag beside it. Adding merges: the earliest time and
the highest priority win, and causes collect. No thread runs inside: `get` itself waits for due keys.
"""

from __future__ import annotations

import heapq
import math
import threading
from collections.abc import Hashable, Mapping
from dataclasses import dataclass
from typing import Generic, TypeVar

from informers.cause import Cause, merged
from informers.clock import Clock
from informers.groups import Grouping, Groups
from informers.queue_metrics import QueueObserver
from informers.ratelimit import RateLimiter, default_limiter

LOW_PRIORITY = -100
"""For what can wait behind everything that happens: the objects of a first list, and resyncs."""

HEARTBEAT_S = 10.0
"""A waiting `get` looks again at least this often: a thread's wait may not count the time a machine was suspended."""

Key = TypeVar("Key", bound=Hashable)


@dataclass(frozen=True, slots=True)
class Entry(Generic[Key]):
    """One key handed out: why it was added, how urgent it is, and how long it was ready (seconds)."""

    key: Key
    causes: tuple[Cause, ...]
    priority: int
    queued_s: float


@dataclass(slots=True)
class _Item:
    """A key that is to be handed out: ready since `at`, or `due` then. `order` names its one valid place in a heap."""

    priority: int
    causes: tuple[Cause, ...]
    at: float = math.inf
    due: bool = True
    order: int = 0


class WorkQueue(Generic[Key]):
    """See the module; all methods may be called from any thread."""

    def __init__(
        self,
        *,
        clock: Clock,
        limiter: RateLimiter | None = None,
        metrics: QueueObserver | None = None,
        grouping: Grouping[Key] | None = None,
    ) -> None:
        """`grouping` bounds how many keys of one group are in work at once; without it nothing does."""
        self._clock = clock
        self._groups = Groups(grouping)
        self._limiter = limiter or default_limiter(clock)
        self._metrics = metrics
        self._lock = threading.Lock()
        self._ready = threading.Condition(self._lock)
        self._idle = threading.Condition(self._lock)
        self._items: dict[Key, _Item] = {}
        self._processing: dict[Key, float] = {}
        # Entries whose order is no longer that of their item are void, and skipped.
        self._ready_heap: list[tuple[float, int, Key]] = []
        self._due_heap: list[tuple[float, int, Key]] = []
        self._depth: dict[int, int] = {}
        self._order = 0
        self._closed = False
        self._draining = False
        if metrics is not None:
            metrics.observe(depth=self.depth, unfinished_s=self.unfinished_s, longest_s=self.longest_s)

    def __len__(self) -> int:
        """How many keys are ready, with those that are still in work and have to be handed out once more."""
        return sum(self.depth().values())

    def depth(self) -> Mapping[int, int]:
        """`len` by priority; only priorities that have any."""
        with self._lock:
            self._promote()
            return dict(self._depth)

    def add(self, key: Key, *, cause: Cause = "", priority: int = 0) -> None:
        """Hand out `key` as soon as a worker is free, and after its present pass when it is in work."""
        with self._lock:
            self._add(key, 0, (cause,) if cause else (), priority)

    def add_after(self, key: Key, seconds: float, *, cause: Cause = "", priority: int = 0) -> None:
        """Hand out `key` in `seconds`, unless it is due earlier anyway; at once when not positive."""
        with self._lock:
            self._add_delayed(key, seconds, cause, priority)

    def add_rate_limited(
        self,
        key: Key,
        *,
        cause: Cause = "",
        priority: int = 0,
        at_most_s: float = math.inf,
        at_least_s: float = 0.0,
    ) -> float:
        """Count a failure of `key`, hand it out after its growing delay within the bounds; gives which (seconds)."""
        with self._lock:
            seconds = max(at_least_s, min(self._limiter.delay(key), at_most_s))
            self._add_delayed(key, seconds, cause, priority)
            return seconds

    def defer(self, entry: Entry[Key], seconds: float) -> None:
        """Hand out `entry` again as it is, in `seconds` or as soon as its key is added; no retry is counted."""
        with self._lock:
            self._add(entry.key, seconds, entry.causes, entry.priority)

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
                if (entry := self._take()) is not None:
                    return entry
                if self._closed and not (self._draining and self._processing):
                    return None
                self._clock.wait(self._ready, self._next_due_in())

    def done(self, key: Key) -> None:
        """`key` is processed; when it was added meanwhile, it can be handed out again."""
        with self._lock:
            started = self._processing.pop(key, None)
            if started is None:
                return
            if self._metrics is not None:
                self._metrics.finished(self._clock.monotonic() - started)
            if (place := self._groups.end(key, is_void=self._is_void)) is not None:
                heapq.heappush(self._ready_heap, place)
                self._ready.notify()
            item = self._items.get(key)
            if item is not None and not item.due:
                self._offer(key, item)
            elif not self._processing:
                self._idle.notify_all()
                if self._closed:
                    self._ready.notify_all()

    def shut_down(self) -> None:
        """Take nothing more and drop what is due later; what is ready is still handed out. Ends a drain."""
        with self._lock:
            self._draining = False
            for place in self._groups.dissolve():
                if not self._is_void(place):
                    heapq.heappush(self._ready_heap, place)
            self._close()

    def shut_down_with_drain(self, timeout_s: float | None = None) -> bool:
        """`shut_down`, then wait until all that is ready is done; False when `timeout_s` or `shut_down` ended that."""
        deadline = None if timeout_s is None else self._clock.monotonic() + timeout_s
        with self._lock:
            self._draining = True
            self._close()
            while self._draining and (self._processing or self._items):
                left = None if deadline is None else deadline - self._clock.monotonic()
                if left is not None and left <= 0:
                    break
                self._clock.wait(self._idle, left)
            return not (self._processing or self._items)

    def unfinished_s(self) -> float:
        """Seconds of work in progress, summed over the keys being processed."""
        with self._lock:
            now = self._clock.monotonic()
            return sum(now - started for started in self._processing.values())

    def longest_s(self) -> float:
        """Seconds since the longest-running key in work was handed out; 0 when none is."""
        with self._lock:
            return self._clock.monotonic() - min(self._processing.values()) if self._processing else 0.0

    def _add_delayed(self, key: Key, seconds: float, cause: Cause, priority: int) -> None:
        if self._metrics is not None and not self._closed:
            self._metrics.retried()
        self._add(key, seconds, (cause,) if cause else (), priority)

    def _add(self, key: Key, seconds: float, causes: tuple[Cause, ...], priority: int) -> None:
        if self._closed:
            return
        self._promote()
        item = self._items.get(key)
        if item is None:
            item = self._items[key] = _Item(priority, causes)
        else:
            self._merge(key, item, causes, priority)
        if not item.due:
            return
        at = self._clock.monotonic() + max(0.0, seconds)
        if seconds <= 0:
            self._make_ready(key, item, at)
        elif at < item.at:
            item.at, item.order = at, self._next_order()
            heapq.heappush(self._due_heap, (at, item.order, key))
            if self._is_long(self._due_heap):
                self._due_heap = self._without_void(self._due_heap)
            self._ready.notify()

    def _merge(self, key: Key, item: _Item, causes: tuple[Cause, ...], priority: int) -> None:
        item.causes = merged(item.causes, causes)
        if priority <= item.priority:
            return
        if item.due:
            item.priority = priority
            return
        self._count(item.priority, -1)
        item.priority, item.order = priority, self._next_order()
        self._count(priority, 1)
        if key not in self._processing:
            self._offer(key, item)

    def _make_ready(self, key: Key, item: _Item, since: float) -> None:
        item.due, item.at, item.order = False, since, self._next_order()
        self._count(item.priority, 1)
        if self._metrics is not None:
            self._metrics.added()
        if key not in self._processing:
            self._offer(key, item)

    def _offer(self, key: Key, item: _Item) -> None:
        heapq.heappush(self._ready_heap, (-item.priority, item.order, key))
        if self._is_long(self._ready_heap):
            self._ready_heap = self._without_void(self._ready_heap)
        self._ready.notify()

    def _promote(self) -> None:
        """Make every key ready whose time has come, in the order of their times."""
        if not self._due_heap:
            return
        now = self._clock.monotonic()
        while self._due_heap and (self._due_heap[0][0] <= now or self._is_void(self._due_heap[0])):
            entry = heapq.heappop(self._due_heap)
            if not self._is_void(entry):
                key = entry[2]
                self._make_ready(key, self._items[key], entry[0])

    def _take(self) -> Entry[Key] | None:
        key = None
        while self._ready_heap and key is None:
            place = heapq.heappop(self._ready_heap)
            key = place[2] if self._groups.begin(place) else None
            # Never a void entry on top: it would keep a key alive, and pass for one that is ready.
            while self._ready_heap and self._is_void(self._ready_heap[0]):
                heapq.heappop(self._ready_heap)
        if key is None:
            return None
        item = self._items.pop(key)
        self._count(item.priority, -1)
        now = self._processing[key] = self._clock.monotonic()
        if self._due_heap:
            # This thread may have been the only one that knew the next due time: let another one look.
            self._ready.notify()
        if self._metrics is not None:
            self._metrics.handed_out(now - item.at)
        return Entry(key, item.causes, item.priority, now - item.at)

    def _next_due_in(self) -> float:
        return min(self._due_heap[0][0] - self._clock.monotonic(), HEARTBEAT_S) if self._due_heap else HEARTBEAT_S

    def _next_order(self) -> int:
        self._order += 1
        return self._order

    def _count(self, priority: int, change: int) -> None:
        left = self._depth.get(priority, 0) + change
        if left:
            self._depth[priority] = left
        else:
            del self._depth[priority]

    def _is_void(self, entry: tuple[float, int, Key]) -> bool:
        item = self._items.get(entry[2])
        return item is None or item.order != entry[1]

    def _is_long(self, heap: list[tuple[float, int, Key]]) -> bool:
        """Whether most of `heap` is void."""
        return len(heap) > 2 * len(self._items) + 64

    def _without_void(self, heap: list[tuple[float, int, Key]]) -> list[tuple[float, int, Key]]:
        kept = [entry for entry in heap if not self._is_void(entry)]
        heapq.heapify(kept)
        return kept

    def _close(self) -> None:
        self._closed = True
        self._items = {key: item for key, item in self._items.items() if not item.due}
        self._due_heap.clear()
        self._ready.notify_all()
        self._idle.notify_all()
