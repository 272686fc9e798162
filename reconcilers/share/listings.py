"""What each server lists as its shares: one call serves all shares of an instance for a while."""

from __future__ import annotations

import threading
from collections.abc import Mapping
from dataclasses import dataclass, field

from informers.clock import Clock
from informers.resource import ObjectKey
from reconcilers.server.errors import ServerError
from reconcilers.server.rows import Share
from reconcilers.server.session import ServerSession


class ShareListings:
    """Lists of shares, each at most `max_age_s` seconds old. Safe for many threads, which share one call."""

    def __init__(self, *, clock: Clock, max_age_s: float) -> None:
        self._clock = clock
        self._max_age_s = max_age_s
        self._lock = threading.Lock()
        self._entries: dict[ObjectKey, _Entry] = {}

    def get(self, instance: ObjectKey, session: ServerSession) -> Mapping[str, Share]:
        """The shares of the server of `instance` by name. Raises a `ServerError` when it has to ask and can't."""
        with self._lock:
            entry = self._entries.setdefault(instance, _Entry())
        asked_at = self._clock.monotonic()
        with entry.lock:  # held over the call, so that a thousand waking shares make one
            if entry.failure is not None and entry.failed_at >= asked_at and entry.session is session:
                raise entry.failure  # Another timeout for each who waited would hold all workers for long.
            now = self._clock.monotonic()
            if entry.shares is None or entry.session is not session or now - entry.read_at >= self._max_age_s:
                entry.session, entry.shares, entry.failure = session, None, None
                try:
                    entry.shares = {share.name: share for share in session.shares()}
                except ServerError as error:
                    entry.failure, entry.failed_at = error, self._clock.monotonic()
                    raise
                entry.read_at = now
            return entry.shares

    def record(self, instance: ObjectKey, share: Share) -> None:
        """Put what was just read of one share in the list, so that a write to it costs no new list."""
        with self._lock:
            entry = self._entries.get(instance)
        if entry is not None:
            with entry.lock:
                if entry.shares is not None:
                    entry.shares = {**entry.shares, share.name: share}

    def invalidate(self, instance: ObjectKey) -> None:
        """Forget what `instance` listed: a write to it ended in the unknown, or it is gone."""
        with self._lock:
            self._entries.pop(instance, None)


@dataclass(slots=True)
class _Entry:
    lock: threading.Lock = field(default_factory=threading.Lock)
    session: ServerSession | None = None
    shares: Mapping[str, Share] | None = None
    read_at: float = 0.0
    failure: ServerError | None = None
    failed_at: float = 0.0
