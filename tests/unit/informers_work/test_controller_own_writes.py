"""A controller whose watch lags behind its own writes."""

from __future__ import annotations

from collections.abc import Callable

from informers.event import Added, Updated
from informers.own_writes import LIMIT_S, RECHECK_S
from informers.resource import ObjectKey
from informers.result import Done, Result
from informers.writes import note
from tests.support.controller_world import THING_A, THING_B, THINGS, FakeSource, Script, World, started, thing


def writes(version: str, name: str = "a") -> Callable[[ObjectKey], Result]:
    """A pass in which the client wrote a thing and was answered that it has `version`."""

    def reconcile(_: ObjectKey) -> Result:
        note(THINGS, ObjectKey("default", name), thing(name, version))
        return Done()

    return reconcile


def lagging(*passes: Callable[[ObjectKey], Result]) -> tuple[World, FakeSource]:
    """A world after a pass over A that wrote its version 5, of which the watch knows nothing yet."""
    source = FakeSource(thing("a"))
    world = started(Script(*passes), source)
    world.script.wait_for_passes(1)
    world.idle()
    return world, source


def wake(source: FakeSource) -> None:
    source.emit(Updated(thing("a"), thing("a", "2")))


def test_a_key_is_put_off_until_its_write_comes_back_and_then_runs_at_once() -> None:
    world, source = lagging(writes("5"))
    wake(source)
    world.caught_up()
    assert world.script.keys == [THING_A]
    assert world.metric("own_write_waits_total") == 1

    source.objects = [thing("a", "5")]
    source.emit(Updated(thing("a"), thing("a", "5")))
    world.script.wait_for_passes(1)
    world.idle()

    assert world.script.keys == [THING_A, THING_A]
    assert world.metric("own_writes_unseen_total") == 0


def test_the_event_wakes_the_key_also_when_no_mapper_is_interested_in_it() -> None:
    children, source = FakeSource(), FakeSource(thing("a"))
    children.objects = [thing("child")]
    world = World(Script(writes("5", "child")), source)
    world.controller.watch(children, lambda _: ())
    world.controller.start()
    world.script.wait_for_passes(1)
    world.idle()
    wake(source)
    world.caught_up()
    assert len(world.script.keys) == 1

    source.resource_version = "5"
    children.objects = [thing("child", "5")]
    children.emit(Updated(thing("child"), thing("child", "5")))
    world.script.wait_for_passes(1)

    assert world.script.keys == [THING_A, THING_A]


def test_the_pass_that_was_put_off_still_says_why_it_runs() -> None:
    world, source = lagging(writes("5"), lambda _: 1 / 0)  # type: ignore[arg-type, return-value] # raises, for its log line
    wake(source)
    world.caught_up()

    source.objects = [thing("a", "5")]
    source.emit(Updated(thing("a", "2"), thing("a", "5", spec=1)))
    world.script.wait_for_passes(1)
    world.idle()

    assert [line["cause"] for line in world.lines("reconcile raised")] == ["Thing default/a updated 1->5 spec"]


def test_other_keys_go_on_meanwhile_with_the_only_worker() -> None:
    world, source = lagging(writes("5"))
    wake(source)
    world.caught_up()

    source.emit(Added(thing("b")))
    world.script.wait_for_passes(1)

    assert world.script.keys == [THING_A, THING_B]


def test_a_write_that_never_comes_back_holds_the_key_for_so_long_and_without_a_busy_loop() -> None:
    world, source = lagging(writes("5"))
    wake(source)
    world.caught_up()
    looks = 0
    while len(world.script.keys) == 1:
        world.idle()
        looks += 1
        world.clock.advance(RECHECK_S)
        assert looks <= LIMIT_S / RECHECK_S
        if looks == LIMIT_S / RECHECK_S:
            world.script.wait_for_passes(1)

    (warning,) = [line for line in world.log.entries if line["log_level"] == "warning"]
    assert (warning["unseen"], warning["waited_s"]) == (["version 5 of Thing default/a"], LIMIT_S)
    assert world.metric("own_writes_unseen_total") == 1
    world.idle()
    assert looks == LIMIT_S / RECHECK_S


def test_a_bookmark_that_passes_the_write_frees_the_key_at_the_next_look() -> None:
    world, source = lagging(writes("5"))
    wake(source)
    world.caught_up()

    source.resource_version = "6"
    world.clock.advance(RECHECK_S)
    world.script.wait_for_passes(1)

    assert world.metric("own_writes_unseen_total") == 0


def test_a_write_that_changed_nothing_puts_nothing_off() -> None:
    world, source = lagging(writes("1"))

    wake(source)
    world.script.wait_for_passes(1)

    assert world.metric("own_write_waits_total") == 0


def test_a_pass_that_raises_after_a_write_is_put_off_as_well() -> None:
    def write_and_fail(key: ObjectKey) -> Result:
        writes("5")(key)
        raise RuntimeError("after the write")

    world, source = lagging(write_and_fail)
    world.clock.advance(1)
    world.idle()
    assert len(world.script.keys) == 1

    source.objects = [thing("a", "5")]
    source.emit(Updated(thing("a"), thing("a", "5")))
    world.script.wait_for_passes(1)


def test_a_controller_stops_while_a_key_is_put_off() -> None:
    world, source = lagging(writes("5"))
    wake(source)
    world.caught_up()

    assert world.controller.stop(10)
    assert world.script.keys == [THING_A]
