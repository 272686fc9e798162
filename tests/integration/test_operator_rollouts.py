"""When the server restarts and when it does not: one rollout for one cause, none for what the pod doesn't consume."""

from __future__ import annotations

import base64
from collections.abc import Callable

import pytest

from dittofs_operator.program import Program
from hack.localcluster.resources import CONTROLLER_REVISION, STORAGE_CLASS
from informers.client import Client
from informers.resource import ObjectKey
from reconcilers.api.resources import (
    DITTOFS,
    DITTOFS_SHARE,
    PERSISTENT_VOLUME_CLAIM,
    POD,
    SECRET,
    SERVICE,
    STATEFUL_SET,
)
from tests.support.acceptance import PATIENCE_S, USER, World
from tests.support.eventually import eventually
from tests.support.place import Place

pytestmark = pytest.mark.integration

BAD_IMAGE, GOOD_IMAGE = "marmos91c/dittofs:does-not-exist", "marmos91c/dittofs:v0.29.0"


@pytest.fixture
def world(client: Client, operator: Program, namespace: str) -> World:
    return World(client, namespace)


def revisions(world: World) -> int:
    """How many pod templates the StatefulSet has had."""
    return len(world.client.list(CONTROLLER_REVISION, namespace=world.namespace).items)


def pod_uid(world: World) -> str:
    pod = world.find(POD, "demo-0")
    return pod["metadata"]["uid"] if pod else ""


def generation(world: World) -> int:
    return int(world.get(STATEFUL_SET, "demo")["metadata"]["generation"])


def until_replaced(world: World, former: str) -> str:
    """Wait for another pod than `former` that serves."""
    eventually(lambda: pod_uid(world) not in ("", former), PATIENCE_S, what="another pod")
    world.until_phase(DITTOFS, "demo", "Running")
    return pod_uid(world)


def pods_until(world: World, done: Callable[[], bool]) -> set[str]:
    """The pods that there were until `done`."""
    seen: set[str] = set()

    def look() -> bool:
        seen.add(pod_uid(world))
        return done()

    eventually(look, PATIENCE_S)
    return seen - {""}


def test_a_new_instance_has_one_pod_and_one_revision_and_keeps_them_whatever_the_pod_does_not_consume(
    world: World,
) -> None:
    """Upstream D1 and D10: two rollouts at every start, and one for every edit, since the generation was hashed."""
    world.secret("wanted", password="wanted-password")
    world.instance(metadata={"type": "sqlite"})
    world.share("export")
    pods = pods_until(world, lambda: world.phase(DITTOFS_SHARE, "export") == "Ready")
    world.until_phase(DITTOFS, "demo", "Running")
    assert (len(pods), revisions(world)) == (1, 1)
    before = generation(world)

    for spec in (
        {"adapters": {"smb": {"enabled": True}}},
        {"adapters": {"nfs": {"port": 2050, "service": {"type": "LoadBalancer", "annotations": {"a": "b"}}}}},
        {"adapters": {"smb": {"enabled": False}}},
        {"networkPolicy": {"from": [{"ipBlock": {"cidr": "10.0.0.0/8"}}]}},
        {"volumeRetention": "Delete"},
        {"volumeRetention": "Retain"},
        {"payload": {"storage": {"size": "60Gi"}}},
        {"groups": [{"name": "staff", "gid": 2000}]},
        {"auth": {"adminSecretRef": {"name": "wanted"}}},
    ):
        world.patch(DITTOFS, "demo", spec=spec)
        world.until_phase(DITTOFS, "demo", "Running")

    assert world.secret_value("demo-admin", "password") == "wanted-password"
    assert (generation(world), revisions(world)) == (before, 1)
    assert {pod_uid(world)} == pods
    assert world.status(POD, "demo-0")["containerStatuses"][0]["restartCount"] == 0


def test_a_rotated_secret_that_the_pod_consumes_restarts_it_once(world: World) -> None:
    """Upstream D11, D12: some rotations were not noticed, some lost Secrets rolled a healthy pod."""
    world.secret("own", jwt_secret="k" * 40)
    world.instance(auth={"jwtSecretRef": {"name": "own"}})
    world.until_phase(DITTOFS, "demo", "Running")
    before, pod = generation(world), pod_uid(world)

    world.patch(SECRET, "own", metadata={"labels": {"team": "storage"}})
    world.patch(SECRET, "own", data={"other": base64.b64encode(b"value").decode()})
    world.patch(SECRET, "own", data={"jwt-secret": base64.b64encode(b"n" * 40).decode()})
    pod = until_replaced(world, pod)
    assert (generation(world), revisions(world)) == (before + 1, 2)

    world.delete(SECRET, "own")
    told = world.until_told(DITTOFS, "demo", "ConfigReady", "False", "JwtSecretInvalid")
    assert '"own"' in told["message"]
    assert (generation(world), pod_uid(world)) == (before + 1, pod)

    world.secret("own", jwt_secret="n" * 40)
    world.until_phase(DITTOFS, "demo", "Running")
    assert (generation(world), pod_uid(world)) == (before + 1, pod)


def test_a_stuck_rollout_is_told_with_its_reason_and_repairs_itself(world: World) -> None:
    """kubernetes#67250: without podManagementPolicy Parallel the bad pod would stay for ever."""
    world.instance()
    world.until_phase(DITTOFS, "demo", "Running")

    world.patch(DITTOFS, "demo", spec={"image": BAD_IMAGE})

    told = world.until_told(DITTOFS, "demo", "Progressing", "False", "RolloutStuck")
    assert any(reason in told["message"] for reason in ("ImagePullBackOff", "ErrImagePull"))
    assert world.told(DITTOFS, "demo", "Ready")[0] == "False"
    assert world.phase(DITTOFS, "demo") == "Degraded"
    world.until_event("demo", "Warning", "ContainerWaiting")

    world.patch(DITTOFS, "demo", spec={"image": GOOD_IMAGE})
    world.until_phase(DITTOFS, "demo", "Running")


