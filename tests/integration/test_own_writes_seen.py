"""What a server answers to each kind of write, and that the watch then shows it: so one's own writes are read."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from random import Random
from typing import Any

import pytest
import structlog

from informers.client import Client
from informers.clock import SystemClock
from informers.informer import SharedInformer
from informers.own_writes import is_seen
from informers.resource import Manifest, ObjectKey, Resource
from informers.writes import Write, noted
from reconcilers.api.resources import CONFIG_MAP, SERVICE
from tests.support.eventually import eventually

pytestmark = pytest.mark.integration

US = "test-own-writes"


class HeldUp:
    """An informer whose watch shows nothing while it is held up."""

    def __init__(self, client: Client, resource: Resource, namespace: str, **scope: Any) -> None:
        self._flowing = threading.Event()
        self._flowing.set()
        self.informer = SharedInformer(
            client,
            resource,
            namespaces=(namespace,),
            transform=self._wait,
            clock=SystemClock(),
            random=Random(),
            logger=structlog.wrap_logger(structlog.ReturnLogger()),
            **scope,
        )

    def _wait(self, obj: Manifest) -> Manifest:
        assert self._flowing.wait(20)
        return obj

    def write(self, call: Callable[[], object]) -> tuple[Write, bool]:
        """What was noted of a write, and whether it counted as seen before the watch could show it."""
        self._flowing.clear()
        try:
            with noted() as writes:
                call()
            (write,) = writes.values()
            early = is_seen(write, self.informer)
        finally:
            self._flowing.set()
        eventually(lambda: is_seen(write, self.informer), what=f"to see the {write}")
        return write, early


@pytest.fixture
def hold_up(client: Client, namespace: str) -> Iterator[Callable[..., HeldUp]]:
    made: list[HeldUp] = []

    def start(resource: Resource, **scope: Any) -> HeldUp:
        made.append(HeldUp(client, resource, namespace, **scope))
        made[-1].informer.start()
        eventually(lambda: made[-1].informer.has_synced)
        return made[-1]

    yield start
    for held_up in made:
        assert held_up.informer.stop()


def test_each_write_is_seen_when_the_watch_has_shown_it_and_not_before(
    client: Client, namespace: str, hold_up: Callable[..., HeldUp]
) -> None:
    key = ObjectKey(namespace, "a")
    manifest = {
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": {"name": "a", "namespace": namespace, "finalizers": ["test.io/held"]},
    }
    maps = hold_up(CONFIG_MAP)

    def patch(change: dict[str, Any]) -> tuple[Write, bool]:
        return maps.write(lambda: client.merge_patch(CONFIG_MAP, key, change, field_manager=US))

    created, early = maps.write(lambda: client.create(CONFIG_MAP, manifest, field_manager=US))
    assert (created.gone, early) == (False, False)
    changed, early = patch({"data": {"a": "b"}})
    assert (changed.gone, early) == (False, False)
    assert patch({"data": {"a": "b"}}) == (changed, True), "it changed nothing"
    marked, early = maps.write(lambda: client.delete(CONFIG_MAP, key))
    assert (marked.gone, early, marked.resource_version != changed.resource_version) == (False, False, True)
    last, early = patch({"metadata": {"finalizers": None}})
    assert (last.gone, early) == (True, False), "it is answered as it was before, with its old version"
    assert maps.informer.store.peek(key) is None


@pytest.mark.parametrize("metadata_only", [False, True])
@pytest.mark.parametrize(
    ("resource", "spec"), [(CONFIG_MAP, None), (SERVICE, {"ports": [{"port": 1}]})], ids=["status", "object"]
)
def test_a_deletion_is_seen_whether_it_is_answered_by_a_status_or_by_the_object(
    client: Client,
    namespace: str,
    hold_up: Callable[..., HeldUp],
    resource: Resource,
    spec: dict[str, Any] | None,
    metadata_only: bool,
) -> None:
    key = ObjectKey(namespace, "a")
    manifest = {"apiVersion": "v1", "kind": resource.kind, "metadata": {"name": "a", "namespace": namespace}}
    held_up = hold_up(resource, metadata_only=metadata_only)
    held_up.write(lambda: client.create(resource, manifest | ({"spec": spec} if spec else {}), field_manager=US))

    _, early = held_up.write(lambda: client.delete(resource, key))

    assert not early
    assert held_up.informer.store.peek(key) is None
