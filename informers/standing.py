"""How an informer stands: since when the server has said nothing, whether it serves the type, what failed last."""

from __future__ import annotations

import math

from informers.clock import Clock
from informers.resource import Resource

#: A type is taken for absent after so many 404 in a row: one alone may come from a server that is starting.
MISSES = 2


class Standing:
    """Kept by the reflector's thread; any thread may read it.

    Without news for longer than `stale_after_s`, what is held isn't fit to act on. An `optional` type may be absent.
    """

    def __init__(self, resource: Resource, *, clock: Clock, stale_after_s: float, optional: bool) -> None:
        self._resource = resource
        self._clock = clock
        self._stale_after_s = stale_after_s
        self._optional = optional
        self._last_contact: float | None = None
        self._last_error = ""
        self._listed = False
        self._misses = 0

    @property
    def last_contact(self) -> float | None:
        """The clock's monotonic time of the last list, event, bookmark or accepted watch; None before the first."""
        return self._last_contact

    @property
    def last_error(self) -> str:
        """Why the last list or watch failed; empty when it did not."""
        return self._last_error

    @property
    def listed(self) -> bool:
        """Whether there ever was a list."""
        return self._listed

    @property
    def absent(self) -> bool:
        """Whether the API server doesn't serve the type: not yet, or no longer."""
        return self._misses >= MISSES

    @property
    def stale_at(self) -> float:
        """The clock's monotonic time after which the last news is too old; never, as long as there was none."""
        return math.inf if self._last_contact is None else self._last_contact + self._stale_after_s

    @property
    def unready_reason(self) -> str | None:
        """Why what is held isn't fit to act on; None when it is."""
        if self.absent and not self._optional:
            return self._last_error
        if self._last_contact is None:
            return self._last_error or "not synced yet"
        now = self._clock.monotonic()
        if now > self.stale_at:
            why = self._last_error or "nothing comes"
            return f"no news of {self._resource} for {now - self._last_contact:.0f} s: {why}"
        return None

    def contact(self) -> None:
        """The server said something of the collection."""
        self._last_contact = self._clock.monotonic()
        self._last_error = ""

    def failed(self, error: str) -> None:
        """Something went wrong: this, in words."""
        self._last_error = error

    def served(self) -> bool:
        """The server gave a whole list; whether the type had been absent."""
        was_absent = self.absent
        self._misses = 0
        self._listed = True
        self.contact()
        return was_absent

    def missed(self) -> bool:
        """The server answered 404; whether that makes the type absent."""
        self._misses += 1
        if self.absent:
            self.contact()  # that it isn't there is news, too
        if not (self.absent and self._optional):
            self._last_error = f"{self._resource} isn't served: is its CustomResourceDefinition installed?"
        return self._misses == MISSES
