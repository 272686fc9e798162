"""One handler of an informer: a thread of its own and what is still to be told to it.

Whatever the handler does (wait, raise), nobody else notices, and what waits for it is bounded by the number of
objects: of a key that changed more than once in the meantime only the first old and the last new state are told.
"""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Callable, Iterable
from typing import Any

from informers.event import Added, Deleted, Event, Updated, states
from informers.resource import ObjectKey

Handler = Callable[[Event], None]


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

    def __init__(self, handler: Handler, *, name: str, logger: Any, informer_synced: Callable[[], bool]) -> None:  # noqa: ANN401 - structlog's bound loggers share no type
        self.name = name
        self._handler = handler
        self._logger = logger.bind(handler=name)
        self._informer_synced = informer_synced
        self._condition = threading.Condition()
        self._waiting: OrderedDict[ObjectKey, tuple[Event, ...]] = OrderedDict()
        self._initial: set[ObjectKey] = set()
        self._ended = False
        self._failures = 0
        self._thread = threading.Thread(target=self._run, name=f"handler {name}", daemon=True)

    @property
    def has_synced(self) -> bool:
        """Whether the informer's first list is in and the handler has returned (or raised) for each object of it."""
        with self._condition:
            return self._informer_synced() and not self._initial

    @property
    def failures(self) -> int:
        """How many times the handler raised."""
        with self._condition:
            return self._failures

    def tell(self, events: Iterable[Event]) -> None:
        """Puts `events` behind what already waits for the handler; returns at once."""
        with self._condition:
            if self._ended:
                return
            for event in events:
                key = ObjectKey.of(states(event)[-1])
                self._waiting[key] = coalesce(self._waiting.get(key, ()), event)
                if isinstance(event, Added) and event.initial:
                    self._initial.add(key)
            self._condition.notify_all()

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
        while True:
            with self._condition:
                while not self._waiting and not self._ended:
                    self._condition.wait()
                if self._ended:
                    return
                key, events = self._waiting.popitem(last=False)
            for event in events:
                self._call(key, event)
            with self._condition:
                if not any(isinstance(event, Added) and event.initial for event in self._waiting.get(key, ())):
                    self._initial.discard(key)

    def _call(self, key: ObjectKey, event: Event) -> None:
        with self._condition:
            if self._ended:
                return
        try:
            self._handler(event)
        except Exception:  # whatever a handler raises is its own failure, not the informer's
            with self._condition:
                self._failures += 1
            self._logger.exception("handler failed", key=str(key), event_type=type(event).__name__)
