"""A clock that moves only when a test says so: threads waiting on it wake by notification or by `advance`."""

from __future__ import annotations

import threading
import weakref
from datetime import UTC, datetime, timedelta

REAL_LIMIT_S = 30.0
"""A test that would hang fails after this many seconds of the real clock."""


_CLOCKS: weakref.WeakSet[FakeClock] = weakref.WeakSet()


def end_clocks() -> None:
    """Let daemon threads that a test left waiting in virtual time wait on, rather than fail during another test."""
    for clock in list(_CLOCKS):
        clock.end()
    _CLOCKS.clear()


class FakeClock:
    """Virtual time for `informers.clock.Clock`; monotonic and wall time move together until `jump_wall`."""

    def __init__(self, *, monotonic: float = 1000.0, now: datetime = datetime(2030, 1, 2, 3, 4, 5, tzinfo=UTC)) -> None:
        self._monotonic = monotonic
        self._now = now
        self._lock = threading.Lock()
        self._changed = threading.Condition(self._lock)
        self._waiting: dict[int, tuple[threading.Condition, float | None]] = {}
        self._next_id = 0
        self._over = False
        _CLOCKS.add(self)

    def monotonic(self) -> float:
        """Seconds of virtual time."""
        with self._lock:
            return self._monotonic

    def now(self) -> datetime:
        """The virtual wall clock, in UTC."""
        with self._lock:
            return self._now

    def wait(self, condition: threading.Condition, timeout_s: float | None) -> None:
        """Wait on `condition` (held by the caller) until notified or until `timeout_s` virtual seconds have passed."""
        if timeout_s is not None and timeout_s <= 0:
            return
        with self._lock:
            waiter, self._next_id = self._next_id, self._next_id + 1
            self._waiting[waiter] = (condition, None if timeout_s is None else self._monotonic + timeout_s)
            self._changed.notify_all()
        # The caller holds `condition` up to here, so `advance` can't notify before the wait has begun.
        notified = condition.wait(REAL_LIMIT_S)
        with self._lock:
            self._waiting.pop(waiter, None)
            self._changed.notify_all()
        while self._over:
            condition.wait()
        if not notified:
            raise AssertionError(
                f"a wait was neither notified nor timed out by advance() in {REAL_LIMIT_S:g} real seconds"
            )

    def advance(self, seconds: float) -> None:
        """Move time forward and wake every wait whose time is over. The caller must hold none of their conditions."""
        with self._lock:
            self._monotonic += seconds
            self._now += timedelta(seconds=seconds)
            due = [w for w, (_, until) in self._waiting.items() if until is not None and until <= self._monotonic]
            conditions = [self._waiting.pop(waiter)[0] for waiter in due]
        for condition in conditions:
            with condition:
                condition.notify_all()

    def end(self) -> None:
        """From now on who waits too long waits for ever, and fails nobody: the test of this clock is over."""
        self._over = True

    def jump_wall(self, seconds: float) -> None:
        """Set the wall clock forward or back without any time passing, as an administrator or NTP would."""
        with self._lock:
            self._now += timedelta(seconds=seconds)

    def is_waited_on(self, condition: threading.Condition) -> bool:
        """Whether a thread waits on `condition` of this clock now."""
        with self._lock:
            return any(entry[0] is condition for entry in self._waiting.values())

    def until_waiting(self, count: int = 1, *, condition: threading.Condition | None = None) -> None:
        """Block (in real time) until at least `count` threads wait on this clock, or on `condition` of it."""

        def enough() -> bool:
            return sum(condition is None or entry[0] is condition for entry in self._waiting.values()) >= count

        with self._changed:
            if not self._changed.wait_for(enough, REAL_LIMIT_S):
                raise AssertionError(f"fewer than {count} threads wait on the clock: {len(self._waiting)}")
