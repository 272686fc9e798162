"""SharedInformer against a scripted server: what reaches the store and the handlers."""

from __future__ import annotations

import math
import threading
from collections.abc import Callable, Iterator
from random import Random
from typing import Any

import orjson
import pytest
import structlog
from prometheus_client import CollectorRegistry

from informers.client import Client
from informers.clock import SystemClock
from informers.delivery import Registration
from informers.event import Added, Deleted, Event, Updated
from informers.informer import SharedInformer
from informers.metrics import Metrics
from informers.resource import ObjectKey, Resource
from tests.support.event_handler import RecordingHandler
from tests.support.scripted_server import LIMIT_S, Answer, ScriptedServer, Stream, config_map, page

CONFIG_MAPS = Resource("", "v1", "configmaps", "ConfigMap")

Make = Callable[..., SharedInformer]


@pytest.fixture
def make(client: Client) -> Iterator[Make]:
    made: list[SharedInformer] = []

    def new(**options: Any) -> SharedInformer:
        parts = {"clock": SystemClock(), "random": Random(1), "logger": structlog.get_logger(), "watch_list": False}
        made.append(SharedInformer(client, CONFIG_MAPS, **(parts | options)))
        return made[-1]

    yield new
    for informer in made:
        assert informer.stop(5)


def until_synced(registration: Registration) -> None:
    while not registration.has_synced:
        assert registration._thread.is_alive()


def test_a_handler_hears_the_first_list_and_every_change_after_it(server: ScriptedServer, make: Make) -> None:
    stream = Stream()
    server.script("list", page(config_map("a", 3), config_map("b", 4), version="5"))
    server.script("watch", stream)
    recorder, informer = RecordingHandler(), make()
    informer.add_handler(recorder, name="recorder")

    informer.start()
    recorder.until(2)
    stream.event("MODIFIED", config_map("a", 6, data={"k": "v"})).event("DELETED", config_map("b", 7))
    events = recorder.until(4)

    assert events == [
        Added(config_map("a", 3), initial=True),
        Added(config_map("b", 4), initial=True),
        Updated(config_map("a", 3), config_map("a", 6, data={"k": "v"})),
        Deleted(config_map("b", 7)),
    ]
    assert informer.store.keys() == (ObjectKey("default", "a"),)
    assert informer.store.resource_version == "7"


def test_objects_made_after_the_first_list_are_not_initial(server: ScriptedServer, make: Make) -> None:
    server.script("list", page(version="5"))
    server.script("watch", Stream().event("ADDED", config_map("a", 6)))
    recorder, informer = RecordingHandler(), make()
    informer.add_handler(recorder, name="recorder")
    informer.start()

    assert recorder.until(1) == [Added(config_map("a", 6), initial=False)]


def test_the_informer_has_synced_when_the_store_holds_the_first_list(server: ScriptedServer, make: Make) -> None:
    held = threading.Event()
    server.script("list", Answer(page(config_map("a", 3), version="5").body, hold=held))
    informer = make()
    registration = informer.add_handler(RecordingHandler(), name="recorder")
    informer.start()
    server.until_seen("list", 1)
    assert not informer.has_synced
    assert not registration.has_synced

    held.set()
    until_synced(registration)

    assert informer.has_synced
    assert len(informer.store) == 1


def test_an_empty_first_list_syncs_too(server: ScriptedServer, make: Make) -> None:
    server.script("list", page(version="5"))
    informer = make()
    registration = informer.add_handler(RecordingHandler(), name="recorder")
    informer.start()
    until_synced(registration)


def test_a_late_handler_gets_the_store_first_and_then_what_follows(server: ScriptedServer, make: Make) -> None:
    stream = Stream()
    server.script("list", page(config_map("a", 3), version="5"))
    server.script("watch", stream)
    early, late, informer = RecordingHandler(), RecordingHandler(), make()
    informer.add_handler(early, name="early")
    informer.start()
    early.until(1)

    registration = informer.add_handler(late, name="late")
    until_synced(registration)
    stream.event("ADDED", config_map("b", 6))

    assert late.until(2) == [Added(config_map("a", 3), initial=True), Added(config_map("b", 6))]
    assert early.until(2)[1] == Added(config_map("b", 6))


