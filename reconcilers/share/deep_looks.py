"""When to read what hangs on a share: now and then, not for all shares at the same time, and at a bounded rate."""

from __future__ import annotations

import threading
import zlib

from informers.clock import Clock
from informers.resource import ObjectKey

#: Calls per second that a server gets at most from the looks at all of its shares.
MAX_CALLS_PER_S = 10.0


class DeepLooks:
    """Remembers when each share is due. Safe for many threads.

    A share that was not looked at in this process is due within `interval_s` seconds, at a time that its name decides:
    after a start of the operator they do not all come at once. A server with more shares than fit into the interval
    at the bounded rate has them looked at in turn, each later than that.
    """

    def __init__(self, *, clock: Clock, interval_s: float) -> None:
        self._clock = clock
        self._interval_s = interval_s
        self._lock = threading.Lock()
        self._due_at: dict[ObjectKey, float] = {}
        #: Shares whose time was put off until their server's next free turn, which is theirs.
        self._in_turn: set[ObjectKey] = set()
        #: By instance, from when on its server may be asked again.
        self._free_at: dict[ObjectKey, float] = {}

    def begin(self, share: ObjectKey, instance: ObjectKey, *, calls: int) -> bool:
        """Whether to look now, which takes so many calls; if so, the turn at the server of `instance` is taken."""
        with self._lock:
            now = self._clock.monotonic()
            if now < self._due(share, now):
                return False
            if share in self._in_turn:
                self._in_turn.discard(share)
                return True
            turn = max(now, self._free_at.get(instance, now))
            self._free_at[instance] = turn + calls / MAX_CALLS_PER_S
            if turn > now:
                self._due_at[share] = turn
                self._in_turn.add(share)
            return turn <= now

    def due_in_s(self, share: ObjectKey) -> float:
        """How long until the share is due, in seconds."""
        with self._lock:
            now = self._clock.monotonic()
            return max(0.0, self._due(share, now) - now)

    def done(self, share: ObjectKey) -> None:
        """It was looked at and is right."""
        with self._lock:
            self._due_at[share] = self._clock.monotonic() + self._interval_s
            self._in_turn.discard(share)

    def forget(self, share: ObjectKey) -> None:
        """It is gone."""
        with self._lock:
            self._due_at.pop(share, None)
            self._in_turn.discard(share)

    def _due(self, share: ObjectKey, now: float) -> float:
        return self._due_at.setdefault(share, now + self._interval_s * _fraction(share))


def _fraction(share: ObjectKey) -> float:
    return zlib.crc32(str(share).encode()) / 2**32
