"""Somebody else keeps changing what we keep setting right: how often we still do, and who it is.

Without a bound, two writers that never agree write for ever, as fast as their watches tell them of each other.
"""

from __future__ import annotations

import threading
from collections.abc import Hashable, Iterable

from informers.clock import Clock
from informers.errors import Cause
from informers.ratelimit import Bucket
from informers.recent import Recent

#: So many corrections of one object are made at once, then one a minute: more than hands and scripts cause in passing.
BURST = 5
PER_SECOND = 1 / 60
#: After so many it is worth a request to learn who the other one is.
SUSPICIOUS = 2
#: Objects that are remembered.
REMEMBERED = 1024


class _Contest:
    def __init__(self, clock: Clock) -> None:
        self.bucket = Bucket(clock=clock, per_second=PER_SECOND, burst=BURST)
        self.corrections = 0
        self.opponent = ""


class Contention:
    """Counts corrections by object. Threads may share it."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._lock = threading.Lock()
        self._contests: Recent[Hashable, _Contest] = Recent(REMEMBERED)

    def may_correct(self, what: Hashable) -> bool:
        """Whether another correction of `what` is due now; counts it if so."""
        with self._lock:
            contest = self._contests.get(what)
            if contest is None:
                contest = _Contest(self._clock)
                self._contests.put(what, contest)
            if not contest.bucket.try_take():
                return False
            contest.corrections += 1
            return True

    def is_suspicious(self, what: Hashable) -> bool:
        """Whether so much was corrected that somebody must be behind it."""
        with self._lock:
            contest = self._contests.get(what)
            return contest is not None and contest.corrections > SUSPICIOUS

    def blame(self, what: Hashable, causes: Iterable[Cause]) -> None:
        """Remember who owns the fields of `what` that we want, as a refused apply told."""
        told = ", ".join(f"{cause.field}: {cause.message}" for cause in causes)
        with self._lock:
            contest = self._contests.get(what)
            if contest is not None and told:
                contest.opponent = told

    def opponent(self, what: Hashable) -> str:
        """Which fields whose, in the API server's words; empty when it is not known."""
        with self._lock:
            contest = self._contests.get(what)
            return "" if contest is None else contest.opponent
