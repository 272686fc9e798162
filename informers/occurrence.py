"""One thing that happened, and the event (events.k8s.io/v1) that tells it. Pure."""

from __future__ import annotations

import uuid
from collections.abc import Hashable
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from informers.lease import micro_time
from informers.resource import Manifest, Resource, View

EVENTS = Resource(group="events.k8s.io", version="v1", plural="events", kind="Event")

NOTE_BYTES = 1024
WORD_BYTES = 128
NAME_LENGTH = 253


class EventType(StrEnum):
    """Whether a person should look."""

    NORMAL = "Normal"
    WARNING = "Warning"


@dataclass(frozen=True, slots=True)
class Occurrence:
    """What happened to what and when, with texts as long as the API takes them."""

    type: EventType
    regarding: tuple[tuple[str, str], ...]
    reason: str
    note: str
    action: str
    at: datetime
    at_monotonic: float

    @classmethod
    def of(
        cls,
        kind: EventType,
        regarding: View,
        reason: str,
        note: str,
        action: str,
        *,
        at: datetime,
        at_monotonic: float,
    ) -> Occurrence:
        """What happened to the object `regarding`."""
        return cls(
            type=kind,
            regarding=_reference(regarding),
            reason=cut(reason, WORD_BYTES),
            note=cut(note, NOTE_BYTES),
            action=cut(action, WORD_BYTES),
            at=at,
            at_monotonic=at_monotonic,
        )

    @property
    def what(self) -> Hashable:
        """Equal for occurrences that make one series."""
        return (self.type, self.regarding, self.reason, self.note, self.action)

    def manifest(self, *, component: str, instance: str) -> Manifest:
        """A new event of it, told by the controller `component` in the process `instance`."""
        regarding = dict(self.regarding)
        suffix = f"-{uuid.uuid4().hex[:16]}"
        name = regarding["name"][: NAME_LENGTH - len(suffix)].rstrip(".-")
        return {
            "apiVersion": EVENTS.api_version,
            "kind": EVENTS.kind,
            "metadata": {"namespace": regarding.get("namespace") or "default", "name": name + suffix},
            "eventTime": micro_time(self.at),
            "reportingController": component,
            "reportingInstance": instance,
            "type": self.type.value,
            "reason": self.reason,
            "action": self.action,
            "note": self.note,
            "regarding": regarding,
        }


def cut(text: str, limit: int) -> str:
    """`text` in at most `limit` bytes of UTF-8, with an ellipsis where it was cut; that is how the API counts."""
    encoded = text.encode()
    if len(encoded) <= limit:
        return text
    ellipsis = "…"
    return encoded[: limit - len(ellipsis.encode())].decode(errors="ignore") + ellipsis


def _reference(regarding: View) -> tuple[tuple[str, str], ...]:
    metadata = regarding["metadata"]
    fields = {
        "apiVersion": regarding.get("apiVersion"),
        "kind": regarding.get("kind"),
        "namespace": metadata.get("namespace"),
        "name": metadata["name"],
        "uid": metadata.get("uid"),
    }
    return tuple((name, str(value)) for name, value in fields.items() if value)
