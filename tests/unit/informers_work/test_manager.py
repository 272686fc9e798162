"""In which order a manager starts and ends things, and what ends it (T110..T114, Tg)."""

from __future__ import annotations

import http.client
import threading
from collections.abc import Callable
from random import Random

import pytest
import structlog
from prometheus_client import CollectorRegistry

from informers.controller import Controller, SyncTimeout
from informers.election import LeaseElector
from informers.errors import WriteRefused
from informers.event import Event
from informers.lease import LeaseRecord
from informers.listwatch import Scope
from informers.manager import Manager, StopTimeout
from informers.mapper import own_key
from informers.metrics import Metrics
from informers.resource import ObjectKey, Resource, View
from informers.result import Done, Result
from tests.support.clock import FakeClock
from tests.support.lease import FakeLock

THINGS = Resource(group="demo.io", version="v1", plural="things", kind="Thing")


class FakeInformer:
    """An informer (and its store and registration) that notes when it starts and stops."""

    resource = THINGS
    scope = Scope(THINGS)

    def __init__(self, diary: list[str], *, synced: bool = True, last_error: str = "") -> None:
        self.diary = diary
        self.has_synced = synced
        self.last_error = last_error
        self.ends = True

    @property
    def unready_reason(self) -> str | None:
        return None if self.has_synced else self.last_error

    @property
    def store(self) -> FakeInformer:
        return self

    def version_of(self, namespace: str) -> str:
        return ""

    def peek(self, key: ObjectKey) -> View | None:
        return None

    def list(self, namespace: str = "") -> tuple[View, ...]:
        return ({"metadata": {"namespace": "default", "name": "a"}},)

    def add_handler(self, handler: Callable[[Event], None], *, name: str) -> FakeInformer:
        return self

    def start(self) -> None:
        self.diary.append("informer starts")

    def stop(self, timeout_s: float) -> bool:
        self.diary.append("informer stops")
        return self.ends


class FakeRunnable:
    """Notes its beginning and end; fails when told to."""

    def __init__(self, diary: list[str], name: str) -> None:
        self.diary = diary
        self.name = name
        self.began = threading.Semaphore(0)
        self.ended = threading.Semaphore(0)
        self.fail = threading.Event()

    def run(self, stop: threading.Event) -> None:
        self.diary.append(f"{self.name} begins")
        self.began.release()
        while not stop.wait(0.005):
            if self.fail.is_set():
                raise RuntimeError(f"{self.name} broke")
        self.diary.append(f"{self.name} ends")
        self.ended.release()


class FakeRecorder:
    def __init__(self, diary: list[str]) -> None:
        self.diary = diary

    def start(self) -> None:
        self.diary.append("events start")

    def stop(self, timeout_s: float) -> bool:
        self.diary.append("events stop")
        return True


