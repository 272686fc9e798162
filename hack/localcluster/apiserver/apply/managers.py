"""The entries of metadata.managedFields: who owns which fields, and since when."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Any, Final, TypeAlias

from .fieldset import EMPTY, FieldSet, decode, encode

APPLY: Final = "Apply"
UPDATE: Final = "Update"
#: Owns what stood in an object that nobody kept track of when it was first applied.
BEFORE_FIRST_APPLY: Final = "before-first-apply"


@dataclass(frozen=True, slots=True)
class ManagerKey:
    """What tells managers apart: those that apply have one entry whatever the version, others one for each."""

    manager: str
    operation: str
    subresource: str = ""
    api_version: str = ""


@dataclass(frozen=True, slots=True)
class Ownership:
    """What one manager owns; `time` is when that last changed, as on the wire, or empty."""

    api_version: str
    fields: FieldSet
    time: str = ""


Managers: TypeAlias = dict[ManagerKey, Ownership]


def key_of(manager: str, operation: str, subresource: str, api_version: str) -> ManagerKey:
    """The key of a writer."""
    return ManagerKey(manager or "unknown", operation, subresource, "" if operation == APPLY else api_version)


def read(obj: Mapping[str, Any] | None) -> Managers:
    """The managers that `obj` names."""
    entries = ((obj or {}).get("metadata") or {}).get("managedFields") or ()
    found: Managers = {}
    for entry in entries:
        if not entry:
            continue
        key = key_of(
            entry.get("manager", ""),
            entry.get("operation", UPDATE),
            entry.get("subresource", ""),
            entry.get("apiVersion", ""),
        )
        found[key] = Ownership(entry.get("apiVersion", ""), decode(entry.get("fieldsV1") or {}), entry.get("time", ""))
    return found


def write(managers: Managers) -> list[dict[str, Any]]:
    """The managers as they stand in an object: those that apply first, then by time and name."""
    entries = []
    for key, owned in sorted(managers.items(), key=_order):
        entry: dict[str, Any] = {"manager": key.manager, "operation": key.operation, "apiVersion": owned.api_version}
        if owned.time:
            entry["time"] = owned.time
        entry |= {"fieldsType": "FieldsV1", "fieldsV1": encode(owned.fields)}
        if key.subresource:
            entry["subresource"] = key.subresource
        entries.append(entry)
    return entries


def _order(item: tuple[ManagerKey, Ownership]) -> tuple[str, ...]:
    key, owned = item
    return key.operation, owned.time, key.manager, owned.api_version, key.subresource


def taken(managers: Managers, fields: FieldSet, *, keep: ManagerKey | None = None) -> Managers:
    """The managers without `fields`, which are gone or belong to `keep` alone; empty managers are dropped."""
    left = {
        key: owned if key == keep else replace(owned, fields=owned.fields - fields) for key, owned in managers.items()
    }
    return {key: owned for key, owned in left.items() if owned.fields}


def all_fields(managers: Iterable[Ownership]) -> FieldSet:
    """Everything that somebody owns."""
    return EMPTY.union(*(owned.fields for owned in managers))


def is_reset(obj: Mapping[str, Any]) -> bool:
    """Does `obj` ask to forget all managers, by the one empty entry that means so?"""
    return ((obj.get("metadata") or {}).get("managedFields") or []) == [{}]
