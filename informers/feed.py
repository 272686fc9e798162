"""One collection of the API server (all of a type, or those of a namespace) that fills a store, in its own thread."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from random import Random
from typing import Any

from informers.clock import Clock
from informers.event import Event
from informers.listwatch import ListerWatcher, Scope, WatchOptions
from informers.projection import Projection
from informers.reflector import Reflector
from informers.resource import ObjectKey, View
from informers.store import Store

#: Makes a change to the store and tells its events, as one step.
Tell = Callable[[Callable[[], Sequence[Event]]], None]


class Feed:
    """A reflector with its thread; `scope` names one collection."""

    def __init__(
        self,
        client: ListerWatcher,
        scope: Scope,
        store: Store,
        tell: Tell,
        *,
        projection: Projection,
        options: WatchOptions,
        count: Callable[[str], None],
        clock: Clock,
        random: Random,
        logger: Any,  # noqa: ANN401 - structlog's bound loggers share no type
    ) -> None:
        sink = _Sink(store, scope.namespace, tell)
        if scope.namespace:
            logger = logger.bind(watched_namespace=scope.namespace)
        self.reflector = Reflector(
            client, scope, sink, projection, options=options, count=count, clock=clock, random=random, logger=logger
        )
        name = f"watch {scope.resource} {scope.namespace}".rstrip()
        self._thread = threading.Thread(target=self.reflector.run, name=name, daemon=True)

    def start(self) -> None:
        """Begins to list and watch."""
        self._thread.start()

    def join(self, timeout_s: float) -> bool:
        """Waits until the thread has ended; from within that thread itself it does not wait."""
        if self._thread is not threading.current_thread():
            self._thread.join(max(0.0, timeout_s))
        return not self._thread.is_alive()


class _Sink:
    def __init__(self, store: Store, namespace: str, tell: Tell) -> None:
        self._store = store
        self._namespace = namespace
        self._tell = tell

    def get(self, key: ObjectKey) -> View | None:
        return self._store.peek(key)

    def replace(self, views: Sequence[View], resource_version: str) -> None:
        self._tell(lambda: self._store.replace(views, resource_version, self._namespace))

    def put(self, view: View) -> None:
        self._tell(lambda: self._store.put(view))

    def remove(self, view: View) -> None:
        self._tell(lambda: self._store.remove(view))

    def advance(self, resource_version: str) -> None:
        self._store.advance(resource_version, self._namespace)
