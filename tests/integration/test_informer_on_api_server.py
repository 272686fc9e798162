"""What the scripted tests of an informer assume of an API server is what an API server does."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from random import Random

import pytest
import structlog

from hack.localcluster.resources import CUSTOM_RESOURCE_DEFINITION
from informers import configuration
from informers.client import Client, ObjectList
from informers.clock import SystemClock
from informers.informer import SharedInformer
from informers.resource import Manifest, ObjectKey, Resource
from tests.support.eventually import eventually
from tests.support.place import Place

pytestmark = [
    pytest.mark.integration,
    pytest.mark.places("local", "controlplane", reason="it adds and deletes a definition of its own"),
]

CONFIG_MAPS = Resource("", "v1", "configmaps", "ConfigMap")
GADGETS = Resource("informers.example.org", "v1", "gadgets", "Gadget")
US = "integration-tests"

Watch = Callable[..., SharedInformer]


class HastyClock(SystemClock):
    """Time that goes ten times as fast, so that what an informer waits for comes ten times as soon."""

    speed = 10.0

    def monotonic(self) -> float:
        return super().monotonic() * self.speed

    def now(self) -> datetime:
        return datetime.now(UTC)

    def wait(self, condition: threading.Condition, timeout_s: float | None) -> None:
        super().wait(condition, None if timeout_s is None else timeout_s / self.speed)


class ListlessClient(Client):
    """A client that can't list: whoever holds objects has them from a stream."""

    def list(self, *_: object, **__: object) -> ObjectList:
        raise AssertionError("a plain list was asked for")


@pytest.fixture
def listless(cluster: Place) -> Iterator[Client]:
    made = ListlessClient(configuration.load(str(cluster.kubeconfig)).configuration, user_agent=US)
    yield made
    made.close()


@pytest.fixture
def watch() -> Iterator[Watch]:
    """Starts informers, and stops them in the end."""
    started: list[SharedInformer] = []

    def start(client: Client, resource: Resource, namespace: str, optional: bool = False) -> SharedInformer:
        informer = SharedInformer(
            client,
            resource,
            clock=HastyClock(),
            random=Random(),
            logger=structlog.get_logger(),
            namespaces=[namespace],
            optional=optional,
        )
        informer.start()
        started.append(informer)
        return informer

    yield start
    for informer in started:
        assert informer.stop(10)


def names(informer: SharedInformer) -> list[str]:
    """What the store holds, apart from what each namespace has."""
    return sorted({key.name for key in informer.store.keys()} - {"kube-root-ca.crt"})  # noqa: SIM118 - a store is no dict


def put(client: Client, resource: Resource, namespace: str, name: str) -> None:
    manifest = {"apiVersion": resource.api_version, "kind": resource.kind, "metadata": {"name": name}}
    manifest["metadata"] = {"namespace": namespace, "name": name}
    client.create(resource, manifest, field_manager=US)


def definition() -> Manifest:
    schema = {"type": "object", "x-kubernetes-preserve-unknown-fields": True}
    return {
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": {"name": "gadgets.informers.example.org"},
        "spec": {
            "group": GADGETS.group,
            "scope": "Namespaced",
            "names": {"kind": "Gadget", "plural": "gadgets"},
            "versions": [{"name": "v1", "served": True, "storage": True, "schema": {"openAPIV3Schema": schema}}],
        },
    }


def define(client: Client, namespace: str) -> None:
    """Create the definition and wait until objects of it can be made."""
    client.create(CUSTOM_RESOURCE_DEFINITION, definition(), field_manager=US)
    eventually(lambda: client.list(GADGETS, namespace=namespace).resource_version, timeout_s=30, what="served")


def undefine(client: Client) -> None:
    """Delete the definition, with all objects of it, and wait until it is gone."""
    key = ObjectKey("", "gadgets.informers.example.org")
    client.delete(CUSTOM_RESOURCE_DEFINITION, key)
    eventually(
        lambda: all(ObjectKey.of(item) != key for item in client.list(CUSTOM_RESOURCE_DEFINITION).items),
        timeout_s=30,
        what="the end of the definition",
    )


def test_an_informer_syncs_through_one_stream_and_follows_it(
    client: Client, listless: Client, namespace: str, watch: Watch
) -> None:
    put(client, CONFIG_MAPS, namespace, "before")
    informer = watch(listless, CONFIG_MAPS, namespace)

    eventually(lambda: informer.has_synced, what="the streamed list")
    assert names(informer) == ["before"]
    put(client, CONFIG_MAPS, namespace, "after")
    eventually(lambda: names(informer) == ["after", "before"], what="the change")

    assert informer.unready_reason is None
    assert listless.streamed_lists.usable(CONFIG_MAPS, now=0.0)


def test_an_informer_outlives_the_definition_of_its_type(client: Client, namespace: str, watch: Watch) -> None:
    informer = watch(client, GADGETS, namespace, optional=True)
    eventually(lambda: informer.absent, timeout_s=20, what="taken for absent")
    assert informer.has_synced
    assert names(informer) == []
    assert informer.unready_reason is None

    define(client, namespace)
    put(client, GADGETS, namespace, "first")
    eventually(lambda: names(informer) == ["first"], timeout_s=30, what="the first is seen")
    assert not informer.absent
    undefine(client)
    eventually(lambda: informer.absent, timeout_s=60, what="absent again")
    assert names(informer) == []

    define(client, namespace)
    put(client, GADGETS, namespace, "second")
    eventually(lambda: names(informer) == ["second"], timeout_s=30, what="the second is seen")
    assert informer.unready_reason is None
    undefine(client)
