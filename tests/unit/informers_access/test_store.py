"""The store: snapshots, indexes, and the events that each change gives."""

from __future__ import annotations

import threading
from typing import Any

import orjson
import pytest
import structlog

from informers.event import Added, Deleted, Updated
from informers.resource import ObjectKey, View
from informers.store import Store
from informers.view import freeze, thaw
from tests.support.scripted_server import config_map


def view(name: str, version: int, **more: Any) -> View:
    frozen: View = freeze(config_map(name, version, **more))
    return frozen


def colours(obj: View) -> list[str]:
    return list(obj["spec"]["colours"])


def make(**indexers: Any) -> Store:
    return Store(indexers=indexers, logger=structlog.get_logger())


def names(views: tuple[View, ...]) -> list[str]:
    return sorted(obj["metadata"]["name"] for obj in views)


def test_t66_what_is_missing_from_a_list_was_deleted_with_its_last_known_state() -> None:
    store = make()
    store.replace([view("a", 1), view("b", 1)], "1")
    newer = view("b", 3)
    store.put(newer)

    events = store.replace([view("a", 1)], "5")

    assert events == [Deleted(newer, final_state_unknown=True)]
    assert store.keys() == (ObjectKey("default", "a"),)


def test_t67_an_object_that_is_missing_twice_is_deleted_once() -> None:
    store = make()
    store.replace([view("a", 1)], "1")
    assert len(store.replace([], "2")) == 1
    assert store.replace([], "3") == []


def test_t74_a_list_tells_deletions_first_then_the_others_in_their_order() -> None:
    store = make()
    store.replace([view("a", 1), view("b", 1), view("same", 1)], "1")

    events = store.replace([view("b", 2), view("same", 1), view("c", 2)], "2")

    assert [type(event) for event in events] == [Deleted, Updated, Added]
    assert names(store.list()) == ["b", "c", "same"]


def test_an_object_made_anew_under_the_same_name_during_a_gap_is_deleted_and_added() -> None:
    store = make()
    old, new = view("a", 1, uid="u1"), view("a", 9, uid="u2")
    store.replace([old], "1")

    assert store.replace([new], "9") == [Deleted(old, final_state_unknown=True), Added(new)]


def test_an_object_made_anew_is_deleted_and_added_when_a_watch_shows_it_too() -> None:
    store = make()
    old, new = view("a", 1, uid="u1"), view("a", 9, uid="u2")
    store.put(old)

    assert store.put(new) == [Deleted(old, final_state_unknown=True), Added(new)]


def test_an_unchanged_object_gives_no_event_and_stays_the_same_one() -> None:
    store = make()
    store.replace([view("a", 1)], "1")
    first = store.get(ObjectKey("default", "a"))

    assert store.replace([view("a", 1)], "2") == []
    assert store.get(ObjectKey("default", "a")) is first


def test_a_change_gives_the_old_and_the_new_state() -> None:
    store = make()
    old, new = view("a", 1), view("a", 2)
    assert store.put(old) == [Added(old)]
    assert store.put(new) == [Updated(old, new)]
    assert store.remove(view("a", 3)) == [Deleted(view("a", 3))]


def test_the_deletion_of_an_unknown_object_is_no_event() -> None:
    store = make()
    assert store.remove(view("a", 3)) == []
    assert store.resource_version == "3"


def test_t55_the_version_follows_lists_events_and_bookmarks() -> None:
    store = make()
    seen = [store.resource_version]
    store.replace([view("a", 3)], "10")
    seen.append(store.resource_version)
    store.put(view("a", 30))
    seen.append(store.resource_version)
    store.advance("60")
    seen.append(store.resource_version)
    assert seen == ["", "10", "30", "60"]


def test_t91_an_index_finds_an_object_under_each_of_its_values_and_several_narrow_each_other() -> None:
    store = make(colour=colours, namespace=lambda obj: [obj["metadata"]["namespace"]])
    red_and_blue = view("a", 1, namespace="x", spec={"colours": ["red", "blue"]})
    store.replace([red_and_blue, view("b", 1, namespace="y", spec={"colours": ["red"]})], "1")

    assert names(store.by_index("colour", "red")) == ["a", "b"]
    assert names(store.by_index("colour", "blue")) == ["a"]
    assert store.by_index("colour", "green") == ()
    assert [obj for obj in store.by_index("colour", "red") if obj in store.by_index("namespace", "y")] == [
        store.get(ObjectKey("y", "b"))
    ]
    with pytest.raises(KeyError):
        store.by_index("taste", "sweet")


