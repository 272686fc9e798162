"""When each server was started, by its own time: one call serves all shares of an instance for a while."""

from __future__ import annotations

import threading

from informers.clock import Clock
from informers.resource import ObjectKey
from reconcilers.server.session import ServerSession


class ServerStarts:
    """Times of starts, each asked for at most `max_age_s` seconds ago. Safe for many threads."""

    def __init__(self, *, clock: Clock, max_age_s: float) -> None:
        self._clock = clock
        self._max_age_s = max_age_s
        self._lock = threading.Lock()
        self._known: dict[ObjectKey, tuple[float, str]] = {}

    def get(self, instance: ObjectKey, session: ServerSession, *, fresh: bool = False) -> str:
        """When the server of `instance` was started; `fresh`: it is asked in any case. Raises a `ServerError`."""
        now = self._clock.monotonic()
        with self._lock:
            asked_at, started_at = self._known.get(instance, (now, ""))
        if started_at and not fresh and now - asked_at < self._max_age_s:
            return started_at
        started_at = session.health().started_at
        with self._lock:
            self._known[instance] = now, started_at
        return started_at

    def invalidate(self, instance: ObjectKey) -> None:
        """The server of `instance` may have been started since, or is gone."""
        with self._lock:
            self._known.pop(instance, None)
