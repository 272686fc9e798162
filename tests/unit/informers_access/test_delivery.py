"""Handlers of an informer: apart from each other, in order, bounded."""

from __future__ import annotations

import threading
from typing import Any

import structlog
from hypothesis import given
from hypothesis import strategies as st

from informers.delivery import Registration, coalesce
from informers.event import Added, Deleted, Event, Updated
from informers.resource import View
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

    def __call__(self, event: Event) -> None:
        self.inside.set()
        assert self.go.wait(LIMIT_S)
        self.seen.append(event)


def register(handler: Any, *, synced: bool = True) -> Registration:
    return Registration(handler, name="h", logger=structlog.get_logger(), informer_synced=lambda: synced)


def test_what_waits_for_a_slow_handler_is_bounded_by_the_number_of_objects() -> None:
    slow = Slow()
    registration = register(slow)
    registration.start()
    registration.tell([Added(config_map("first", 1))])
    assert slow.inside.wait(LIMIT_S)

    for version in range(1, 10_001):
        registration.tell([Updated(state(version - 1), state(version))])

    assert len(registration._waiting) == 1
    slow.go.set()
    registration.tell([Added(config_map("last", 1))])
    while len(slow.seen) < 3:
        assert registration._thread.is_alive()
    assert slow.seen[1] == Updated(state(0), state(10_000))
    registration.end()
    assert registration.join(LIMIT_S)


def test_t84_a_handler_has_synced_when_it_has_returned_for_every_initial_object() -> None:
    slow = Slow()
    registration = register(slow)
    registration.tell([Added(config_map(name, 1), initial=True) for name in "ab"])
    assert not registration.has_synced
    registration.start()
    assert slow.inside.wait(LIMIT_S)
    assert not registration.has_synced

    slow.go.set()
    while not registration.has_synced:
        assert registration._thread.is_alive()

    assert len(slow.seen) == 2
    registration.end()


def test_t87_a_handler_that_raises_goes_on_with_the_next_event_and_still_syncs() -> None:
    """client-go's never report synced after a panic (k/k#129024)."""
    seen: list[str] = []

    def raising(event: Event) -> None:
        assert isinstance(event, Added)
        seen.append(event.object["metadata"]["name"])
        raise ZeroDivisionError

    registration = register(raising)
    registration.tell([Added(config_map(name, 1), initial=True) for name in "abc"])
    registration.start()
    while not registration.has_synced:
        assert registration._thread.is_alive()

    assert seen == ["a", "b", "c"]
    assert registration.failures == 3
    registration.end()


def test_no_handler_has_synced_before_its_informer() -> None:
    assert not register(print, synced=False).has_synced
    assert register(print).has_synced


def test_nothing_is_told_after_the_end() -> None:
    slow = Slow()
    slow.go.set()
    registration = register(slow)
    registration.start()
    registration.end()
    registration.tell([Added(config_map("a", 1))])
    assert registration.join(LIMIT_S)
    assert slow.seen == []
    registration.end()
