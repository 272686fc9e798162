"""One handler of an informer: a thread of its own and what is still to be told to it.

Whatever the handler does (wait, raise), nobody else notices, and what waits for it is bounded by the number of
objects: of a key that changed more than once in the meantime only the first old and the last new state are told.
"""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Callable, Iterable
from types import TracebackType
from typing import Any, Protocol

from informers.clock import Clock
from informers.event import Added, Deleted, Event, Updated, states
from informers.resource import ObjectKey, View
from informers.resync import Rounds

Handler = Callable[[Event], None]


class DeliveryMetrics(Protocol):
    """What deliveries report."""

    def coalesced(self, events: int) -> None:
        """So many events were not told, since later ones of the same object tell the same."""

    def handler_failed(self) -> None:
        """A handler raised."""


def coalesce(waiting: tuple[Event, ...], event: Event) -> tuple[Event, ...]:
    """What to tell instead of `waiting` (events of one key) followed by `event`: at most four events."""
    match (*waiting, event):
        case (*before, Updated(old=old), Updated(new=new)):
            return (*before, Updated(old, new))
        case (*before, Added(initial=initial), Updated(new=new)):
            return (*before, Added(new, initial=initial))
        case (*before, Added(), Deleted(), Added() as last):
            return (*before, last)
        case events:
            return tuple(events)


class Registration:
    """One handler's place at an informer; made by `SharedInformer.add_handler`."""

    def __init__(
        self,
        handler: Handler,
        *,
        name: str,
        known: Callable[[], Iterable[ObjectKey]],
        repeat: Callable[[Registration, Iterable[ObjectKey]], None],
        clock: Clock,
        metrics: DeliveryMetrics,
        logger: Any,  # noqa: ANN401 - structlog's bound loggers share no type
        resync_period_s: float = 0.0,
    ) -> None:
        """Each object is told again every `resync_period_s`, unless that is 0 or something of it waits anyway.

        For that, `known` gives the keys of all objects, and `repeat` calls `self.repeat` with what is held of some,
        while no other event can come between.
        """
        self.name = name
        self._handler = handler
        self._known = known
        self._repeat = repeat
        self._clock = clock
        self._metrics = metrics
        self._logger = logger.bind(handler=name)
        self._resync_period_s = resync_period_s
        self._rounds: Rounds | None = None
        self._condition = threading.Condition()
        self._waiting: OrderedDict[ObjectKey, tuple[Event, ...]] = OrderedDict()
        self._initial: set[ObjectKey] = set()
        self._synced = False
        self._ended = False
        self._failures = 0
        self._failed_at: set[tuple[object, ...]] = set()
        self._thread = threading.Thread(target=self._run, name=f"handler {name}", daemon=True)

    @property
    def has_synced(self) -> bool:
        """Whether the informer's first list is in and the handler has returned (or raised) for each object of it."""
        with self._condition:
            return self._synced and not self._initial

    @property
    def failures(self) -> int:
        """How many times the handler raised."""
        with self._condition:
            return self._failures

    @property
    def waiting(self) -> int:
        """Of how many objects something is still to be told."""
        with self._condition:
            return len(self._waiting)

    def tell(self, events: Iterable[Event], *, synced: bool = False) -> None:
        """Puts `events` behind what already waits for the handler; returns at once. `synced`: the first list is in."""
        coalesced = 0
        with self._condition:
            if self._ended:
                return
            for event in events:
                key = ObjectKey.of(states(event)[-1])
                before = self._waiting.get(key, ())
                self._waiting[key] = after = coalesce(before, event)
                coalesced += len(before) + 1 - len(after)
                if isinstance(event, Added) and event.initial:
                    self._initial.add(key)
            self._synced |= synced
            self._condition.notify_all()
        if coalesced:
            self._metrics.coalesced(coalesced)

    def repeat(self, views: Iterable[View]) -> None:
        """Tells the objects again as updates from themselves to themselves, those of which nothing waits."""
        with self._condition:
            if not self._ended:
                for view in views:
                    self._waiting.setdefault(ObjectKey.of(view), (Updated(view, view),))

    def start(self) -> None:
        """Begins to call the handler."""
        self._thread.start()

    def end(self) -> None:
        """No further call is begun; what waits is dropped. Idempotent, and never waits."""
        with self._condition:
            self._ended = True
            self._waiting.clear()
            self._condition.notify_all()

    def join(self, timeout_s: float) -> bool:
        """Waits until the handler's thread has ended; True from within that thread itself."""
        if not self._thread.is_alive() or self._thread is threading.current_thread():
            return True
        self._thread.join(max(0.0, timeout_s))
        return not self._thread.is_alive()

    def _run(self) -> None:
        while (told := self._next()) is not None:
            key, events = told
            for event in events:
                self._call(key, event)
            with self._condition:
                if not any(isinstance(event, Added) and event.initial for event in self._waiting.get(key, ())):
                    self._initial.discard(key)

    def _next(self) -> tuple[ObjectKey, tuple[Event, ...]] | None:
        """What to tell, when there is something; None at the end."""
        while True:
            with self._condition:
                while (resync_in_s := self._resync_in_s()) is None or resync_in_s > 0:
                    if self._ended:
                        return None
                    if self._waiting:
                        return self._waiting.popitem(last=False)
                    self._clock.wait(self._condition, resync_in_s)
                if self._ended:
                    return None
            if self._rounds is not None:
                self._repeat(self, self._rounds.due(self._clock.monotonic()))

    def _resync_in_s(self) -> float | None:
        """Seconds until something has to be repeated, None for never. The first round begins with the first list."""
        if self._resync_period_s == 0 or not self._synced:
            return None
        if self._rounds is None:
            now = self._clock.monotonic()
            self._rounds = Rounds(self._resync_period_s, keys=self._known, started=now)
        return self._rounds.next_at - self._clock.monotonic()

    def _call(self, key: ObjectKey, event: Event) -> None:
        with self._condition:
            if self._ended:
                return
        try:
            self._handler(event)
        except Exception as error:  # noqa: BLE001 - whatever a handler raises is its own failure, not the informer's
            with self._condition:
                self._failures += 1
            self._metrics.handler_failed()
            self._say(error, key=str(key), event_type=type(event).__name__)

    def _say(self, error: Exception, **details: str) -> None:
        """With its traceback the first time that it comes from this place, for debugging after that."""
        place = (type(error), *_place(error.__traceback__))
        if place in self._failed_at:
            self._logger.debug("handler failed again", error=repr(error), **details)
            return
        self._failed_at.add(place)
        self._logger.error("handler failed", exc_info=error, **details)


def _place(traceback: TracebackType | None) -> tuple[object, ...]:
    while traceback is not None and traceback.tb_next is not None:
        traceback = traceback.tb_next
    return () if traceback is None else (traceback.tb_frame.f_code.co_filename, traceback.tb_lineno)