class World:
    """A manager with a runnable of each group, a controller, and (if asked) an elector whose lease is in memory."""

    def __init__(
        self, *, elect: bool = False, synced: bool = True, last_error: str = "", graceful_timeout_s: float = 30
    ) -> None:
        self.diary: list[str] = []
        self.clock = FakeClock()
        self.lock = FakeLock()
        self.lock.on_send = self._note_lease
        self.passes = threading.Semaphore(0)
        self.may_write: list[bool] = []
        self.held: threading.Event | None = None
        metrics = Metrics(CollectorRegistry())
        logger = structlog.wrap_logger(structlog.ReturnLogger())
        self.elector = LeaseElector(lock=self.lock, identity="me", clock=self.clock, random=Random(0), logger=logger)
        self.manager = Manager(
            clock=self.clock,
            logger=logger,
            metrics=metrics,
            elector=self.elector if elect else None,
            events=FakeRecorder(self.diary),
            health_address="127.0.0.1:0",
            metrics_address="127.0.0.1:0",
            graceful_timeout_s=graceful_timeout_s,
            sync_timeout_s=120,
        )
        self.informer = FakeInformer(self.diary, synced=synced, last_error=last_error)
        self.always = FakeRunnable(self.diary, "always")
        self.leading = FakeRunnable(self.diary, "leading")
        self._metrics = metrics
        self.manager.add_informer(self.informer)
        self.manager.add_controller(self.controller("things", self.informer))
        self.manager.add_runnable(self.always, needs_leader=False)
        self.manager.add_runnable(self.leading)
        self.stop = threading.Event()
        self.error: BaseException | None = None
        self._thread = threading.Thread(target=self._run, daemon=True)

    def controller(self, name: str, informer: FakeInformer) -> Controller:
        logger = structlog.wrap_logger(structlog.ReturnLogger())
        made = Controller(name=name, reconciler=self, clock=self.clock, metrics=self._metrics, logger=logger)
        made.watch(informer, own_key)
        return made

    def reconcile(self, key: ObjectKey) -> Result:
        try:
            self.elector.check()
            self.may_write.append(True)
        except WriteRefused:
            self.may_write.append(False)
        self.passes.release()
        if self.held is not None:
            assert self.held.wait(20)
        return Done()

    def start(self) -> None:
        self._thread.start()

    def reconciled(self) -> None:
        assert self.passes.acquire(timeout=20)

    def end(self) -> None:
        """Wait for the end of `run`, which needs no time to pass."""
        self._thread.join(20)
        assert not self._thread.is_alive()

    def end_late(self) -> None:
        """Wait for the end of `run`, and let time pass until then."""
        while self._thread.is_alive():
            self.clock.advance(0.5)
            self._thread.join(0.001)

    def pass_time_until(self, condition: Callable[[], bool]) -> None:
        """Let time pass, but only while nobody has anything to do: no thread is to find itself late."""
        while not condition():
            if self.clock.is_waited_on(self.manager._changed) and (
                not self.elector.running or self.clock.is_waited_on(self.elector._wake)
            ):
                self.clock.advance(0.5)

    def main_waits(self) -> None:
        self.clock.until_waiting(condition=self.manager._changed)

    def ready(self, path: str = "/readyz") -> int:
        assert self.manager.health_server is not None
        connection = http.client.HTTPConnection("127.0.0.1", self.manager.health_server.port, timeout=10)
        try:
            connection.request("GET", path)
            return connection.getresponse().status
        finally:
            connection.close()

    def _run(self) -> None:
        try:
            self.manager.run(self.stop)
        except Exception as error:  # noqa: BLE001 - looked at by the test
            self.error = error

    def _note_lease(self, call: str) -> None:
        if call == "create":
            self.diary.append("lease taken")
        if call == "update" and not self.elector.is_leader and self.lock.record and self.lock.record.holder == "me":
            self.diary.append("lease released")


def test_t110_everything_starts_in_order_and_ends_in_the_reverse_one() -> None:
    world = World(elect=True)
    world.start()
    world.reconciled()
    assert world.leading.began.acquire(timeout=20)

    world.stop.set()
    world.end()

    assert world.error is None
    assert world.diary.index("always begins") > world.diary.index("informer starts")
    assert [line for line in world.diary if line != "always begins"] == [
        "events start",
        "informer starts",
        "lease taken",
        "leading begins",
        "leading ends",
        "always ends",
        "informer stops",
        "events stop",
        "lease released",
    ]
    assert world.lock.record is not None
    assert world.lock.record.holder == ""


def test_t110_nothing_runs_before_the_informers_have_synced_and_readiness_tells() -> None:
    world = World(synced=False)
    world.start()
    world.main_waits()
    assert (world.ready(), world.ready("/healthz"), world.ready("/readyz/informer-things.demo.io")) == (500, 200, 500)
    assert world.diary == ["events start", "informer starts"]

    world.informer.has_synced = True
    world.clock.advance(0.1)
    world.reconciled()

    assert world.ready() == 200
    world.stop.set()
    world.end()
    assert world.error is None