def test_what_others_add_outlives_restarts_and_changes_of_ours(world: World) -> None:
    """Upstream D22: a `kubectl rollout restart` was undone with the next pass, which restarted once more."""
    world.instance(adapters={"nfs": {"service": {"type": "NodePort"}}})
    world.until_phase(DITTOFS, "demo", "Running")
    pod, before = pod_uid(world), generation(world)
    node_port = world.get(SERVICE, "demo-nfs")["spec"]["ports"][0]["nodePort"]

    restarted = {"kubectl.kubernetes.io/restartedAt": "2026-01-01T00:00:00Z"}
    world.patch(STATEFUL_SET, "demo", spec={"template": {"metadata": {"annotations": restarted}}})
    pod = until_replaced(world, pod)
    assert generation(world) == before + 1

    sidecar = {"name": "sidecar", "image": "docker.io/library/busybox:1.37.0", "args": ["sleep", "9999"]}
    addition = [{"op": "add", "path": "/spec/template/spec/containers/-", "value": sidecar}]
    world.client.json_patch(STATEFUL_SET, ObjectKey(world.namespace, "demo"), addition, field_manager=USER)
    pod = until_replaced(world, pod)
    for resource, name in ((STATEFUL_SET, "demo"), (SERVICE, "demo-nfs")):
        world.patch(resource, name, metadata={"labels": {"team": "storage"}, "annotations": {"owner": "them"}})

    ours = {"annotations": {"ours": "too"}, "externalTrafficPolicy": "Local"}
    world.patch(DITTOFS, "demo", spec={"logging": {"level": "DEBUG"}, "adapters": {"nfs": {"service": ours}}})
    pod = until_replaced(world, pod)

    found = world.get(STATEFUL_SET, "demo")
    assert found["spec"]["template"]["metadata"]["annotations"].items() >= restarted.items()
    assert [container["name"] for container in found["spec"]["template"]["spec"]["containers"]] == [
        "dittofs",
        "sidecar",
    ]
    assert generation(world) == before + 3
    service = world.get(SERVICE, "demo-nfs")
    assert (service["metadata"]["annotations"]["ours"], service["spec"]["externalTrafficPolicy"]) == ("too", "Local")
    assert service["spec"]["ports"][0]["nodePort"] == node_port
    for other in (found, service):
        assert (other["metadata"]["labels"]["team"], other["metadata"]["annotations"]["owner"]) == ("storage", "them")
    assert pod_uid(world) == pod


def test_a_volume_of_a_class_that_can_t_grow_is_told_and_one_that_can_grows_under_the_running_server(
    cluster: Place, world: World
) -> None:
    if cluster.data_dir is None:
        pytest.skip("the classes of a cluster that isn't ours are not ours to change")
    world.instance()
    world.until_phase(DITTOFS, "demo", "Running")
    pod = pod_uid(world)
    world.client.merge_patch(STORAGE_CLASS, ObjectKey("", "local"), {"allowVolumeExpansion": False}, field_manager=USER)
    try:
        world.patch(DITTOFS, "demo", spec={"payload": {"storage": {"size": "60Gi"}}})
        told = world.until_told(DITTOFS, "demo", "Degraded", "True", "StorageNotResized")
        assert "allowVolumeExpansion" in told["message"]
        world.patch(DITTOFS, "demo", spec={"adapters": {"nfs": {"port": 2050}}})
        eventually(lambda: world.get(SERVICE, "demo-nfs")["spec"]["ports"][0]["port"] == 2050, PATIENCE_S)
        assert world.told(DITTOFS, "demo", "Ready") == ("True", "Ready")
    finally:
        world.client.merge_patch(
            STORAGE_CLASS, ObjectKey("", "local"), {"allowVolumeExpansion": True}, field_manager=USER
        )
    world.patch(DITTOFS, "demo", spec={"payload": {"storage": {"size": "61Gi"}}})

    def grown() -> bool:
        claim = world.get(PERSISTENT_VOLUME_CLAIM, "demo-payload")
        return bool(claim["status"]["capacity"]["storage"] == "61Gi")

    eventually(grown, PATIENCE_S, what="a grown volume")
    world.until_phase(DITTOFS, "demo", "Running")
    assert (pod_uid(world), revisions(world)) == (pod, 1)


def test_a_load_balancer_of_nobody_is_told_and_its_address_shown_once_it_is_there(world: World) -> None:
    world.instance(adapters={"nfs": {"service": {"type": "LoadBalancer", "loadBalancerClass": "example.com/none"}}})
    told = world.until_told(DITTOFS, "demo", "Progressing", "True", "LoadBalancerPending")
    assert "demo-nfs" in told["message"]
    world.until_phase(DITTOFS, "demo", "Running")

    address = {"status": {"loadBalancer": {"ingress": [{"ip": "192.0.2.7"}]}}}
    key = ObjectKey(world.namespace, "demo-nfs")
    world.client.merge_patch(SERVICE, key, address, field_manager=USER, subresource="status")

    eventually(
        lambda: world.status(DITTOFS, "demo")["endpoints"]["nfs"]["address"] == "192.0.2.7", PATIENCE_S, what="address"
    )
    world.until_told(DITTOFS, "demo", "Progressing", "False", "Settled")
