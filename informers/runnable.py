"""Runnables: work of any kind beside the controllers, each in a thread of its own, started and ended together."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any, Protocol

from informers.clock import Clock


class Runnable(Protocol):
    """Something else that runs as long as the manager does, or as long as it leads."""

    @property
    def name(self) -> str:
        """For logs."""

    def run(self, stop: threading.Event) -> None:
        """Work until `stop` is set. Returning earlier is fine; an exception ends the manager."""


class Tasks:
    """Runnables with their threads. `changed` is notified whenever one ends, `failed` gets what one raised."""

    def __init__(
        self,
        changed: threading.Condition,
        *,
        clock: Clock,
        logger: Any,  # noqa: ANN401 - structlog's bound loggers share no type
        failed: Callable[[BaseException], None],
    ) -> None:
        self._changed = changed
        self._clock = clock
        self._logger = logger
        self._failed = failed
        self._runnables: list[Runnable] = []
        self._running: list[Runnable] = []
        self._started = False
        self._stop = threading.Event()

    def add(self, runnable: Runnable) -> None:
        """Run `runnable` from the next start on; at once when the others were started."""
        with self._changed:
            self._runnables.append(runnable)
            if self._started:
                self._begin(runnable)

    def start(self) -> None:
        """Begin to run all; only when none runs."""
        with self._changed:
            self._started, self._stop = True, threading.Event()
            for runnable in self._runnables:
                self._begin(runnable)

    def end(self, timeout_s: float) -> list[str]:
        """Tell all to end and wait for them up to `timeout_s` seconds; gives the names of those that still run."""
        with self._changed:
            self._started = False
        self._stop.set()
        deadline = self._clock.monotonic() + timeout_s
        with self._changed:
            while self._running and (left := deadline - self._clock.monotonic()) > 0:
                self._clock.wait(self._changed, left)
            return [runnable.name for runnable in self._running]

    def _begin(self, runnable: Runnable) -> None:
        self._running.append(runnable)
        threading.Thread(target=self._run, args=(runnable, self._stop), name=runnable.name, daemon=True).start()

    def _run(self, runnable: Runnable, stop: threading.Event) -> None:
        try:
            runnable.run(stop)
        except BaseException as error:
            self._logger.exception("runnable failed", runnable=runnable.name)
            self._failed(error)
        finally:
            with self._changed:
                self._running.remove(runnable)
                self._changed.notify_all()
