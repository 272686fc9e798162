"""A server and its share are deleted in any order and way: both go, the data stays, and what is of others as well."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import pytest

from dittofs_operator.program import Program
from hack.localcluster.resources import NAMESPACE
from informers.client import Client
from informers.errors import NotFound
from informers.resource import ObjectKey, Resource
from reconcilers.api.resources import (
    CHILDREN,
    DITTOFS,
    DITTOFS_BACKUP,
    DITTOFS_SHARE,
    PERSISTENT_VOLUME_CLAIM,
    POD,
    SERVICE,
)
from tests.support.acceptance import PATIENCE_S, USER, World, world_of_its_own
from tests.support.eventually import eventually

pytestmark = [
    pytest.mark.integration,
    pytest.mark.places("controlplane", "existing", reason="it is about the garbage collector of a real cluster"),
    pytest.mark.timeout(180),
]

#: A real control plane takes up to half a minute for a namespace with pods.
NAMESPACE_S = 90.0


@dataclass(frozen=True)
class Case:
    """A server and its share, both of this name, and what is deleted first."""

    name: str
    first: Resource
    propagation: str
    #: Whether the server is stopped before.
    stopped: bool = False


CASES = (
    Case("server-background", DITTOFS, "Background"),
    Case("server-foreground", DITTOFS, "Foreground"),
    Case("share-background", DITTOFS_SHARE, "Background"),
    Case("share-foreground", DITTOFS_SHARE, "Foreground"),
    Case("server-stopped", DITTOFS, "Background", stopped=True),
    Case("share-stopped", DITTOFS_SHARE, "Foreground", stopped=True),
)


@pytest.fixture(scope="module")
def world(client: Client, operator: Program) -> Iterator[World]:
    """A namespace where every case has its server and share; they start together, since each takes seconds."""
    with world_of_its_own(client) as made:
        for case in CASES:
            made.instance(case.name)
            made.share(case.name, instance=case.name)
        for case in CASES:
            made.until_phase(DITTOFS_SHARE, case.name, "Ready")
        yield made


def of_instance(world: World, name: str) -> set[str]:
    """The children and pods of an instance that are there."""
    return {
        f"{resource.kind} {item['metadata']['name']}"
        for resource in (*CHILDREN, POD)
        for item in world.client.list(
            resource, namespace=world.namespace, label_selector=f"app.kubernetes.io/instance={name}"
        ).items
    }


def kept(name: str) -> set[str]:
    """The data of an instance, and what opens it."""
    claims = {f"PersistentVolumeClaim {name}-{part}" for part in ("controlplane", "metadata", "payload")}
    return claims | {f"Secret {name}-{secret}" for secret in ("admin", "jwt-secret")}


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_a_server_and_its_share_go_in_any_order_and_the_data_stays(world: World, case: Case) -> None:
    if case.stopped:
        world.patch(DITTOFS, case.name, spec={"replicas": 0})
        world.until_phase(DITTOFS, case.name, "Stopped")
    claims = {claim: world.get(PERSISTENT_VOLUME_CLAIM, claim)["metadata"]["uid"] for claim in _claims(case.name)}

    key = ObjectKey(world.namespace, case.name)
    for resource in sorted((DITTOFS, DITTOFS_SHARE), key=lambda resource: resource != case.first):
        world.client.delete(resource, key, propagation=case.propagation)

    world.until_gone(DITTOFS_SHARE, case.name)
    world.until_gone(DITTOFS, case.name)
    eventually(lambda: of_instance(world, case.name) == kept(case.name), PATIENCE_S, what="the end of the children")
    assert {claim: world.get(PERSISTENT_VOLUME_CLAIM, claim)["metadata"]["uid"] for claim in claims} == claims


@pytest.mark.parametrize("propagation", ["Background", "Foreground"])
def test_what_is_not_ours_stays_as_it_is_when_its_namesake_is_deleted(
    client: Client, operator: Program, namespace: str, propagation: str
) -> None:
    world = World(client, namespace)
    service = world.create(SERVICE, "demo-nfs", spec={"ports": [{"port": 1}], "selector": {"app": "theirs"}})
    claim = world.create(
        PERSISTENT_VOLUME_CLAIM,
        "demo-payload",
        spec={"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "1Gi"}}},
    )
    world.instance(volumeRetention="Delete")
    world.until_told(DITTOFS, "demo", "Degraded", "True", "NameConflict")

    client.delete(DITTOFS, ObjectKey(namespace, "demo"), propagation=propagation)

    world.until_gone(DITTOFS, "demo")
    eventually(lambda: of_instance(world, "demo") == set(), PATIENCE_S, what="the end of the children")
    assert world.get(SERVICE, "demo-nfs") == service
    assert world.get(PERSISTENT_VOLUME_CLAIM, "demo-payload")["metadata"]["uid"] == claim["metadata"]["uid"]
    assert world.get(PERSISTENT_VOLUME_CLAIM, "demo-payload")["spec"]["resources"] == claim["spec"]["resources"]


def test_a_namespace_is_deleted_with_all_that_is_in_it(client: Client, operator: Program) -> None:
    metadata = {"name": "leaving-with-all"}
    client.create(NAMESPACE, {"apiVersion": "v1", "kind": "Namespace", "metadata": metadata}, field_manager=USER)
    world = World(client, "leaving-with-all")
    world.instance()
    world.share("export")
    world.until_phase(DITTOFS_SHARE, "export", "Ready")
    world.backup("nightly", schedule="@daily")
    world.backup("kept")
    world.until_phase(DITTOFS_BACKUP, "kept", "Completed")

    client.delete(NAMESPACE, ObjectKey("", world.namespace))

    def gone() -> bool:
        try:
            client.get(NAMESPACE, ObjectKey("", world.namespace))
        except NotFound:
            return True
        return False

    eventually(gone, NAMESPACE_S, what="the end of the namespace")


def _claims(name: str) -> list[str]:
    return [f"{name}-{part}" for part in ("controlplane", "metadata", "payload")]
