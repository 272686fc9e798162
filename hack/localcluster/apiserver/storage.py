"""The objects, one increasing resourceVersion, and the recent history that watches and old lists are served from.

Stored objects are never changed in place: a write stores a new one, so readers need no copies.
"""

from __future__ import annotations

import threading
from bisect import bisect_right
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

Object = dict[str, Any]
TableName = tuple[str, str]
Key = tuple[str, str]


class Compacted(Exception):
    """The asked-for resourceVersion is older than the history kept; `oldest` is the oldest still served."""

    def __init__(self, wanted: int, oldest: int) -> None:
        super().__init__(f"too old resource version: {wanted} ({oldest})")


@dataclass(frozen=True, slots=True)
class Change:
    """One write: what was there before and what is there after (None: nothing)."""

    version: int
    key: Key
    before: Object | None
    after: Object | None
    last: Object | None = None  # of a deletion: the object as it was, with the version of the deletion


@dataclass(slots=True)
class _Table:
    objects: dict[Key, Object] = field(default_factory=dict)
    changes: list[Change] = field(default_factory=list)
    compacted: int = 0


class Storage:
    """Tables of objects by group and plural. `window` is how many changes a table remembers."""

    def __init__(self, *, window: int) -> None:
        self._window = window
        self._version = 1
        self._tables: dict[TableName, _Table] = {}
        self._changed = threading.Condition()
        self._writing = threading.RLock()
        self._closed = False

    @contextmanager
    def writing(self) -> Iterator[None]:
        """Read, decide and write as one step: no other writer comes between."""
        with self._writing:
            yield

    @property
    def version(self) -> int:
        """The resourceVersion of the last write."""
        return self._version

    def get(self, table: TableName, key: Key) -> Object | None:
        """The object at `key` now."""
        stored = self._tables.get(table)
        return stored.objects.get(key) if stored else None

    def count(self, table: TableName) -> int:
        """How many objects the table holds."""
        stored = self._tables.get(table)
        return len(stored.objects) if stored else 0

    def snapshot(self, table: TableName, at: int | None = None) -> tuple[int, dict[Key, Object]]:
        """All objects as of version `at` (None: now), and that version. Raises Compacted."""
        with self._changed:
            stored = self._tables.get(table) or _Table()
            objects = dict(stored.objects)
            if at is None:
                return self._version, objects
            if at < stored.compacted:
                raise Compacted(at, stored.compacted)
            for change in reversed(stored.changes):
                if change.version <= at:
                    break
                if change.before is None:
                    objects.pop(change.key, None)
                else:
                    objects[change.key] = change.before
            return at, objects

    def put(self, table: TableName, key: Key, obj: Object) -> Object:
        """Store `obj`, which now belongs to the storage, under a new resourceVersion."""
        with self._changed:
            stored = self._tables.setdefault(table, _Table())
            self._version += 1
            obj["metadata"]["resourceVersion"] = str(self._version)
            before = stored.objects.get(key)
            stored.objects[key] = obj
            self._remember(stored, Change(self._version, key, before, obj))
        return obj

    def remove(self, table: TableName, key: Key) -> Object | None:
        """Remove the object at `key`; returns it as it was, with the version of its deletion."""
        with self._changed:
            stored = self._tables.setdefault(table, _Table())
            before = stored.objects.pop(key, None)
            if before is None:
                return None
            self._version += 1
            last = before | {"metadata": before["metadata"] | {"resourceVersion": str(self._version)}}
            self._remember(stored, Change(self._version, key, before, None, last))
        return last

    def keys(self, table: TableName) -> list[Key]:
        """The keys of the table now."""
        with self._changed:
            stored = self._tables.get(table)
            return list(stored.objects) if stored else []

    def tables(self) -> list[TableName]:
        """The tables that ever held something."""
        with self._changed:
            return list(self._tables)

    def compact(self) -> None:
        """Forget all history, as a real server does in time: older versions are Expired from now on."""
        with self._changed:
            for stored in self._tables.values():
                stored.changes.clear()
                stored.compacted = self._version
            self._changed.notify_all()

    def changes(self, table: TableName, after: int, *, timeout_s: float) -> tuple[int, list[Change]]:
        """What changed after version `after`, waiting up to `timeout_s` seconds for something.

        Also returns the version up to which this is everything. Raises Compacted.
        """
        with self._changed:
            found = self._after(table, after)
            if not found and not self._closed:
                self._changed.wait(timeout_s)
                found = self._after(table, after)
            return max(after, self._version), found

    def wake(self, *, closed: bool = False) -> None:
        """Wake every waiter of `changes`; with `closed` they never wait again."""
        with self._changed:
            self._closed = self._closed or closed
            self._changed.notify_all()

    def _after(self, table: TableName, after: int) -> list[Change]:
        stored = self._tables.get(table)
        if stored is None:
            return []
        if after < stored.compacted:
            raise Compacted(after, stored.compacted)
        return stored.changes[bisect_right(stored.changes, after, key=_version_of) :]

    def _remember(self, stored: _Table, change: Change) -> None:
        stored.changes.append(change)
        if len(stored.changes) > 2 * self._window:
            surplus = len(stored.changes) - self._window
            stored.compacted = stored.changes[surplus - 1].version
            del stored.changes[:surplus]
        self._changed.notify_all()


_version_of: Callable[[Change], int] = lambda change: change.version  # noqa: E731 - a key function for bisect
