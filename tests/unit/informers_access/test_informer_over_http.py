"""SharedInformer against a scripted server: what reaches the store and the handlers."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from random import Random

import pytest
import structlog
from kubernetes.client import Configuration

from informers.client import Client
from informers.clock import SystemClock
from informers.event import Added, Deleted, Event, Updated
from informers.informer import SharedInformer
from informers.resource import ObjectKey, Resource
from tests.support.scripted_server import LIMIT_S, ScriptedServer, Stream, config_map, page

CONFIG_MAPS = Resource("", "v1", "configmaps", "ConfigMap")


class Recorder:
    """A handler that remembers, and lets the test wait."""

    def __init__(self) -> None:
        self.events: list[Event] = []
        self.changed = threading.Condition()

    def __call__(self, event: Event) -> None:
        with self.changed:
            self.events.append(event)
            self.changed.notify_all()

    def until(self, count: int) -> list[Event]:
        with self.changed:
            assert self.changed.wait_for(lambda: len(self.events) >= count, LIMIT_S), self.events
            return list(self.events)


@pytest.fixture
def server() -> Iterator[ScriptedServer]:
    with ScriptedServer() as running:
        yield running


@pytest.fixture
def informer(server: ScriptedServer) -> Iterator[SharedInformer]:
    client = Client(Configuration(host=server.url), user_agent="test")
    made = SharedInformer(client, CONFIG_MAPS, clock=SystemClock(), random=Random(1), logger=structlog.get_logger())
    yield made
    assert made.stop(5)
    client.close()


def test_a_handler_hears_the_first_list_and_every_change_after_it(
    server: ScriptedServer, informer: SharedInformer
) -> None:
    stream = Stream()
    server.script("list", page(config_map("a", 3), config_map("b", 4), version="5"))
    server.script("watch", stream)
    recorder = Recorder()
    informer.add_handler(recorder, name="recorder")

    informer.start()
    recorder.until(2)
    stream.event("MODIFIED", config_map("a", 6, data={"k": "v"})).event("DELETED", config_map("b", 7))
    events = recorder.until(4)

    assert [type(event) for event in events] == [Added, Added, Updated, Deleted]
    assert events[0] == Added(config_map("a", 3), initial=True)
    assert events[2] == Updated(config_map("a", 3), config_map("a", 6, data={"k": "v"}))
    assert informer.store.keys() == (ObjectKey("default", "a"),)
    assert informer.store.resource_version == "7"
