"""The bug that reading one's own writes prevents, against the local API server: a second child for one parent."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from pathlib import Path
from random import Random
from typing import Any, Self

import orjson
import pytest
import structlog
from prometheus_client import CollectorRegistry

from hack.localcluster.apiserver.server import ApiServer
from informers.client import Client
from informers.clock import SystemClock
from informers.configuration import load
from informers.controller import Controller
from informers.informer import SharedInformer
from informers.metrics import Metrics
from informers.resource import Manifest, ObjectKey, Resource
from informers.result import Done, Result
from tests.support.eventually import eventually

CONFIG_MAPS = Resource("", "v1", "configmaps", "ConfigMap")
PARENT = ObjectKey("default", "parent")
LIMIT_S = 20


@pytest.fixture(scope="module")
def api() -> Iterator[ApiServer]:
    with ApiServer(token="t0k", bookmark_interval_s=0.2) as running:
        yield running


@pytest.fixture
def client(api: ApiServer, tmp_path: Path) -> Iterator[Client]:
    path = tmp_path / "kubeconfig"
    path.write_bytes(orjson.dumps(api.kubeconfig))
    made = Client(load(str(path), environment={}).configuration, user_agent="test")
    yield made
    made.close()


class World:
    """A controller that keeps exactly one child with a name of the server's choice, on a watch that can be held up."""

    def __init__(self, client: Client, **scope: Any) -> None:
        self.client = client
        self.registry = CollectorRegistry()
        self.passes: list[int] = []
        self.passed = threading.Semaphore(0)
        self.flowing = threading.Event()
        self.flowing.set()
        common: dict[str, Any] = {"clock": SystemClock(), "logger": structlog.wrap_logger(structlog.ReturnLogger())}
        self.children = SharedInformer(
            client, CONFIG_MAPS, transform=self._held_up, random=Random(0), **common, **scope
        )
        self.controller = Controller(name="parents", reconciler=self, metrics=Metrics(self.registry), **common)
        self.controller.watch(self.children, lambda _: ())
        self.wanted = 1

    def _held_up(self, obj: Manifest) -> Manifest:
        assert self.flowing.wait(LIMIT_S)
        return obj

    def reconcile(self, key: ObjectKey) -> Result:
        children = self.children.store.list("default")
        self.passes.append(len(children))
        for _ in range(self.wanted - len(children)):
            manifest = {"metadata": {"generateName": "child-", "namespace": "default", "labels": {"of": key.name}}}
            self.client.create(CONFIG_MAPS, manifest, field_manager="test")
        for child in children[self.wanted :]:
            self.client.delete(CONFIG_MAPS, ObjectKey.of(child))
        self.passed.release()
        return Done()

    def until_passed(self) -> None:
        assert self.passed.acquire(timeout=LIMIT_S)

    def until_waits(self, count: int) -> None:
        eventually(lambda: self.waits() == count, timeout_s=LIMIT_S)

    def waits(self) -> float | None:
        return self.registry.get_sample_value("controller_own_write_waits_total", {"controller": "parents"})

    def __enter__(self) -> Self:
        self.children.start()
        self.controller.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.flowing.set()
        assert self.controller.stop(LIMIT_S)
        assert self.children.stop(LIMIT_S)
        for child in self.client.list(CONFIG_MAPS, namespace="default").items:
            self.client.delete(CONFIG_MAPS, ObjectKey.of(child))


@pytest.mark.parametrize(
    "scope",
    [{}, {"metadata_only": True}, {"label_selector": "of=parent"}, {"namespaces": ("default",)}],
    ids=["all", "metadata only", "selector", "namespace"],
)
def test_a_lagging_watch_makes_no_second_child_and_no_second_deletion(client: Client, scope: dict[str, Any]) -> None:
    with World(client, **scope) as world:
        world.flowing.clear()
        world.controller.enqueue(PARENT)
        world.until_passed()
        world.controller.enqueue(PARENT)
        world.until_waits(1)
        assert world.passes == [0]

        world.flowing.set()
        world.until_passed()
        assert world.passes == [0, 1]
        assert len(client.list(CONFIG_MAPS, namespace="default").items) == 1

        world.wanted = 0
        world.flowing.clear()
        world.controller.enqueue(PARENT)
        world.until_passed()
        world.controller.enqueue(PARENT)
        world.until_waits(2)
        world.flowing.set()
        world.until_passed()
        assert world.passes == [0, 1, 1, 0]


def test_a_child_that_the_watch_does_not_show_holds_nothing_up(client: Client) -> None:
    with World(client, label_selector="of=somebody-else") as world:
        for _ in range(2):
            world.controller.enqueue(PARENT)
            world.until_passed()

        assert world.passes == [0, 0]
        assert world.waits() == 0
