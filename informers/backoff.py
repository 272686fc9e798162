"""A growing, jittered delay between attempts, which forgets its past after a quiet time."""

from __future__ import annotations

from dataclasses import dataclass
from random import Random

from informers.clock import Clock
from informers.errors import ApiError

#: However long a server wants us to stay away, look again after this.
RETRY_AFTER_MAX_S = 300.0


@dataclass(frozen=True, slots=True)
class BackoffPolicy:
    """Delays grow from `initial_s` by `factor` up to `cap_s`, each prolonged by up to `jitter` of itself.

    After `reset_s` without a new attempt the growth begins again. The defaults are client-go's for reflectors.
    """

    initial_s: float = 0.8
    factor: float = 2.0
    cap_s: float = 30.0
    jitter: float = 1.0
    reset_s: float = 120.0


class JitteredBackoff:
    """The next delay of one retried thing; not shared between threads."""

    def __init__(self, policy: BackoffPolicy, *, clock: Clock, random: Random) -> None:
        self._policy = policy
        self._clock = clock
        self._random = random
        self._base_s = policy.initial_s
        self._asked_at: float | None = None

    def next_s(self) -> float:
        """How long to wait before the next attempt, in seconds."""
        now = self._clock.monotonic()
        if self._asked_at is not None and now - self._asked_at > self._policy.reset_s:
            self._base_s = self._policy.initial_s
        self._asked_at = now
        base_s = self._base_s
        self._base_s = min(base_s * self._policy.factor, self._policy.cap_s)
        return base_s * (1 + self._random.random() * self._policy.jitter)

    def after(self, error: BaseException | None) -> float:
        """The same after `error`, but not less than what the server asked for with it, within reason."""
        told_s = error.retry_after_s if isinstance(error, ApiError) else None
        return max(self.next_s(), min(told_s or 0.0, RETRY_AFTER_MAX_S))
