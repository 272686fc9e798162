"""Watches: the changes of a collection from a resourceVersion on, as a stream of events."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from typing import Any

from hack.localcluster.apiserver.options import Query
from hack.localcluster.apiserver.read import selection, version_of
from hack.localcluster.apiserver.registry import present
from hack.localcluster.apiserver.shapes import Shape
from hack.localcluster.apiserver.status import Cause, expired, invalid_options, server_error
from hack.localcluster.apiserver.storage import Change, Compacted, Storage
from hack.localcluster.apiserver.target import Target

Object = dict[str, Any]

#: How long a watch lasts when its client doesn't say: the real server takes 30 to 60 minutes.
DEFAULT_TIMEOUT_S = 1800.0


class Watcher:
    """Streams the changes of the storage. `bookmark_interval_s` is the time between bookmarks of a quiet watch."""

    def __init__(self, *, storage: Storage, bookmark_interval_s: float, is_served: Callable[[Target], bool]) -> None:
        self._storage = storage
        self._bookmark_interval_s = bookmark_interval_s
        self._is_served = is_served

    def stream(self, target: Target, query: Query, shape: Shape, *, stopping: Callable[[], bool]) -> Iterator[Object]:
        """The events of a watch, until its time is over or the server stops; checks the request at once."""
        chosen = selection(target, query)
        version = version_of(query, refuse=server_error)
        timeout_s = query.number("timeoutSeconds")
        bookmarks = query.flag("allowWatchBookmarks")
        initial = _wants_initial_events(query, version)
        if not version and not initial:
            version = self._storage.version
        session = _Session(self._storage, target, shape, chosen)
        return self._run(
            session,
            version,
            deadline=time.monotonic() + (timeout_s or DEFAULT_TIMEOUT_S),
            bookmarks=bookmarks,
            initial=initial,
            mark_end=query.flag("sendInitialEvents"),
            stopping=stopping,
        )

    def _run(
        self,
        session: _Session,
        version: int,
        *,
        deadline: float,
        bookmarks: bool,
        initial: bool,
        mark_end: bool,
        stopping: Callable[[], bool],
    ) -> Iterator[Object]:
        if initial:
            version, events = session.initial()
            yield from events
            if mark_end and bookmarks:
                yield session.bookmark(version, ends_initial=True)
        next_bookmark = time.monotonic() + self._bookmark_interval_s
        while (now := time.monotonic()) < deadline and not stopping() and self._is_served(session.target):
            wait_s = min(deadline, next_bookmark) - now if bookmarks else deadline - now
            try:
                version, changes = session.changes(version, timeout_s=max(wait_s, 0.0))
            except Compacted as error:
                yield {"type": "ERROR", "object": expired(str(error)).body()}
                return
            yield from session.events(changes)
            if bookmarks and time.monotonic() >= next_bookmark:
                next_bookmark = time.monotonic() + self._bookmark_interval_s
                yield session.bookmark(version)
        if bookmarks and not stopping():
            yield session.bookmark(version)


class _Session:
    """One watch: what it has shown decides whether a change is an addition or a deletion to its reader."""

    def __init__(self, storage: Storage, target: Target, shape: Shape, chosen: Callable[[Object], bool]) -> None:
        self._storage = storage
        self.target = target
        self._shape = shape
        self._chosen = chosen
        self._columns_sent = False

    def initial(self) -> tuple[int, list[Object]]:
        version, objects = self._storage.snapshot(self.target.resource.table)
        return version, [self._event("ADDED", obj) for key, obj in sorted(objects.items()) if self._takes(key, obj)]

    def changes(self, version: int, *, timeout_s: float) -> tuple[int, list[Change]]:
        return self._storage.changes(self.target.resource.table, version, timeout_s=timeout_s)

    def events(self, changes: list[Change]) -> Iterator[Object]:
        for change in changes:
            before = change.before is not None and self._takes(change.key, change.before)
            after = change.after is not None and self._takes(change.key, change.after)
            if after and change.after is not None:
                yield self._event("MODIFIED" if before else "ADDED", change.after)
            elif before and change.before is not None:
                yield self._event("DELETED", change.last or _at(change.before, change.version))

    def bookmark(self, version: int, *, ends_initial: bool = False) -> Object:
        metadata: Object = {"resourceVersion": str(version)}
        if ends_initial:
            metadata["annotations"] = {"k8s.io/initial-events-end": "true"}
        return {"type": "BOOKMARK", "object": self._shape.bookmark(metadata)}

    def _takes(self, key: tuple[str, str], obj: Object) -> bool:
        if self.target.namespace and key[0] != self.target.namespace:
            return False
        return self._chosen(present(self.target.resource, obj))

    def _event(self, kind: str, obj: Object) -> Object:
        shown = self._shape.one(present(self.target.resource, obj), with_columns=not self._columns_sent)
        self._columns_sent = True
        return {"type": kind, "object": shown}


def _at(obj: Object, version: int) -> Object:
    """An object that left the selection, as it was, with the version of the change that took it out."""
    return obj | {"metadata": obj["metadata"] | {"resourceVersion": str(version)}}


def _wants_initial_events(query: Query, version: int) -> bool:
    if not query.text("sendInitialEvents"):
        if query.text("resourceVersionMatch"):
            text = "Forbidden: resourceVersionMatch is forbidden for watch unless sendInitialEvents is provided"
            raise invalid_options("ListOptions", Cause("resourceVersionMatch", "FieldValueForbidden", text))
        return version == 0
    if query.text("resourceVersionMatch") != "NotOlderThan":
        text = "Forbidden: sendInitialEvents requires setting resourceVersionMatch to NotOlderThan"
        causes = [Cause("resourceVersionMatch", "FieldValueForbidden", text)]
        if match := query.text("resourceVersionMatch"):
            text = f'Unsupported value: "{match}": supported values: "NotOlderThan"'
            causes.append(Cause("resourceVersionMatch", "FieldValueNotSupported", text))
        raise invalid_options("ListOptions", *causes)
    return query.flag("sendInitialEvents")
