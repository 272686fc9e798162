"""How long a lease holds, how long its holder tries to renew it, and how often. All in seconds."""

from __future__ import annotations

from dataclasses import dataclass

JITTER_FACTOR = 1.2
"""A follower's retry period is prolonged by up to this part of itself."""


@dataclass(frozen=True, slots=True)
class LeaseDurations:
    """Seconds; client-go's defaults. ValueError unless lease > renew deadline > 1.2 * retry > 0."""

    lease_s: float = 15.0
    renew_deadline_s: float = 10.0
    retry_s: float = 2.0

    def __post_init__(self) -> None:
        if not self.lease_s > self.renew_deadline_s:
            raise ValueError(
                f"lease duration {self.lease_s:g} s must exceed renew deadline {self.renew_deadline_s:g} s"
            )
        if not self.renew_deadline_s > JITTER_FACTOR * self.retry_s:
            raise ValueError(
                f"renew deadline {self.renew_deadline_s:g} s must exceed {JITTER_FACTOR} * retry period "
                f"{self.retry_s:g} s"
            )
        if not self.retry_s > 0:
            raise ValueError(f"retry period {self.retry_s:g} s must be positive")
        if self.lease_s != int(self.lease_s):
            raise ValueError(f"lease duration {self.lease_s:g} s must be whole seconds: so it is written in the Lease")
