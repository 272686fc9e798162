"""Conditions as every kind reports them (the Kubernetes API conventions).

`lastTransitionTime` moves only when `status` changes, so that a pass that finds nothing new writes nothing.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from reconcilers.api.common import ConditionStatus

#: metav1.Condition allows 32768 characters; what a person reads in `kubectl describe` is far shorter.
MAX_MESSAGE_LENGTH = 1024


@dataclass(frozen=True, slots=True)
class Condition:
    """What holds now: a type, its status, a stable CamelCase reason for programs and a message for people."""

    type: str
    status: ConditionStatus
    reason: str
    message: str = ""

    @property
    def holds(self) -> bool:
        """Whether the status is True."""
        return self.status is ConditionStatus.TRUE


def true(kind: str, reason: str, message: str = "") -> Condition:
    """The condition `kind` holds."""
    return Condition(kind, ConditionStatus.TRUE, reason, message)


def false(kind: str, reason: str, message: str = "") -> Condition:
    """The condition `kind` does not hold."""
    return Condition(kind, ConditionStatus.FALSE, reason, message)


def unknown(kind: str, reason: str, message: str = "") -> Condition:
    """Nothing is known about the condition `kind`."""
    return Condition(kind, ConditionStatus.UNKNOWN, reason, message)


def all_of(kind: str, parts: Sequence[Condition], *, reason: str, message: str) -> Condition:
    """The condition `kind`, true with `reason` when all `parts` hold; else it takes over the first that is in the way.

    One that is False comes before one that is Unknown: it says more.
    """
    for status in (ConditionStatus.FALSE, ConditionStatus.UNKNOWN):
        for part in parts:
            if part.status is status:
                return Condition(kind, status, part.reason, part.message)
    return true(kind, reason, message)


def to_status(
    current: Iterable[Condition],
    *,
    previous: Iterable[Mapping[str, Any]],
    observed_generation: int,
    now: datetime,
) -> list[dict[str, Any]]:
    """The `status.conditions` for `current`: entries of `previous` keep their time unless their status changed."""
    before = {entry["type"]: entry for entry in previous}
    entries = []
    for condition in current:
        known = before.get(condition.type, {})
        moved = known.get("status") != condition.status or not known.get("lastTransitionTime")
        entries.append(
            {
                "type": condition.type,
                "status": str(condition.status),
                "reason": condition.reason,
                "message": condition.message[:MAX_MESSAGE_LENGTH],
                "lastTransitionTime": now.strftime("%Y-%m-%dT%H:%M:%SZ") if moved else known["lastTransitionTime"],
                "observedGeneration": observed_generation,
            }
        )
    return entries
