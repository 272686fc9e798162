"""A streamed list (WatchList): one watch that begins with all that there is, says where that ends, and goes on.

An API server that doesn't know it may refuse, or accept and never say where the objects end (k/k#140890): hence a
deadline, and a memory of which resources are to be listed in the plain way.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from informers.resource import ObjectKey, Resource, View

#: The end mark has to come within this time, and a little more for each object: 200 s for 17,000 of them.
END_TIMEOUT_S = 30.0
END_ALLOWANCE_S = 0.01

#: How long a resource is listed in the plain way after its streamed list failed: a server may be upgraded.
REMEMBERED_S = 24 * 3600.0

_END_MARK = "k8s.io/initial-events-end"


def ends_initial_events(bookmark: Mapping[str, Any]) -> bool:
    """Whether the object of a BOOKMARK event says that all that there is has been sent."""
    metadata = bookmark.get("metadata")
    annotations = metadata.get("annotations") if isinstance(metadata, Mapping) else None
    return isinstance(annotations, Mapping) and annotations.get(_END_MARK) == "true"


class InitialEvents:
    """What has come of a streamed list that began at `started`, on the reader's clock, and until when its end may."""

    def __init__(self, *, started: float, timeout_s: float = END_TIMEOUT_S) -> None:
        self._started = started
        self._timeout_s = timeout_s
        self._views: dict[ObjectKey, View] = {}
        self._left_out: set[ObjectKey] = set()

    @property
    def deadline(self) -> float:
        """When the end is overdue; changes of objects that have come already earn no more time."""
        return self._started + self._timeout_s + END_ALLOWANCE_S * len(self._views)

    @property
    def views(self) -> list[View]:
        """The objects, in the order in which they came."""
        return list(self._views.values())

    @property
    def left_out(self) -> list[ObjectKey]:
        """The keys of objects of which nothing could be taken."""
        return [key for key in self._left_out if key not in self._views]

    def put(self, view: View) -> None:
        """An object was sent, or changed in the meantime."""
        self._views[ObjectKey.of(view)] = view

    def remove(self, key: ObjectKey) -> None:
        """An object was deleted in the meantime."""
        self._views.pop(key, None)
        self._left_out.discard(key)

    def leave_out(self, key: ObjectKey) -> None:
        """An object was sent that can't be taken."""
        self._left_out.add(key)


class StreamedLists:
    """Of which resources one API server can't stream a list, as far as is known. Threads may share it."""

    def __init__(self) -> None:
        self._plain_until: dict[Resource, float] = {}

    def usable(self, resource: Resource, *, now: float) -> bool:
        """Whether to try; `now` is the monotonic time."""
        return self._plain_until.get(resource, now) <= now

    def failed(self, resource: Resource, *, now: float) -> None:
        """A plain list succeeded where a streamed one didn't: for a day, don't try."""
        self._plain_until[resource] = now + REMEMBERED_S
