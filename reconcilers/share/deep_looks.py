"""When to read what hangs on a share: now and then, and not for all shares at the same time."""

from __future__ import annotations

import threading
import zlib

from informers.clock import Clock
from informers.resource import ObjectKey


class DeepLooks:
    """Remembers when each share is due. Safe for many threads.

    A share that was not looked at in this process is due within `interval_s` seconds, at a time that its name decides:
    after a start of the operator they do not all come at once.
    """

    def __init__(self, *, clock: Clock, interval_s: float) -> None:
        self._clock = clock
        self._interval_s = interval_s
        self._lock = threading.Lock()
        self._due_at: dict[ObjectKey, float] = {}

    def is_due(self, share: ObjectKey) -> bool:
        """Whether to look."""
        now = self._clock.monotonic()
        with self._lock:
            return now >= self._due_at.setdefault(share, now + self._interval_s * _fraction(share))

    def done(self, share: ObjectKey) -> None:
        """It was looked at and is right."""
        with self._lock:
            self._due_at[share] = self._clock.monotonic() + self._interval_s

    def forget(self, share: ObjectKey) -> None:
        """It is gone."""
        with self._lock:
            self._due_at.pop(share, None)


def _fraction(share: ObjectKey) -> float:
    return (zlib.crc32(str(share).encode()) % 1000) / 1000
