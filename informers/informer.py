"""One watch of one resource type for everybody: a store to read and events for any number of handlers."""

from __future__ import annotations

import dataclasses
import threading
from collections.abc import Callable, Mapping, Sequence
from random import Random
from typing import Any, Protocol

from informers.clock import Clock
from informers.delivery import Handler, Registration
from informers.event import Added, Event
from informers.listwatch import ListerWatcher, Scope, WatchOptions
from informers.projection import Projection, Transform
from informers.reflector import Reflector
from informers.resource import ObjectKey, Resource, View
from informers.store import Indexer, Store


class InformerMetrics(Protocol):
    """Gauges that read an informer when they are scraped."""

    def observe(self, *, objects: Callable[[], float], last_event_age_s: Callable[[], float]) -> None:
        """Read both gauges through these functions."""

    def left_out(self, reason: str) -> None:
        """Something that the API server sent could not be taken: a `informers.intake.Reason`."""


class SharedInformer:
    """Mirrors `resource` into `store` and tells its handlers of every change. Starts once, stops once.

    The scope is the narrowest that serves: `namespace`, selectors, `metadata_only` (of each object only the
    metadata is ever received). Kept objects are trimmed: managedFields to the entries of `field_manager` (none by
    default), then by `transform` (see `informers.projection`). `indexers` name the store's indexes.

    A list is streamed where the API server can do that, unless `watch_list` is off. An `optional` type may be absent:
    while the API server doesn't serve it (404), the informer has synced, with an empty store, and looks again.
    Raises ValueError for a scope that no API server can serve.
    """

    def __init__(
        self,
        client: ListerWatcher,
        resource: Resource,
        *,
        clock: Clock,
        random: Random,
        logger: Any,  # noqa: ANN401 - structlog's bound loggers share no type
        namespace: str = "",
        label_selector: str = "",
        field_selector: str = "",
        metadata_only: bool = False,
        field_manager: str = "",
        transform: Transform | None = None,
        indexers: Mapping[str, Indexer] | None = None,
        metrics: InformerMetrics | None = None,
        watch_list: bool = True,
        optional: bool = False,
    ) -> None:
        self.resource = resource
        self._clock = clock
        self._logger = logger.bind(resource=str(resource))
        self.store = Store(indexers=indexers, logger=self._logger)
        projection = Projection(resource, metadata_only=metadata_only, field_manager=field_manager, transform=transform)
        self.scope = scope = Scope(resource, namespace, label_selector, field_selector, metadata_only)
        self._reflector = Reflector(
            client,
            scope,
            _Sink(self.store, self._tell),
            projection,
            clock=clock,
            random=random,
            logger=self._logger,
            options=WatchOptions(watch_list=watch_list, optional=optional),
            count=metrics.left_out if metrics is not None else lambda _: None,
        )
        self._thread = threading.Thread(target=self._reflector.run, name=f"watch {resource}", daemon=True)
        self._lock = threading.Lock()
        self._registrations: list[Registration] = []
        self._synced = threading.Event()
        self._started = False
        self._stopped = False
        if metrics is not None:
            metrics.observe(objects=lambda: float(len(self.store)), last_event_age_s=self._age_s)

    @property
    def has_synced(self) -> bool:
        """Whether the store has held the whole first list; handlers may still be busy with it."""
        return self._synced.is_set()

    @property
    def last_error(self) -> str:
        """Why the last list or watch failed, naming the type; empty when all is well."""
        return self._reflector.last_error

    @property
    def absent(self) -> bool:
        """Whether the API server doesn't serve the type: not yet, or no longer. The store is empty then."""
        return self._reflector.absent

    @property
    def unready_reason(self) -> str | None:
        """Why the store isn't fit to act on (not synced, no news for too long, type not served); None when it is."""
        if not self.has_synced:
            return self.last_error or "not synced yet"
        return self._reflector.unready_reason

    @property
    def last_contact_age_s(self) -> float | None:
        """Seconds since the last list, event, bookmark or accepted watch; None before the first."""
        last = self._reflector.last_contact
        return None if last is None else self._clock.monotonic() - last

    def add_handler(self, handler: Handler, *, name: str) -> Registration:
        """Calls `handler` with every event from now on, one at a time, in a thread of its own.

        What is in the store already comes first, as `Added` with `initial`. An exception of the handler is logged
        and counted, and the next event follows. Raises RuntimeError after `stop`.
        """
        registration = Registration(handler, name=name, logger=self._logger, informer_synced=self._synced.is_set)
        with self._lock:
            if self._stopped:
                raise RuntimeError(f"the informer of {self.resource} is stopped: no handler can be added")
            registration.tell(Added(view, initial=True) for view in self.store.list())
            self._registrations.append(registration)
            if self._started:
                registration.start()
        return registration

    def remove_handler(self, registration: Registration) -> None:
        """Begins no further call of that handler; one that runs is not waited for. Idempotent."""
        with self._lock:
            if registration in self._registrations:
                self._registrations.remove(registration)
                registration.end()

    def start(self) -> None:
        """Begins to list and watch; a second call does nothing. Raises RuntimeError after `stop`."""
        with self._lock:
            if self._stopped:
                raise RuntimeError(f"the informer of {self.resource} is stopped: it cannot start again")
            if self._started:
                return
            self._started = True
            for registration in self._registrations:
                registration.start()
            self._thread.start()

    def stop(self, timeout_s: float = 5.0) -> bool:
        """Ends the watch and the handlers' threads; whether all had ended within `timeout_s` seconds. Idempotent."""
        with self._lock:
            self._stopped = True
            registrations = tuple(self._registrations)
        self._reflector.stop()
        for registration in registrations:
            registration.end()
        if not self._started:
            return True
        deadline = self._clock.monotonic() + timeout_s
        for registration in registrations:
            registration.join(deadline - self._clock.monotonic())
        if self._thread is not threading.current_thread():
            self._thread.join(max(0.0, deadline - self._clock.monotonic()))
        ended = not self._thread.is_alive() and all(registration.join(0) for registration in registrations)
        if not ended:
            self._logger.warning("the informer's threads did not end in time", timeout_s=timeout_s)
        return ended

    def _tell(self, change: Callable[[], Sequence[Event]], *, listed: bool = False) -> None:
        """Makes a change to the store and puts its events before the handlers, as one step for late handlers."""
        with self._lock:
            if self._stopped:
                return
            events = change()
            if listed and not self._synced.is_set():
                events = [dataclasses.replace(event, initial=True) for event in events if isinstance(event, Added)]
            for registration in self._registrations:
                registration.tell(events)
            if listed:
                self._synced.set()

    def _age_s(self) -> float:
        age_s = self.last_contact_age_s
        return float("nan") if age_s is None else age_s


class _Tell(Protocol):
    def __call__(self, change: Callable[[], Sequence[Event]], *, listed: bool = False) -> None: ...


class _Sink:
    def __init__(self, store: Store, tell: _Tell) -> None:
        self._store = store
        self._tell = tell

    def get(self, key: ObjectKey) -> View | None:
        return self._store.get(key)

    def replace(self, views: Sequence[View], resource_version: str) -> None:
        self._tell(lambda: self._store.replace(views, resource_version), listed=True)

    def put(self, view: View) -> None:
        self._tell(lambda: self._store.put(view))

    def remove(self, view: View) -> None:
        self._tell(lambda: self._store.remove(view))

    def advance(self, resource_version: str) -> None:
        self._store.advance(resource_version)
