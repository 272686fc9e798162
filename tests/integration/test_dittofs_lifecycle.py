"""A DittoFS from creation to deletion, by the whole operator on a whole cluster."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from dittofs_operator.program import Program
from informers.client import Client
from informers.errors import NotFound
from informers.resource import Manifest, ObjectKey, Resource
from reconcilers import names
from reconcilers.api.resources import (
    CHILDREN,
    CONFIG_MAP,
    DITTOFS,
    POD,
    SECRET,
    SERVICE,
    SERVICE_ACCOUNT,
    STATEFUL_SET,
)
from tests.support.acceptance import PATIENCE_S
from tests.support.eventually import eventually

pytestmark = pytest.mark.integration

USER = "integration-tests"
CHILD_TYPES = (*CHILDREN, POD)
KEPT = {
    "PersistentVolumeClaim demo-controlplane",
    "PersistentVolumeClaim demo-metadata",
    "PersistentVolumeClaim demo-payload",
    "Secret demo-admin",
    "Secret demo-jwt-secret",
}


class Instance:
    """The DittoFS demo of one namespace, and what somebody with kubectl does to it."""

    def __init__(self, client: Client, namespace: str) -> None:
        self.client = client
        self.namespace = namespace

    def create(self, **spec: Any) -> None:
        metadata = {"name": "demo", "namespace": self.namespace}
        manifest = {"apiVersion": DITTOFS.api_version, "kind": DITTOFS.kind, "metadata": metadata, "spec": spec}
        self.client.create(DITTOFS, manifest, field_manager=USER)

    def change(self, patch: dict[str, Any], resource: Resource = DITTOFS, name: str = "demo") -> None:
        self.client.merge_patch(resource, ObjectKey(self.namespace, name), patch, field_manager=USER)

    def delete(self, resource: Resource = DITTOFS, name: str = "demo") -> None:
        self.client.delete(resource, ObjectKey(self.namespace, name))

    def get(self, resource: Resource = DITTOFS, name: str = "demo") -> Manifest | None:
        try:
            return self.client.get(resource, ObjectKey(self.namespace, name))
        except NotFound:
            return None

    def present(self, resource: Resource, name: str = "demo") -> Manifest:
        found = self.get(resource, name)
        assert found is not None
        return found

    def status(self) -> dict[str, Any]:
        status: dict[str, Any] = self.present(DITTOFS).get("status") or {}
        return status

    def phase(self) -> str:
        return str(self.status().get("phase") or "")

    def condition(self, kind: str) -> tuple[str, str]:
        entries = (entry for entry in self.status().get("conditions") or () if entry["type"] == kind)
        return next(((entry["status"], entry["reason"]) for entry in entries), ("", ""))

    def children(self) -> set[str]:
        return {
            f"{resource.kind} {item['metadata']['name']}"
            for resource in CHILD_TYPES
            for item in self.client.list(
                resource, namespace=self.namespace, label_selector=names.MANAGED_SELECTOR
            ).items
        }

    def versions(self) -> dict[str, str]:
        return {
            f"{resource.kind} {item['metadata']['name']}": item["metadata"]["resourceVersion"]
            for resource in (*CHILD_TYPES, DITTOFS)
            for item in self.client.list(resource, namespace=self.namespace).items
        }

    def until(self, condition: Callable[[], bool]) -> None:
        eventually(condition, timeout_s=PATIENCE_S)

    def until_phase(self, phase: str) -> None:
        self.until(lambda: self.phase() == phase)


@pytest.fixture
def demo(client: Client, operator: Program, namespace: str) -> Instance:
    return Instance(client, namespace)


def test_a_dittofs_is_served_repaired_scaled_changed_and_deleted(demo: Instance) -> None:
    """One story, since each start of a server takes seconds."""
    demo.create()
    demo.until_phase("Running")
    status = demo.status()
    assert status["ready"] is True
    assert status["apiReachable"] is True
    assert status["endpoint"] == f"demo-nfs.{demo.namespace}.svc:2049"
    assert status["version"] == "v0.29.0"

    _steady_passes_write_nothing(demo)
    _what_is_deleted_comes_back(demo)
    _what_is_edited_is_set_right(demo)
    _a_service_follows_its_adapter(demo)
    _a_restart_is_a_rollout(demo)
    _stop_and_start(demo)
    _deletion_keeps_the_data_and_nothing_else(demo)


def test_under_delete_nothing_stays(demo: Instance) -> None:
    demo.create(volumeRetention="Delete")
    demo.until_phase("Running")

    demo.delete()

    demo.until(lambda: demo.children() == set())
    assert demo.get() is None


def test_a_foreign_object_is_left_alone_and_its_name_taken_once_it_is_free(demo: Instance) -> None:
    metadata = {"name": "demo-nfs", "namespace": demo.namespace}
    spec = {"ports": [{"port": 1}], "selector": {"app": "theirs"}}
    manifest = {"apiVersion": "v1", "kind": "Service", "metadata": metadata, "spec": spec}
    theirs = demo.client.create(SERVICE, manifest, field_manager=USER)
    demo.create()

    demo.until(lambda: demo.condition("Degraded") == ("True", "NameConflict"))
    demo.until(lambda: demo.condition("Available") == ("True", "ServerHealthy"))
    assert demo.phase() == "Failed"
    assert demo.get(SERVICE, "demo-nfs") == theirs

    demo.delete(SERVICE, "demo-nfs")
    demo.until_phase("Running")


def test_a_missing_secret_is_told_and_its_arrival_starts_the_server(demo: Instance) -> None:
    demo.create(auth={"jwtSecretRef": {"name": "own"}})
    demo.until(lambda: demo.condition("ConfigReady") == ("False", "JwtSecretInvalid"))
    assert demo.get(STATEFUL_SET) is None

    metadata = {"name": "own", "namespace": demo.namespace}
    manifest = {"apiVersion": "v1", "kind": "Secret", "metadata": metadata, "stringData": {"jwt-secret": "k" * 40}}
    demo.client.create(SECRET, manifest, field_manager=USER)

    demo.until_phase("Running")


def test_an_image_that_can_t_be_pulled_is_told_and_a_good_one_repairs_it(demo: Instance) -> None:
    """kubernetes#67250: only with podManagementPolicy Parallel does the repair get through."""
    demo.create(image="marmos91c/dittofs:does-not-exist")
    demo.until(lambda: demo.condition("Progressing") == ("False", "RolloutStuck"))

    demo.change({"spec": {"image": "marmos91c/dittofs:v0.29.0"}})

    demo.until_phase("Running")


