"""Resyncs: each object once per period, spread over it, without a request, and never beside a change."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from random import Random
from typing import Any

import pytest
import structlog

from informers.client import Client
from informers.event import Added, Event, Updated, is_resync, states
from informers.informer import SharedInformer
from informers.resource import ObjectKey, Resource
from informers.resync import Rounds, phase
from tests.support.clock import FakeClock
from tests.support.event_handler import RecordingHandler
from tests.support.scripted_server import LIMIT_S, ScriptedServer, Stream, config_map, page

CONFIG_MAPS = Resource("", "v1", "configmaps", "ConfigMap")
KEYS = [ObjectKey("default", f"o{number}") for number in range(1000)]

Make = Callable[..., SharedInformer]


class Recorder(RecordingHandler):
    """Tells the resyncs apart."""

    def resyncs(self) -> list[str]:
        with self.changed:
            return [states(event)[-1]["metadata"]["name"] for event in self.events if is_resync(event)]


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock()


@pytest.fixture
def make(client: Client, clock: FakeClock) -> Iterator[Make]:
    made: list[SharedInformer] = []

    def new(**options: Any) -> SharedInformer:
        parts: dict[str, Any] = {
            "clock": clock,
            "random": Random(1),
            "logger": structlog.get_logger(),
            "watch_list": False,
        }
        made.append(SharedInformer(client, CONFIG_MAPS, **(parts | options)))
        return made[-1]

    yield new
    for informer in made:
        assert informer.stop(5)


def pass_time(clock: FakeClock, informer: SharedInformer, seconds: int) -> None:
    """Lets `seconds` of virtual time pass in steps, in each of which every handler does what is due."""
    for _ in range(seconds * 10):
        for registration in informer._registrations:
            clock.until_waiting(condition=registration._condition)
        clock.advance(0.1)
    for registration in informer._registrations:
        clock.until_waiting(condition=registration._condition)


def test_each_key_has_one_turn_in_each_round_at_the_same_place() -> None:
    rounds = Rounds(100.0, keys=lambda: KEYS, started=0.0)
    turns: dict[ObjectKey, list[int]] = {key: [] for key in KEYS}
    for second in range(301):
        for key in rounds.due(float(second)):
            turns[key].append(second)

    for key, seconds in turns.items():
        first = phase(key) * 100
        assert [first <= seconds[0] <= first + 1, seconds[1] - seconds[0], seconds[2] - seconds[1]] == [True, 100, 100]


def test_turns_are_spread_over_the_round() -> None:
    """In no hundredth of the period more than three times its share comes (client-go: all of them in one moment)."""
    rounds = Rounds(100.0, keys=lambda: KEYS, started=0.0)
    assert max(len(rounds.due(float(second))) for second in range(100)) <= 30


def test_after_a_long_pause_nobody_has_more_than_the_turns_of_one_round() -> None:
    rounds = Rounds(100.0, keys=lambda: KEYS[:10], started=0.0)
    rounds.due(1.0)
    late = rounds.due(10_000.0)
    assert len(late) <= 20
    assert rounds.next_at > 10_000.0


def test_nobody_appears_and_goes_without_the_round_going_on() -> None:
    present: list[ObjectKey] = []
    rounds = Rounds(10.0, keys=lambda: list(present), started=0.0)
    assert rounds.due(5.0) == []
    present.append(KEYS[0])
    assert rounds.due(9.9) == []
    assert rounds.due(20.0) == [KEYS[0]]


@pytest.mark.parametrize("period_s", [-1.0, 0.5, float("nan")])
def test_a_period_that_would_leave_no_rest_is_refused(period_s: float, make: Make) -> None:
    with pytest.raises(ValueError, match="at least 1 s, or 0 for never"):
        make(resync_period_s=period_s)
    with pytest.raises(ValueError, match="at least 1 s, or 0 for never"):
        make().add_handler(print, name="h", resync_period_s=period_s)


def test_t76_each_handler_gets_every_object_once_in_its_own_period(
    server: ScriptedServer, make: Make, clock: FakeClock
) -> None:
    """Without a request, and in the order of the names' places in the period, not all at its end."""
    server.script("list", page(config_map("a", 3), config_map("b", 4), version="5"))
    informer = make()
    recorders = {period_s: Recorder() for period_s in (0.0, 2.0, 3.0)}
    for period_s, recorder in recorders.items():
        informer.add_handler(recorder, name=str(period_s), resync_period_s=period_s)
    informer.start()
    for recorder in recorders.values():
        recorder.until(2)

    pass_time(clock, informer, 6)

    order = sorted("ab", key=lambda name: phase(ObjectKey("default", name)))
    assert {period_s: recorder.resyncs() for period_s, recorder in recorders.items()} == {
        0.0: [],
        2.0: 3 * order,
        3.0: 2 * order,
    }
    repeated = recorders[2.0].events[-1]
    assert isinstance(repeated, Updated)
    assert repeated.old is repeated.new
    assert len(server.seen("list")) == 1


