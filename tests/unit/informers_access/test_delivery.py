"""Handlers of an informer: apart from each other, in order, bounded."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from typing import Any

import pytest
import structlog
from hypothesis import given
from hypothesis import strategies as st

from informers.delivery import Registration, coalesce
from informers.event import Added, Deleted, Event, Updated
from informers.resource import View
from informers.store import Store
from tests.support.clock import FakeClock
from tests.support.scripted_server import LIMIT_S, config_map


def state(version: int) -> View:
    return config_map("a", version)


@given(steps=st.lists(st.sampled_from(["write", "delete"]), max_size=30), present=st.booleans())
def test_what_is_left_of_many_events_is_a_true_and_short_story(steps: list[str], *, present: bool) -> None:
    """It begins in the state that the handler knows, ends in the last one, and its states follow on each other."""
    known: View | None = state(0) if present else None
    now = known
    waiting: tuple[Event, ...] = ()
    for version, step in enumerate(steps, start=1):
        new = state(version)
        event: Event
        if step == "delete":
            if now is None:
                continue
            event, now = Deleted(now), None
        else:
            event = Added(new) if now is None else Updated(now, new)
            now = new
        waiting = coalesce(waiting, event)

    assert len(waiting) <= 4
    told = known
    for event in waiting:
        match event:
            case Added():
                assert told is None
                told = event.object
            case Updated():
                assert told == event.old
                told = event.new
            case Deleted():
                assert told is not None
                told = None
    assert told == now


def test_coalesced_updates_keep_the_first_old_and_the_last_new_state() -> None:
    waiting: tuple[Event, ...] = ()
    for version in range(1, 6):
        waiting = coalesce(waiting, Updated(state(version - 1), state(version)))
    assert waiting == (Updated(state(0), state(5)),)


def test_an_initial_add_stays_initial_when_an_update_joins_it() -> None:
    assert coalesce((Added(state(1), initial=True),), Updated(state(1), state(2))) == (Added(state(2), initial=True),)


class Slow:
    """A handler that stands still until told."""

    def __init__(self) -> None:
        self.go = threading.Event()
        self.inside = threading.Event()
        self.seen: list[Event] = []
        self.changed = threading.Condition()

    def __call__(self, event: Event) -> None:
        self.inside.set()
        assert self.go.wait(LIMIT_S)
        with self.changed:
            self.seen.append(event)
            self.changed.notify_all()

    def until(self, count: int) -> list[Event]:
        with self.changed:
            assert self.changed.wait_for(lambda: len(self.seen) >= count, LIMIT_S), self.seen
            return list(self.seen)


class Counts:
    """What a registration reports."""

    def __init__(self) -> None:
        self.events = 0
        self.failures = 0

    def coalesced(self, events: int) -> None:
        self.events += events

    def handler_failed(self) -> None:
        self.failures += 1


@pytest.fixture
def register() -> Iterator[Callable[..., Registration]]:
    """Makes registrations, and ends them."""
    made: list[Registration] = []

    def make(handler: Any, *, metrics: Counts | None = None) -> Registration:
        registration = Registration(
            handler,
            name="h",
            known=lambda: (),
            repeat=lambda *_: None,
            clock=FakeClock(),
            metrics=metrics or Counts(),
            logger=structlog.get_logger(),
        )
        made.append(registration)
        return registration

    yield make
    for registration in made:
        registration.end()
        assert registration.join(LIMIT_S)


Register = Callable[..., Registration]


def until_synced(registration: Registration) -> None:
    while not registration.has_synced:
        assert registration._thread.is_alive()


def test_tf_what_waits_for_a_slow_handler_is_bounded_by_the_number_of_objects(register: Register) -> None:
    """While it looks at one event, a thousand more come for each of ten objects, made, changed and deleted."""
    slow, counts = Slow(), Counts()
    registration = register(slow, metrics=counts)
    registration.start()
    registration.tell([Added(config_map("first", 1))])
    assert slow.inside.wait(LIMIT_S)

    told = 0
    for round_ in range(250):
        for name in "abcdefghij":
            old, new, last = (config_map(name, 4 * round_ + step) for step in range(3))
            registration.tell([Added(old), Updated(old, new), Updated(new, last), Deleted(last)])
            told += 4

    assert registration.waiting == 10
    assert sum(len(events) for events in registration._waiting.values()) == 20
    assert counts.events == told - 20
    slow.go.set()
    assert slow.until(21)[1:3] == [Added(config_map("a", 998)), Deleted(config_map("a", 998))]


def test_t65_a_deletion_and_the_return_of_the_object_are_both_told(register: Register) -> None:
    slow = Slow()
    registration = register(slow)
    registration.start()
    registration.tell([Added(config_map("first", 1))])
    assert slow.inside.wait(LIMIT_S)
    store = Store(logger=structlog.get_logger())
    registration.tell(store.replace([state(1)], "1"))
    slow.go.set()
    slow.until(2)
    slow.go.clear()
    registration.tell([Added(config_map("second", 1))])

    registration.tell(store.remove(state(2)))
    registration.tell(store.replace([state(3)], "3"))

    slow.go.set()
    assert slow.until(5)[3:] == [Deleted(state(2)), Added(state(3))]


def test_t71_a_change_joins_what_waits_of_its_object_and_nothing_jumps_the_line(register: Register) -> None:
    slow = Slow()
    slow.go.set()
    registration = register(slow)
    a, later, b = config_map("a", 1), config_map("a", 2), config_map("b", 1)
    registration.tell([Updated(config_map("a", 0), a), Added(b), Updated(a, later)])
    registration.tell([Deleted(later)])
    registration.start()
    assert slow.until(3) == [Updated(config_map("a", 0), later), Deleted(later), Added(b)]


def test_t72_the_end_releases_a_thread_that_waits_for_events(register: Register) -> None:
    registration = register(print)
    registration.start()
    clock = registration._clock
    assert isinstance(clock, FakeClock)
    clock.until_waiting(condition=registration._condition)
    registration.end()
    assert registration.join(LIMIT_S)


def test_t86_telling_a_handler_that_has_not_started_blocks_nobody(register: Register) -> None:
    """client-go blocked the whole informer (k/k#136509)."""
    slow = Slow()
    slow.go.set()
    registration = register(slow)
    for number in range(2000):
        registration.tell([Added(config_map(f"o{number}", 1))])
    registration.start()
    assert len(slow.until(2000)) == 2000


def test_t84_a_handler_has_synced_when_it_has_returned_for_every_initial_object(register: Register) -> None:
    slow = Slow()
    registration = register(slow)
    registration.tell([Added(config_map(name, 1), initial=True) for name in "ab"], synced=True)
    assert not registration.has_synced
    registration.start()
    assert slow.inside.wait(LIMIT_S)
    assert not registration.has_synced

    slow.go.set()
    until_synced(registration)

    assert len(slow.seen) == 2


@pytest.mark.parametrize("objects", [1, 5])
def test_t87_a_handler_that_raises_goes_on_and_syncs_and_each_place_is_logged_once(
    objects: int, register: Register
) -> None:
    """client-go's never report synced after a panic (k/k#129024)."""
    seen: list[str] = []

    def raising(event: Event) -> None:
        assert isinstance(event, Added)
        seen.append(event.object["metadata"]["name"])
        if event.initial:
            raise ZeroDivisionError
        raise ValueError

    counts = Counts()
    with structlog.testing.capture_logs() as logs:
        registrations = [register(raising, metrics=counts) for _ in range(2)]
        for registration in registrations:
            registration.tell([Added(config_map(f"o{n}", 1), initial=True) for n in range(objects)], synced=True)
            registration.start()
            until_synced(registration)
            registration.tell([Added(config_map("another", 1))])
        while counts.failures < 2 * (objects + 1):
            assert all(registration._thread.is_alive() for registration in registrations)

    assert sorted(seen) == sorted(2 * [*(f"o{n}" for n in range(objects)), "another"])
    assert [registration.failures for registration in registrations] == 2 * [objects + 1]
    errors = [entry for entry in logs if entry["log_level"] == "error"]
    assert [type(entry["exc_info"]) for entry in errors].count(ZeroDivisionError) == 2
    assert {entry["event"] for entry in errors} == {"handler failed"}
    assert errors[0]["exc_info"].__traceback__.tb_next.tb_frame.f_code.co_name == "raising"
    assert sum(entry["event"] == "handler failed again" for entry in logs) == 2 * (objects - 1)


def test_no_handler_has_synced_before_its_informer(register: Register) -> None:
    registration = register(print)
    registration.tell([])
    assert not registration.has_synced
    registration.tell([], synced=True)
    assert registration.has_synced


def test_nothing_is_told_after_the_end(register: Register) -> None:
    slow = Slow()
    slow.go.set()
    registration = register(slow)
    registration.start()
    registration.end()
    registration.tell([Added(config_map("a", 1))])
    assert registration.join(LIMIT_S)
    assert slow.seen == []