def test_a_slow_or_raising_handler_disturbs_nobody(server: ScriptedServer, make: Make) -> None:
    go = threading.Event()

    def slow(_: Event) -> None:
        go.wait(LIMIT_S)

    def raising(_: Event) -> None:
        raise ZeroDivisionError

    server.script("list", page(config_map("a", 3), version="5"))
    server.script("watch", Stream().event("ADDED", config_map("b", 6)))
    recorder, informer = RecordingHandler(), make()
    registrations = [informer.add_handler(bad, name=str(bad)) for bad in (slow, raising)]
    informer.add_handler(recorder, name="recorder")
    informer.start()

    recorder.until(2)
    until_synced(registrations[1])

    assert not registrations[0].has_synced
    go.set()


def test_a_handler_may_use_the_informer_while_it_is_called(server: ScriptedServer, make: Make) -> None:
    """No lock is held over a handler: it may read the store, add and remove handlers."""
    informer = make()
    server.script("list", page(config_map("a", 3), version="5"))
    recorder = RecordingHandler()
    done = threading.Event()

    def busy(_: Event) -> None:
        assert len(informer.store.list()) == 1
        informer.add_handler(recorder, name="inner")
        informer.remove_handler(registration)
        done.set()

    registration = informer.add_handler(busy, name="busy")
    informer.start()

    assert done.wait(LIMIT_S)
    assert recorder.until(1) == [Added(config_map("a", 3), initial=True)]


def test_t81_a_removed_handler_hears_nothing_more_and_the_others_do(server: ScriptedServer, make: Make) -> None:
    stream = Stream()
    server.script("list", page(config_map("a", 3), version="5"))
    server.script("watch", stream)
    gone, stays, informer, other = RecordingHandler(), RecordingHandler(), make(), make()
    registration = informer.add_handler(gone, name="gone")
    informer.add_handler(stays, name="stays")
    informer.start()
    gone.until(1)

    informer.remove_handler(registration)
    informer.remove_handler(registration)
    informer.remove_handler(other.add_handler(RecordingHandler(), name="foreign"))
    stream.event("ADDED", config_map("b", 6))
    stays.until(2)

    assert len(gone.events) == 1


def test_t82_the_same_handler_registered_twice_is_called_twice(server: ScriptedServer, make: Make) -> None:
    stream = Stream()
    server.script("list", page(config_map("a", 3), version="5"))
    server.script("watch", stream)
    recorder, informer = RecordingHandler(), make()
    first = informer.add_handler(recorder, name="one")
    informer.add_handler(recorder, name="two")
    informer.start()
    recorder.until(2)

    informer.remove_handler(first)
    stream.event("ADDED", config_map("b", 6))

    assert recorder.until(3)[2] == Added(config_map("b", 6))


def test_t83_after_the_stop_nothing_is_added_or_started_and_removing_is_fine(
    server: ScriptedServer, make: Make
) -> None:
    server.script("list", page(version="5"))
    informer = make()
    registration = informer.add_handler(RecordingHandler(), name="recorder")
    informer.start()
    assert informer.stop(5)

    with pytest.raises(RuntimeError, match="no handler can be added"):
        informer.add_handler(RecordingHandler(), name="late")
    with pytest.raises(RuntimeError, match="cannot start again"):
        informer.start()
    informer.remove_handler(registration)
    assert informer.stop(5)


def test_a_second_start_does_nothing(server: ScriptedServer, make: Make) -> None:
    server.script("list", page(version="5"))
    informer = make()
    informer.start()
    informer.start()
    server.until_seen("watch", 1)
    assert len(server.seen("list")) == 1


def test_an_informer_that_never_started_stops() -> None:
    """A program that fails before it starts must still come to its end."""
    with ScriptedServer() as server:
        from kubernetes.client import Configuration

        client = Client(Configuration(host=server.url), user_agent="t")
        informer = SharedInformer(
            client, CONFIG_MAPS, clock=SystemClock(), random=Random(0), logger=structlog.get_logger()
        )
        informer.add_handler(RecordingHandler(), name="r")
        assert informer.stop(1)


