"""One pass of a reconciler over one key: its time, its log context, its writes, and what follows from its result."""

from __future__ import annotations

import math
import uuid
from contextlib import nullcontext
from typing import Any, Protocol

from structlog.contextvars import bound_contextvars

from informers import deadline
from informers.cause import Told
from informers.clock import Clock
from informers.errors import ClientError, DeadlineExceeded, WriteRefused
from informers.metrics import ControllerMetrics
from informers.resource import ObjectKey
from informers.result import Backoff, Done, RequeueAfter, Result, Terminal
from informers.workqueue import Entry, WorkQueue
from informers.writes import Writes, noted


class Reconciler(Protocol):
    """Brings the world to what the object named by the key asks for."""

    def reconcile(self, key: ObjectKey) -> Result:
        """One pass; may be repeated, skipped or interrupted at any line."""


class Passes:
    """Runs the passes of one controller. `timeout_s` bounds each (see `informers.deadline`); None: nothing does."""

    def __init__(
        self,
        reconciler: Reconciler,
        *,
        name: str,
        clock: Clock,
        metrics: ControllerMetrics,
        logger: Any,  # noqa: ANN401 - structlog's bound loggers share no type
        timeout_s: float | None,
    ) -> None:
        self._reconciler = reconciler
        self._name = name
        self._clock = clock
        self._metrics = metrics
        self._logger = logger
        self._timeout_s = timeout_s

    def run(self, queue: WorkQueue[ObjectKey], entry: Entry[ObjectKey]) -> Writes:
        """Reconcile the key of `entry` and put it back into `queue` as its result says; gives what was written."""
        with (
            noted() as writes,
            bound_contextvars(
                controller=self._name,
                namespace=entry.key.namespace,
                name=entry.key.name,
                reconcileID=str(uuid.uuid4()),
                cause=Told(entry.causes),
                queued_s=round(entry.queued_s, 3),
            ),
        ):
            try:
                result = self._reconcile(entry.key)
                self._logger.debug("reconciled", result=type(result).__name__)
                self._settle(queue, entry, result)
            except (WriteRefused, DeadlineExceeded) as error:
                self._metrics.failed()
                delay = self._retry(queue, entry, type(error).__name__)
                self._logger.warning("reconcile refused", reason=str(error), retry_in_s=delay)
            except BaseException as error:
                # Whatever it is: a worker thread that dies silently would stop the controller.
                self._metrics.failed(raised=not isinstance(error, ClientError))
                delay = self._retry(queue, entry, type(error).__name__)
                self._logger.exception("reconcile raised", retry_in_s=delay, failures=queue.failures(entry.key))
        return writes

    def _reconcile(self, key: ObjectKey) -> Result:
        timeout_s, started = self._timeout_s, self._clock.monotonic()
        limit = nullcontext() if timeout_s is None else deadline.within(timeout_s, clock=self._clock)
        try:
            with self._metrics.reconcile(), limit:
                return self._reconciler.reconcile(key)
        finally:
            if timeout_s is not None and self._clock.monotonic() - started >= timeout_s:
                self._metrics.timed_out()

    def _settle(self, queue: WorkQueue[ObjectKey], entry: Entry[ObjectKey], result: Result) -> None:
        key, priority = entry.key, entry.priority
        match result:
            case Done():
                queue.forget(key)
                self._metrics.succeeded()
            case RequeueAfter(seconds=seconds) if seconds > 0:
                queue.forget(key)
                queue.add_after(key, seconds, cause=f"after {seconds:g} s", priority=priority)
                self._metrics.requeued(after=True)
            case RequeueAfter():
                # No time at all would be a loop at full speed.
                self._retry(queue, entry, "requeued")
                self._metrics.requeued(after=False)
            case Backoff(reason=reason, at_most_s=at_most_s, at_least_s=at_least_s):
                self._metrics.failed()
                delay = self._retry(queue, entry, reason, at_most_s=at_most_s, at_least_s=at_least_s)
                self._logger.warning(
                    "reconcile failed", reason=reason, retry_in_s=round(delay, 3), failures=queue.failures(key)
                )
            case Terminal(reason=reason):
                self._metrics.failed(terminal=True)
                self._logger.warning("reconcile failed for good", reason=reason)
            case _:
                raise TypeError(f"reconcile returned {result!r}, which is no Result")

    def _retry(
        self,
        queue: WorkQueue[ObjectKey],
        entry: Entry[ObjectKey],
        reason: str,
        *,
        at_most_s: float = math.inf,
        at_least_s: float = 0.0,
    ) -> float:
        cause = f"retry {queue.failures(entry.key) + 1}: {reason}"
        return queue.add_rate_limited(
            entry.key, cause=cause, priority=entry.priority, at_most_s=at_most_s, at_least_s=at_least_s
        )
