"""What a standby has ready for the moment in which it becomes the leader."""

from __future__ import annotations

import math
import threading
from collections.abc import Callable

import structlog
from prometheus_client import CollectorRegistry

from informers.controller import Controller
from informers.election import Step
from informers.event import Added, Updated
from informers.manager import Manager
from informers.mapper import own_key
from informers.metrics import Metrics
from tests.support.clock import FakeClock
from tests.support.controller_world import THING_A, THING_B, THINGS, FakeSource, Script, thing


class Candidate:
    """An elector that leads when the test says so."""

    is_leader = False
    running = False
    write_until = math.inf

    def start(self, listener: Callable[[Step], None]) -> None:
        self.running = True
        self.tell = listener

    def lead(self) -> None:
        self.is_leader = True
        self.tell(Step.ACQUIRE)

    def stop(self, timeout_s: float) -> bool:
        self.running = self.is_leader = False
        return True

    def health_error(self) -> str | None:
        return None


class StartedSource(FakeSource):
    """An informer that counts its starts."""

    resource = THINGS
    has_synced = True
    last_error = ""
    unready_reason = None
    starts = 0

    def start(self) -> None:
        self.starts += 1

    def stop(self, timeout_s: float) -> bool:
        return True


def test_t108_a_standby_fills_its_caches_once_and_works_on_nothing_until_it_leads() -> None:
    clock, elector, source, script = FakeClock(), Candidate(), StartedSource(thing("a")), Script()
    logger, metrics = structlog.wrap_logger(structlog.ReturnLogger()), Metrics(CollectorRegistry())
    controller = Controller(name="standby", reconciler=script, clock=clock, metrics=metrics, logger=logger)
    controller.watch(source, own_key)
    manager = Manager(clock=clock, logger=logger, metrics=metrics, elector=elector)
    manager.add_informer(source)
    manager.add_controller(controller)
    stop = threading.Event()
    running = threading.Thread(target=manager.run, args=(stop,), daemon=True)
    running.start()
    clock.until_waiting(condition=manager._changed)
    source.objects = [thing("a", "2"), thing("b")]
    source.emit(Updated(thing("a"), thing("a", "2")))
    source.emit(Added(thing("b")))
    assert (source.starts, len(source.handlers), script.keys) == (1, 1, [])

    elector.lead()
    script.wait_for_passes(2)

    assert (source.starts, len(source.handlers), script.keys) == (1, 1, [THING_A, THING_B])
    stop.set()
    running.join(20)
    for worker in threading.enumerate():
        if worker.name.startswith("standby-"):
            worker.join(20)
            assert not worker.is_alive()
