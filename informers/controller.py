"""A controller: events of informers become keys in a queue, workers hand the keys to a reconciler.

A reconciler is level-triggered: it gets a key, never an event. A key is never reconciled twice at the same time.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any, Protocol

from informers.cause import Change
from informers.clock import Clock
from informers.event import Added, Event, is_live, states
from informers.groups import Grouping
from informers.listwatch import Scope
from informers.mapper import Mapper
from informers.metrics import Metrics
from informers.own_writes import OwnWrites
from informers.passes import Passes, Reconciler
from informers.ratelimit import RateLimiter, default_limiter
from informers.resource import ObjectKey, View
from informers.workqueue import LOW_PRIORITY, WorkQueue

SYNC_TIMEOUT_S = 120.0
SYNC_POLL_S = 0.1


class Objects(Protocol):
    """The part of a store that a controller reads."""

    def version_of(self, namespace: str) -> str:
        """The version up to which everything of the scope in `namespace` has been seen."""

    def peek(self, key: ObjectKey) -> View | None:
        """The object named `key` if it has come."""

    def list(self, namespace: str = "") -> Iterable[View]:
        """All objects."""


class Registration(Protocol):
    """One handler at one informer."""

    @property
    def has_synced(self) -> bool:
        """Whether the handler has processed all objects of the initial list."""


class Source(Protocol):
    """The part of an informer that a controller uses."""

    @property
    def scope(self) -> Scope:
        """What it watches."""

    @property
    def store(self) -> Objects:
        """What it knows."""

    def add_handler(self, handler: Callable[[Event], None], *, name: str) -> Registration:
        """Call `handler` with every event, in order, in a thread of its own."""


class SyncTimeout(Exception):
    """An informer did not finish its first list in time; the message says which."""


@dataclass(frozen=True, slots=True)
class _Watch:
    source: Source
    mapper: Mapper
    registration: Registration


@dataclass(slots=True)
class _Run:
    """What lives from a start to a stop; events are queued once every source has `synced`."""

    queue: WorkQueue[ObjectKey]
    own_writes: OwnWrites
    synced: bool = False


class Controller:
    """See the module. May be started again after a stop: each start reconciles everything that is known."""

    def __init__(
        self,
        *,
        name: str,
        reconciler: Reconciler,
        clock: Clock,
        metrics: Metrics,
        logger: Any,  # noqa: ANN401 - structlog's bound loggers share no type
        workers: int = 1,
        limiter: Callable[[Clock], RateLimiter] = default_limiter,
        timeout_s: float | None = None,
        sync_timeout_s: float = SYNC_TIMEOUT_S,
        grouping: Grouping[ObjectKey] | None = None,
    ) -> None:
        """`workers` passes run at once, each for `timeout_s` at most; `limiter` makes the back-off of each start.

        `grouping` bounds how many of the workers one group of keys gets at once.
        """
        self.name = name
        self._clock = clock
        self._queue_metrics = metrics.queue(name)
        self._metrics = metrics.controller(name, workers=workers, clock=clock)
        self._logger = logger.bind(controller=name)
        self._passes = Passes(
            reconciler, name=name, clock=clock, metrics=self._metrics, logger=self._logger, timeout_s=timeout_s
        )
        self._workers = workers
        self._limiter = limiter
        self._sync_timeout_s = sync_timeout_s
        self._grouping = grouping
        self._watches: list[_Watch] = []
        self._run: _Run | None = None
        self._changed = threading.Condition()
        self._running = 0

    def watch(self, source: Source, mapper: Mapper) -> None:
        """Reconcile the keys that `mapper` gives for each event of `source`. Only before the first start."""

        def handle(event: Event) -> None:
            run = self._run
            if run is not None and run.synced:
                queued = _enqueue(run.queue, source, mapper, event)
                for key in run.own_writes.saw(source.scope.resource, ObjectKey.of(states(event)[-1])):
                    if key not in queued:
                        run.queue.add(key, cause="own writes seen", priority=LOW_PRIORITY)

        registration = source.add_handler(handle, name=self.name)
        self._watches.append(_Watch(source, mapper, registration))

    def enqueue(self, key: ObjectKey, *, cause: str = "") -> None:
        """Reconcile `key` soon; nothing happens while the controller isn't started."""
        run = self._run
        if run is not None:
            run.queue.add(key, cause=cause)

    def enqueue_after(self, key: ObjectKey, seconds: float, *, cause: str = "") -> None:
        """Reconcile `key` in `seconds` or earlier; nothing happens while the controller isn't started."""
        run = self._run
        if run is not None:
            run.queue.add_after(key, seconds, cause=cause)

    def start(self, give_up: Callable[[], bool] = lambda: False) -> None:
        """Wait until the informers' initial objects are handled, then reconcile all that is known, in threads.

        Returns without starting when `stop` is called or `give_up` says so meanwhile. Raises `SyncTimeout` when an
        informer isn't ready in time, and RuntimeError when started already.
        """
        with self._changed:
            if self._run is not None:
                raise RuntimeError(f"controller {self.name} is started already")
            if self._running:
                raise RuntimeError(f"controller {self.name} has workers that did not stop")
            run = self._run = self._new_run()
        try:
            self._wait_for_sync(run, give_up)
        except SyncTimeout:
            self._run = None
            raise
        if give_up():
            self._run = None
            return
        # Events were not queued while this controller was stopped or mappers had no synced stores to read; the stores
        # hold all that came of them.
        run.synced = True
        for watch in self._watches:
            for obj in watch.source.store.list():
                _enqueue(run.queue, watch.source, watch.mapper, Added(obj, initial=True))
        with self._changed:
            if self._run is not run:
                return
            self._running = self._workers
        for number in range(self._workers):
            threading.Thread(target=self._work, args=(run,), name=f"{self.name}-{number}", daemon=True).start()
        self._logger.info("controller started", workers=self._workers)

    def stop(self, timeout_s: float) -> bool:
        """Begin no further pass and wait up to `timeout_s` for those under way; False when some did not end."""
        with self._changed:
            run, self._run = self._run, None
            self._changed.notify_all()
        if run is not None:
            run.queue.shut_down()
        deadline = self._clock.monotonic() + timeout_s
        with self._changed:
            while self._running and (left := deadline - self._clock.monotonic()) > 0:
                self._clock.wait(self._changed, left)
            ended = self._running == 0
        if ended and run is not None:
            self._logger.info("controller stopped")
        return ended

    def _new_run(self) -> _Run:
        queue: WorkQueue[ObjectKey] = WorkQueue(
            clock=self._clock,
            limiter=self._limiter(self._clock),
            metrics=self._queue_metrics,
            grouping=self._grouping,
        )
        sources = list({id(watch.source): watch.source for watch in self._watches}.values())
        return _Run(queue, OwnWrites(sources, clock=self._clock, metrics=self._metrics, logger=self._logger))

    def _wait_for_sync(self, run: _Run, give_up: Callable[[], bool]) -> None:
        deadline = self._clock.monotonic() + self._sync_timeout_s
        with self._changed:
            while self._run is run and not give_up():
                waiting = [str(w.source.scope.resource) for w in self._watches if not w.registration.has_synced]
                if not waiting:
                    return
                if self._clock.monotonic() >= deadline:
                    raise SyncTimeout(
                        f"controller {self.name}: the initial objects of {', '.join(waiting)} were not handled "
                        f"within {self._sync_timeout_s:g} s"
                    )
                self._clock.wait(self._changed, SYNC_POLL_S)

    def _work(self, run: _Run) -> None:
        queue, own_writes = run.queue, run.own_writes
        try:
            while (entry := queue.get()) is not None and run is self._run:
                try:
                    wait_s = own_writes.wait_s(entry.key)
                    if wait_s > 0:
                        queue.defer(entry, wait_s)
                    else:
                        own_writes.wrote(entry.key, self._passes.run(queue, entry))
                finally:
                    queue.done(entry.key)
        finally:
            with self._changed:
                self._running -= 1
                self._changed.notify_all()


def _enqueue(queue: WorkQueue[ObjectKey], source: Source, mapper: Mapper, event: Event) -> tuple[ObjectKey, ...]:
    keys = tuple(mapper(event))
    if keys:
        cause, priority = Change(source.scope.resource, event), 0 if is_live(event) else LOW_PRIORITY
        for key in keys:
            queue.add(key, cause=cause, priority=priority)
    return keys