def test_t77_a_handler_without_a_period_has_that_of_its_informer_and_others_keep_their_own(
    server: ScriptedServer, make: Make, clock: FakeClock
) -> None:
    server.script("list", page(config_map("a", 3), version="5"))
    informer = make(resync_period_s=4.0)
    usual, own, never = Recorder(), Recorder(), Recorder()
    informer.add_handler(usual, name="usual")
    informer.add_handler(own, name="own", resync_period_s=2.0)
    informer.add_handler(never, name="never", resync_period_s=0.0)
    informer.start()
    for recorder in (usual, own, never):
        recorder.until(1)

    pass_time(clock, informer, 8)

    assert [len(recorder.resyncs()) for recorder in (usual, own, never)] == [2, 4, 0]


def test_t68_an_object_of_which_a_change_waits_is_not_repeated(
    server: ScriptedServer, make: Make, clock: FakeClock
) -> None:
    go, inside = threading.Event(), threading.Event()
    recorder = Recorder()

    def slow(event: Event) -> None:
        if not (isinstance(event, Added) and event.initial):
            inside.set()
            assert go.wait(LIMIT_S)
        recorder(event)

    stream = Stream()
    server.script("list", page(config_map("a", 3), config_map("b", 4), version="5"))
    server.script("watch", stream)
    informer = make()
    registration = informer.add_handler(slow, name="slow", resync_period_s=10.0)
    informer.start()
    recorder.until(2)
    clock.until_waiting(condition=registration._condition)
    stream.event("ADDED", config_map("first", 6))
    assert inside.wait(LIMIT_S)
    stream.event("MODIFIED", config_map("a", 7))
    while registration.waiting < 1:
        assert registration._thread.is_alive()

    clock.advance(10)
    go.set()
    events = recorder.until(5)[2:]
    clock.until_waiting(condition=registration._condition)

    assert events[1:] == [
        Updated(config_map("a", 3), config_map("a", 7)),
        Updated(config_map("b", 4), config_map("b", 4)),
    ]
    assert recorder.resyncs() == ["b"]


def test_t78_after_a_gap_handlers_hear_of_what_changed_in_it_and_with_a_resync_of_the_rest_too(
    server: ScriptedServer, make: Make, clock: FakeClock
) -> None:
    lost = Stream()
    server.script("list", page(config_map("one", 1), config_map("two", 2), version="5"))
    server.script("watch", lost)
    informer = make()
    plain, repeated = Recorder(), Recorder()
    informer.add_handler(plain, name="plain")
    informer.add_handler(repeated, name="repeated", resync_period_s=5.0)
    informer.start()
    plain.until(2), repeated.until(2)
    changed = page(config_map("one", 1), config_map("two", 7), config_map("three", 8), version="9")
    server.script("list", changed)

    lost.event("ERROR", {"kind": "Status", "code": 410, "reason": "Expired", "message": "too old"})
    plain.until(4), repeated.until(4)
    pass_time(clock, informer, 5)

    assert plain.events[2:] == [Updated(config_map("two", 2), config_map("two", 7)), Added(config_map("three", 8))]
    assert sorted(states(event)[-1]["metadata"]["name"] for event in repeated.events[2:] if not is_resync(event)) == [
        "three",
        "two",
    ]
    assert {"one", "two"} <= set(repeated.resyncs())
