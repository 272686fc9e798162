"""Events (events.k8s.io/v1) for people: recorded without waiting, written by one thread, lost rather than in the way.

Equal events become a series of one object. What is not written is counted by reason and never reaches a reconcile.
"""

from __future__ import annotations

import contextlib
import threading
import uuid
from collections import OrderedDict, deque
from collections.abc import Callable, Hashable
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any, Generic, Protocol, TypeVar

from tenacity import Retrying, retry_if_exception_type, wait_chain, wait_fixed

from informers.clock import Clock
from informers.errors import (
    AlreadyExists,
    ClientError,
    NotFound,
    ServerError,
    TooManyRequests,
    Unreachable,
    WriteRefused,
)
from informers.lease import micro_time
from informers.ratelimit import Bucket
from informers.resource import Manifest, ObjectKey, Resource, View

EVENTS = Resource(group="events.k8s.io", version="v1", plural="events", kind="Event")

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

NOTE_BYTES = 1024
WORD_BYTES = 128
NAME_LENGTH = 253


class EventType(StrEnum):
    """Whether a person should look."""

    NORMAL = "Normal"
    WARNING = "Warning"


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


@dataclass(frozen=True, slots=True)
class _Occurrence:
    type: EventType
    regarding: tuple[tuple[str, str], ...]
    reason: str
    note: str
    action: str
    at: datetime
    at_monotonic: float

    @property
    def what(self) -> Hashable:
        return (self.type, self.regarding, self.reason, self.note, self.action)


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
        self._waiting: deque[_Occurrence] = deque()
        self._running = False
        self._stopping = False
        self._series: _Recent[_Series] = _Recent()
        self._spam: _Recent[Bucket] = _Recent()

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
        occurrence = _Occurrence(
            type=kind,
            regarding=_reference(regarding),
            reason=cut(reason, WORD_BYTES),
            note=cut(note, NOTE_BYTES),
            action=cut(action, WORD_BYTES),
            at=self._clock.now(),
            at_monotonic=self._clock.monotonic(),
        )
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

    def _next(self) -> _Occurrence | None:
        with self._changed:
            while not self._waiting and not self._stopping:
                self._clock.wait(self._changed, None)
            return self._waiting.popleft() if self._waiting else None

    def _write(self, occurrence: _Occurrence) -> None:
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

    def _create(self, occurrence: _Occurrence) -> None:
        bucket = self._spam.get(occurrence.regarding)
        if bucket is None:
            bucket = Bucket(clock=self._clock, per_second=SPAM_PER_SECOND, burst=SPAM_BURST)
            self._spam.put(occurrence.regarding, bucket)
        if not bucket.try_take():
            self._metrics.event_dropped("spam")
            return
        manifest = self._manifest(occurrence)
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

    def _drop(self, error: ClientError, occurrence: _Occurrence) -> None:
        self._metrics.event_dropped("write gate" if isinstance(error, WriteRefused) else "refused")
        self._logger.warning("event not written", reason=occurrence.reason, error=str(error))

    def _manifest(self, occurrence: _Occurrence) -> Manifest:
        regarding = dict(occurrence.regarding)
        suffix = f"-{uuid.uuid4().hex[:16]}"
        name = regarding["name"][: NAME_LENGTH - len(suffix)].rstrip(".-")
        return {
            "apiVersion": EVENTS.api_version,
            "kind": EVENTS.kind,
            "metadata": {"namespace": regarding.get("namespace") or "default", "name": name + suffix},
            "eventTime": micro_time(occurrence.at),
            "reportingController": self._component,
            "reportingInstance": self._instance,
            "type": occurrence.type.value,
            "reason": occurrence.reason,
            "action": occurrence.action,
            "note": occurrence.note,
            "regarding": regarding,
        }


def cut(text: str, limit: int) -> str:
    """`text` in at most `limit` bytes of UTF-8, with an ellipsis where it was cut; that is how the API counts."""
    encoded = text.encode()
    if len(encoded) <= limit:
        return text
    ellipsis = "…"
    return encoded[: limit - len(ellipsis.encode())].decode(errors="ignore") + ellipsis


def _reference(regarding: View) -> tuple[tuple[str, str], ...]:
    metadata = regarding["metadata"]
    fields = {
        "apiVersion": regarding.get("apiVersion"),
        "kind": regarding.get("kind"),
        "namespace": metadata.get("namespace"),
        "name": metadata["name"],
        "uid": metadata.get("uid"),
    }
    return tuple((name, str(value)) for name, value in fields.items() if value)


Value = TypeVar("Value")


class _Recent(Generic[Value]):
    """The most recently used values, `REMEMBERED` at most."""

    def __init__(self) -> None:
        self._values: OrderedDict[Hashable, Value] = OrderedDict()

    def get(self, key: Hashable) -> Value | None:
        if key in self._values:
            self._values.move_to_end(key)
        return self._values.get(key)

    def put(self, key: Hashable, value: Value) -> None:
        self._values[key] = value
        self._values.move_to_end(key)
        while len(self._values) > REMEMBERED:
            self._values.popitem(last=False)
