"""The simulation notices: an operator with one bug for each invariant is caught by some of a few seeds."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import pytest

from hack.simulation.invariants import (
    BACKS_OFF,
    BOUNDED,
    CONVERGES,
    NO_UNTRUTH,
    NO_WRITES,
    NOTHING_LOST,
    ONE_PASS,
    ONE_WRITER,
)
from hack.simulation.operator import Parts
from hack.simulation.run import Outcome, run, undisturbed
from hack.simulation.script import SCRIPTS
from informers.apply import Applied, Applier
from informers.apply import Outcome as Result
from informers.delivery import Registration
from informers.election import LeaseElector
from informers.event import Event
from informers.informer import SharedInformer
from informers.resource import Manifest, ObjectKey, Resource, View
from informers.workqueue import Entry, WorkQueue


class BlindApplier(Applier):
    """Ignores what becomes of Services that it made once."""

    def ensure(self, resource: Resource, intent: Manifest, live: View | None) -> Applied:
        if live is not None and resource.kind == "Service":
            return Applied(Result.UNCHANGED, live)
        return super().ensure(resource, intent, live)


class RestlessApplier(Applier):
    """Writes in each pass."""

    def ensure(self, resource: Resource, intent: Manifest, live: View | None) -> Applied:
        self._client.apply(resource, intent, field_manager=self._field_manager, force=True)
        return super().ensure(resource, intent, live)


class OpenElector(LeaseElector):
    """Having led once, it leads for ever, and its gate stays open."""

    _led = False

    @property
    def is_leader(self) -> bool:
        self._led = self._led or super().is_leader
        return self._led

    def check(self) -> float:
        return 60.0


class ForgetfulQueue(WorkQueue[ObjectKey]):
    """Does not know what is being processed."""

    def get(self) -> Entry[ObjectKey] | None:
        entry = super().get()
        if entry is not None:
            self._processing.pop(entry.key, None)
        return entry


class HastyQueue(WorkQueue[ObjectKey]):
    """Never waits."""

    def add_after(self, key: ObjectKey, seconds: float, **options: Any) -> None:
        super().add_after(key, 0.001, **options)


class HoardingRegistration(Registration):
    """Keeps every event that it was ever told."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.hoard: list[Event] = []

    def tell(self, events: Iterable[Event], **options: Any) -> None:
        told = list(events)
        self.hoard += told
        super().tell(told, **options)


class LossyInformer(SharedInformer):
    """Loses the first three events after each reconnect."""

    def __init__(self, client: Any, *args: Any, **kwargs: Any) -> None:
        super().__init__(_Lossy(client), *args, **kwargs)


class _Lossy:
    def __init__(self, client: Any) -> None:
        self._client = client
        self._watches = 0

    def __getattr__(self, name: str) -> Any:
        return getattr(self._client, name)

    def watch(self, *args: Any, **kwargs: Any) -> Any:
        self._watches += 1
        stream = self._client.watch(*args, **kwargs)
        if self._watches > 2:
            _skip_some(stream)
        return stream


def _skip_some(stream: Any) -> None:
    events, skipped = stream._events, []

    def remaining() -> Any:
        for event in events:
            if len(skipped) < 3 and event["type"] in ("ADDED", "MODIFIED", "DELETED"):
                skipped.append(event)
                continue
            yield event

    stream._events = remaining()


#: Seeds of one script, so that its undisturbed end is worked out once.
SEEDS = tuple(range(15, 15 + 6 * SCRIPTS, SCRIPTS))


#: Seeds in which a leader is paused for longer than its lease while another operator waits.
SEEDS_WITH_A_LOST_LEASE = (22, 214, 12)


def caught(invariant: str, parts: Parts | None = None, *, seeds: Iterable[int] = SEEDS) -> Outcome:
    """The first run that names the invariant in what it says and in its trace."""
    for seed in seeds:
        outcome = run(seed, parts=parts, lines=100, patience_s=200.0)
        if invariant in [violation.invariant for violation in outcome.violations]:
            assert any(f"VIOLATION      {invariant}: " in line for line in outcome.trace)
            return outcome
    raise AssertionError(f"no seed noticed that {invariant!r} does not hold")


@pytest.fixture(scope="module", autouse=True)
def _without_bugs() -> None:
    undisturbed(SEEDS[0] % SCRIPTS)


def test_a_child_that_is_ignored_is_no_convergence() -> None:
    caught(CONVERGES, Parts({"Applier": BlindApplier}))


def test_an_open_gate_is_two_writers() -> None:
    caught(ONE_WRITER, Parts({"LeaseElector": OpenElector}), seeds=SEEDS_WITH_A_LOST_LEASE)


def test_a_queue_that_forgets_what_is_processed_has_a_key_twice(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("informers.controller.WorkQueue", ForgetfulQueue)
    caught(ONE_PASS)


def test_an_event_lost_at_a_reconnect_is_missed_at_rest() -> None:
    caught(NOTHING_LOST, Parts({"SharedInformer": LossyInformer}))


def test_an_applier_that_always_writes_does_not_rest() -> None:
    caught(NO_WRITES, Parts({"Applier": RestlessApplier}))


def test_a_buffer_that_is_never_drained_grows_out_of_bounds(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("informers.informer.Registration", HoardingRegistration)
    caught(BOUNDED)


def test_a_queue_without_back_off_is_a_loop(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("informers.controller.WorkQueue", HastyQueue)
    caught(BACKS_OFF)


def test_a_share_that_takes_everything_for_in_force_tells_an_untruth(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("reconcilers.share.restart_watch.pending", lambda *_, **__: ())
    caught(NO_UNTRUTH)
