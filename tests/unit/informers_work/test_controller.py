"""How a controller treats keys, results and failures."""

from __future__ import annotations

import threading

import pytest

from informers.controller import SyncTimeout
from informers.errors import Unreachable
from informers.event import Added, Deleted, Event, Updated
from informers.mapper import own_key
from informers.resource import ObjectKey
from informers.result import Backoff, Done, RequeueAfter, Result, Terminal
from tests.support.controller_world import THING_A as A
from tests.support.controller_world import THING_B as B
from tests.support.controller_world import FakeSource, Script, World, one_pass, started, thing


def test_t104_nothing_is_reconciled_before_all_handlers_have_seen_the_initial_objects() -> None:
    source, script = FakeSource(thing("a"), synced=False), Script()
    world = World(script, source)
    starting = threading.Thread(target=world.controller.start, daemon=True)
    starting.start()
    world.clock.until_waiting()
    source.emit(Added(thing("a"), initial=True))
    assert script.keys == []

    source.handlers[0].has_synced = True
    world.clock.advance(1)
    starting.join(10)
    script.wait_for_passes(1)
    world.idle()

    assert script.keys == [A]


def test_no_mapper_is_asked_before_all_caches_that_it_may_read_have_synced() -> None:
    """What came earlier is in the stores, and is mapped out of them."""
    early, late = FakeSource(thing("a")), FakeSource(synced=False)
    asked: list[tuple[Event, bool]] = []
    world = World(Script(), early)

    def mapper(event: Event) -> tuple[ObjectKey, ...]:
        asked.append((event, late.handlers[0].has_synced))
        return own_key(event)

    world.controller.watch(late, own_key)
    world.controller.watch(early, mapper)
    starting = threading.Thread(target=world.controller.start, daemon=True)
    starting.start()
    world.clock.until_waiting()
    early.emit(Added(thing("a"), initial=True))
    assert asked == []

    late.handlers[0].has_synced = True
    world.clock.advance(1)
    starting.join(10)
    world.idle()

    assert asked == [(Added(thing("a"), initial=True), True)]


def test_t103_a_source_that_never_syncs_is_named_in_the_error() -> None:
    world = World(Script(), FakeSource(synced=False), sync_timeout_s=5)
    errors: list[BaseException] = []

    def start() -> None:
        try:
            world.controller.start()
        except SyncTimeout as error:
            errors.append(error)

    starting = threading.Thread(target=start, daemon=True)
    starting.start()
    world.clock.until_waiting()
    world.clock.advance(6)
    starting.join(10)

    assert [str(error) for error in errors] == [
        "controller things: the initial objects of things.demo.io were not handled within 5 s"
    ]


def test_t103_a_stop_while_waiting_for_the_sync_is_no_error() -> None:
    world = World(Script(), FakeSource(synced=False))
    starting = threading.Thread(target=world.controller.start, daemon=True)
    starting.start()
    world.clock.until_waiting()

    assert world.controller.stop(1)

    starting.join(10)
    assert not starting.is_alive()


@pytest.mark.parametrize(
    ("result", "label", "failures", "next_after_s"),
    [
        (Done(), "success", 0, None),
        (RequeueAfter(30), "requeue_after", 0, 30),
        (RequeueAfter(0), "requeue", 1, 1),
        (Backoff("no answer"), "error", 1, 1),
        (Terminal("wrong"), "error", 0, None),
        (Unreachable("reset"), "error", 1, 1),
        (RuntimeError("bug"), "error", 1, 1),
        (SystemExit(3), "error", 1, 1),
        (None, "error", 1, 1),
    ],
)
def test_t105_each_result_has_its_counter_its_back_off_and_its_next_pass(
    result: Result | BaseException | None, label: str, failures: int, next_after_s: float | None
) -> None:
    world = one_pass(result)

    assert world.metric("runtime_reconcile_total", result=label) == 1
    assert world.metric("runtime_reconcile_errors_total") == (1 if label == "error" else 0)
    assert world.metric("runtime_reconcile_time_seconds_count") == 1
    assert world.failures() == failures
    if next_after_s is None:
        world.clock.advance(5)
        world.idle()
        assert len(world.script.keys) == 1
    else:
        world.clock.advance(next_after_s - 0.5)
        world.idle()
        assert len(world.script.keys) == 1
        world.clock.advance(0.5)
        world.script.wait_for_passes(1)


def test_t105_terminal_counts_as_terminal_and_keeps_earlier_failures() -> None:
    world = started(Script(Backoff("x"), Terminal("wrong")), FakeSource(thing("a")))
    world.script.wait_for_passes(1)
    world.idle()
    world.clock.advance(1)
    world.script.wait_for_passes(1)
    world.idle()

    assert world.failures() == 1
    assert world.metric("runtime_terminal_reconcile_errors_total") == 1


@pytest.mark.parametrize(
    ("error", "panics"), [(RuntimeError("bug"), 1), (Unreachable("reset"), 0)], ids=["unforeseen", "api"]
)
def test_t101_an_exception_is_logged_with_traceback_counted_and_survived(error: Exception, panics: int) -> None:
    world = one_pass(error)

    assert world.metric("runtime_reconcile_panics_total") == panics
    assert [line["exc_info"] for line in world.lines("reconcile raised")] == [True]
    world.controller.enqueue(B)
    world.script.wait_for_passes(1)


