"""Three electors, a slow and lossy network, paused processes, wrong wall clocks: never two may write.

Everything happens in one thread: while a request of one elector is on its way, time passes and the others go on.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from random import Random
from threading import Condition

import pytest
import structlog

from informers.durations import LeaseDurations
from informers.election import LeaseElector, Step
from informers.errors import Unreachable
from tests.support.clock import FakeClock
from tests.support.lease import FakeLock

TICK_S = 0.25


class SkewedClock:
    """The clock of one machine: other zero, other wall time, the same pace."""

    def __init__(self, clock: FakeClock, chance: Random) -> None:
        self._clock = clock
        self._zero = chance.uniform(-1e6, 1e6)
        self.wall_error = timedelta(0)

    def monotonic(self) -> float:
        return self._clock.monotonic() + self._zero

    def now(self) -> datetime:
        return self._clock.now() + self.wall_error

    def wait(self, condition: Condition, timeout_s: float | None) -> None:
        raise AssertionError("a step never waits")


class Machine:
    """An elector with its clock; `busy` while a request is under way, idle until `next_at`."""

    def __init__(self, world: World, name: str) -> None:
        self.clock = SkewedClock(world.clock, world.chance)
        self.elector = LeaseElector(
            lock=world.lock,
            identity=name,
            clock=self.clock,
            random=world.chance,
            logger=structlog.wrap_logger(structlog.ReturnLogger()),
            durations=LeaseDurations(),
        )
        self.busy = False
        self.next_at = world.clock.monotonic()
        self.acquired = 0


class World:
    """All machines around one lease."""

    def __init__(self, seed: int) -> None:
        self.chance = Random(seed)
        self.clock = FakeClock()
        self.lock = FakeLock()
        self.lock.on_send = self.travel
        self.lock.on_answer = self.travel
        self.faults = True
        self.violations: list[str] = []
        self.machines = [Machine(self, name) for name in "abc"]

    def travel(self, call: str) -> None:
        """A request or an answer on its way: late now and then, and sometimes lost."""
        if not self.faults:
            return
        self.run(self.chance.choice([0, 0, 0, 0.5, 3, 5, 12]))
        if self.chance.random() < 0.15:
            raise Unreachable(f"{call} lost")

    def run(self, seconds: float) -> None:
        """Let time pass, and every machine that is due and not busy make its step."""
        until = self.clock.monotonic() + seconds
        while self.clock.monotonic() < until:
            self.clock.advance(TICK_S)
            self.watch()
            for machine in self.machines:
                if not machine.busy and machine.next_at <= self.clock.monotonic():
                    self.step(machine)

    def step(self, machine: Machine) -> None:
        if self.faults:
            machine.clock.wall_error = timedelta(seconds=self.chance.choice([0, 0, 3600, -3600, -2, 2]))
        machine.busy = True
        step = machine.elector.step()
        machine.busy = False
        machine.acquired += step is Step.ACQUIRE
        pause_s = self.chance.choice([0] * 15 + [20, 60]) if self.faults else 0
        machine.next_at = self.clock.monotonic() + machine.elector.delay_s() + pause_s
        self.watch()

    def watch(self) -> None:
        writers = [machine.elector.identity for machine in self.machines if machine.elector.is_leader]
        if len(writers) > 1:
            self.violations.append(f"{writers} at {self.clock.monotonic()}")


@pytest.mark.parametrize("seed", range(40))
def test_never_two_may_write_and_somebody_does_again_when_the_faults_end(seed: int) -> None:
    world = World(seed)

    world.run(900)
    changes = sum(machine.acquired for machine in world.machines)
    world.faults = False
    world.run(120)

    assert world.violations == []
    assert changes >= 3, "the schedule was too kind to show anything"
    assert sum(machine.elector.is_leader for machine in world.machines) == 1
