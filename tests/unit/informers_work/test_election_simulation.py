"""Three electors, a slow and lossy network, paused processes, wrong wall clocks, lying hints: never two may write.

Everything happens in one thread: while a request of one elector is on its way, time passes and the others go on.
A write counts until the last moment that the gate gave it, which is when its client gives it up.
"""

from __future__ import annotations

from datetime import timedelta
from random import Random

import pytest
import structlog

from informers.durations import LeaseDurations
from informers.election import LeaseElector, Step
from informers.errors import Unreachable, WriteRefused
from tests.support.clock import FakeClock
from tests.support.lease import FakeLock, SkewedClock

TICK_S = 0.25


class Machine:
    """An elector with its clock; `busy` while a request is under way, idle until `next_at`."""

    def __init__(self, world: World, name: str) -> None:
        self.clock = SkewedClock(world.clock, zero=world.chance.uniform(-1e6, 1e6))
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
        self.cut_off_until = 0.0
        self.writing_until = 0.0
        self.writes = 0


class World:
    """All machines around one lease."""

    def __init__(self, seed: int) -> None:
        self.chance = Random(seed)
        self.clock = FakeClock()
        self.lock = FakeLock()
        self.lock.on_send = self.travel
        self.lock.on_answer = self.travel
        self.faults = True
        self.asking: Machine | None = None
        self.hinted_version = 0
        self.violations: list[str] = []
        self.machines = [Machine(self, name) for name in "abc"]

    def travel(self, call: str) -> None:
        """A request or an answer on its way: late now and then, and sometimes lost."""
        if not self.faults:
            return
        machine, self.asking = self.asking, None
        self.run(self.chance.choice([0] * 12 + [0.5, 3, 5, 12]))
        self.asking = machine
        if self.chance.random() < 0.1 or (machine and self.clock.monotonic() < machine.cut_off_until):
            raise Unreachable(f"{call} lost")

    def run(self, seconds: float) -> None:
        """Let time pass, and every machine that is due and not busy make its step."""
        until = self.clock.monotonic() + seconds
        while self.clock.monotonic() < until:
            self.clock.advance(TICK_S)
            self.watch()
            changed, self.hinted_version = self.hinted_version != self.lock.version, self.lock.version
            for machine in self.machines:
                if self.chance.random() < 0.1:
                    self.write(machine)
                if self.faults and self.chance.random() < (0.7 if changed else 0.02):
                    machine.next_at = 0.0  # a hint, true or not
                if self.faults and self.chance.random() < 0.004:
                    machine.cut_off_until = self.clock.monotonic() + 40
                if not machine.busy and machine.next_at <= self.clock.monotonic():
                    self.step(machine)

    def step(self, machine: Machine) -> None:
        if self.faults:
            machine.clock.wall_error = timedelta(seconds=self.chance.choice([0, 0, 3600, -3600, -2, 2]))
        machine.busy, asking, self.asking = True, self.asking, machine
        step = machine.elector.step()
        machine.busy, self.asking = False, asking
        machine.acquired += step is Step.ACQUIRE
        pause_s = self.chance.choice([0] * 40 + [20, 60]) if self.faults else 0
        machine.next_at = self.clock.monotonic() + machine.elector.delay_s() + pause_s
        self.watch()

    def write(self, machine: Machine) -> None:
        """Send a write whenever the gate lets it through, also while a renewal is under way."""
        try:
            left_s = machine.elector.check()
        except WriteRefused:
            return
        machine.writes += 1
        machine.writing_until = max(machine.writing_until, self.clock.monotonic() + left_s)

    def watch(self) -> None:
        now = self.clock.monotonic()
        leading = [machine for machine in self.machines if machine.elector.is_leader]
        writing = [machine for machine in self.machines if machine.elector.is_leader or now < machine.writing_until]
        if len(leading) > 1 or (leading and len(writing) > 1):
            self.violations.append(f"{[machine.elector.identity for machine in writing]} at {now}")


@pytest.mark.parametrize("seed", range(40))
def test_t113_ta_tb_tc_never_two_write_and_somebody_does_again_when_the_faults_end(seed: int) -> None:
    world = World(seed)

    world.run(900)
    changes = sum(machine.acquired for machine in world.machines)
    world.faults = False
    world.run(120)

    assert world.violations == []
    assert changes >= 3, "the schedule was too kind to show anything"
    assert sum(machine.writes for machine in world.machines) > 50
    assert sum(machine.elector.is_leader for machine in world.machines) == 1