def test_stop_says_so_when_a_handler_does_not_end(server: ScriptedServer, make: Make) -> None:
    go, inside = threading.Event(), threading.Event()

    def stuck(_: Event) -> None:
        inside.set()
        go.wait(LIMIT_S)

    server.script("list", page(config_map("a", 3), version="5"))
    informer = make()
    informer.add_handler(stuck, name="stuck")
    informer.start()
    assert inside.wait(LIMIT_S)

    assert not informer.stop(0.05)
    go.set()
    assert informer.stop(5)


def test_t85_handlers_come_and_go_while_events_flow(server: ScriptedServer, make: Make) -> None:
    stream = Stream()
    server.script("list", page(*[config_map(f"o{n}", n) for n in range(20)], version="20"))
    server.script("watch", stream)
    informer, recorder = make(), RecordingHandler()
    informer.add_handler(recorder, name="stays")
    informer.start()
    recorder.until(20)

    passed: list[Registration] = []

    def churn() -> None:
        for _ in range(30):
            registration = informer.add_handler(RecordingHandler(), name="passing")
            informer.remove_handler(registration)
            passed.append(registration)

    threads = [threading.Thread(target=churn) for _ in range(4)]
    for thread in threads:
        thread.start()
    for version in range(100, 300):
        stream.event("ADDED", config_map(f"n{version}", version))
    for thread in threads:
        thread.join(LIMIT_S)
    recorder.until(220)

    assert len(informer._registrations) == 1
    assert len(informer.store) == 220
    assert len(passed) == 120
    assert all(registration.join(LIMIT_S) for registration in passed)


def test_selectors_indexes_and_trimming_reach_where_they_belong(server: ScriptedServer, make: Make) -> None:
    managed = [{"manager": "us", "operation": "Apply"}, {"manager": "them", "operation": "Update"}]
    item = config_map("a", 3, data={"team": "red"}, metadata={"managedFields": managed})
    server.script("list", page(item, version="5"))
    informer = make(
        namespaces=("ns",),
        label_selector="x=y",
        field_manager="us",
        transform=lambda obj: {**obj, "extra": None},
        indexers={"team": lambda obj: [obj["data"]["team"]]},
    )
    informer.start()
    (watch,) = server.until_seen("watch", 1)

    (found,) = informer.store.by_index("team", "red")
    assert found["metadata"]["managedFields"] == ({"manager": "us", "operation": "Apply"},)
    assert "extra" in found
    assert watch.path == "/api/v1/namespaces/ns/configmaps"
    assert watch.query["labelSelector"] == "x=y"


def test_metrics_tell_what_an_informer_holds_and_what_it_did_not_tell(server: ScriptedServer, make: Make) -> None:
    registry = CollectorRegistry()
    go, inside = threading.Event(), threading.Event()

    def raising(_: Event) -> None:
        inside.set()
        go.wait(LIMIT_S)
        raise ZeroDivisionError

    def metric(name: str) -> float | None:
        labels = {"group": "", "version": "v1", "resource": "configmaps"}
        return registry.get_sample_value(f"informer_{name}", labels)

    stream = Stream()
    server.script("list", page(config_map("a", 3), version="5"))
    server.script("watch", stream)
    informer = make(metrics=Metrics(registry).informer(CONFIG_MAPS))
    registration = informer.add_handler(raising, name="raising")
    age_s = metric("last_event_age_seconds")
    assert age_s is not None
    assert math.isnan(age_s), "before the first list"

    informer.start()
    assert inside.wait(LIMIT_S)
    for version in (6, 7, 8):
        stream.event("MODIFIED", config_map("a", version))
    while metric("coalesced_events_total") != 2:
        assert registration._thread.is_alive()

    assert metric("objects") == 1
    assert metric("bytes") == len(orjson.dumps(config_map("a", 8)))
    assert metric("queued_items") == 1
    assert 0 <= (metric("last_event_age_seconds") or 0) < LIMIT_S
    go.set()
    while metric("handler_failures_total") != 2:
        assert registration._thread.is_alive()
    assert metric("queued_items") == 0
