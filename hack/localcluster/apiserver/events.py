"""Events have two APIs over one storage: core/v1 is what is stored, events.k8s.io/v1 is converted from and to it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

Object = dict[str, Any]

#: Field of events.k8s.io/v1 by field of core/v1, where they differ.
_NAMES: Mapping[str, str] = {
    "involvedObject": "regarding",
    "message": "note",
    "source": "deprecatedSource",
    "firstTimestamp": "deprecatedFirstTimestamp",
    "lastTimestamp": "deprecatedLastTimestamp",
    "count": "deprecatedCount",
    "reportingComponent": "reportingController",
}
_BACK: Mapping[str, str] = {value: key for key, value in _NAMES.items()}


def to_core(event: Object) -> Object:
    """An events.k8s.io/v1 Event as core/v1."""
    return {_BACK.get(key, key): value for key, value in event.items()} | {"apiVersion": "v1"}


def from_core(event: Object) -> Object:
    """A core/v1 Event as events.k8s.io/v1."""
    shown = {
        _NAMES.get(key, key): value
        for key, value in event.items()
        if value != "" or key not in ("reportingComponent", "reportingInstance")
    }
    return shown | {"apiVersion": "events.k8s.io/v1"}
