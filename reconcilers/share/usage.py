"""When to write down how much a share holds: the number moves all day, and each write wakes whoever watches."""

from __future__ import annotations

import threading

from informers.clock import Clock
from informers.resource import ObjectKey

#: At most this often, in seconds.
TELL_EVERY_S = 300.0
#: Only when it moved by this part of what was written.
MOVED_BY = 0.01


class Usage:
    """Decides what the status says of the used bytes. Safe for many threads."""

    def __init__(self, *, clock: Clock) -> None:
        self._clock = clock
        self._lock = threading.Lock()
        self._told_at: dict[ObjectKey, float] = {}

    def tell(self, share: ObjectKey, *, known: int | None, found: int, quota: int = 0) -> int:
        """What to write, of `known`, which is written, None at first, and `found` on the server; in bytes.

        However little it moved, whether the share is full by its `quota` (0: it has none) is told.
        """
        now = self._clock.monotonic()
        with self._lock:
            if known is not None:
                told_at = self._told_at.setdefault(share, now)
                moved = abs(found - known) > known * MOVED_BY or (known < quota) != (found < quota)
                if now - told_at < TELL_EVERY_S or not moved:
                    return known
            self._told_at[share] = now
            return found

    def forget(self, share: ObjectKey) -> None:
        """It is gone."""
        with self._lock:
            self._told_at.pop(share, None)
