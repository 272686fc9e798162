"""When the objects of a store are told again to a handler: each once per period, spread over it by the names."""

from __future__ import annotations

import zlib
from collections.abc import Callable, Iterable

from informers.resource import ObjectKey

#: The shortest period: below it a handler would hear of little else.
SHORTEST_S = 1.0


def phase(key: ObjectKey) -> float:
    """Where in each period `key` has its turn: 0 to 1, the same for ever, and even over many keys."""
    return zlib.crc32(str(key).encode()) / 2**32


class Rounds:
    """The turns of one handler, from `started` on. What appears during a round has its first turn in the next one.

    ValueError for a period that is shorter than `SHORTEST_S`. Not safe for several threads.
    """

    def __init__(self, period_s: float, *, keys: Callable[[], Iterable[ObjectKey]], started: float) -> None:
        check_period(period_s)
        self._period_s = period_s
        self._keys = keys
        self._ends = started
        #: Those that still have their turn in this round, the next one last.
        self._turns: list[tuple[float, ObjectKey]] = []

    def due(self, now: float) -> list[ObjectKey]:
        """Whose turn has come since the last call."""
        due: list[ObjectKey] = []
        while now >= self.next_at:
            if self._turns:
                due.append(self._turns.pop()[1])
            else:
                self._begin(max(self._ends, now - self._period_s))
        return due

    @property
    def next_at(self) -> float:
        """When there is something to do: somebody's turn, or the next round."""
        return self._turns[-1][0] if self._turns else self._ends

    def _begin(self, started: float) -> None:
        self._ends = started + self._period_s
        self._turns = sorted(((started + phase(key) * self._period_s, key) for key in self._keys()), reverse=True)


def check_period(period_s: float) -> None:
    """ValueError unless `period_s` is 0, for never, or long enough."""
    if period_s != 0 and not period_s >= SHORTEST_S:
        raise ValueError(f"a resync period of {period_s:g} s: it must be at least {SHORTEST_S:g} s, or 0 for never")
