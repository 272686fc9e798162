"""How long a key has to wait before its next try.

Limiters aren't thread-safe: a `WorkQueue` calls its own under its lock.
"""

from __future__ import annotations

from collections.abc import Hashable
from typing import Protocol

from informers.clock import Clock

ITEM_BASE_S = 0.005
ITEM_CAP_S = 1000.0
BUCKET_PER_SECOND = 10.0
BUCKET_BURST = 100


class RateLimiter(Protocol):
    """Gives growing delays to keys that keep failing."""

    def delay(self, key: Hashable) -> float:
        """Count one failure of `key` and return the seconds to wait before its next try."""

    def forget(self, key: Hashable) -> None:
        """Let `key` start again from the shortest delay."""

    def failures(self, key: Hashable) -> int:
        """How many failures of `key` are counted since it was last forgotten."""


class ItemExponential:
    """Per key: `base_s` doubled with each failure, at most `cap_s`."""

    def __init__(self, *, base_s: float = ITEM_BASE_S, cap_s: float = ITEM_CAP_S) -> None:
        self._base_s = base_s
        self._cap_s = cap_s
        self._failures: dict[Hashable, int] = {}

    def delay(self, key: Hashable) -> float:
        """The next delay of `key`, in seconds."""
        failures = self._failures.get(key, 0)
        self._failures[key] = failures + 1
        # A float holds 2**1023 at most: beyond 64 doublings any base above a nanosecond is past any cap.
        return min(self._base_s * 2.0 ** min(failures, 64), self._cap_s)

    def forget(self, key: Hashable) -> None:
        """Drop what is known of `key`."""
        self._failures.pop(key, None)

    def failures(self, key: Hashable) -> int:
        """Failures of `key` since it was last forgotten."""
        return self._failures.get(key, 0)


class Bucket:
    """For all keys together: a token bucket whose reservations push the time out."""

    def __init__(self, *, clock: Clock, per_second: float = BUCKET_PER_SECOND, burst: int = BUCKET_BURST) -> None:
        self._clock = clock
        self._per_second = per_second
        self._burst = burst
        self._tokens = float(burst)
        self._at = clock.monotonic()

    def delay(self, key: Hashable) -> float:  # noqa: ARG002 - one bucket for all keys
        """Take one token; the seconds until it is really there."""
        self._fill()
        self._tokens -= 1.0
        return max(0.0, -self._tokens / self._per_second)

    def try_take(self) -> bool:
        """Take one token if there is one."""
        self._fill()
        if self._tokens < 1.0:
            return False
        self._tokens -= 1.0
        return True

    def forget(self, key: Hashable) -> None:
        """Nothing is known of single keys."""

    def failures(self, key: Hashable) -> int:  # noqa: ARG002 - one bucket for all keys
        """Always 0: nothing is known of single keys."""
        return 0

    def _fill(self) -> None:
        now = self._clock.monotonic()
        self._tokens = min(self._burst, self._tokens + (now - self._at) * self._per_second)
        self._at = now


class MaxOf:
    """The longest delay of several limiters; each of them counts every failure."""

    def __init__(self, *limiters: RateLimiter) -> None:
        self._limiters = limiters

    def delay(self, key: Hashable) -> float:
        """The longest of all delays, in seconds."""
        return max(limiter.delay(key) for limiter in self._limiters)

    def forget(self, key: Hashable) -> None:
        """Reaches every limiter."""
        for limiter in self._limiters:
            limiter.forget(key)

    def failures(self, key: Hashable) -> int:
        """The highest count of all limiters."""
        return max(limiter.failures(key) for limiter in self._limiters)


def default_limiter(clock: Clock) -> RateLimiter:
    """client-go's default: 5 ms to 1000 s per key, and 10 tries a second (burst 100) over all keys."""
    return MaxOf(ItemExponential(), Bucket(clock=clock))
