"""When to start a server again for shares that only another process can load: seldom, since it disturbs all others."""

from __future__ import annotations

import threading
from datetime import datetime, timedelta

from informers.clock import Clock

#: How old a process must be, so that there is at most one such start in an hour; doubled with each that
#: did not help.
FIRST_AGE = timedelta(hours=1)
MOST_AGE = timedelta(hours=24)


class Restarts:
    """Remembers how often it was tried. Safe for many threads, for different instances."""

    def __init__(self, *, clock: Clock) -> None:
        self._clock = clock
        self._lock = threading.Lock()
        #: By uid: the last process that had to end, and how many there were.
        self._tried: dict[str, tuple[str, int]] = {}

    def is_due(self, uid: str, process: str) -> bool:
        """Whether the process that started at `process` (RFC 3339) has to end, for shares that it did not load."""
        try:
            age = self._clock.now() - datetime.fromisoformat(process)
        except (TypeError, ValueError):
            return False
        with self._lock:
            last, times = self._tried.get(uid, ("", 0))
            if last == process or age < min(FIRST_AGE * 2 ** min(times, 8), MOST_AGE):
                return False  # In the first case its end is under way.
            self._tried[uid] = (process, times + 1)
            return True

    def forget(self, uid: str) -> None:
        """No share waits any more, or the instance is gone."""
        with self._lock:
            self._tried.pop(uid, None)
