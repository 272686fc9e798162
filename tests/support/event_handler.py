"""A handler of an informer's events that remembers them, and lets a test wait for them."""

from __future__ import annotations

import threading

from informers.event import Event
from tests.support.scripted_server import LIMIT_S


class RecordingHandler:
    """Keeps every event, in order."""

    def __init__(self) -> None:
        self.events: list[Event] = []
        self.changed = threading.Condition()

    def __call__(self, event: Event) -> None:
        with self.changed:
            self.events.append(event)
            self.changed.notify_all()

    def until(self, count: int) -> list[Event]:
        with self.changed:
            assert self.changed.wait_for(lambda: len(self.events) >= count, LIMIT_S), self.events
            return list(self.events)
