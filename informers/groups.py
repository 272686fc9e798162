"""How many keys of one group are in work at once: a group that is slow then holds a bounded part of the workers."""

from __future__ import annotations

import heapq
from collections.abc import Callable, Hashable
from dataclasses import dataclass
from typing import Generic, TypeVar

Key = TypeVar("Key", bound=Hashable)

#: A key's place in a heap of ready ones: what comes first, and which of its places is valid.
Place = tuple[float, int, Key]


@dataclass(frozen=True, slots=True)
class Grouping(Generic[Key]):
    """At most `limit` keys of the same group, as `of` tells it, are in work at once; None is a group without limit."""

    of: Callable[[Key], Hashable | None]
    limit: int


class Groups(Generic[Key]):
    """Counts what is in work by group, and keeps the places of ready keys that have to wait for others of theirs.

    Not safe for many threads: its queue's lock is held.
    """

    def __init__(self, grouping: Grouping[Key] | None) -> None:
        self._grouping = grouping
        self._group_of: dict[Key, Hashable] = {}
        self._working: dict[Hashable, int] = {}
        self._waiting: dict[Hashable, list[Place[Key]]] = {}

    def begin(self, place: Place[Key]) -> bool:
        """Whether the key at `place` may be in work, and is from now on; if not, its place is kept."""
        key = place[2]
        group = None if self._grouping is None else self._grouping.of(key)
        if self._grouping is None or group is None:
            return True
        if self._working.get(group, 0) >= self._grouping.limit:
            heapq.heappush(self._waiting.setdefault(group, []), place)
            return False
        self._group_of[key] = group
        self._working[group] = self._working.get(group, 0) + 1
        return True

    def end(self, key: Key, *, is_void: Callable[[Place[Key]], bool]) -> Place[Key] | None:
        """`key` is no longer in work; gives the place of the next of its group, which waits no more."""
        group = self._group_of.pop(key, None)
        if group is None:
            return None
        self._working[group] -= 1
        if not self._working[group]:
            del self._working[group]
        waiting = self._waiting.get(group, [])
        found = None
        while waiting and found is None:
            place = heapq.heappop(waiting)
            found = None if is_void(place) else place
        if not waiting:
            self._waiting.pop(group, None)
        return found

    def dissolve(self) -> list[Place[Key]]:
        """Bound nothing any more; gives the places of all keys that waited."""
        places = [place for waiting in self._waiting.values() for place in waiting]
        self._grouping = None
        self._waiting.clear()
        return places
