"""How long the work of this thread may still take: set by who starts the work, read by whatever it calls.

Python can't end a thread from outside, so a deadline works by what heeds it: the client bounds each request by what is
left, and sends none afterwards.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass

from informers.clock import Clock


@dataclass(frozen=True, slots=True)
class _Deadline:
    clock: Clock
    at: float


_deadline: ContextVar[_Deadline | None] = ContextVar("deadline", default=None)


@contextmanager
def within(seconds: float, *, clock: Clock) -> Iterator[None]:
    """Let what this thread does meanwhile take at most `seconds`, or less when an earlier deadline is around it."""
    left = left_s()
    at = clock.monotonic() + (seconds if left is None else min(seconds, left))
    token = _deadline.set(_Deadline(clock, at))
    try:
        yield
    finally:
        _deadline.reset(token)


def left_s() -> float | None:
    """Seconds until the deadline, not positive after it; None without one."""
    deadline = _deadline.get()
    return None if deadline is None else deadline.at - deadline.clock.monotonic()