def test_an_index_follows_changes_and_forgets_values_that_nobody_has() -> None:
    store = make(colour=colours)
    store.put(view("a", 1, spec={"colours": ["red"]}))
    store.put(view("a", 2, spec={"colours": ["blue"]}))
    assert store.by_index("colour", "red") == ()
    assert names(store.by_index("colour", "blue")) == ["a"]

    store.remove(view("a", 3, spec={"colours": ["blue"]}))
    assert store._index == {"colour": {}}


def test_an_index_that_fails_on_one_object_loses_only_that_one() -> None:
    store = make(colour=colours, name=lambda obj: [obj["metadata"]["name"]])
    store.replace([view("odd", 1), view("a", 1, spec={"colours": ["red"]})], "1")

    assert names(store.by_index("colour", "red")) == ["a"]
    assert names(store.by_index("name", "odd")) == ["odd"]
    assert len(store.replace([], "2")) == 2


def test_t75_an_index_that_is_added_late_finds_what_is_there_and_follows_what_comes() -> None:
    store = make(name=lambda obj: [obj["metadata"]["name"]])
    store.put(view("a", 1, spec={"colours": ["red"]}))
    store.put(view("odd", 1))

    store.add_indexer("colour", colours)

    assert names(store.by_index("colour", "red")) == ["a"]
    assert names(store.by_index("name", "a")) == ["a"]
    store.put(view("a", 2, spec={"colours": ["blue"]}))
    assert store.by_index("colour", "red") == ()
    assert names(store.by_index("colour", "blue")) == ["a"]
    with pytest.raises(ValueError, match="there is an index 'colour' already"):
        store.add_indexer("colour", colours)


def test_an_indexer_may_read_the_store() -> None:
    """No lock that readers need is held over it."""
    store = make()
    seen: list[int] = []

    def count(_: View) -> list[str]:
        seen.append(len(store.list()))
        return []

    store.put(view("a", 1))
    store.add_indexer("count", count)
    store.put(view("b", 1))
    store.replace([view("c", 1)], "2")
    assert seen == [1, 1, 2]


def test_the_size_is_that_of_the_json_of_what_is_there() -> None:
    store = make()
    store.put(view("a", 1))
    small = store.size
    assert small == len(orjson.dumps(config_map("a", 1)))
    store.put(view("a", 2, spec={"text": "x" * 1000}))
    assert store.size > small + 1000
    store.replace([view("a", 3)], "3")
    assert store.size == small
    store.remove(view("a", 4))
    assert store.size == 0


def test_a_list_can_be_narrowed_to_a_namespace() -> None:
    store = make()
    store.replace([view("a", 1, namespace="x"), view("b", 1, namespace="y")], "1")
    assert names(store.list("y")) == ["b"]
    assert names(store.list()) == ["a", "b"]
    assert len(store) == 2


def test_t90_what_is_read_cannot_be_changed_and_a_copy_of_it_can() -> None:
    store = make()
    store.put(view("a", 1, spec={"colours": ["red"]}))
    read = store.get(ObjectKey("default", "a"))
    assert read is not None
    with pytest.raises(TypeError):
        read["spec"]["colours"][0] = "black"
    with pytest.raises(TypeError):
        read["metadata"]["name"] = "z"
    with pytest.raises(TypeError):
        read["spec"] = {}  # type: ignore[index] # that it can't be done is the point

    copy = thaw(read)
    copy["spec"]["colours"][0] = "black"

    assert store.get(ObjectKey("default", "a")) == view("a", 1, spec={"colours": ["red"]})


def test_every_read_is_a_snapshot_of_one_moment() -> None:
    """A replacement swaps all objects at once, so no reader sees a mixture of two lists."""
    store = make()
    lists = [[view(f"o{n}", version) for n in range(50)] for version in (1, 2)]
    store.replace(lists[0], "1")
    done = threading.Event()
    mixtures: list[set[str]] = []

    def read() -> None:
        while not done.is_set():
            versions = {obj["metadata"]["resourceVersion"] for obj in store.list()}
            if len(versions) != 1:
                mixtures.append(versions)

    reader = threading.Thread(target=read)
    reader.start()
    for turn in range(200):
        store.replace(lists[turn % 2], str(turn))
    done.set()
    reader.join()
    assert mixtures == []
