"""One container over its runs: restarts, back-off, probes, waiting reasons."""

from __future__ import annotations

import socket
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from hack.localcluster.kubelet.container import Container, Pace, StartRefused
from hack.localcluster.kubelet.processes import Process
from hack.localcluster.pod_network import Route

WALL = datetime(2026, 1, 1, tzinfo=UTC)
PACE = Pace(restart_backoff_initial_s=10, restart_backoff_max_s=30, restart_backoff_reset_s=600, retry_s=1)


class FakeProcess:
    def __init__(self) -> None:
        self.exit_code: int | None = None
        self.message = ""
        self.route: Route | None = None
        self.answers = False
        self.signals: list[str] = []

    def connect(self, port: int, timeout_s: float) -> socket.socket:
        if not self.answers:
            raise ConnectionRefusedError("refused")
        ours, theirs = socket.socketpair()
        theirs.close()
        return ours

    def terminate(self) -> None:
        self.signals.append("TERM")

    def kill(self) -> None:
        self.signals.append("KILL")


class World:
    def __init__(self, *, log: Path = Path("no-log"), **spec: Any) -> None:
        self.now = 1000.0
        self.processes: list[FakeProcess] = []
        self.refuse: StartRefused | None = None
        self.events: list[tuple[str, str, str]] = []
        self.container = Container(
            {"name": "c", "image": "dittofs:1", **spec},
            grace_s=5,
            pace=PACE,
            record=lambda *event: self.events.append(event),
            log=log,
        )

    def start(self) -> Process:
        if self.refuse is not None:
            raise self.refuse
        self.processes.append(FakeProcess())
        return self.processes[-1]

    def step(self, *, restarts: bool = True) -> float | None:
        return self.container.step(now=self.now, wall=WALL, restarts=restarts, start=self.start)

    def crash(self, code: int = 1) -> float | None:
        self.processes[-1].exit_code = code
        return self.step()

    @property
    def state(self) -> dict[str, Any]:
        state: dict[str, Any] = self.container.status()["state"]
        return state


def test_without_probes_a_container_is_ready_as_soon_as_it_runs() -> None:
    world = World()
    world.step()
    status = world.container.status()
    assert (status["started"], status["ready"], status["restartCount"]) == (True, True, 0)
    assert status["imageID"].startswith("dittofs@sha256:")


def test_the_first_crash_restarts_at_once_and_the_next_ones_wait_longer_and_longer() -> None:
    world = World()
    world.step()
    world.crash()
    assert len(world.processes) == 2
    waits = []
    for _ in range(4):
        due = world.crash()
        assert due is not None
        assert world.state["waiting"]["reason"] == "CrashLoopBackOff"
        waits.append(due - world.now)
        world.now = due
        world.step()
    assert waits == [10, 20, 30, 30]
    assert world.container.restart_count == 5
    assert world.container.status()["lastState"]["terminated"]["exitCode"] == 1


def test_the_end_of_the_log_is_the_message_of_a_failure_that_asks_for_it(tmp_path: Path) -> None:
    log = tmp_path / "log"
    log.write_text("said by the run before\n")
    world = World(log=log, terminationMessagePolicy="FallbackToLogsOnError")
    world.step()
    log.write_text(log.read_text() + "x" * 4000 + "\nError: no database\n")

    world.crash()

    message = world.container.status()["lastState"]["terminated"]["message"]
    assert message.endswith("x\nError: no database")
    assert len(message) < 2048
    assert "before" not in message


def test_a_container_that_does_not_ask_or_ends_well_has_no_message(tmp_path: Path) -> None:
    log = tmp_path / "log"
    for spec, code in (({}, 1), ({"terminationMessagePolicy": "FallbackToLogsOnError"}, 0)):
        world = World(log=log, **spec)
        world.step()
        log.write_text("said")
        world.crash(code)
        assert "message" not in world.container.status()["lastState"]["terminated"]


def test_a_run_that_lasted_long_enough_resets_the_back_off() -> None:
    world = World()
    world.step()
    world.crash()
    world.now += 601
    world.crash()
    assert world.container.running


def test_a_run_that_is_not_repeated_stays_ended_with_its_code() -> None:
    world = World()
    world.step()
    world.processes[-1].exit_code = 3
    assert world.step(restarts=False) is None
    assert world.state["terminated"]["exitCode"] == 3
    assert world.step(restarts=False) is None
    assert len(world.processes) == 1


def test_what_keeps_it_from_starting_is_its_waiting_reason_and_an_event_once() -> None:
    world = World()
    world.refuse = StartRefused("CreateContainerConfigError", 'secret "s" not found')
    for _ in range(3):
        due = world.step()
        assert due is not None
        world.now = due
    assert world.state["waiting"] == {"reason": "CreateContainerConfigError", "message": 'secret "s" not found'}
    assert len(world.events) == 1
    world.refuse = None
    world.step()
    assert world.container.running


def test_an_image_that_cannot_be_pulled_waits_in_back_off() -> None:
    world = World(image="dittofs:does-not-exist")
    world.step()
    assert world.state["waiting"]["reason"] == "ImagePullBackOff"


def test_readiness_waits_for_the_startup_probe_and_follows_its_own() -> None:
    probe = {"tcpSocket": {"port": 1}, "periodSeconds": 1}
    world = World(startupProbe=probe, readinessProbe=probe)
    world.step()
    world.step()
    assert (world.container.started, world.container.ready) == (False, False)
    world.processes[-1].answers = True
    world.now += 1
    world.step()
    world.step()
    assert (world.container.started, world.container.ready) == (True, True)


def test_a_failed_liveness_probe_ends_the_run_by_force_after_the_grace_period() -> None:
    world = World(livenessProbe={"tcpSocket": {"port": 1}, "periodSeconds": 1, "failureThreshold": 2})
    world.step()
    process = world.processes[-1]
    while "TERM" not in process.signals:
        due = world.step()
        assert due is not None
        world.now = due
    assert not world.container.ready
    assert "KILL" not in process.signals
    world.now += 5
    world.step()
    assert "KILL" in process.signals
    world.crash(137)
    assert world.container.restart_count == 1
