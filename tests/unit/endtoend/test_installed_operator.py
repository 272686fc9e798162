"""The Deployment as the scenarios see it: who leads, what killing it deletes, when a rollout has ended."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from hack.localcluster.apiserver.server import ApiServer
from hack.localcluster.resources import NAMESPACE as NAMESPACES
from informers import configuration
from informers.client import Client
from informers.errors import NotFound
from informers.resource import ObjectKey, Resource
from reconcilers.api.resources import LEASE, POD
from tests.support.eventually import eventually
from tests.support.operators import NAMESPACE, InstalledOperator, is_installed
from tests.support.place import Place, PlaceName

DEPLOYMENT = Resource("apps", "v1", "deployments", "Deployment")
KEY = ObjectKey(NAMESPACE, "dittofs-operator")
USER = "tests"


@pytest.fixture
def place(tmp_path: Path) -> Iterator[Place]:
    with ApiServer(token="token") as server:
        kubeconfig = tmp_path / "kubeconfig"
        kubeconfig.write_text(yaml.safe_dump(server.kubeconfig))
        yield Place(PlaceName.EXISTING, kubeconfig, kubeconfig, None)


@pytest.fixture
def client(place: Place) -> Iterator[Client]:
    made = Client(configuration.load(str(place.kubeconfig)).configuration, user_agent=USER)
    made.create(NAMESPACES, {"metadata": {"name": NAMESPACE}}, field_manager=USER)
    yield made
    made.close()


@pytest.fixture
def installed(client: Client, place: Place) -> InstalledOperator:
    """A Deployment of two, rolled out, whose first pod leads."""
    containers = [{"name": "operator", "image": "operator:1"}]
    labels = {"app": "operator"}
    template = {"metadata": {"labels": labels}, "spec": {"containers": containers}}
    spec = {"replicas": 2, "selector": {"matchLabels": labels}, "template": template}
    client.create(DEPLOYMENT, {"metadata": _metadata(KEY.name), "spec": spec}, field_manager=USER)
    _roll_out(client)
    for name in ("pod-1", "pod-2"):
        client.create(POD, {"metadata": _metadata(name), "spec": {"containers": containers}}, field_manager=USER)
    client.create(LEASE, {"metadata": _metadata(KEY.name), "spec": {"holderIdentity": "pod-1_a"}}, field_manager=USER)
    return InstalledOperator(client, place)


def _metadata(name: str) -> dict[str, Any]:
    return {"name": name, "namespace": NAMESPACE}


def _roll_out(client: Client) -> None:
    generation = client.get(DEPLOYMENT, KEY)["metadata"]["generation"]
    status = {"observedGeneration": generation, "replicas": 2, "updatedReplicas": 2, "availableReplicas": 2}
    client.merge_patch(DEPLOYMENT, KEY, {"status": status}, field_manager=USER, subresource="status")


def _hand_over(client: Client, to: str) -> None:
    client.merge_patch(LEASE, KEY, {"spec": {"holderIdentity": to}}, field_manager=USER)


def test_the_leader_s_pod_alone_is_killed_and_the_next_leader_waited_for(
    client: Client, installed: InstalledOperator
) -> None:
    killing = threading.Thread(target=installed.kill_leader)
    killing.start()
    eventually(lambda: _is_gone(client, "pod-1"), what="the end of the leader's pod")
    assert killing.is_alive()
    _hand_over(client, "pod-2_b")
    killing.join(20)

    assert not killing.is_alive()
    assert installed.leader() == "pod-2_b"
    assert not _is_gone(client, "pod-2")


def test_a_restart_ends_with_the_rollout_and_another_leader(client: Client, installed: InstalledOperator) -> None:
    before = client.get(DEPLOYMENT, KEY)["metadata"]["generation"]
    restarting = threading.Thread(target=installed.restart)
    restarting.start()
    eventually(lambda: client.get(DEPLOYMENT, KEY)["metadata"]["generation"] > before, what="the next template")
    _hand_over(client, "pod-3_c")
    assert restarting.is_alive()
    _roll_out(client)
    restarting.join(20)

    assert not restarting.is_alive()


def test_an_operator_is_installed_when_its_deployment_is_there(client: Client, installed: InstalledOperator) -> None:
    assert is_installed(client)
    client.delete(DEPLOYMENT, KEY)
    assert not is_installed(client)


def _is_gone(client: Client, name: str) -> bool:
    try:
        client.get(POD, ObjectKey(NAMESPACE, name))
    except NotFound:
        return True
    return False
