"""Events (events.k8s.io/v1) for people: recorded without waiting, written by one thread, lost rather than in the way.

Equal events become a series of one object. What is not written is counted by reason and never reaches a reconcile.
"""

from __future__ import annotations

import contextlib
import threading
from collections import deque
from collections.abc import Callable, Hashable
from dataclasses import dataclass
from typing import Any, Protocol

from tenacity import Retrying, retry_if_exception_type, wait_chain, wait_fixed

from informers.clock import Clock
from informers.errors import (
    AlreadyExists,
    ApiError,
    ClientError,
    NotFound,
    ServerError,
    TooManyRequests,
    Unreachable,
    WriteRefused,
)
from informers.lease import micro_time
from informers.occurrence import EVENTS, WORD_BYTES, EventType, Occurrence, cut
from informers.ratelimit import Bucket
from informers.recent import Recent
from informers.resource import Manifest, ObjectKey, Resource, View

QUEUE_SIZE = 1000
TRY_DELAYS_S = (1.0, 2.0, 4.0, 8.0)
SERIES_IDLE_S = 360.0
"""An equal event after a longer pause is a new one."""

SERIES_REFRESH_S = 300.0
"""The count of a series is written at its second event and then at most this often."""

SPAM_BURST = 25
SPAM_PER_SECOND = 1 / 300
REMEMBERED = 1024
"""So many series, and so many objects' spam limits, are remembered."""


class EventWriter(Protocol):
    """The calls of `informers.client.Client` that a recorder makes."""

    def create(self, resource: Resource, manifest: Manifest, *, field_manager: str) -> Manifest:
        """Make a new object."""

    def merge_patch(
        self, resource: Resource, key: ObjectKey, patch: dict[str, Any], *, field_manager: str, subresource: str = ""
    ) -> Manifest:
        """Change an object."""


class EventMetrics(Protocol):
    """Counts what was not written."""

    def event_dropped(self, reason: str) -> None:
        """One event was given up."""


@dataclass(slots=True)
class _Series:
    key: ObjectKey
    count: int
    seen_at: float
    written_at: float


