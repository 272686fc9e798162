"""Runs everything in the right order, and ends it in the reverse one.

Start: HTTP servers, informers (until synced), runnables; then, while this process leads: controllers and the leader's
runnables. A lost lease stops only those, and the campaign begins again. The lease is released when no work runs.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping
from typing import Any

from informers.clock import Clock
from informers.controller import SYNC_TIMEOUT_S, Controller, SyncTimeout
from informers.election import Step
from informers.health import Check, Checks, HttpServer, Route, is_off, metrics_route
from informers.metrics import Metrics
from informers.parts import Elector, Informer, Recorder
from informers.runnable import Runnable, Tasks

GRACEFUL_TIMEOUT_S = 30.0
EVENTS_FLUSH_S = 3.0
POLL_S = 0.1
CAMPAIGN_POLL_S = 1.0
STOP_POLL_S = 0.5
LAST_MOMENT_S = 1.0


class StopTimeout(Exception):
    """Something did not end within the graceful timeout; the message says what."""


class Manager:
    """See the module. `run` is called once; what is added later starts at once, or is refused once the end begins."""

    def __init__(
        self,
        *,
        clock: Clock,
        logger: Any,  # noqa: ANN401 - structlog's bound loggers share no type
        metrics: Metrics,
        elector: Elector | None = None,
        events: Recorder | None = None,
        health_address: str = "0",
        metrics_address: str = "0",
        graceful_timeout_s: float = GRACEFUL_TIMEOUT_S,
        sync_timeout_s: float = SYNC_TIMEOUT_S,
    ) -> None:
        """Binds the addresses (`0`: no server; see `HttpServer`); without an `elector` this process always leads.

        After `graceful_timeout_s` the end waits for nothing more; ValueError when it is negative.
        """
        if not graceful_timeout_s >= 0:
            raise ValueError(f"graceful timeout {graceful_timeout_s:g} s must not be negative")
        self._clock = clock
        self._logger = logger
        self._elector = elector
        self._events = events
        self._graceful_timeout_s = graceful_timeout_s
        self._sync_timeout_s = sync_timeout_s
        self._health_checks = Checks("healthz", logger=logger)
        self._ready_checks = Checks("readyz", logger=logger)
        if elector is not None:
            self._health_checks.add("leader-election", elector.health_error)
        self.health_server = _server(
            health_address, {"/healthz": self._health_checks.answer, "/readyz": self._ready_checks.answer}
        )
        try:
            self.metrics_server = _server(metrics_address, {"/metrics": metrics_route(metrics.registry)})
        except BaseException:
            if self.health_server is not None:
                self.health_server.stop()
            raise
        self._informers: list[Informer] = []
        self._controllers: list[Controller] = []
        self._to_start: list[Controller] = []
        self._changed = threading.Condition()
        self._runnables = Tasks(self._changed, clock=clock, logger=logger, failed=self._fail)
        self._leader_runnables = Tasks(self._changed, clock=clock, logger=logger, failed=self._fail)
        self._ran = False
        self._up = False
        self._stopping = False
        self._failure: BaseException | None = None

    def add_informer(self, informer: Informer) -> None:
        """Start `informer` with the manager; nothing is reconciled and /readyz is red until it has synced."""
        with self._changed:
            self._refuse_at_the_end()
            self._informers.append(informer)
            same = sum(str(other.resource) == str(informer.resource) for other in self._informers)
            name = f"informer-{informer.resource}" + (f"-{same}" if same > 1 else "")
            self._ready_checks.add(name, lambda: informer.unready_reason)
            if self._up:
                informer.start()

    def add_controller(self, controller: Controller) -> None:
        """Run `controller` while this process leads."""
        with self._changed:
            self._refuse_at_the_end()
            self._controllers.append(controller)
            self._to_start.append(controller)
            self._changed.notify_all()

    def add_runnable(self, runnable: Runnable, *, needs_leader: bool = True) -> None:
        """Run `runnable` in a thread while this process leads, or all the time."""
        with self._changed:
            self._refuse_at_the_end()
            (self._leader_runnables if needs_leader else self._runnables).add(runnable)

    def add_ready_check(self, name: str, check: Check) -> None:
        """Ask `check` at each /readyz, too."""
        self._ready_checks.add(name, check)

    def run(self, stop: threading.Event) -> None:
        """Work until `stop` is set or something fails, then end everything; raises the first failure.

        Raises `SyncTimeout` when an informer isn't ready in time, `StopTimeout` when something does not end,
        RuntimeError when called a second time.
        """
        if self._ran:
            raise RuntimeError("the manager runs already: it runs once")
        self._ran = True
        finished = threading.Event()
        threading.Thread(target=self._watch_stop, args=(stop, finished), name="stop", daemon=True).start()
        try:
            if self._bring_up():
                self._lead_again_and_again()
        except Exception as error:  # noqa: BLE001 - raised again below, after everything has ended
            self._fail(error)
        finally:
            left_behind = self._shut_down()
            finished.set()
        if left_behind:
            text = f"{', '.join(left_behind)} did not end within {self._graceful_timeout_s:g} s"
            if self._failure is None:
                raise StopTimeout(text)
            self._failure.add_note(text)
        if self._failure is not None:
            raise self._failure

    def _refuse_at_the_end(self) -> None:
        if self._ending:
            raise RuntimeError("the manager ends: nothing can be added")

    def _bring_up(self) -> bool:
        for server in (self.health_server, self.metrics_server):
            if server is not None:
                server.start()
        if self._events is not None:
            self._events.start()
        with self._changed:
            self._up = True
            for informer in self._informers:
                informer.start()
        if not self._wait_for_sync():
            return False
        self._logger.info("caches synced", informers=len(self._informers))
        self._runnables.start()
        return True

    def _wait_for_sync(self) -> bool:
        deadline = self._clock.monotonic() + self._sync_timeout_s
        while waiting := [informer for informer in self._informers if not informer.has_synced]:
            if self._clock.monotonic() >= deadline:
                reasons = [f"{i.resource} ({i.last_error or 'no answer to the list yet'})" for i in waiting]
                raise SyncTimeout(f"not synced within {self._sync_timeout_s:g} s: {'; '.join(reasons)}")
            if not self._wait(POLL_S):
                return False
        return True

    def _lead_again_and_again(self) -> None:
        while self._campaign():
            self._leader_runnables.start()
            with self._changed:
                self._to_start = list(self._controllers)
            while not self._lost:
                while self._to_start:
                    self._to_start.pop(0).start(give_up=lambda: self._ending or self._lost)
                if not self._wait(self._time_to_lose(), unless=lambda: self._lost or bool(self._to_start)):
                    return
            self._logger.warning("lease lost: work stops, and the campaign begins again")
            left_behind = self._stop_leaders(self._clock.monotonic() + self._graceful_timeout_s)
            if left_behind:
                raise StopTimeout(f"the lease is lost and {', '.join(left_behind)} did not end")

    def _campaign(self) -> bool:
        """Wait until this process leads; False when it has to end."""
        elector = self._elector
        if elector is None:
            return not self._ending
        while not elector.is_leader:
            if not elector.running:
                elector.start(self._elector_stepped)
            if not self._wait(CAMPAIGN_POLL_S, unless=lambda: elector.is_leader):
                return False
        return not self._ending

    @property
    def _ending(self) -> bool:
        return self._stopping or self._failure is not None

    @property
    def _lost(self) -> bool:
        return self._elector is not None and not self._elector.is_leader

    def _time_to_lose(self) -> float | None:
        """The gate closes by the clock, even when the elector's thread hangs: look then."""
        return None if self._elector is None else max(POLL_S, self._elector.write_until - self._clock.monotonic())

    def _wait(self, timeout_s: float | None, *, unless: Callable[[], bool] = lambda: False) -> bool:
        """Wait until something changed or `timeout_s` passed, `unless` it has; False when the manager has to end."""
        with self._changed:
            if not self._ending and not unless():
                self._clock.wait(self._changed, timeout_s)
            return not self._ending

    def _shut_down(self) -> list[str]:
        """End everything in order; gives the names of what did not end."""
        with self._changed:
            self._stopping = True
        self._logger.info("stopping", reason=str(self._failure) if self._failure else "asked to")
        deadline = self._clock.monotonic() + self._graceful_timeout_s
        working = self._stop_leaders(deadline) + self._runnables.end(self._until(deadline))
        left_behind = [
            str(informer.resource) for informer in self._informers if not informer.stop(self._until(deadline))
        ]
        # Events pass the write gate, so they are written before the lease is released.
        if self._events is not None and not self._events.stop(EVENTS_FLUSH_S):
            self._logger.warning("events were left unwritten")
        if self._elector is not None:
            if working:
                self._logger.error("lease not released: work still runs", running=working)
            else:
                self._elector.stop(self._until(deadline))
        for server in (self.health_server, self.metrics_server):
            if server is not None:
                server.stop()
        return working + left_behind

    def _stop_leaders(self, deadline: float) -> list[str]:
        for controller in self._controllers:
            controller.stop(0)
        tasks = self._leader_runnables.end(self._until(deadline))
        return [c.name for c in self._controllers if not c.stop(self._until(deadline))] + tasks

    def _until(self, deadline: float) -> float:
        """Seconds left; whoever comes after one that used up all the time still gets a moment."""
        return max(LAST_MOMENT_S, deadline - self._clock.monotonic())

    def _watch_stop(self, stop: threading.Event, finished: threading.Event) -> None:
        while not finished.is_set():
            if stop.wait(STOP_POLL_S):
                with self._changed:
                    self._stopping = True
                    self._changed.notify_all()
                return

    def _elector_stepped(self, step: Step) -> None:
        with self._changed:
            self._logger.info("leader election", step=step.value)
            self._changed.notify_all()

    def _fail(self, error: BaseException) -> None:
        with self._changed:
            self._failure = self._failure or error
            self._changed.notify_all()


def _server(address: str, routes: Mapping[str, Route]) -> HttpServer | None:
    return None if is_off(address) else HttpServer(address, routes)
