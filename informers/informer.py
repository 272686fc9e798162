"""One watch of one resource type for everybody: a store to read and events for any number of handlers."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Mapping, Sequence
from random import Random
from typing import Any, Protocol

from informers.clock import Clock
from informers.delivery import DeliveryMetrics, Handler, Registration
from informers.event import Added, Event
from informers.feed import Feed
from informers.listwatch import ListerWatcher, Scope, WatchOptions
from informers.projection import Projection, Transform
from informers.resource import ObjectKey, Resource
from informers.resync import check_period
from informers.store import Indexer, Store


class InformerMetrics(DeliveryMetrics, Protocol):
    """What an informer reports; the gauges are read through functions when somebody looks."""

    def observe(
        self,
        *,
        objects: Callable[[], float],
        size: Callable[[], float],
        waiting: Callable[[], float],
        last_event_age_s: Callable[[], float],
    ) -> None:
        """Take the functions that give the gauges' values."""

    def left_out(self, reason: str) -> None:
        """Something that the API server sent could not be taken: a `informers.intake.Reason`."""


class SharedInformer:
    """Mirrors `resource` into `store` and tells its handlers of every change. Starts once, stops once.

    The scope is the narrowest that serves: `namespaces` (none: all of them), selectors, `metadata_only` (of each
    object only the metadata is ever received). Kept objects are trimmed: managedFields to the entries of
    `field_manager` (none by default), then by `transform` (see `informers.projection`). `indexers` name the store's
    indexes. `forbidden_advice` is told with every 403.

    A list is streamed where the API server can do that, unless `watch_list` is off. An `optional` type may be absent:
    while the API server doesn't serve it (404), the informer has synced, with an empty store, and looks again.
    Handlers that name no period of their own are told everything again every `resync_period_s`, unless it is 0.
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
        namespaces: Sequence[str] = (),
        label_selector: str = "",
        field_selector: str = "",
        metadata_only: bool = False,
        field_manager: str = "",
        forbidden_advice: str = "",
        transform: Transform | None = None,
        indexers: Mapping[str, Indexer] | None = None,
        metrics: InformerMetrics | None = None,
        watch_list: bool = True,
        optional: bool = False,
        resync_period_s: float = 0.0,
    ) -> None:
        self.resource = resource
        self._clock = clock
        self._logger = logger.bind(resource=str(resource))
        self._metrics = metrics or _NoMetrics()
        check_period(resync_period_s)
        self._resync_period_s = resync_period_s
        self.scope = Scope(resource, tuple(namespaces), label_selector, field_selector, metadata_only)
        self.store = Store(
            indexers=indexers, awaits=self.scope.namespaces or ("",), name=resource.plural, logger=self._logger
        )
        projection = Projection(resource, metadata_only=metadata_only, field_manager=field_manager, transform=transform)
        options = WatchOptions(watch_list=watch_list, optional=optional, forbidden_advice=forbidden_advice)
        self._feeds = [
            Feed(
                client,
                collection,
                self.store,
                self._tell,
                projection=projection,
                options=options,
                count=self._metrics.left_out,
                clock=clock,
                random=random,
                logger=self._logger,
            )
            for collection in self.scope.collections
        ]
        self._lock = threading.Lock()
        self._registrations: list[Registration] = []
        self._started = False
        self._stopped = False
        self._metrics.observe(
            objects=lambda: float(len(self.store)),
            size=lambda: float(self.store.size),
            waiting=self._waiting,
            last_event_age_s=self._age_s,
        )

    @property
    def has_synced(self) -> bool:
        """Whether the store has held the whole first list; handlers may still be busy with it."""
        return self.store.has_synced

    @property
    def last_error(self) -> str:
        """Why the last list or watch failed, naming the type; empty when all is well."""
        return next((feed.reflector.last_error for feed in self._feeds if feed.reflector.last_error), "")

    @property
    def absent(self) -> bool:
        """Whether the API server doesn't serve the type: not yet, or no longer. The store is empty then."""
        return all(feed.reflector.absent for feed in self._feeds)

    @property
    def unready_reason(self) -> str | None:
        """Why the store isn't fit to act on (not synced, no news for too long, type not served); None when it is."""
        if not self.has_synced:
            return self.last_error or "not synced yet"
        reasons = (feed.reflector.unready_reason for feed in self._feeds)
        return next((reason for reason in reasons if reason is not None), None)

    @property
    def last_contact_age_s(self) -> float | None:
        """Seconds since the last list, event, bookmark or accepted watch; None before the first."""
        contacts = [contact for feed in self._feeds if (contact := feed.reflector.last_contact) is not None]
        return self._clock.monotonic() - min(contacts) if len(contacts) == len(self._feeds) else None

    def add_handler(self, handler: Handler, *, name: str, resync_period_s: float | None = None) -> Registration:
        """Calls `handler` with every event from now on, one at a time, in a thread of its own.

        What is in the store already comes first, as `Added` with `initial`. An exception of the handler is logged
        and counted, and the next event follows. Each object is told again every `resync_period_s` (the informer's when
        it is None, never when it is 0) as an update from itself to itself, without a request to the API server.
        Raises RuntimeError after `stop`, ValueError for a period under a second.
        """
        period_s = self._resync_period_s if resync_period_s is None else resync_period_s
        check_period(period_s)
        registration = Registration(
            handler,
            name=name,
            known=lambda: [ObjectKey.of(view) for view in self.store.known()],
            repeat=self._repeat,
            clock=self._clock,
            metrics=self._metrics,
            logger=self._logger,
            resync_period_s=period_s,
        )
        with self._lock:
            if self._stopped:
                raise RuntimeError(f"the informer of {self.resource} is stopped: no handler can be added")
            initial = (Added(view, initial=True) for view in self.store.known())
            registration.tell(initial, synced=self.has_synced)
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
            for feed in self._feeds:
                feed.start()

    def stop(self, timeout_s: float = 5.0) -> bool:
        """Ends the watch and the handlers' threads; whether all had ended within `timeout_s` seconds. Idempotent."""
        with self._lock:
            self._stopped = True
            registrations = tuple(self._registrations)
        for feed in self._feeds:
            feed.reflector.stop()
        for registration in registrations:
            registration.end()
        if not self._started:
            return True
        deadline = self._clock.monotonic() + timeout_s
        for registration in registrations:
            registration.join(deadline - self._clock.monotonic())
        for feed in self._feeds:
            feed.join(deadline - self._clock.monotonic())
        ended = all(feed.join(0) for feed in self._feeds) and all(each.join(0) for each in registrations)
        if not ended:
            self._logger.warning("the informer's threads did not end in time", timeout_s=timeout_s)
        return ended

    def _tell(self, change: Callable[[], Sequence[Event]]) -> None:
        """Makes a change to the store and puts its events before the handlers, as one step for late handlers."""
        with self._lock:
            if self._stopped:
                return
            before = self.store.has_synced
            events = change()
            synced = self.store.has_synced
            if synced and not before:
                self._logger.info("cache synced", objects=len(self.store), size=self.store.size)
            for registration in self._registrations:
                registration.tell(events, synced=synced)

    def _repeat(self, registration: Registration, keys: Iterable[ObjectKey]) -> None:
        with self._lock:
            registration.repeat([view for key in keys if (view := self.store.peek(key)) is not None])

    def _waiting(self) -> float:
        with self._lock:
            return float(sum(registration.waiting for registration in self._registrations))

    def _age_s(self) -> float:
        age_s = self.last_contact_age_s
        return float("nan") if age_s is None else age_s


class _NoMetrics:
    def observe(self, **_: Callable[[], float]) -> None:
        pass

    def left_out(self, reason: str) -> None:
        pass

    def coalesced(self, events: int) -> None:
        pass

    def handler_failed(self) -> None:
        pass
