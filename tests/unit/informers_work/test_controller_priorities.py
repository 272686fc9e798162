"""What a controller reconciles first."""

from __future__ import annotations

import threading

import pytest

from informers.event import Added, Deleted, Updated
from informers.result import Backoff, Done, RequeueAfter
from informers.workqueue import LOW_PRIORITY
from tests.support.controller_world import THING_A, THING_B, FakeSource, Outcome, Script, started, thing


def test_t97_first_lists_and_resyncs_wait_behind_what_happens() -> None:
    source, script = FakeSource(), Script()
    script.blocked = threading.Event()
    world = started(script, source)
    source.emit(Added(thing("busy")))
    script.wait_for_passes(1)
    source.emit(Added(thing("listed"), initial=True))
    source.emit(Updated(thing("resynced"), thing("resynced")))
    source.emit(Added(thing("added")))
    source.emit(Updated(thing("updated"), thing("updated", "2")))
    source.emit(Deleted(thing("deleted")))
    assert world.queue.depth() == {LOW_PRIORITY: 2, 0: 3}

    script.blocked.set()
    script.wait_for_passes(5)

    assert [key.name for key in script.keys[1:]] == ["added", "updated", "deleted", "listed", "resynced"]


def test_t97_what_happens_to_a_listed_object_makes_it_urgent() -> None:
    source, script = FakeSource(), Script()
    script.blocked = threading.Event()
    world = started(script, source)
    source.emit(Added(thing("busy")))
    script.wait_for_passes(1)

    source.emit(Added(thing("a"), initial=True))
    source.emit(Updated(thing("a"), thing("a", "2")))

    assert world.queue.depth() == {0: 1}
    script.blocked.set()


def test_t97_what_is_known_at_the_start_has_low_priority() -> None:
    script = Script()
    script.blocked = threading.Event()
    world = started(script, FakeSource(thing("a"), thing("b")))
    script.wait_for_passes(1)

    assert world.queue.depth() == {LOW_PRIORITY: 1}
    script.blocked.set()


@pytest.mark.parametrize("result", [RequeueAfter(1), RequeueAfter(0), Backoff("x"), RuntimeError("bug")])
def test_t107_a_key_that_comes_again_keeps_its_priority(result: Outcome) -> None:
    source, script = FakeSource(thing("a")), Script(result)
    world = started(script, source)
    script.wait_for_passes(1)
    world.idle()
    script.blocked = threading.Event()
    source.emit(Added(thing("busy")))
    script.wait_for_passes(1)
    world.clock.advance(1)
    source.emit(Added(thing("b")))
    assert world.queue.depth() == {LOW_PRIORITY: 1, 0: 1}

    script.blocked.set()
    script.wait_for_passes(2)

    assert script.keys[2:] == [THING_B, THING_A]


def test_t99_a_deletion_that_was_missed_wakes_its_key_and_says_so() -> None:
    source, script = FakeSource(), Script(Backoff("for its log line"), Done())
    world = started(script, source)

    source.emit(Deleted(thing("a", "7"), final_state_unknown=True))
    script.wait_for_passes(1)
    world.idle()

    assert script.keys == [THING_A]
    assert [line["cause"] for line in world.lines("reconcile failed")] == ["Thing default/a deleted 7 unseen"]