def test_t106_back_off_grows_until_a_success() -> None:
    world = started(Script(Backoff("x"), RequeueAfter(0), RuntimeError(), Done()), FakeSource(thing("a")))
    seen = []
    for delay in (1, 2, 4, 0):
        world.script.wait_for_passes(1)
        world.idle()
        seen.append(world.failures())
        world.clock.advance(delay)

    assert seen == [1, 2, 3, 0]


def test_t109_a_second_start_is_refused_and_disturbs_nothing() -> None:
    world = started(Script(), FakeSource())

    with pytest.raises(RuntimeError, match="started already"):
        world.controller.start()

    world.controller.enqueue(A)
    world.script.wait_for_passes(1)


def test_every_event_wakes_the_key_it_maps_to() -> None:
    source, script = FakeSource(), Script()
    world = started(script, source)

    for event in (Added(thing("a")), Updated(thing("b"), thing("b")), Deleted(thing("a"))):
        source.emit(event)
        script.wait_for_passes(1)
        world.idle()

    assert script.keys == [A, B, A]


def test_a_key_is_never_reconciled_twice_at_once_whatever_the_number_of_workers() -> None:
    source, script = FakeSource(), Script()
    script.blocked = threading.Event()
    world = started(script, source, workers=4)
    source.emit(Added(thing("a")))
    source.emit(Added(thing("b")))
    script.wait_for_passes(2)
    assert world.metric("runtime_active_workers") == 2
    for _ in range(5):
        source.emit(Updated(thing("a"), thing("a")))
    world.idle(2)

    script.blocked.set()
    script.wait_for_passes(1)
    world.idle(4)

    assert script.overlaps == 0
    assert sorted(script.keys) == [A, A, B]
    assert (world.metric("runtime_active_workers"), world.metric("runtime_max_concurrent_reconciles")) == (0, 4)


def test_a_pass_logs_its_key_its_id_and_why_it_runs() -> None:
    source, script = FakeSource(), Script(Backoff("no answer"), Backoff("no answer"))
    world = started(script, source)
    source.emit(Updated(thing("a", "7", spec=1), thing("a", "9", spec=2)))
    script.wait_for_passes(1)
    world.idle()
    world.clock.advance(1)
    script.wait_for_passes(1)
    world.idle()

    first, second = world.lines("reconcile failed")
    assert (first["controller"], first["namespace"], first["name"]) == ("things", "default", "a")
    assert (first["log_level"], first["reason"], first["retry_in_s"]) == ("warning", "no answer", 1)
    assert (first["cause"], second["cause"]) == ("Thing default/a updated 7->9 spec", "retry 1: no answer")
    assert (second["retry_in_s"], second["failures"]) == (2, 2)
    assert first["reconcileID"] != second["reconcileID"]


def test_a_stop_begins_no_further_pass_and_waits_for_the_one_under_way() -> None:
    source, script = FakeSource(thing("a"), thing("b")), Script()
    script.blocked = threading.Event()
    world = started(script, source)
    script.wait_for_passes(1)
    stopped: list[bool] = []
    stopping = threading.Thread(target=lambda: stopped.append(world.controller.stop(30)), daemon=True)
    stopping.start()
    world.clock.until_waiting(condition=world.controller._changed)

    script.blocked.set()
    stopping.join(10)

    assert stopped == [True]
    assert script.keys == [A]


def test_a_stop_gives_up_on_a_pass_that_does_not_end() -> None:
    script = Script()
    script.blocked = threading.Event()
    world = started(script, FakeSource(thing("a")))
    script.wait_for_passes(1)
    stopped: list[bool] = []
    stopping = threading.Thread(target=lambda: stopped.append(world.controller.stop(30)), daemon=True)
    stopping.start()
    world.clock.until_waiting(condition=world.controller._changed)

    world.clock.advance(30)
    stopping.join(10)

    assert stopped == [False]
    with pytest.raises(RuntimeError, match="did not stop"):
        world.controller.start()
    script.blocked.set()


def test_a_restarted_controller_reconciles_everything_that_is_known_by_then() -> None:
    source, script = FakeSource(thing("a")), Script()
    world = started(script, source)
    script.wait_for_passes(1)
    assert world.controller.stop(10)
    source.objects.append(thing("b"))
    source.emit(Added(thing("b")))

    world.controller.start()
    script.wait_for_passes(2)
    world.idle()

    assert script.keys == [A, A, B]


def test_enqueue_after_runs_the_key_when_the_time_has_come() -> None:
    world = started(Script(), FakeSource())
    world.idle()
    world.controller.enqueue_after(A, 5)
    world.idle()
    assert world.script.keys == []

    world.clock.advance(5)
    world.script.wait_for_passes(1)

    assert world.script.keys == [A]


def test_a_back_off_grows_no_further_than_it_says() -> None:
    world = started(Script(*[Backoff("x", at_most_s=3)] * 4), FakeSource(thing("a")))
    for delay in (1, 2, 3):
        world.script.wait_for_passes(1)
        world.idle()
        world.clock.advance(delay)
    world.script.wait_for_passes(1)

    assert len(world.script.keys) == 4
