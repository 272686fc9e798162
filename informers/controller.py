"""A controller: events of informers become keys in a queue, workers hand the keys to a reconciler.

A reconciler is level-triggered: it gets a key, never an event. A key is never reconciled twice at the same time.
"""

from __future__ import annotations

import threading
import uuid
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any, Protocol

from structlog.contextvars import bound_contextvars

from informers.clock import Clock
from informers.errors import ClientError, WriteRefused
from informers.event import Added, Event, states
from informers.mapper import Mapper
from informers.metrics import Metrics
from informers.ratelimit import RateLimiter, default_limiter
from informers.resource import ObjectKey, Resource, View
from informers.result import Backoff, Done, RequeueAfter, Result, Terminal
from informers.workqueue import Entry, WorkQueue

SYNC_TIMEOUT_S = 120.0
SYNC_POLL_S = 0.1


class Reconciler(Protocol):
    """Brings the world to what the object named by the key asks for."""

    def reconcile(self, key: ObjectKey) -> Result:
        """One pass; may be repeated, skipped or interrupted at any line."""


class Objects(Protocol):
    """The part of a store that a controller reads."""

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
    def resource(self) -> Resource:
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
        sync_timeout_s: float = SYNC_TIMEOUT_S,
    ) -> None:
        """`workers` passes run at once; `limiter` makes the back-off of each start."""
        self.name = name
        self._reconciler = reconciler
        self._clock = clock
        self._queue_metrics = metrics.queue(name)
        self._metrics = metrics.controller(name, workers=workers, clock=clock)
        self._logger = logger.bind(controller=name)
        self._workers = workers
        self._limiter = limiter
        self._sync_timeout_s = sync_timeout_s
        self._watches: list[_Watch] = []
        self._queue: WorkQueue[ObjectKey] | None = None
        self._changed = threading.Condition()
        self._running = 0

    def watch(self, source: Source, mapper: Mapper) -> None:
        """Reconcile the keys that `mapper` gives for each event of `source`. Only before the first start."""

        def handle(event: Event) -> None:
            queue = self._queue
            if queue is not None:
                for key in mapper(event):
                    queue.add(key, cause=_cause(source.resource, event))

        registration = source.add_handler(handle, name=self.name)
        self._watches.append(_Watch(source, mapper, registration))

    def enqueue(self, key: ObjectKey, *, cause: str = "") -> None:
        """Reconcile `key` soon; nothing happens while the controller isn't started."""
        queue = self._queue
        if queue is not None:
            queue.add(key, cause=cause)

    def enqueue_after(self, key: ObjectKey, seconds: float, *, cause: str = "") -> None:
        """Reconcile `key` in `seconds` or earlier; nothing happens while the controller isn't started."""
        queue = self._queue
        if queue is not None:
            queue.add_after(key, seconds, cause=cause)

    def start(self, give_up: Callable[[], bool] = lambda: False) -> None:
        """Wait until the informers' initial objects are handled, then reconcile all that is known, in threads.

        Returns without starting when `stop` is called or `give_up` says so meanwhile. Raises `SyncTimeout` when an
        informer isn't ready in time, and RuntimeError when started already.
        """
        with self._changed:
            if self._queue is not None:
                raise RuntimeError(f"controller {self.name} is started already")
            if self._running:
                raise RuntimeError(f"controller {self.name} has workers that did not stop")
            queue: WorkQueue[ObjectKey] = WorkQueue(
                clock=self._clock, limiter=self._limiter(self._clock), metrics=self._queue_metrics
            )
            self._queue = queue
        try:
            self._wait_for_sync(queue, give_up)
        except SyncTimeout:
            self._queue = None
            raise
        if give_up():
            self._queue = None
            return
        # Events were not queued while this controller was stopped; the stores hold all that came of them.
        for watch in self._watches:
            for obj in watch.source.store.list():
                event = Added(obj, initial=True)
                for key in watch.mapper(event):
                    queue.add(key, cause=_cause(watch.source.resource, event))
        with self._changed:
            if self._queue is not queue:
                return
            self._running = self._workers
        for number in range(self._workers):
            threading.Thread(target=self._work, args=(queue,), name=f"{self.name}-{number}", daemon=True).start()
        self._logger.info("controller started", workers=self._workers)

    def stop(self, timeout_s: float) -> bool:
        """Begin no further pass and wait up to `timeout_s` for those under way; False when some did not end."""
        with self._changed:
            queue, self._queue = self._queue, None
            self._changed.notify_all()
        if queue is not None:
            queue.shut_down()
        deadline = self._clock.monotonic() + timeout_s
        with self._changed:
            while self._running and (left := deadline - self._clock.monotonic()) > 0:
                self._clock.wait(self._changed, left)
            ended = self._running == 0
        if ended and queue is not None:
            self._logger.info("controller stopped")
        return ended

    def _wait_for_sync(self, queue: WorkQueue[ObjectKey], give_up: Callable[[], bool]) -> None:
        deadline = self._clock.monotonic() + self._sync_timeout_s
        with self._changed:
            while self._queue is queue and not give_up():
                waiting = [str(w.source.resource) for w in self._watches if not w.registration.has_synced]
                if not waiting:
                    return
                if self._clock.monotonic() >= deadline:
                    raise SyncTimeout(
                        f"controller {self.name}: the initial objects of {', '.join(waiting)} were not handled "
                        f"within {self._sync_timeout_s:g} s"
                    )
                self._clock.wait(self._changed, SYNC_POLL_S)

    def _work(self, queue: WorkQueue[ObjectKey]) -> None:
        try:
            while (entry := queue.get()) is not None and queue is self._queue:
                try:
                    self._pass(queue, entry)
                finally:
                    queue.done(entry.key)
        finally:
            with self._changed:
                self._running -= 1
                self._changed.notify_all()

    def _pass(self, queue: WorkQueue[ObjectKey], entry: Entry[ObjectKey]) -> None:
        key = entry.key
        with bound_contextvars(
            controller=self.name,
            namespace=key.namespace,
            name=key.name,
            reconcileID=str(uuid.uuid4()),
            cause=", ".join(entry.causes),
        ):
            try:
                with self._metrics.reconcile():
                    result = self._reconciler.reconcile(key)
                self._logger.debug("reconciled", result=type(result).__name__)
                self._settle(queue, key, result)
            except WriteRefused as error:
                self._metrics.failed()
                delay = queue.add_rate_limited(key, cause="retry: write refused")
                self._logger.warning("reconcile refused", reason=str(error), retry_in_s=delay)
            except BaseException as error:
                # Whatever it is: a worker thread that dies silently would stop the controller.
                self._metrics.failed(raised=not isinstance(error, ClientError))
                delay = queue.add_rate_limited(key, cause="retry: exception")
                self._logger.exception("reconcile raised", retry_in_s=delay, failures=queue.failures(key))

    def _settle(self, queue: WorkQueue[ObjectKey], key: ObjectKey, result: Result) -> None:
        match result:
            case Done():
                queue.forget(key)
                self._metrics.succeeded()
            case RequeueAfter(seconds=seconds) if seconds > 0:
                queue.forget(key)
                queue.add_after(key, seconds, cause=f"after {seconds:g} s")
                self._metrics.requeued(after=True)
            case RequeueAfter():
                # No time at all would be a loop at full speed.
                queue.add_rate_limited(key, cause="requeued")
                self._metrics.requeued(after=False)
            case Backoff(reason=reason, at_most_s=at_most_s):
                self._metrics.failed()
                delay = queue.add_rate_limited(key, cause=f"retry: {reason}", at_most_s=at_most_s)
                self._logger.warning(
                    "reconcile failed", reason=reason, retry_in_s=round(delay, 3), failures=queue.failures(key)
                )
            case Terminal(reason=reason):
                self._metrics.failed(terminal=True)
                self._logger.warning("reconcile failed for good", reason=reason)
            case _:
                raise TypeError(f"reconcile returned {result!r}, which is no Result")


def _cause(resource: Resource, event: Event) -> str:
    kind = "initial" if isinstance(event, Added) and event.initial else type(event).__name__.lower()
    return f"{resource.kind} {ObjectKey.of(states(event)[-1])} {kind}"
