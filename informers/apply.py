"""Server-side apply that sends nothing while nothing differs.

`difference` is pure: it reads from metadata.managedFields what our last apply owns, and by which rules (list keys,
atomic values) the server merged it. Where the server rewrites what it is given (defaults inside atomic lists,
quantities in another notation), the `Applier` remembers what an intent became, so that this is no difference either.
"""

from __future__ import annotations

import hashlib
import threading
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import Enum
from typing import Any, Protocol

import orjson

from informers.clock import Clock, SystemClock
from informers.contention import Contention
from informers.errors import Conflict
from informers.recent import Recent
from informers.resource import Manifest, ObjectKey, Resource, View
from informers.view import thaw

#: What of metadata is never owned by anybody, and so absent from managedFields (structured-merge-diff strips it).
_UNOWNED_METADATA = frozenset(
    ("name", "namespace", "uid", "resourceVersion", "generation", "creationTimestamp", "selfLink", "managedFields")
)

#: Objects whose last apply is remembered.
_MEMORY_SIZE = 10_000


class Outcome(Enum):
    """What applying came to."""

    UNCHANGED = "unchanged"
    CREATED = "created"
    UPDATED = "updated"
    #: Left as it is for now: somebody else changes it back each time (`informers.contention`).
    CONTESTED = "contested"


@dataclass(frozen=True, slots=True)
class Applied:
    """The object as it is now, and what differed (`difference`)."""

    outcome: Outcome
    object: View
    reason: str = ""
    #: Who changes it back, when it is contested and the API server told.
    opponent: str = ""


class ApplyClient(Protocol):
    """The part of `informers.client.Client` that an applier uses."""

    def apply(self, resource: Resource, manifest: Manifest, *, field_manager: str, force: bool) -> Manifest:
        """Server-side apply."""


def is_applied(intent: Manifest, live: View, *, field_manager: str) -> bool:
    """Whether every field of `intent` stands in `live` and is ours, and nothing else is.

    `live` needs the managedFields of `field_manager`; without them nothing counts as applied.
    """
    return difference(intent, live, field_manager=field_manager) is None


def difference(intent: Manifest, live: View, *, field_manager: str) -> str | None:
    """The first difference that applying `intent` would remove, such as "spec.replicas differs"; None without one."""
    fields = _owned_fields(live, field_manager, intent.get("apiVersion"))
    if fields is None:
        return f"{field_manager} has not applied it yet"
    declared = _declared(intent)
    return _lacking(declared, live, fields, "") or _surplus(fields, declared, "")