class EventRecorder:
    """See the module. Threads may share it."""

    def __init__(
        self,
        client: EventWriter,
        *,
        component: str,
        instance: str,
        clock: Clock,
        logger: Any,  # noqa: ANN401 - structlog's bound loggers share no type
        metrics: EventMetrics,
    ) -> None:
        """`component` is the reporting controller, `instance` names this process."""
        self._client = client
        self._component = component
        self._instance = cut(instance, WORD_BYTES)
        self._clock = clock
        self._logger = logger
        self._metrics = metrics
        self._changed = threading.Condition()
        self._waiting: deque[Occurrence] = deque()
        self._running = False
        self._stopping = False
        self._series: Recent[Hashable, _Series] = Recent(REMEMBERED)
        self._spam: Recent[Hashable, Bucket] = Recent(REMEMBERED)

    def normal(self, regarding: View, reason: str, note: str, action: str = "Reconcile") -> None:
        """Record that something is as it should be. Never waits, never raises for want of a server."""
        self._record(EventType.NORMAL, regarding, reason, note, action)

    def warning(self, regarding: View, reason: str, note: str, action: str = "Reconcile") -> None:
        """Record something that a person should look at. Never waits, never raises for want of a server."""
        self._record(EventType.WARNING, regarding, reason, note, action)

    def start(self) -> None:
        """Begin to write; what was recorded before is written too. RuntimeError when started already."""
        with self._changed:
            if self._running or self._stopping:
                raise RuntimeError("an event recorder starts once")
            self._running = True
        threading.Thread(target=self._run, name="events", daemon=True).start()

    def stop(self, timeout_s: float) -> bool:
        """Take no more, and write what waits, once each, within `timeout_s`; False when something was left behind."""
        deadline = self._clock.monotonic() + timeout_s
        with self._changed:
            self._stopping = True
            self._changed.notify_all()
            while self._running and (left := deadline - self._clock.monotonic()) > 0:
                self._clock.wait(self._changed, left)
            for _ in self._waiting:
                self._metrics.event_dropped("stopped")
            self._waiting.clear()
            return not self._running

    def _record(self, kind: EventType, regarding: View, reason: str, note: str, action: str) -> None:
        now = self._clock.now()
        occurrence = Occurrence.of(kind, regarding, reason, note, action, at=now, at_monotonic=self._clock.monotonic())
        with self._changed:
            if self._stopping:
                self._metrics.event_dropped("stopped")
            elif len(self._waiting) >= QUEUE_SIZE:
                self._metrics.event_dropped("queue full")
            else:
                self._waiting.append(occurrence)
                self._changed.notify_all()

    def _run(self) -> None:
        try:
            while (occurrence := self._next()) is not None:
                try:
                    self._write(occurrence)
                except Exception:
                    self._metrics.event_dropped("failed")
                    self._logger.exception("event not written", reason=occurrence.reason)
        finally:
            with self._changed:
                self._running = False
                self._changed.notify_all()

    def _next(self) -> Occurrence | None:
        with self._changed:
            while not self._waiting and not self._stopping:
                self._clock.wait(self._changed, None)
            return self._waiting.popleft() if self._waiting else None

    def _write(self, occurrence: Occurrence) -> None:
        now = occurrence.at_monotonic
        series = self._series.get(occurrence.what)
        if series is None or now - series.seen_at > SERIES_IDLE_S:
            self._create(occurrence)
            return
        series.count += 1
        series.seen_at = now
        if series.count > 2 and now - series.written_at < SERIES_REFRESH_S:
            return
        series.written_at = now
        patch = {"series": {"count": series.count, "lastObservedTime": micro_time(occurrence.at)}}
        try:
            self._send(lambda: self._client.merge_patch(EVENTS, series.key, patch, field_manager=self._component))
        except NotFound:  # events live for an hour
            self._create(occurrence)
        except ClientError as error:
            self._drop(error, occurrence)

    def _create(self, occurrence: Occurrence) -> None:
        bucket = self._spam.get(occurrence.regarding)
        if bucket is None:
            bucket = Bucket(clock=self._clock, per_second=SPAM_PER_SECOND, burst=SPAM_BURST)
            self._spam.put(occurrence.regarding, bucket)
        if not bucket.try_take():
            self._metrics.event_dropped("spam")
            return
        manifest = occurrence.manifest(component=self._component, instance=self._instance)
        try:
            self._send(lambda: self._client.create(EVENTS, manifest, field_manager=self._component))
        except ClientError as error:
            self._drop(error, occurrence)
            return
        at = occurrence.at_monotonic
        self._series.put(occurrence.what, _Series(ObjectKey.of(manifest), count=1, seen_at=at, written_at=at))

    def _send(self, call: Callable[[], object]) -> None:
        attempts = Retrying(
            retry=retry_if_exception_type((Unreachable, ServerError, TooManyRequests)),
            wait=wait_chain(*map(wait_fixed, TRY_DELAYS_S)),
            stop=lambda attempt: self._stopping or attempt.attempt_number > len(TRY_DELAYS_S),
            sleep=self._pause,
            reraise=True,
        )
        with contextlib.suppress(AlreadyExists):  # the answer to an earlier try was lost: nobody else uses this name
            attempts(call)

    def _pause(self, seconds: float) -> None:
        """Wait, but no longer than until the recorder stops."""
        until = self._clock.monotonic() + seconds
        with self._changed:
            while not self._stopping and (left := until - self._clock.monotonic()) > 0:
                self._clock.wait(self._changed, left)

    def _drop(self, error: ClientError, occurrence: Occurrence) -> None:
        self._metrics.event_dropped("write gate" if isinstance(error, WriteRefused) else "refused")
        # Where a namespace goes, so do the objects that the events are about: that is no news.
        expected = isinstance(error, ApiError) and error.namespace_is_terminating
        log = self._logger.debug if expected else self._logger.warning
        log("event not written", reason=occurrence.reason, error=str(error))
