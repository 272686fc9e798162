"""Server-side apply, and the bookkeeping of all other writes."""

from __future__ import annotations

import copy
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from types import MappingProxyType
from typing import Any, Final

from .check import problems
from .combine import merged, settled, without
from .compare import compare, equal
from .fieldset import EMPTY, BadList, FieldSet, Path, notation, of_object, with_named_parents, without_below
from .managers import (
    APPLY,
    BEFORE_FIRST_APPLY,
    UPDATE,
    ManagerKey,
    Managers,
    Ownership,
    all_fields,
    is_reset,
    key_of,
    read,
    taken,
    write,
)
from .types import FieldType

#: Fields that identify an object or belong to the server: nobody owns them.
NEVER_OWNED: Final[FieldSet] = frozenset(
    {
        ("f:apiVersion",),
        ("f:kind",),
        ("f:metadata",),
        *(
            ("f:metadata", f"f:{name}")
            for name in (
                "name", "namespace", "creationTimestamp", "selfLink", "uid", "clusterName", "generation",
                "managedFields", "resourceVersion",
            )
        ),
    }
)  # fmt: skip

#: Metadata that only the server writes: a configuration may carry it (a precondition, a copy), but can't set it.
SERVER_METADATA: Final = frozenset(
    {
        "creationTimestamp", "deletionGracePeriodSeconds", "deletionTimestamp", "generation", "resourceVersion",
        "selfLink", "uid",
    }
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Conflict:
    """A field that somebody else owns with another value."""

    manager: str
    operation: str
    field: str
    subresource: str = ""
    api_version: str = ""

    @property
    def description(self) -> str:
        """Who, as the server says it: `"kubectl" using v1`."""
        who = f'"{self.manager}"'
        if self.subresource:
            who += f' with subresource "{self.subresource}"'
        if self.operation == UPDATE:
            who += f" using {self.api_version}"
        return who


class ApplyConflict(Exception):
    """Other managers own fields that the configuration gives another value. The text is the server's message."""

    def __init__(self, conflicts: Iterable[Conflict]) -> None:
        self.conflicts = tuple(conflicts)
        super().__init__(self._message())

    def _message(self) -> str:
        if len(self.conflicts) == 1:
            only = self.conflicts[0]
            return f"Apply failed with 1 conflict: conflict with {only.description}: {only.field}"
        lines: list[str] = []
        for who in sorted({conflict.description for conflict in self.conflicts}):
            lines.append(f"conflicts with {who}:")
            lines.extend(f"- {conflict.field}" for conflict in self.conflicts if conflict.description == who)
        return f"Apply failed with {len(self.conflicts)} conflicts: " + "\n".join(lines)


class ApplyRefused(ValueError):
    """The configuration can't be applied whatever stands in the store; the text is the server's message."""


@dataclass(frozen=True, slots=True)
class ApplyOutcome:
    """The object to store, with its managedFields; `changed` is False when nothing at all is to be written."""

    object: dict[str, Any]
    changed: bool


def apply(
    live: dict[str, Any] | None,
    applied: dict[str, Any],
    *,
    manager: str,
    subresource: str,
    force: bool,
    types: FieldType,
    now: str,
    reset: Iterable[str] = (),
) -> ApplyOutcome:
    """The object after `manager` applied `applied`; no argument is changed.

    `reset` names the top-level fields that the endpoint throws away (`status` on the main one): they are neither
    merged nor owned. `now` is the time on the wire. Defaults are the caller's business, afterwards. Raises
    ApplyConflict, and ApplyRefused for a configuration that does not fit `types`.
    """
    reset = tuple(reset)
    _check(applied, types)
    api_version = applied.get("apiVersion", "")
    key = key_of(manager, APPLY, subresource, api_version)
    # deep copies: what the caller stores must share nothing with what it read
    config = _ours_to_give(copy.deepcopy({name: value for name, value in applied.items() if name not in reset}))
    standing = copy.deepcopy(_bare(live)) if live is not None else {}
    managers = read(live)
    if live is not None and not managers:
        managers = _first_apply(standing, types, api_version, now)
    last = managers.get(key, Ownership(api_version, EMPTY)).fields
    fields = without_below(of_object(config, types), reset)
    managers[key] = Ownership(api_version, fields, managers[key].time if key in managers else "")

    try:
        result = merged(standing, config, types)
        if not last <= (managed := all_fields(managers.values())):
            # laid over once more: a map that pruning emptied may be what the configuration asks for
            left = _pruned(result, types, last=last, managed=managed)
            result = settled(merged(left, config, types), types)
        difference = compare(standing, result, types).without(reset)
    except BadList as error:
        raise ApplyRefused(f"failed to create typed live object: {error}") from error
    if not force:
        # a null that takes a value away is a change like any other
        conflicts = _conflicts(managers, difference.written | (difference.removed & fields), key)
        if conflicts:
            raise ApplyConflict(conflicts)
    managers = taken(managers, difference.written | difference.removed, keep=key)
    managers[key] = replace(managers[key], fields=managers[key].fields - NEVER_OWNED)
    if not managers[key].fields:
        del managers[key]
    same = live is not None and equal(result, standing)
    if live is not None and same and managers == read(live):
        return ApplyOutcome(live, changed=False)
    if key in managers and not same:
        managers[key] = replace(managers[key], time=now)
    return ApplyOutcome(_with_managers(result, managers), changed=True)


def track_update(
    old: dict[str, Any] | None,
    new: dict[str, Any],
    *,
    manager: str,
    subresource: str,
    operation: str = UPDATE,
    types: FieldType,
    now: str,
    reset: Iterable[str] = (),
    blank: Mapping[str, Any] = MappingProxyType({}),
) -> list[dict[str, Any]]:
    """The managedFields of `new`, which `manager` is about to store in place of `old` (None: a creation).

    `blank` holds what an object of the kind has before anything is set: its parts that can't be absent.

    `new` must have its defaults, and what the endpoint throws away must stand as in `old`. An object that nobody
    keeps track of stays so until it is applied; `managedFields: [{}]` makes one such.
    """
    if is_reset(new):
        return []
    managers = read(old) if subresource else read(new) or read(old)
    if old is not None and not managers:
        return []
    api_version = new.get("apiVersion", "")
    key = key_of(manager, operation, subresource, api_version)
    try:
        difference = compare(_bare(old) if old is not None else dict(blank), _bare(new), types).without(reset)
    except BadList:
        # validation refuses such an object; a write is never lost for its bookkeeping
        return write(managers)
    written = difference.written - NEVER_OWNED
    managers = taken(managers, difference.written | difference.removed)
    if written:
        previous = managers[key].fields if key in managers else EMPTY
        managers[key] = Ownership(api_version, previous | written, now)
    return write(managers)


def same_but_times(old: Mapping[str, Any], new: Mapping[str, Any]) -> bool:
    """Would storing `new` change nothing but the times of its managers? Then the server stores nothing."""
    return equal(_bare(old), _bare(new)) and _timeless(read(old)) == _timeless(read(new))


def _timeless(managers: Managers) -> Managers:
    return {key: replace(owned, time="") for key, owned in managers.items()}


def _check(applied: dict[str, Any], types: FieldType) -> None:
    metadata = applied.get("metadata") or {}
    if metadata.get("managedFields") is not None:
        raise ApplyRefused("metadata.managedFields must be nil")
    found = list(problems(applied, types))
    if found:
        which = f"{metadata.get('namespace', '')}/{metadata.get('name', '')}"
        version = applied.get("apiVersion", "")
        group_version = version if "/" in version else f"/{version}"
        said = found[0] if len(found) == 1 else "errors:\n" + "\n".join(f"  {problem}" for problem in found)
        raise ApplyRefused(
            f"failed to create typed patch object ({which}; {group_version}, Kind={applied.get('kind', '')}): {said}"
        )


def _ours_to_give(config: dict[str, Any]) -> dict[str, Any]:
    metadata = config.get("metadata")
    if isinstance(metadata, dict):
        config["metadata"] = {name: value for name, value in metadata.items() if name not in SERVER_METADATA}
    return config


def _first_apply(standing: dict[str, Any], types: FieldType, api_version: str, now: str) -> Managers:
    fields = compare({}, standing, types).written - NEVER_OWNED
    key = key_of(BEFORE_FIRST_APPLY, UPDATE, "", api_version)
    return {key: Ownership(api_version, fields, now)} if fields else {}


def _pruned(result: dict[str, Any], types: FieldType, *, last: FieldSet, managed: FieldSet) -> dict[str, Any]:
    """`result` without what the manager applied last time, and neither it nor anybody else wants now."""
    last = with_named_parents(last, types)
    present = with_named_parents(of_object(result, types), types)
    kept = _present_without(result, last, types) | with_named_parents(managed, types)
    # a field that nobody owns stays, unless it stands in an item that goes
    left = _present_without(result, present - kept, types)
    return _object_without(result, (present - left) & last, types)


def _present_without(result: dict[str, Any], paths: FieldSet, types: FieldType) -> FieldSet:
    return with_named_parents(of_object(_object_without(result, paths, types), types), types)


def _object_without(result: dict[str, Any], paths: FieldSet, types: FieldType) -> dict[str, Any]:
    left = without(result, paths, types)
    return left if isinstance(left, dict) else {}


def _conflicts(managers: Managers, written: FieldSet, applier: ManagerKey) -> list[Conflict]:
    found: list[tuple[ManagerKey, Path, Ownership]] = [
        (key, path, owned) for key, owned in managers.items() if key != applier for path in owned.fields & written
    ]
    return [
        Conflict(key.manager, key.operation, notation(path), key.subresource, owned.api_version)
        for key, path, owned in sorted(found, key=lambda one: (one[0].manager, one[0].operation, one[1]))
    ]


def _bare(obj: Mapping[str, Any] | None) -> dict[str, Any]:
    """The object without its managedFields."""
    bare = dict(obj or {})
    if isinstance(bare.get("metadata"), dict):
        bare["metadata"] = {name: value for name, value in bare["metadata"].items() if name != "managedFields"}
    return bare


def _with_managers(obj: dict[str, Any], managers: Managers) -> dict[str, Any]:
    metadata = dict(obj.get("metadata") or {})
    if managers:
        metadata["managedFields"] = write(managers)
    return {**obj, "metadata": metadata}
