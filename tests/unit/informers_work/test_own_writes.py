"""Reading one's own writes: what counts as seen, and how a controller waits for it, in virtual time."""

from __future__ import annotations

from typing import Any

import pytest
import structlog
from structlog.testing import LogCapture

from informers.coverage import matches
from informers.listwatch import Scope
from informers.own_writes import LIMIT_S, RECHECK_S, OwnWrites, is_seen, reaches
from informers.resource import ObjectKey, Resource, View
from informers.writes import Write, Writes, note, noted
from tests.support.clock import FakeClock

PODS = Resource("", "v1", "pods", "Pod")
SECRETS = Resource("", "v1", "secrets", "Secret")
OWNER, CHILD = ObjectKey("default", "owner"), ObjectKey("default", "child")


def pod(version: str, *, uid: str = "u1", **metadata: Any) -> dict[str, Any]:
    return {
        "kind": "Pod",
        "metadata": {"namespace": "default", "name": "child", "uid": uid, "resourceVersion": version, **metadata},
    }


class Lagging:
    """An informer that has seen what the test says."""

    def __init__(self, seen: View | None = None, *, version: str = "", **scope: Any) -> None:
        self.scope = Scope(PODS, **scope)
        self.seen = seen
        self.resource_version = version or (seen["metadata"]["resourceVersion"] if seen else "10")

    @property
    def store(self) -> Lagging:
        return self

    def version_of(self, namespace: str) -> str:
        return self.resource_version

    def peek(self, key: ObjectKey) -> View | None:
        return self.seen if self.seen is not None and ObjectKey.of(self.seen) == key else None


def written(answer: View, *, deleted: bool = False, resource: Resource = PODS) -> Write:
    with noted() as writes:
        note(resource, CHILD, answer, deleted=deleted)
    (write,) = writes.values()
    return write


def status(uid: str = "u1") -> dict[str, Any]:
    return {"kind": "Status", "status": "Success", "details": {"name": "child", "uid": uid}}


@pytest.mark.parametrize(
    ("version", "wanted", "reached"),
    [
        ("9", "10", False),
        ("10", "9", True),
        ("10", "10", True),
        ("18446744073709551615", "18446744073709551614", True),
        ("", "10", False),
        ("abc", "abc", True),
        ("abc", "abb", False),
        ("010", "9", False),
        ("0", "0", True),
        ("-1", "5", False),
    ],
)
def test_versions_compare_as_decimals_and_other_texts_only_as_equal(version: str, wanted: str, reached: bool) -> None:
    assert reaches(version, wanted) is reached


@pytest.mark.parametrize(
    ("seen", "is_in"),
    [
        (Lagging(pod("10")), False),
        (Lagging(pod("12")), True),
        (Lagging(pod("13")), True),
        (Lagging(), False),
        (Lagging(version="11"), False),
        (Lagging(version="12"), True),
        (Lagging(pod("11", uid="before")), False),
        (Lagging(pod("20", uid="after")), True),
    ],
    ids=["older", "same", "newer", "absent", "behind", "passed", "predecessor", "successor"],
)
def test_a_write_is_seen_when_the_object_or_the_watch_has_reached_its_version(seen: Lagging, is_in: bool) -> None:
    assert is_seen(written(pod("12")), seen) is is_in


@pytest.mark.parametrize(
    ("seen", "is_in"),
    [(Lagging(pod("99")), False), (Lagging(version="99"), True), (Lagging(pod("10", uid="u2")), True)],
    ids=["there", "gone", "recreated"],
)
@pytest.mark.parametrize(
    ("answer", "deleted"),
    [
        (status(), True),
        (pod("10", deletionTimestamp="2030-01-01T00:00:00Z"), True),
        (pod("10", deletionTimestamp="2030-01-01T00:00:00Z", deletionGracePeriodSeconds=0), True),
        (pod("10", deletionTimestamp="2030-01-01T00:00:00Z"), False),
    ],
    ids=["status", "object", "without grace", "last finalizer taken off"],
)
def test_a_deletion_is_seen_when_the_object_is_gone_or_another_one(
    seen: Lagging, is_in: bool, answer: View, deleted: bool
) -> None:
    assert is_seen(written(answer, deleted=deleted), seen) is is_in


@pytest.mark.parametrize("held_by", [{"finalizers": ["a/b"]}, {"deletionGracePeriodSeconds": 30}])
def test_a_deletion_that_only_begins_is_seen_as_the_change_it_is(held_by: dict[str, Any]) -> None:
    write = written(pod("12", deletionTimestamp="2030-01-01T00:00:00Z", **held_by), deleted=True)

    assert not is_seen(write, Lagging(pod("11")))
    assert is_seen(write, Lagging(pod("12")))


@pytest.mark.parametrize(
    ("scope", "waits"),
    [
        ({}, True),
        ({"namespaces": ("default",)}, True),
        ({"namespaces": ("elsewhere",)}, False),
        ({"label_selector": "app=a"}, True),
        ({"label_selector": "app!=a"}, False),
        ({"label_selector": "app=a,tier in (x, y)"}, False),
        ({"field_selector": "status.phase=Running"}, False),
    ],
)
def test_a_new_object_is_waited_for_only_where_the_watch_is_certain_to_show_it(
    scope: dict[str, Any], waits: bool
) -> None:
    assert is_seen(written(pod("12", labels={"app": "a"})), Lagging(**scope)) is not waits


def test_an_object_that_leaves_the_selector_by_the_write_is_waited_for_while_it_is_held() -> None:
    write = written(pod("12", labels={"app": "b"}))

    assert not is_seen(write, Lagging(pod("11", labels={"app": "a"}), label_selector="app=a"))
    assert is_seen(write, Lagging(version="11", label_selector="app=a"))


