"""The scenarios of `make e2e`: what a user does with an installed operator, told by the API and by clients alone.

Nothing here reaches into the node or to an address inside the cluster, so they run against any cluster.
"""

from __future__ import annotations

import secrets
from collections.abc import Iterator

import pytest
import yaml

from informers.client import Client
from reconcilers import names
from reconcilers.api.resources import (
    CHILDREN,
    CONFIG_MAP,
    DITTOFS,
    DITTOFS_SHARE,
    PERSISTENT_VOLUME_CLAIM,
    POD,
    SECRET,
    STATEFUL_SET,
)
from reconcilers.share.declared import declared_shares, shares_hash
from tests.support.acceptance import PATIENCE_S, World, world_of_its_own
from tests.support.eventually import eventually
from tests.support.nfs_pod import NfsPods
from tests.support.operators import Operators

pytestmark = [
    pytest.mark.integration,
    pytest.mark.scenario,
    pytest.mark.places("controlplane", "existing", reason="it needs the operator's own identity and its Lease"),
]


@pytest.fixture(scope="module")
def world(client: Client, operators: Operators) -> Iterator[World]:
    """A namespace with a running DittoFS "demo" and its share "export"."""
    with world_of_its_own(client) as made:
        made.instance(volumeRetention="Delete")
        made.share("export", defaultPermission="read-write")
        _until_served(made)
        yield made
        made.delete(DITTOFS_SHARE, "export")
        made.delete(DITTOFS, "demo")
        made.until_gone(DITTOFS, "demo")


@pytest.fixture
def pods(world: World) -> Iterator[NfsPods]:
    made = NfsPods(world)
    yield made
    made.remove()


def _until_served(world: World) -> None:
    world.until_phase(DITTOFS, "demo", "Running")
    world.until_phase(DITTOFS_SHARE, "export", "Ready")


def _pod(world: World) -> str:
    pod = world.find(POD, "demo-0")
    return str(pod["metadata"]["uid"]) if pod else ""


def _is_announced(world: World) -> bool:
    """Whether the last change of the share has reached the ConfigMap, which takes a moment of its own."""
    declared = declared_shares(world.client.list(DITTOFS_SHARE, namespace=world.namespace).items)
    annotations = world.get(DITTOFS, "demo")["metadata"].get("annotations") or {}
    text = world.get(CONFIG_MAP, "demo-dittofs-config")["data"]["shares.yaml"]
    (entry,) = yaml.safe_load(text)["shares"] or [{}]
    return annotations.get(names.SHARES_HASH_ANNOTATION) == shares_hash(declared) and entry["quota"]["size"] == "4Gi"


def test_a_created_server_runs_and_its_share_tells_how_to_mount_it(world: World) -> None:
    status = world.status(DITTOFS, "demo")
    assert (status["ready"], status["apiReachable"]) == (True, True)
    assert status["endpoint"] == f"demo-nfs.{world.namespace}.svc:2049"
    assert world.status(DITTOFS_SHARE, "export")["mount"].startswith("mount -t nfs ")


@pytest.mark.places("existing", reason="it needs a node whose kernel mounts NFS")
def test_a_client_pod_mounts_the_share_and_its_file_outlives_the_servers_pod(world: World, pods: NfsPods) -> None:
    pods.run("writer", "export", "echo from-a-pod > /mnt/file && grep -q from-a-pod /mnt/file")
    before = _pod(world)

    world.delete(POD, "demo-0")
    eventually(lambda: _pod(world) not in ("", before), PATIENCE_S, what="the next pod")
    _until_served(world)

    pods.run("reader", "export", "grep -q from-a-pod /mnt/file")


def test_a_change_of_the_server_restarts_it_and_a_change_of_the_share_does_not(world: World) -> None:
    before = _pod(world)
    world.patch(DITTOFS, "demo", spec={"logging": {"level": "DEBUG"}})
    eventually(lambda: _pod(world) not in ("", before), PATIENCE_S, what="the next pod")
    _until_served(world)

    changed = _pod(world)
    world.patch(DITTOFS_SHARE, "export", spec={"quota": {"size": "3Gi"}})
    _until_served(world)
    assert _pod(world) == changed


def test_a_rotated_password_is_in_force_without_a_restart(world: World) -> None:
    passwords = [secrets.token_urlsafe(20) for _ in range(2)]
    world.secret("own", password=passwords[0])
    world.patch(DITTOFS, "demo", spec={"auth": {"adminSecretRef": {"name": "own"}}})
    eventually(lambda: world.secret_value("demo-admin", "password") == passwords[0], PATIENCE_S, what="the password")
    _until_served(world)
    before = _pod(world)

    world.patch(SECRET, "own", stringData={"password": passwords[1]})

    eventually(lambda: world.secret_value("demo-admin", "password") == passwords[1], PATIENCE_S, what="the next one")
    _until_served(world)
    assert _pod(world) == before
    assert world.told(DITTOFS, "demo", "Available")[0] == "True"


def test_a_rotated_signing_key_restarts_the_server(world: World) -> None:
    world.secret("key", jwt_secret=secrets.token_urlsafe(40))
    before = _pod(world)
    world.patch(DITTOFS, "demo", spec={"auth": {"jwtSecretRef": {"name": "key"}}})
    eventually(lambda: _pod(world) not in ("", before), PATIENCE_S, what="the next pod")
    _until_served(world)


def test_another_leader_goes_on_after_one_that_was_killed(world: World, operators: Operators) -> None:
    former = operators.leader()
    server = _pod(world)

    operators.kill_leader()

    assert operators.leader() not in ("", former)
    world.patch(DITTOFS_SHARE, "export", spec={"readOnly": True})
    _until_served(world)
    world.patch(DITTOFS_SHARE, "export", spec={"readOnly": False})
    _until_served(world)
    assert _pod(world) == server


def test_an_upgrade_of_the_operator_writes_nothing_and_restarts_no_server(world: World, operators: Operators) -> None:
    """From a version to itself: there is no earlier release."""
    world.patch(DITTOFS_SHARE, "export", spec={"quota": {"size": "4Gi"}})
    _until_served(world)
    eventually(lambda: _is_announced(world), PATIENCE_S, what="the share in the server's configuration")
    before = world.versions(*CHILDREN, POD, DITTOFS, DITTOFS_SHARE)

    operators.restart()
    # The last in the queue of the new leader: all others have been looked at before it is Stopped.
    world.instance("last", replicas=0, volumeRetention="Delete")
    world.until_phase(DITTOFS, "last", "Stopped")

    after = world.versions(*CHILDREN, POD, DITTOFS, DITTOFS_SHARE)
    assert {name: after.get(name) for name in before} == before


def test_a_deleted_server_leaves_its_claims_and_takes_the_rest_along(world: World) -> None:
    world.instance("doomed")
    world.until_phase(DITTOFS, "doomed", "Running")

    world.delete(DITTOFS, "doomed")

    world.until_gone(DITTOFS, "doomed")
    eventually(lambda: world.find(STATEFUL_SET, "doomed") is None, PATIENCE_S, what="the end of the StatefulSet")
    claims = world.client.list(PERSISTENT_VOLUME_CLAIM, namespace=world.namespace).items
    kept = {item["metadata"]["name"] for item in claims if item["metadata"]["name"].startswith("doomed-")}
    assert kept == {"doomed-controlplane", "doomed-metadata", "doomed-payload"}
