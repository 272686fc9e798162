"""How long a deleted object has been waiting for a server that can't be asked, so that it never waits for ever."""

from __future__ import annotations

from datetime import datetime

from informers.clock import Clock
from informers.resource import ObjectKey
from reconcilers.api.common import CustomResource

#: How long a server that can't be asked may hold a deleted object, from its deletionTimestamp on.
PATIENCE_S = 60.0
#: How often it is tried until then; even steps, so that the end is not overshot by a grown delay.
RETRY_EVERY_S = 5.0


class Patience:
    """Remembers since when each object waits. Safe for many threads, for different objects."""

    def __init__(self, *, clock: Clock) -> None:
        self._clock = clock
        self._waiting_since: dict[ObjectKey, float] = {}
        self._begun_anew: set[ObjectKey] = set()

    def waited_s(self, leaving: CustomResource) -> float:
        """How long `leaving`, which has a deletionTimestamp, has been waiting.

        By both clocks: the wall clock outlives a restart of ours, the other one holds when the two machines disagree.
        """
        now = self._clock.monotonic()
        waited_s = now - self._waiting_since.setdefault(leaving.key, now)
        if leaving.key in self._begun_anew:
            return waited_s
        asked_at = datetime.fromisoformat(leaving.metadata.deletion_timestamp or "")
        return max(waited_s, (self._clock.now() - asked_at).total_seconds())

    def begin_anew(self, key: ObjectKey) -> None:
        """Until now it waited for something else than its server."""
        self._waiting_since[key] = self._clock.monotonic()
        self._begun_anew.add(key)

    def forget(self, key: ObjectKey) -> None:
        """It is gone."""
        self._begun_anew.discard(key)
        self._waiting_since.pop(key, None)