def _steady_passes_write_nothing(demo: Instance) -> None:
    before = demo.versions()
    demo.change({"metadata": {"annotations": {"tests/look": "again"}}})  # starts a pass
    pod = demo.present(POD, "demo-0")["metadata"]["uid"]

    demo.until(lambda: demo.present(DITTOFS)["metadata"]["resourceVersion"] != before["DittoFS demo"])
    looked_at = demo.versions()
    eventually(lambda: demo.status()["phase"] == "Running", PATIENCE_S)

    assert {key: value for key, value in looked_at.items() if key != "DittoFS demo"} == {
        key: value for key, value in before.items() if key != "DittoFS demo"
    }
    assert demo.versions() == looked_at
    assert demo.present(POD, "demo-0")["metadata"]["uid"] == pod


def _what_is_deleted_comes_back(demo: Instance) -> None:
    doomed = (
        (SERVICE, "demo-nfs"),
        (SERVICE, "demo-api"),
        (CONFIG_MAP, "demo-dittofs-config"),
        (SERVICE_ACCOUNT, "demo"),
        (SECRET, "demo-admin"),
    )
    uids = {name: demo.present(resource, name)["metadata"]["uid"] for resource, name in doomed}
    for resource, name in doomed:
        demo.delete(resource, name)

    def uid_of(resource: Resource, name: str) -> str:
        return str(demo.present(resource, name)["metadata"]["uid"])

    demo.until(lambda: all(uid_of(resource, name) != uids[name] for resource, name in doomed))
    demo.until_phase("Running")


def _what_is_edited_is_set_right(demo: Instance) -> None:
    stray = {"spec": {"ports": [{"name": "nfs", "port": 1, "protocol": "TCP"}]}}
    demo.change(stray, SERVICE, "demo-nfs")
    demo.change({"data": {"config.yaml": "nonsense"}}, CONFIG_MAP, "demo-dittofs-config")

    demo.until(lambda: [port["port"] for port in demo.present(SERVICE, "demo-nfs")["spec"]["ports"]] == [2049])
    demo.until(lambda: demo.present(CONFIG_MAP, "demo-dittofs-config")["data"]["config.yaml"] != "nonsense")


def _a_service_follows_its_adapter(demo: Instance) -> None:
    generation = demo.present(STATEFUL_SET)["metadata"]["generation"]
    demo.change({"spec": {"adapters": {"smb": {"enabled": True}}}})
    demo.until(lambda: "smb" in demo.status()["endpoints"] and demo.phase() == "Running")

    demo.change({"spec": {"adapters": {"smb": {"enabled": False}}}})
    demo.until(lambda: demo.get(SERVICE, "demo-smb") is None)
    assert demo.present(STATEFUL_SET)["metadata"]["generation"] == generation


def _a_restart_is_a_rollout(demo: Instance) -> None:
    pod = demo.present(POD, "demo-0")["metadata"]["uid"]
    demo.change({"spec": {"logging": {"level": "DEBUG"}}})

    demo.until(lambda: (demo.get(POD, "demo-0") or {"metadata": {"uid": pod}})["metadata"]["uid"] != pod)
    demo.until_phase("Running")


def _stop_and_start(demo: Instance) -> None:
    demo.change({"spec": {"replicas": 0}})
    demo.until_phase("Stopped")
    assert demo.get(POD, "demo-0") is None
    demo.change({"spec": {"replicas": 1}})
    demo.until_phase("Running")


def _deletion_keeps_the_data_and_nothing_else(demo: Instance) -> None:
    demo.delete()
    demo.until(lambda: demo.get() is None and demo.children() == KEPT)
