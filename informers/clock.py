"""Time as a dependency: everything that waits or measures is given a `Clock`, so tests run in virtual time."""

from __future__ import annotations

import threading
import time
from datetime import UTC, datetime
from typing import Protocol


class Clock(Protocol):
    """Where time comes from."""

    def monotonic(self) -> float:
        """Seconds that never jump, for deadlines and delays; counts while the machine sleeps where it can."""

    def now(self) -> datetime:
        """The wall clock, in UTC: only for what people and other programs read."""

    def wait(self, condition: threading.Condition, timeout_s: float | None) -> None:
        """Wait on `condition` (which the caller holds) until notified or for `timeout_s` seconds of this clock."""


class SystemClock:
    """The machine's time."""

    def monotonic(self) -> float:
        """CLOCK_BOOTTIME: unlike CLOCK_MONOTONIC it goes on while a machine is suspended, as a lease does."""
        return time.clock_gettime(_STEADY_CLOCK)

    def now(self) -> datetime:
        """The machine's wall clock, in UTC."""
        return datetime.now(UTC)

    def wait(self, condition: threading.Condition, timeout_s: float | None) -> None:
        """Wait on `condition` until notified or for `timeout_s` seconds."""
        condition.wait(timeout_s)


_STEADY_CLOCK = getattr(time, "CLOCK_BOOTTIME", time.CLOCK_MONOTONIC)
