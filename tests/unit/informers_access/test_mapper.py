"""From events to keys."""

from __future__ import annotations

from typing import Any

import pytest

from informers.event import Added, Deleted, Event, Updated
from informers.mapper import BEYOND_STATUS, map_function, own_key, owner_key, when_changed
from informers.resource import ObjectKey, View
from tests.support.scripted_server import config_map

GROUP = "dittofs.dittofs.io"


def owned(*owners: dict[str, Any], name: str = "child") -> View:
    return config_map(name, 1, namespace="ns", metadata={"ownerReferences": list(owners)})


def owner(called: str, **changes: Any) -> dict[str, Any]:
    return {"apiVersion": f"{GROUP}/v1", "kind": "Owner", "name": called, "uid": "u", "controller": True} | changes


@pytest.mark.parametrize("event", [Added(owned()), Updated(owned(), owned()), Deleted(owned())])
def test_own_key_is_the_key_of_the_object(event: Event) -> None:
    assert list(own_key(event)) == [ObjectKey("ns", "child")]


def test_t95_an_update_wakes_the_old_and_the_new_owner() -> None:
    event = Updated(owned(owner("a")), owned(owner("b")))
    assert list(owner_key("Owner", GROUP)(event)) == [ObjectKey("ns", "a"), ObjectKey("ns", "b")]


def test_t95_the_same_owner_is_woken_once() -> None:
    event = Updated(owned(owner("a")), owned(owner("a")))
    assert list(owner_key("Owner", GROUP)(event)) == [ObjectKey("ns", "a")]


def test_t95_the_version_of_the_owner_does_not_matter() -> None:
    event = Added(owned(owner("a", apiVersion=f"{GROUP}/v2beta1")))
    assert list(owner_key("Owner", GROUP)(event)) == [ObjectKey("ns", "a")]


def test_t95_a_cluster_scoped_owner_has_no_namespace() -> None:
    assert list(owner_key("Owner", GROUP, namespaced=False)(Added(owned(owner("a"))))) == [ObjectKey("", "a")]


def test_the_core_group_is_the_empty_one() -> None:
    event = Added(owned(owner("a", apiVersion="v1", kind="Node")))
    assert list(owner_key("Node", "")(event)) == [ObjectKey("ns", "a")]


@pytest.mark.parametrize(
    "changes",
    [
        {"controller": False},
        {"controller": None},
        {"kind": "Other"},
        {"apiVersion": "other.io/v1"},
        {"apiVersion": "a/b/c"},
        {"apiVersion": ""},
        {"apiVersion": None},
        {"name": ""},
    ],
)
def test_t95_other_references_wake_nobody(changes: dict[str, Any]) -> None:
    assert list(owner_key("Owner", GROUP)(Added(owned(owner("a", **changes))))) == []


def test_t96_an_update_maps_both_states_to_one_set() -> None:
    def keys(view: View) -> list[ObjectKey]:
        return [ObjectKey("", value) for value in view["data"]["keys"]]

    old, new = config_map("a", 1, data={"keys": "xy"}), config_map("a", 2, data={"keys": "yz"})

    assert [key.name for key in map_function(keys)(Updated(old, new))] == ["x", "y", "z"]


LABELS = when_changed(own_key, "metadata.labels")


@pytest.mark.parametrize(
    ("before", "after", "passes"),
    [
        (None, None, False),
        ({"a": "b"}, {"a": "b"}, False),
        (None, {"a": "b"}, True),
        ({"a": "b"}, None, True),
        ({"a": "b"}, {"a": "c"}, True),
    ],
    ids=["absent", "equal", "added", "removed", "changed"],
)
def test_t98_an_update_passes_when_the_field_looked_at_has_changed(before: Any, after: Any, passes: bool) -> None:
    old, new = (config_map("a", n, metadata={"labels": labels}) for n, labels in ((1, before), (2, after)))

    assert bool(LABELS(Updated(old, new))) is passes


def test_t98_of_several_fields_one_that_changed_is_enough_and_other_fields_are_not() -> None:
    mapper = when_changed(own_key, "metadata.generation", "status.phase")
    old = config_map("a", 1, metadata={"generation": 1}, status={"phase": "Old", "since": 1})

    assert not mapper(Updated(old, config_map("a", 2, metadata={"generation": 1}, status={"phase": "Old"})))
    assert mapper(Updated(old, config_map("a", 2, metadata={"generation": 2}, status={"phase": "Old"})))
    assert mapper(Updated(old, config_map("a", 2, metadata={"generation": 1}, status={"phase": "New"})))
    assert mapper(Updated(old, config_map("a", 2, metadata={"generation": 1}, status=None)))


def test_t98_what_is_no_update_and_what_is_a_resync_always_pass() -> None:
    view = config_map("a", 1)

    for event in (Added(view), Deleted(view), Updated(view, view)):
        assert list(LABELS(event)) == [ObjectKey.of(view)]


def test_a_write_of_the_status_alone_changes_nothing_beyond_it() -> None:
    mapper = when_changed(own_key, *BEYOND_STATUS)
    old = config_map("a", 1, metadata={"generation": 1}, status={"phase": "Old"})

    assert not mapper(Updated(old, config_map("a", 2, metadata={"generation": 1}, status={"phase": "New"})))
    for change in ({"generation": 2}, {"finalizers": ["x"]}, {"deletionTimestamp": "now"}, {"annotations": {"a": "b"}}):
        assert mapper(Updated(old, config_map("a", 2, metadata={"generation": 1, **change}))), change
