"""The objects of one resource type as last seen, with indexes. Readers get read-only views and whole snapshots.

One writer (the informer) feeds it; each change gives the events that tell it.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

from informers.event import Added, Deleted, Event, Updated
from informers.resource import ObjectKey, View

#: Gives the values under which a view is found; must be pure.
Indexer = Callable[[View], Iterable[str]]

Events = list[Event]


class Store:
    """An indexed cache. Every query is one consistent snapshot; threads may share it."""

    def __init__(self, *, indexers: Mapping[str, Indexer] | None = None, logger: Any) -> None:  # noqa: ANN401 - structlog's bound loggers share no type
        self._lock = threading.Lock()
        self._logger = logger
        self._objects: dict[ObjectKey, View] = {}
        self._indexers: dict[str, Indexer] = dict(indexers or {})
        self._index: dict[str, dict[str, dict[ObjectKey, None]]] = {name: {} for name in self._indexers}
        self._values: dict[ObjectKey, Mapping[str, frozenset[str]]] = {}
        self._version = ""

    @property
    def resource_version(self) -> str:
        """The version up to which everything has been seen: of the last list, event or bookmark; empty before."""
        with self._lock:
            return self._version

    def __len__(self) -> int:
        with self._lock:
            return len(self._objects)

    def get(self, key: ObjectKey) -> View | None:
        """The object named `key`, if it is there."""
        with self._lock:
            return self._objects.get(key)

    def list(self, namespace: str = "") -> tuple[View, ...]:
        """All objects, or those of `namespace`."""
        with self._lock:
            if not namespace:
                return tuple(self._objects.values())
            return tuple(view for key, view in self._objects.items() if key.namespace == namespace)

    def keys(self) -> tuple[ObjectKey, ...]:
        """The keys of all objects."""
        with self._lock:
            return tuple(self._objects)

    def by_index(self, index: str, value: str) -> tuple[View, ...]:
        """The objects for which the indexer `index` gave `value`; KeyError when there is no such indexer."""
        with self._lock:
            return tuple(self._objects[key] for key in self._index[index].get(value, ()))

    def add_indexer(self, name: str, indexer: Indexer) -> None:
        """Adds an index; only before the first object, and each `name` once (ValueError)."""
        with self._lock:
            if self._version or self._objects:
                raise ValueError(f"index {name!r} comes too late: the store is in use")
            if name in self._indexers:
                raise ValueError(f"there is an index {name!r} already")
            self._indexers[name] = indexer
            self._index[name] = {}

    def replace(self, views: Sequence[View], resource_version: str) -> Events:
        """Makes `views` the whole content; gives what changed: deletions first, then the others in their order.

        What is missing now was deleted at an unknown time, and so was what has another uid than before.
        """
        values = {ObjectKey.of(view): self._index_values(view) for view in views}
        gone: Events = []
        changed: Events = []
        with self._lock:
            missing = [key for key in self._objects if key not in values]
            gone += [Deleted(self._drop(key), final_state_unknown=True) for key in missing]
            for view in views:
                key = ObjectKey.of(view)
                events = self._put(key, view, values[key])
                gone += [event for event in events if isinstance(event, Deleted)]
                changed += [event for event in events if not isinstance(event, Deleted)]
            self._version = resource_version
        return gone + changed

    def put(self, view: View) -> Events:
        """Adds or updates one object and moves the version to its own."""
        key, values = ObjectKey.of(view), self._index_values(view)
        with self._lock:
            events = self._put(key, view, values)
            self._version = view["metadata"].get("resourceVersion") or self._version
        return events

    def remove(self, view: View) -> Events:
        """Removes the object of which `view` is the last state; nothing happens when it isn't there."""
        key = ObjectKey.of(view)
        with self._lock:
            self._version = view["metadata"].get("resourceVersion") or self._version
            if key not in self._objects:
                return []
            self._drop(key)
        return [Deleted(view)]

    def advance(self, resource_version: str) -> None:
        """Everything up to `resource_version` has been seen (a bookmark)."""
        with self._lock:
            self._version = resource_version

    def _put(self, key: ObjectKey, view: View, values: Mapping[str, frozenset[str]]) -> Events:
        old = self._objects.get(key)
        if old is not None and "resourceVersion" in view["metadata"] and _same(old, view, "uid", "resourceVersion"):
            return []
        if old is not None:
            self._drop(key)
        self._objects[key] = view
        self._values[key] = values
        for index, found in values.items():
            for value in found:
                self._index[index].setdefault(value, {})[key] = None
        if old is None:
            return [Added(view)]
        if _same(old, view, "uid"):
            return [Updated(old, view)]
        return [Deleted(old, final_state_unknown=True), Added(view)]

    def _drop(self, key: ObjectKey) -> View:
        for index, found in self._values.pop(key).items():
            for value in found:
                keys = self._index[index][value]
                del keys[key]
                if not keys:
                    del self._index[index][value]
        return self._objects.pop(key)

    def _index_values(self, view: View) -> Mapping[str, frozenset[str]]:
        """The values of every indexer; one that raises gives none, so that one odd object stops nothing."""
        values: dict[str, frozenset[str]] = {}
        for name, indexer in self._indexers.items():
            try:
                values[name] = frozenset(indexer(view))
            except Exception:  # any exception of a foreign function
                self._logger.exception("indexer failed", index=name, key=str(ObjectKey.of(view)))
        return values


def _same(one: View, other: View, *fields: str) -> bool:
    return all(one["metadata"].get(field) == other["metadata"].get(field) for field in fields)
