"""The objects of one resource type as last seen, with indexes. Readers get read-only views and whole snapshots.

One writer (the informer) feeds it; each change gives the events that tell it.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

from informers.event import Added, Deleted, Event, Updated
from informers.packed import PackedView
from informers.resource import ObjectKey, View

#: Gives the values under which a view is found; must be pure.
Indexer = Callable[[View], Iterable[str]]

Events = list[Event]
_Values = Mapping[str, frozenset[str]]


class NotSynced(Exception):
    """A store was read before its first list was in: what is missing there may well exist. Wait, then read again."""


class NotWatched(Exception):
    """A store was asked for a namespace that its informer doesn't watch: add it to the informer's namespaces."""


class Store:
    """An indexed cache. Every query is one consistent snapshot; threads may share it.

    `awaits` names the namespaces whose first list (`replace`) has to be in before anything can be read, the empty one
    standing for all at once; where it names some, no others are held. Reading raises `NotSynced` and `NotWatched`,
    which call the objects by `name`.
    """

    def __init__(
        self,
        *,
        logger: Any,  # noqa: ANN401 - structlog's bound loggers share no type
        indexers: Mapping[str, Indexer] | None = None,
        awaits: Iterable[str] = (),
        name: str = "objects",
    ) -> None:
        #: Held while something is changed, also around indexers; `_lock` only around what readers see.
        self._changing = threading.RLock()
        self._lock = threading.Lock()
        self._logger = logger
        self._name = name
        self._namespaces = frozenset(awaits) - {""}
        self._awaited = set(awaits)
        self._objects: dict[ObjectKey, PackedView] = {}
        self._size = 0
        self._indexers: dict[str, Indexer] = dict(indexers or {})
        self._index: dict[str, dict[str, dict[ObjectKey, None]]] = {name: {} for name in self._indexers}
        self._values: dict[ObjectKey, _Values] = {}
        self._versions: dict[str, str] = {}

    def __len__(self) -> int:
        with self._lock:
            return len(self._objects)

    @property
    def size(self) -> int:
        """Bytes of all objects as JSON text, which is nearly all that they take in memory."""
        with self._lock:
            return self._size

    @property
    def has_synced(self) -> bool:
        """Whether every first list that was awaited is in."""
        return not self._awaited

    @property
    def resource_version(self) -> str:
        """The version up to which all was seen, by list, event or bookmark; empty before, and see `version_of`."""
        return self.version_of("")

    def version_of(self, namespace: str) -> str:
        """The same for one namespace: where a store awaits several, each has a version of its own."""
        with self._lock:
            return self._versions.get(namespace if self._namespaces else "", "")

    def get(self, key: ObjectKey) -> View | None:
        """The object named `key`, if it is there."""
        with self._lock:
            self._check_readable(key.namespace)
            return self._objects.get(key)

    def list(self, namespace: str = "") -> tuple[View, ...]:
        """All objects, or those of `namespace`."""
        with self._lock:
            self._check_readable(namespace)
            return self._of(namespace)

    def known(self) -> tuple[View, ...]:
        """The objects that have come so far, also before the first list is in: more may exist."""
        with self._lock:
            return self._of("")

    def peek(self, key: ObjectKey) -> View | None:
        """The object named `key` if it has come so far, also before the first list is in: it may exist all the same."""
        with self._lock:
            return self._objects.get(key)

    def keys(self) -> tuple[ObjectKey, ...]:
        """The keys of all objects."""
        with self._lock:
            self._check_readable("")
            return tuple(self._objects)

    def by_index(self, index: str, value: str) -> tuple[View, ...]:
        """The objects for which the indexer `index` gave `value`; KeyError when there is no such indexer."""
        with self._lock:
            self._check_readable("")
            return tuple(self._objects[key] for key in self._index[index].get(value, ()))

    def add_indexer(self, name: str, indexer: Indexer) -> None:
        """Adds an index, of what is there already, too; ValueError when there is one of this `name`."""
        with self._changing:
            if name in self._indexers:
                raise ValueError(f"there is an index {name!r} already")
            self._indexers[name] = indexer
            found = {key: self._indexed(name, view) for key, view in self._objects.items()}
            with self._lock:
                self._index[name] = {}
                for key, values in found.items():
                    self._file(key, {**self._values.get(key, _NO_VALUES), name: values})

    def replace(self, views: Sequence[View], resource_version: str, namespace: str = "") -> Events:
        """Makes `views` the whole content, or all of `namespace`; gives what changed: deletions first, then the others.

        What is missing now was deleted at an unknown time, and so was what has another uid than before. What the first
        awaited list brings is `initial`.
        """
        with self._changing:
            packed = [_packed(view) for view in views]
            values = {view.object_key: self._index_values(view) for view in packed}
            gone: Events = []
            changed: Events = []
            with self._lock:
                initial = namespace in self._awaited
                missing = [key for key in self._objects if key not in values and namespace in ("", key.namespace)]
                gone += [Deleted(self._drop(key), final_state_unknown=True) for key in missing]
                for view in packed:
                    events = self._put(view, values[view.object_key], initial=initial)
                    gone += [event for event in events if isinstance(event, Deleted)]
                    changed += [event for event in events if not isinstance(event, Deleted)]
                self._versions[namespace] = resource_version
                self._awaited.discard(namespace)
            return gone + changed

    def put(self, view: View) -> Events:
        """Adds or updates one object and moves the version to its own."""
        with self._changing:
            packed = _packed(view)
            values = self._index_values(packed)
            with self._lock:
                self._saw(packed)
                return self._put(packed, values)

    def remove(self, view: View) -> Events:
        """Removes the object of which `view` is the last state; nothing happens when it isn't there."""
        packed = _packed(view)
        with self._changing, self._lock:
            self._saw(packed)
            if packed.object_key not in self._objects:
                return []
            self._drop(packed.object_key)
        return [Deleted(packed)]

    def advance(self, resource_version: str, namespace: str = "") -> None:
        """Everything up to `resource_version` has been seen (a bookmark)."""
        with self._lock:
            self._versions[namespace] = resource_version

    def _check_readable(self, namespace: str) -> None:
        if self._namespaces and namespace and namespace not in self._namespaces:
            watched = ", ".join(sorted(self._namespaces))
            raise NotWatched(f"{self._name} of namespace {namespace} are not watched, only those of {watched}")
        if self._awaited and (not namespace or not self._namespaces or namespace in self._awaited):
            missing = ", ".join(sorted(self._awaited)) or "all namespaces"
            raise NotSynced(f"{self._name} were read before their first list was in (missing: {missing})")

    def _of(self, namespace: str) -> tuple[View, ...]:
        if not namespace:
            return tuple(self._objects.values())
        return tuple(view for key, view in self._objects.items() if key.namespace == namespace)

    def _saw(self, view: PackedView) -> None:
        if view.resource_version:
            self._versions[view.object_key.namespace if self._namespaces else ""] = view.resource_version

    def _put(self, view: PackedView, values: _Values, *, initial: bool = False) -> Events:
        key = view.object_key
        old = self._objects.get(key)
        if old is not None:
            if view.resource_version and old.resource_version == view.resource_version and old.uid == view.uid:
                return []
            self._size -= old.size
        self._objects[key] = view
        self._size += view.size
        if self._indexers:
            self._file(key, values)
        if old is None:
            return [Added(view, initial=initial)]
        if old.uid == view.uid:
            return [Updated(old, view)]
        return [Deleted(old, final_state_unknown=True), Added(view)]

    def _file(self, key: ObjectKey, values: _Values) -> None:
        """From now on the object is found under `values` alone."""
        for index, found in self._values.pop(key, _NO_VALUES).items():
            for value in found:
                keys = self._index[index][value]
                del keys[key]
                if not keys:
                    del self._index[index][value]
        if values:
            self._values[key] = values
        for index, found in values.items():
            for value in found:
                self._index[index].setdefault(value, {})[key] = None

    def _drop(self, key: ObjectKey) -> PackedView:
        self._file(key, _NO_VALUES)
        view = self._objects.pop(key)
        self._size -= view.size
        return view

    def _index_values(self, view: PackedView) -> _Values:
        return {name: self._indexed(name, view) for name in self._indexers} if self._indexers else _NO_VALUES

    def _indexed(self, name: str, view: PackedView) -> frozenset[str]:
        """The values of one indexer; one that raises gives none, so that one odd object stops nothing."""
        try:
            return frozenset(self._indexers[name](view))
        except Exception:  # any exception of a foreign function
            self._logger.exception("indexer failed", index=name, key=str(view.object_key))
            return frozenset()


_NO_VALUES: _Values = {}


def _packed(view: View) -> PackedView:
    return view if isinstance(view, PackedView) else PackedView(view)
