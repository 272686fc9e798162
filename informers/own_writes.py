"""Reading one's own writes: a key whose last write has not come back through the watch is not reconciled yet.

The watch event of the last missing write wakes the key; beside it the key looks again every `RECHECK_S`, since a write
may also be overtaken by a bookmark. After `LIMIT_S` it is reconciled all the same.
"""

from __future__ import annotations

import re
import threading
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from informers.clock import Clock
from informers.coverage import covers
from informers.listwatch import Scope
from informers.resource import ObjectKey, Resource, View, version_of
from informers.writes import Write, Writes

LIMIT_S = 10.0
RECHECK_S = 1.0

_DECIMAL = re.compile(r"[1-9][0-9]*")


class Objects(Protocol):
    """The part of a store that tells what a watch has shown."""

    def version_of(self, namespace: str) -> str:
        """The version up to which everything of the scope in `namespace` has been seen."""

    def peek(self, key: ObjectKey) -> View | None:
        """The object named `key` if it has come."""


class Watched(Protocol):
    """The part of an informer that tells what it shows."""

    @property
    def scope(self) -> Scope:
        """Which objects it shows."""

    @property
    def store(self) -> Objects:
        """What it has seen."""


class Metrics(Protocol):
    """Counts what came of waiting."""

    def deferred(self) -> None:
        """A pass was put off, since writes of the one before were not seen yet."""

    def unseen(self) -> None:
        """A pass began although a write of the one before was not seen in time."""


def is_seen(write: Write, watched: Watched) -> bool:
    """Whether `write` has come back through the watch, or never will, since the object is outside of its scope."""
    held = watched.store.peek(write.key)
    if write.gone:
        return held is None or held["metadata"].get("uid") != (write.uid or held["metadata"].get("uid"))
    if not write.resource_version:
        return True
    if held is not None and reaches(version_of(held), write.resource_version):
        return True
    if reaches(watched.store.version_of(write.key.namespace), write.resource_version):
        return True
    # An object that is held has an event to come, be it that it left the scope.
    return held is None and not covers(watched.scope, write.key, write.labels)


def reaches(version: str, wanted: str) -> bool:
    """Whether `version` is `wanted` or later, of one resource (KEP-5504); other texts than decimals are only equal."""
    if _DECIMAL.fullmatch(version) and _DECIMAL.fullmatch(wanted):
        return (len(version), version) >= (len(wanted), wanted)
    return version == wanted


@dataclass(slots=True)
class _Unseen:
    writes: Writes
    since: float | None = None


class OwnWrites:
    """The writes of each key's last pass that were not seen yet, in the informers `watched`. Threads may share it."""

    def __init__(self, watched: Sequence[Watched], *, clock: Clock, metrics: Metrics, logger: Any) -> None:  # noqa: ANN401 - structlog's bound loggers share no type
        self._watched: dict[Resource, list[Watched]] = {}
        for each in watched:
            self._watched.setdefault(each.scope.resource, []).append(each)
        self._clock = clock
        self._metrics = metrics
        self._logger = logger
        self._lock = threading.Lock()
        self._unseen: dict[ObjectKey, _Unseen] = {}
        #: Which keys a seen object may concern.
        self._keys: dict[tuple[Resource, ObjectKey], set[ObjectKey]] = {}

    def wrote(self, key: ObjectKey, writes: Writes) -> None:
        """A pass over `key` has made `writes`."""
        missing = self._missing(writes)
        if missing:
            with self._lock:
                self._unseen[key] = _Unseen(missing)
                for place in missing:
                    self._keys.setdefault(place, set()).add(key)

    def wait_s(self, key: ObjectKey) -> float:
        """How long to put off a pass over `key` that would begin now, unless `saw` names it; 0 when it may begin."""
        with self._lock:
            unseen = self._unseen.get(key)
            if unseen is None:
                return 0.0
            missing = self._missing(unseen.writes)
            if not missing:
                self._drop(key)
                return 0.0
            now = self._clock.monotonic()
            if unseen.since is None:
                unseen.since = now
                self._metrics.deferred()
                self._logger.debug("reconcile deferred", unseen=_names(missing.values()))
            left = unseen.since + LIMIT_S - now
            if left > 0:
                return min(left, RECHECK_S)
            self._drop(key)
        self._metrics.unseen()
        self._logger.warning(
            "reconciling although own writes did not come back through the watch",
            unseen=_names(missing.values()),
            waited_s=LIMIT_S,
        )
        return 0.0

    def saw(self, resource: Resource, key: ObjectKey) -> tuple[ObjectKey, ...]:
        """The store holds what an event of the object `key` tells: which keys that were put off may begin now."""
        if not self._keys:
            return ()
        with self._lock:
            waiting = self._keys.get((resource, key), ())
            free = [each for each in waiting if not self._missing(self._unseen[each].writes)]
            return tuple(each for each in free if self._drop(each).since is not None)

    def _missing(self, writes: Writes) -> Writes:
        return {
            place: write
            for place, write in writes.items()
            if not all(is_seen(write, watched) for watched in self._watched.get(write.resource, ()))
        }

    def _drop(self, key: ObjectKey) -> _Unseen:
        unseen = self._unseen.pop(key)
        for place in unseen.writes:
            keys = self._keys[place]
            keys.discard(key)
            if not keys:
                del self._keys[place]
        return unseen


def _names(writes: Iterable[Write]) -> list[str]:
    return [str(write) for write in writes]