@pytest.mark.parametrize(
    ("selector", "selected"),
    [
        ("", True),
        ("app", True),
        ("!app", False),
        ("!other", True),
        ("other", False),
        ("app=a", True),
        ("app == a", True),
        ("app!=a", False),
        ("other!=a", True),
        ("app in (b, a),other notin (x)", True),
        ("app notin (a)", False),
        ("number > 4", True),
        ("number<4", False),
        ("app>4", False),
        ("other<4", False),
        ("app=", False),
        ("empty=", True),
    ],
)
def test_labels_are_selected_as_kubernetes_does_it(selector: str, selected: bool) -> None:
    assert matches(selector, {"app": "a", "number": "5", "empty": ""}) is selected


def test_of_several_writes_to_an_object_the_last_counts_and_nobody_need_collect() -> None:
    note(PODS, CHILD, pod("1"))
    with noted() as writes:
        note(PODS, CHILD, pod("2"))
        note(PODS, None, pod("3"))
        note(SECRETS, CHILD, {"metadata": {"resourceVersion": "4"}, "data": {"password": "c2VjcmV0"}})
        note(PODS, None, {"kind": "Status"})
    note(PODS, CHILD, pod("5"))

    assert {key: write.resource_version for key, write in writes.items()} == {(PODS, CHILD): "3", (SECRETS, CHILD): "4"}
    assert "c2VjcmV0" not in repr(writes)


class Counts:
    def __init__(self) -> None:
        self.waits = 0
        self.in_vain = 0

    def deferred(self) -> None:
        self.waits += 1

    def unseen(self) -> None:
        self.in_vain += 1


class World:
    def __init__(self, *watched: Lagging) -> None:
        self.clock, self.counts, self.log = FakeClock(), Counts(), LogCapture()
        logger = structlog.wrap_logger(None, processors=[self.log])
        self.own_writes = OwnWrites(watched, clock=self.clock, metrics=self.counts, logger=logger)

    def wrote(self, *writes: Write) -> None:
        noted_writes: Writes = {(write.resource, write.key): write for write in writes}
        self.own_writes.wrote(OWNER, noted_writes)


def test_a_key_waits_until_an_event_brings_its_write_and_is_named_once() -> None:
    informer = Lagging(pod("10"))
    world = World(informer)
    world.wrote(written(pod("12")))
    assert world.own_writes.wait_s(OWNER) == RECHECK_S
    assert world.own_writes.saw(PODS, CHILD) == ()

    informer.seen = pod("12")

    assert world.own_writes.saw(PODS, ObjectKey("default", "other")) == ()
    assert world.own_writes.saw(PODS, CHILD) == (OWNER,)
    assert world.own_writes.saw(PODS, CHILD) == ()
    assert world.own_writes.wait_s(OWNER) == 0
    assert (world.counts.waits, world.counts.in_vain) == (1, 0)


def test_a_key_that_nobody_put_off_is_not_woken() -> None:
    informer = Lagging(pod("10"))
    world = World(informer)
    world.wrote(written(pod("12")))
    informer.seen = pod("12")

    assert world.own_writes.saw(PODS, CHILD) == ()
    assert world.own_writes._unseen == world.own_writes._keys == {}


def test_a_key_waits_for_the_last_of_its_writes() -> None:
    informer = Lagging(pod("10"))
    world = World(informer)
    other = ObjectKey("default", "other")
    world.wrote(written(pod("12")), Write(PODS, other, "u", "13", {}))
    assert world.own_writes.wait_s(OWNER) > 0
    informer.seen = pod("12")
    informer.resource_version = "12"
    assert world.own_writes.saw(PODS, CHILD) == ()

    informer.resource_version = "13"

    assert world.own_writes.saw(PODS, other) == (OWNER,)


def test_a_bookmark_ends_the_wait_at_the_next_look() -> None:
    informer = Lagging(version="10")
    world = World(informer)
    world.wrote(written(pod("12")))
    assert world.own_writes.wait_s(OWNER) == RECHECK_S

    informer.resource_version = "14"

    assert world.own_writes.wait_s(OWNER) == 0
    assert world.counts.in_vain == 0


def test_after_the_limit_the_pass_runs_with_a_warning_that_names_the_write() -> None:
    world = World(Lagging(pod("10")))
    world.wrote(written(pod("12")))
    world.clock.advance(3600)
    waited = 0.0
    while (wait_s := world.own_writes.wait_s(OWNER)) > 0:
        waited += wait_s
        world.clock.advance(wait_s)

    assert waited == pytest.approx(LIMIT_S)
    assert (world.counts.waits, world.counts.in_vain) == (1, 1)
    (warning,) = [entry for entry in world.log.entries if entry["log_level"] == "warning"]
    assert warning["unseen"] == ["version 12 of Pod default/child"]
    assert world.own_writes._unseen == world.own_writes._keys == {}


def test_writes_to_what_is_not_watched_and_writes_that_changed_nothing_are_not_waited_for() -> None:
    world = World(Lagging(pod("12")))

    world.wrote(written(pod("12")), written(pod("99"), resource=SECRETS))

    assert world.own_writes.wait_s(OWNER) == 0
    assert world.own_writes._unseen == {}


def test_of_two_informers_of_a_resource_the_one_that_shows_the_object_counts() -> None:
    there = Lagging(pod("10"), namespaces=("default",))
    world = World(Lagging(version="10", namespaces=("elsewhere",)), there)
    world.wrote(written(pod("12")))
    assert world.own_writes.wait_s(OWNER) > 0

    there.seen = pod("12")

    assert world.own_writes.wait_s(OWNER) == 0