class Applier:
    """Applies manifests as one field manager. Threads may share it."""

    def __init__(self, client: ApplyClient, field_manager: str, *, clock: Clock | None = None) -> None:
        self._client = client
        self._contention = Contention(clock or SystemClock())
        self._field_manager = field_manager
        self._lock = threading.Lock()
        self._memory: Recent[tuple[Resource, ObjectKey], _Remembered] = Recent(_MEMORY_SIZE)

    def ensure(self, resource: Resource, intent: Manifest, live: View | None) -> Applied:
        """Makes the object have what `intent` says, given that it is `live` (from a cache) or, when None, absent.

        An absent one is created without force: `Conflict` when somebody else made it meanwhile with other values. A
        present one is written with force, but only as long as its uid is that of `live` (`Conflict` otherwise). An
        intent with a uid of its own is for that object alone: `Conflict` where `live` is another one or gone. What
        others change back each time is set right ever more rarely, and left in between.
        """
        at = (resource, ObjectKey.of(intent))
        if live is None:
            answer = self._client.apply(resource, intent, field_manager=self._field_manager, force=False)
            self._remember(at, intent, None, answer)
            return Applied(Outcome.CREATED, answer, "it is not there")
        reason = difference(intent, live, field_manager=self._field_manager)
        if reason is None or self._is_known(at, intent, live):
            return Applied(Outcome.UNCHANGED, live)
        if self._was_applied(at, intent) and not self._contention.may_correct(at):
            return Applied(Outcome.CONTESTED, live, reason, self._contention.opponent(at))
        guarded = {**intent, "metadata": {"uid": live["metadata"]["uid"], **intent["metadata"]}}
        answer = self._write(at, guarded)
        self._remember(at, intent, live, answer)
        same = _version(answer) == _version(live)
        return Applied(Outcome.UNCHANGED if same else Outcome.UPDATED, answer, reason)

    def _write(self, at: tuple[Resource, ObjectKey], intent: Manifest) -> Manifest:
        resource, _ = at
        if self._contention.is_suspicious(at):
            try:
                return self._client.apply(resource, intent, field_manager=self._field_manager, force=False)
            except Conflict as conflict:
                self._contention.blame(at, conflict.causes)
        return self._client.apply(resource, intent, field_manager=self._field_manager, force=True)

    def _was_applied(self, at: tuple[Resource, ObjectKey], intent: Manifest) -> bool:
        """Whether this very intent was applied before: what differs, somebody else has changed since."""
        with self._lock:
            known = self._memory.get(at)
        return known is not None and known.intent == _digest(intent)

    def _is_known(self, at: tuple[Resource, ObjectKey], intent: Manifest, live: View) -> bool:
        """Whether this intent was applied to this very state, or made it (but for what others write elsewhere)."""
        with self._lock:
            known = self._memory.get(at)
        if known is None or known.intent != _digest(intent):
            return False
        # the version that we acted on: the cache has not caught up yet, or the apply had changed nothing
        return known.acted_on == _version(live) or known.became == _digest(_substance(live))

    def _remember(self, at: tuple[Resource, ObjectKey], intent: Manifest, live: View | None, answer: Manifest) -> None:
        acted_on = _version(live) if live is not None else None
        remembered = _Remembered(_digest(intent), acted_on, _digest(_substance(answer)))
        with self._lock:
            self._memory.put(at, remembered)


@dataclass(frozen=True, slots=True)
class _Remembered:
    intent: bytes
    acted_on: str | None
    became: bytes


def _version(obj: View) -> str | None:
    version: str | None = obj["metadata"].get("resourceVersion")
    return version


def _substance(obj: View) -> Manifest:
    """`obj` without what changes on its own or differs between a cache and an answer."""
    metadata = {
        name: value
        for name, value in obj["metadata"].items()
        if name not in ("resourceVersion", "generation", "managedFields")
    }
    return {name: value for name, value in obj.items() if name != "status"} | {"metadata": metadata}


def _digest(value: object) -> bytes:
    return hashlib.blake2b(orjson.dumps(thaw(value), option=orjson.OPT_SORT_KEYS)).digest()


def _declared(intent: Manifest) -> Manifest:
    """`intent` without what only names the object."""
    declared = {name: value for name, value in intent.items() if name not in ("apiVersion", "kind", "metadata")}
    metadata = {name: value for name, value in intent["metadata"].items() if name not in _UNOWNED_METADATA}
    return declared | ({"metadata": metadata} if metadata else {})


def _owned_fields(live: View, field_manager: str, api_version: object) -> Mapping[str, Any] | None:
    for entry in (live.get("metadata") or {}).get("managedFields") or ():
        ours = entry.get("manager") == field_manager and entry.get("operation") == "Apply"
        if ours and not entry.get("subresource") and entry.get("apiVersion") == api_version:
            fields: Mapping[str, Any] = entry.get("fieldsV1") or {}
            return fields
    return None


def _lacking(intent: object, live: object, fields: Mapping[str, Any], path: str) -> str | None:
    """What of `intent` is not in `live`, or stands there without being ours."""
    if isinstance(intent, Mapping):
        if not isinstance(live, Mapping):
            return f"{path} differs"
        if intent and _is_leaf(fields):
            return None if _equal(intent, live) else f"{path} differs"
        return _first(_field_lacking(name, value, live, fields, path) for name, value in intent.items())
    if isinstance(intent, (list, tuple)):
        if not isinstance(live, (list, tuple)):
            return f"{path} differs"
        if intent and _is_leaf(fields):
            return None if _equal(intent, live) else f"{path} differs"
        return _first(_item_lacking(item, live, fields, path) for item in intent)
    return None if _equal(intent, live) else f"{path} differs"


