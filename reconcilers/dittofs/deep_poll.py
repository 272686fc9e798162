"""When to look again at what takes calls of its own: at once when it or the server is another, else now and then."""

from __future__ import annotations

from dataclasses import dataclass

from informers.clock import Clock


@dataclass(frozen=True, slots=True)
class _Settled:
    start: str
    declared: bytes
    at: float


class DeepPoll:
    """Remembers, by instance, when all was last right. Safe for many threads, for different instances.

    `interval_s`: how often what somebody else changed is looked for.
    """

    def __init__(self, *, clock: Clock, interval_s: float) -> None:
        self._clock = clock
        self._interval_s = interval_s
        self._settled: dict[str, _Settled] = {}

    def is_due(self, uid: str, *, start: str, declared: bytes) -> bool:
        """Whether to look; `start` tells one start of a server from the next, `declared` one wish from another."""
        known = self._settled.get(uid)
        if known is None or (known.start, known.declared) != (start, declared):
            return True
        return self._clock.monotonic() >= known.at + self._interval_s

    def settle(self, uid: str, *, start: str, declared: bytes) -> None:
        """All is right now."""
        self._settled[uid] = _Settled(start, declared, self._clock.monotonic())

    def forget(self, uid: str) -> None:
        """Look again soon: something is not right, or the instance is gone."""
        self._settled.pop(uid, None)