def test_an_informer_that_never_syncs_ends_the_manager_with_its_last_error() -> None:
    world = World(synced=False, last_error="list of things.demo.io: Forbidden: no rights")
    world.start()
    world.end_late()

    assert isinstance(world.error, SyncTimeout)
    assert str(world.error) == (
        "not synced within 120 s: things.demo.io (list of things.demo.io: Forbidden: no rights)"
    )
    assert "informer stops" in world.diary
    assert "always begins" not in world.diary


def test_t111_tg_a_stop_while_waiting_for_the_sync_is_no_error() -> None:
    """client-go can spin here until it is killed."""
    world = World(synced=False)
    world.start()
    world.main_waits()

    world.stop.set()
    world.end()

    assert world.error is None
    assert world.diary[-2:] == ["informer stops", "events stop"]


def test_t111_a_runnable_that_fails_ends_everything_and_its_error_is_raised() -> None:
    world = World()
    world.start()
    world.reconciled()
    assert world.leading.began.acquire(timeout=20)

    world.leading.fail.set()
    world.end()

    assert str(world.error) == "leading broke"
    assert world.diary[-3:] == ["always ends", "informer stops", "events stop"]


def test_t111_what_does_not_end_in_time_is_named_and_the_lease_is_not_released() -> None:
    world = World(elect=True)
    world.held = threading.Event()
    world.start()
    world.reconciled()

    world.stop.set()
    world.end_late()

    assert isinstance(world.error, StopTimeout)
    assert str(world.error).startswith("things")
    assert "lease released" not in world.diary
    world.held.set()


def test_t111_without_a_graceful_timeout_each_part_has_a_moment_and_a_negative_one_is_refused() -> None:
    world = World(elect=True, graceful_timeout_s=0)
    world.held = threading.Event()
    world.start()
    world.reconciled()

    world.stop.set()
    world.end_late()

    assert str(world.error) == "things did not end within 0 s"
    world.held.set()
    with pytest.raises(ValueError, match="negative"):
        World(graceful_timeout_s=-1)


def test_t111_a_first_error_is_kept_and_the_rest_noted_on_it() -> None:
    world = World()
    world.informer.ends = False
    world.start()
    assert world.leading.began.acquire(timeout=20)

    world.leading.fail.set()
    world.end()

    assert str(world.error) == "leading broke"
    assert world.error is not None
    assert world.error.__notes__ == ["things.demo.io did not end within 30 s"]


def test_t112_what_is_added_late_is_started_at_once() -> None:
    world = World(elect=True)
    world.start()
    world.reconciled()
    assert world.leading.began.acquire(timeout=20)
    late = [FakeRunnable(world.diary, name) for name in ("late", "late leading")]
    informer = FakeInformer(world.diary)

    world.manager.add_informer(informer)
    world.manager.add_controller(world.controller("more things", informer))
    world.manager.add_runnable(late[0], needs_leader=False)
    world.manager.add_runnable(late[1])

    world.reconciled()
    assert all(runnable.began.acquire(timeout=20) for runnable in late)
    assert world.diary.count("informer starts") == 2
    assert world.ready("/readyz/informer-things.demo.io-2") == 200
    world.stop.set()
    world.end()
    assert world.error is None
    assert {"late ends", "late leading ends"} < set(world.diary)
    assert world.diary.count("informer stops") == 2


def test_t112_what_is_added_late_to_a_follower_begins_when_it_leads() -> None:
    world = World(elect=True)
    world.lock.put(LeaseRecord("other", 15))
    world.start()
    assert world.always.began.acquire(timeout=20)
    world.main_waits()
    informer = FakeInformer(world.diary)
    world.manager.add_informer(informer)
    world.manager.add_controller(world.controller("more things", informer))
    assert world.diary.count("informer starts") == 2
    assert world.may_write == []

    world.pass_time_until(lambda: world.elector.is_leader)

    world.reconciled()
    world.reconciled()
    assert world.may_write == [True, True]
    world.stop.set()
    world.end()
    assert world.error is None