def _field_lacking(
    name: str, value: object, live: Mapping[str, Any], fields: Mapping[str, Any], path: str
) -> str | None:
    child = _join(path, name)
    if value is None:
        return f"{child} should be absent" if live.get(name) is not None else None
    if live.get(name) is None:
        return f"{child} is missing"
    owned = fields.get(f"f:{name}")
    if owned is None:
        return f"{child} is not ours" if _equal(value, live[name]) else f"{child} differs"
    return _lacking(value, live[name], owned, child)


def _item_lacking(item: object, live: Sequence[object], fields: Mapping[str, Any], path: str) -> str | None:
    if not isinstance(item, Mapping):
        if not any(_equal(item, other) for other in live):
            return f"{path} lacks {item!r}"
        return None if any(_equal(item, value) for value in _set_values(fields)) else f"{path} has a foreign {item!r}"
    for key, owned in _map_keys(fields):
        if _has_key(item, key):
            child = _join_key(path, key)
            for other in live:
                if isinstance(other, Mapping) and all(_equal(value, other.get(name)) for name, value in key.items()):
                    return _lacking(item, other, owned, child)
            return f"{child} is missing"
    return f"{path} lacks an item of ours"


def _surplus(fields: Mapping[str, Any], intent: object, path: str) -> str | None:
    """What is ours by `fields` but no longer in `intent`."""
    return _first(_entry_surplus(entry, child, intent, path) for entry, child in fields.items() if entry != ".")


def _entry_surplus(entry: str, child: Mapping[str, Any], intent: object, path: str) -> str | None:
    kind, _, rest = entry.partition(":")
    if kind == "f":
        name = _join(path, rest)
        if not isinstance(intent, Mapping) or rest not in intent:
            return f"{name} is ours but no longer wanted"
        return _surplus(child, intent[rest], name)
    items = intent if isinstance(intent, (list, tuple)) else ()
    if kind == "k":
        key = orjson.loads(rest)
        name = _join_key(path, key)
        for item in items:
            if isinstance(item, Mapping) and _has_key(item, key):
                return _surplus(child, item, name)
        return f"{name} is ours but no longer wanted"
    if kind == "v" and not any(_equal(orjson.loads(rest), item) for item in items):
        return f"{path} has {rest}, which is ours but no longer wanted"
    return None


def _map_keys(fields: Mapping[str, Any]) -> Iterator[tuple[Mapping[str, Any], Mapping[str, Any]]]:
    return ((orjson.loads(entry[2:]), owned) for entry, owned in fields.items() if entry.startswith("k:"))


def _set_values(fields: Mapping[str, Any]) -> Iterator[object]:
    return (orjson.loads(entry[2:]) for entry in fields if entry.startswith("v:"))


def _has_key(item: Mapping[str, Any], key: Mapping[str, Any]) -> bool:
    """Whether `key` names `item`; a part of the key that the item leaves out has a default (a port's protocol)."""
    named = [name for name in key if name in item]
    return bool(named) and all(_equal(item[name], key[name]) for name in named)


def _is_leaf(fields: Mapping[str, Any]) -> bool:
    return not any(entry != "." for entry in fields)


def _equal(one: object, other: object) -> bool:
    """Equality of JSON: true is not 1, and a field that is null is a field that is missing."""
    if isinstance(one, Mapping) and isinstance(other, Mapping):
        return all(_equal(one.get(name), other.get(name)) for name in one.keys() | other.keys())
    if isinstance(one, (list, tuple)) and isinstance(other, (list, tuple)):
        return len(one) == len(other) and all(map(_equal, one, other))
    if isinstance(one, bool) or isinstance(other, bool):
        return one is other
    return one == other


def _first(findings: Iterator[str | None]) -> str | None:
    return next((finding for finding in findings if finding), None)


def _join(path: str, name: str) -> str:
    return f"{path}.{name}" if path else name


def _join_key(path: str, key: Mapping[str, Any]) -> str:
    return f"{path}[{','.join(f'{name}={value}' for name, value in key.items())}]"
