"""What a reconcile ends with: a closed set, so that no combination can be wrong."""

from __future__ import annotations

import math
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Done:
    """Nothing more to do until something changes; forgets earlier failures."""


@dataclass(frozen=True, slots=True)
class RequeueAfter:
    """Look again after `seconds`; forgets earlier failures."""

    seconds: float


@dataclass(frozen=True, slots=True)
class Backoff:
    """Failed for `reason`; try again with the key's growing delay, but in `at_most_s` seconds at the latest.

    `at_least_s`: sooner is of no use, by the word of whoever failed; it beats `at_most_s`.
    """

    reason: str
    at_most_s: float = math.inf
    at_least_s: float = 0.0


@dataclass(frozen=True, slots=True)
class Terminal:
    """Failed for `reason`; only a change of the object can help."""

    reason: str


Result = Done | RequeueAfter | Backoff | Terminal