def test_t112_a_second_run_and_additions_after_the_end_has_begun_are_refused() -> None:
    world = World()
    world.start()
    world.reconciled()
    with pytest.raises(RuntimeError, match="once"):
        world.manager.run(threading.Event())

    world.stop.set()
    world.end()

    with pytest.raises(RuntimeError, match="nothing can be added"):
        world.manager.add_informer(world.informer)
    with pytest.raises(RuntimeError, match="nothing can be added"):
        world.manager.add_runnable(world.always)
    with pytest.raises(RuntimeError, match="nothing can be added"):
        world.manager.add_controller(world.controller("late", world.informer))
    assert world.error is None


def test_t113_a_follower_reconciles_nothing_is_ready_and_ends_without_touching_the_lease() -> None:
    world = World(elect=True)
    theirs = LeaseRecord("other", 15)
    world.lock.put(theirs)
    world.start()
    assert world.always.began.acquire(timeout=20)
    world.main_waits()

    assert world.ready() == 200
    assert world.may_write == []
    world.stop.set()
    world.end()

    assert world.error is None
    assert world.lock.record == theirs
    assert "leading begins" not in world.diary


def test_t113_a_lost_lease_stops_the_work_and_a_new_campaign_starts_it_again() -> None:
    world = World(elect=True)
    world.start()
    world.reconciled()
    assert world.leading.began.acquire(timeout=20)
    usurper = LeaseRecord("usurper", 15)
    world.lock.put(usurper)
    world.pass_time_until(lambda: not world.elector.is_leader)
    assert world.leading.ended.acquire(timeout=20)
    assert world.lock.record == usurper

    world.pass_time_until(lambda: world.elector.is_leader)
    world.reconciled()

    assert world.may_write == [True, True], "every pass ran while the lease was held"
    assert world.leading.began.acquire(timeout=20)
    world.stop.set()
    world.end()
    assert world.error is None
    assert world.diary.count("informer starts") == 1


def test_t113_a_renewal_that_hangs_ends_the_work_at_the_deadline_by_the_clock() -> None:
    world = World(elect=True)
    world.start()
    world.reconciled()
    hanging, released = threading.Event(), threading.Event()

    def hang(call: str) -> None:
        hanging.set()
        assert released.wait(20)

    world.lock.on_send = hang
    world.clock.until_waiting(condition=world.elector._wake)
    world.clock.advance(2)
    assert hanging.wait(20)
    assert world.elector.is_leader
    world.clock.advance(8)
    assert world.leading.ended.acquire(timeout=20)
    assert not world.elector.is_leader

    world.lock.on_send = lambda call: None
    released.set()
    world.pass_time_until(lambda: world.elector.is_leader)
    world.reconciled()

    assert world.may_write == [True, True]
    world.stop.set()
    world.end()
    assert world.error is None


def test_t113_work_that_does_not_end_after_a_lost_lease_ends_the_process() -> None:
    world = World(elect=True)
    world.held = threading.Event()
    world.start()
    world.reconciled()
    world.lock.put(LeaseRecord("usurper", 15))

    world.end_late()

    assert isinstance(world.error, StopTimeout)
    assert str(world.error) == "the lease is lost and things did not end"
    world.held.set()


def test_t114_a_taken_address_is_an_error_at_creation() -> None:
    world = World()
    assert world.manager.metrics_server is not None
    taken = f"127.0.0.1:{world.manager.metrics_server.port}"

    with pytest.raises(OSError, match="in use"):
        Manager(
            clock=world.clock,
            logger=structlog.get_logger(),
            metrics=Metrics(CollectorRegistry()),
            health_address="127.0.0.1:0",
            metrics_address=taken,
        )

    world.stop.set()
    world.start()
    world.end()
