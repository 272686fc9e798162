"""What a process knows of a lease: the record that it saw last, and when, on its own clock, that one had changed."""

from __future__ import annotations

import math

from informers.clock import Clock
from informers.lease import HeldLease


class Sighting:
    """Expiry as client-go counts it: times that another machine wrote are never compared with ours."""

    def __init__(self, *, clock: Clock, lease_s: float) -> None:
        """`lease_s` holds for a record that names no duration."""
        self._clock = clock
        self._lease_s = lease_s
        self._changed_at = -math.inf
        self.held: HeldLease | None = None

    @property
    def holder(self) -> str:
        """Who holds the lease, empty when nobody is known to."""
        return self.held.record.holder if self.held else ""

    def see(self, held: HeldLease) -> bool:
        """`held` is what stands there at this moment; whether the holder is another than before."""
        before = self.held
        if before is None or before.record != held.record:
            self._changed_at = self._clock.monotonic()
        self.held = held
        return before is None or before.record.holder != held.record.holder

    def left_s(self) -> float:
        """Seconds until the lease has run out, zero or less when it has or when nobody holds it."""
        if self.held is None or not self.held.record.holder:
            return -math.inf
        duration_s = self.held.record.duration_s
        return self._changed_at + (duration_s if duration_s > 0 else self._lease_s) - self._clock.monotonic()
