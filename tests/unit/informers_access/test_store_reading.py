"""What may be read of a store: nothing that it can't know yet, and nothing of what nobody watches."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import structlog

from informers.event import Deleted
from informers.resource import ObjectKey, View
from informers.store import NotSynced, NotWatched, Store
from informers.view import freeze
from tests.support.scripted_server import config_map


def view(name: str, version: int, **more: Any) -> View:
    frozen: View = freeze(config_map(name, version, **more))
    return frozen


def colours(obj: View) -> list[str]:
    return list(obj["spec"]["colours"])


def names(views: tuple[View, ...]) -> list[str]:
    return sorted(obj["metadata"]["name"] for obj in views)


def test_t70_a_store_that_awaits_no_list_can_be_read_from_its_first_object_on() -> None:
    store = Store(logger=structlog.get_logger())
    assert store.get(ObjectKey("default", "a")) is None
    store.put(view("a", 1))
    assert store.has_synced
    assert names(store.list()) == ["a"]


def test_t88_before_the_first_list_is_in_reading_is_an_error_and_never_an_answer() -> None:
    """What is missing then may exist: whoever took it for absent would create it anew or delete what belongs to it."""
    store = Store(awaits=("",), indexers={"colour": colours}, logger=structlog.get_logger())
    store.put(view("early", 1, spec={"colours": ["red"]}))
    reads: tuple[Callable[[], object], ...] = (
        lambda: store.get(ObjectKey("default", "early")),
        store.list,
        lambda: store.list("default"),
        store.keys,
        lambda: store.by_index("colour", "red"),
    )
    for read in reads:
        with pytest.raises(NotSynced, match="objects were read before their first list was in"):
            read()
    assert not store.has_synced
    assert (len(store), names(store.known())) == (1, ["early"])
    assert store.peek(ObjectKey("default", "early")) is not None

    store.replace([], "2")

    assert [read() for read in reads] == [None, (), (), (), ()]


def test_t94_an_index_can_be_added_before_the_first_list_is_in() -> None:
    store = Store(awaits=("",), logger=structlog.get_logger())
    store.add_indexer("colour", colours)
    store.replace([view("a", 1, spec={"colours": ["red"]})], "1")
    assert names(store.by_index("colour", "red")) == ["a"]


def test_t92_a_store_of_some_namespaces_is_filled_by_each_of_them_and_knows_of_no_others() -> None:
    store = Store(awaits=("x", "y"), logger=structlog.get_logger())
    store.replace([view("a", 1, namespace="x")], "10", namespace="x")
    assert names(store.list("x")) == ["a"]
    for namespace in ("", "y"):
        with pytest.raises(NotSynced, match="missing: y"):
            store.list(namespace)

    store.replace([view("b", 1, namespace="y"), view("c", 1, namespace="y")], "20", namespace="y")
    gone = store.replace([view("b", 1, namespace="y")], "21", namespace="y")

    assert [(type(event), event.object["metadata"]["name"]) for event in gone if isinstance(event, Deleted)] == [
        (Deleted, "c")
    ]
    assert names(store.list()) == ["a", "b"]
    for read in (lambda: store.list("z"), lambda: store.get(ObjectKey("z", "a"))):
        with pytest.raises(NotWatched, match="objects of namespace z are not watched, only those of x, y"):
            read()


def test_each_namespace_of_a_store_has_a_version_of_its_own() -> None:
    store = Store(awaits=("x", "y"), logger=structlog.get_logger())
    store.replace([], "10", namespace="x")
    store.replace([], "20", namespace="y")
    store.put(view("a", 30, namespace="x"))
    store.advance("40", namespace="y")
    assert [store.version_of(namespace) for namespace in ("x", "y", "z")] == ["30", "40", ""]
