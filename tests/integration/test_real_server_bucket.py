"""The real server with the contents of files in a real S3 server, inside the cluster and over TLS of its own authority.

Needs the server's binary, versitygw (`make s3`) and Debian's libnfs-utils. Skipped without them, unless REQUIRE_REAL=1
turns that into a failure.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from hack.localcluster.cluster import LocalCluster
from hack.localcluster.kubelet.outside import OutsideServer
from informers import configuration
from informers.client import Client
from reconcilers import names
from reconcilers.api.resources import (
    CONFIG_MAP,
    DITTOFS,
    DITTOFS_BACKUP,
    DITTOFS_SHARE,
    PERSISTENT_VOLUME_CLAIM,
    POD,
    SECRET,
    SERVICE,
    STATEFUL_SET,
)
from reconcilers.builders.secrets import encoded
from tests.support.acceptance import EVERYTHING, PATIENCE_S, USER, World
from tests.support.authority import Authority
from tests.support.eventually import eventually
from tests.support.installation import Installation
from tests.support.nfs_mount import Mount, NfsFailed, mount
from tests.support.operator_process import operator_process
from tests.support.real_server import dfs_or_skip, nfs_client_or_skip
from tests.support.s3_server import S3Server, s3_server

pytestmark = [
    pytest.mark.integration,
    pytest.mark.places("local", reason="it has a local cluster of its own, whose pods run the real server"),
]

HOST, PORT, BUCKET = "s3.storage.svc", 443, "files"
#: Objects are uploaded some seconds after the file was written.
UPLOAD_S = 60.0
CONTENT = "kept in a bucket\n" * 4096


@pytest.fixture(scope="module")
def authority() -> Authority:
    made = Authority()
    made.issue(HOST)
    return made


@pytest.fixture(scope="module")
def s3(authority: Authority, tmp_path_factory: pytest.TempPathFactory) -> Iterator[S3Server]:
    dfs_or_skip()
    nfs_client_or_skip()
    with s3_server(tmp_path_factory.mktemp("s3"), authority.issued, bucket=BUCKET) as running:
        yield running


@pytest.fixture(scope="module")
def cluster(s3: S3Server, tmp_path_factory: pytest.TempPathFactory) -> Iterator[LocalCluster]:
    """A cluster whose pods reach the S3 server under the name of its Service, and nothing else."""
    outside = [OutsideServer(HOST, PORT, s3.port)]
    with LocalCluster(tmp_path_factory.mktemp("bucket"), dfs_binary=dfs_or_skip(), outside=outside) as running:
        Installation(running.kubeconfig).add_definitions()
        yield running
    assert running.leftovers() == []


@pytest.fixture(scope="module")
def log(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What the operator logs."""
    return tmp_path_factory.mktemp("operator") / "log"


@pytest.fixture(scope="module")
def world(cluster: LocalCluster, s3: S3Server, authority: Authority, log: Path) -> Iterator[World]:
    """The namespace default with a share in the bucket, looked after by an operator of its own."""
    client = Client(configuration.load(str(cluster.kubeconfig)).configuration, user_agent=USER)
    flags = ("--image=dittofs-operator:of-this-source",)
    with closing(client), operator_process(cluster.kubeconfig, log, lease_namespace="default", flags=flags):
        made = World(client, "default")
        made.secret("s3-keys", access_key_id=s3.keys[0], secret_access_key=s3.keys[1])
        made.secret("s3-ca", **{"ca.crt": authority.text})
        bucket = {"bucket": BUCKET, "endpoint": f"https://{HOST}", "allowPrivateEndpoint": True}
        references = {"credentialsSecretRef": {"name": "s3-keys"}, "caSecretRef": {"name": "s3-ca"}}
        made.instance(payload={"type": "s3", "s3": {**bucket, **references}}, cache={"size": "1Gi"})
        made.share("export", defaultPermission="read-write")
        until_served(made)
        yield made


def until_served(world: World) -> None:
    world.until_phase(DITTOFS, "demo", "Running")
    world.until_phase(DITTOFS_SHARE, "export", "Ready")


@pytest.fixture
def export(world: World, tmp_path: Path) -> Mount:
    return mount(world, "export", tmp_path)


def objects(s3: S3Server) -> set[str]:
    return s3.objects(BUCKET, "default/demo/export/blocks/")


def until_uploaded(world: World, s3: S3Server, *, more_than: int) -> None:
    world.server().call("POST", "/system/drain-uploads")
    eventually(lambda: len(objects(s3)) > more_than, UPLOAD_S, what="objects in the bucket")


def pod_uid(world: World) -> str:
    pod = world.find(POD, "demo-0")
    return "" if pod is None else str(pod["metadata"]["uid"])


def until_replaced(world: World, old: str) -> None:
    eventually(lambda: pod_uid(world) not in ("", old), PATIENCE_S, what="another pod")
    until_served(world)


def test_files_are_objects_below_the_prefix_of_their_share_and_outlive_the_pod(
    world: World, s3: S3Server, export: Mount
) -> None:
    assert world.status(DITTOFS, "demo")["payloadLocation"] == f"s3://{BUCKET}/default/demo/"
    export.write("first", CONTENT)
    until_uploaded(world, s3, more_than=0)
    assert s3.objects(BUCKET) == objects(s3)

    old = pod_uid(world)
    world.delete(POD, "demo-0")
    until_replaced(world, old)

    assert export.read("first") == CONTENT


def test_the_cache_of_a_share_has_its_own_size_from_the_next_start_on(world: World) -> None:
    def limit() -> int:
        return int(world.server().call("GET", "/shares/sized/blockstore/stats")["totals"]["local_disk_max"])

    world.share("sized", cache={"localSize": "64Mi"}, retention={"policy": "pin"}, deletionPolicy="Delete")
    world.until_phase(DITTOFS_SHARE, "sized", "Ready")
    assert world.told(DITTOFS_SHARE, "sized", "Synced") == ("True", "FieldsWithoutEffect")
    assert limit() == 64 << 20

    world.patch(DITTOFS_SHARE, "sized", spec={"cache": {"localSize": "128Mi"}, "retention": {"policy": "lru"}})
    told = world.until_told(DITTOFS_SHARE, "sized", "RestartRequired", "True", "WaitsForStart")
    assert "takes up cache.localSize only" in told["message"]
    assert limit() == 64 << 20

    old = pod_uid(world)
    world.delete(POD, "demo-0")
    until_replaced(world, old)
    world.until_told(DITTOFS_SHARE, "sized", "RestartRequired", "False", "InForce")
    assert limit() == 128 << 20
    # The tests below have one share.
    world.delete(DITTOFS_SHARE, "sized")
    world.until_gone(DITTOFS_SHARE, "sized")


def test_a_backup_is_durable_when_the_server_found_all_of_it_in_the_bucket_and_comes_back_from_there(
    world: World, export: Mount
) -> None:
    export.write("kept", CONTENT.title())

    world.backup("kept")
    world.until_phase(DITTOFS_BACKUP, "kept", "Completed")

    status = world.status(DITTOFS_BACKUP, "kept")
    assert status["durable"] is True
    assert [artifact["durable"] for artifact in status["artifacts"]] == [True]
    assert f"s3://{BUCKET}/default/demo/" in status["artifacts"][0]["location"]

    export.remove("kept")
    export.write("later", "x")
    world.backup("back", operation="Restore", restore={"backupRef": {"name": "kept"}})
    world.until_phase(DITTOFS_BACKUP, "back", "Completed")
    assert export.read("kept") == CONTENT.title()
    assert "later" not in export.list()
    for name in ("back", "kept"):
        world.delete(DITTOFS_BACKUP, name)
        world.until_gone(DITTOFS_BACKUP, name)
    assert world.server().snapshots("/export") == []


def test_an_archive_in_the_bucket_pins_what_it_refers_to_and_goes_with_its_pins(
    world: World, s3: S3Server, export: Mount
) -> None:
    content = CONTENT.replace("bucket", "archive")
    export.write("archived", content)
    references = {"credentialsSecretRef": {"name": "s3-keys"}, "caSecretRef": {"name": "s3-ca"}}
    place = {"bucket": BUCKET, "prefix": "archives", "endpoint": f"https://{HOST}", **references}

    world.backup("moved", method="Archive", target={"s3": place})
    world.until_phase(DITTOFS_BACKUP, "moved", "Completed")

    status = world.status(DITTOFS_BACKUP, "moved")
    assert status["covered"] == {"controlPlane": "Included", "metadata": "Included", "payload": "Bucket"}
    assert [(one["path"], one["durable"]) for one in status["artifacts"]] == [("/export", True)]
    assert f"archives/{status['archiveID']}/manifest.json" in s3.objects(BUCKET, "archives/")
    until_served(world)
    assert export.read("archived") == content
    assert [row["id"] for row in world.server().snapshots("/export")] == [status["artifacts"][0]["snapshotID"]]

    world.delete(DITTOFS_BACKUP, "moved")
    world.until_gone(DITTOFS_BACKUP, "moved")
    assert s3.objects(BUCKET, "archives/") == set()
    assert world.server().snapshots("/export") == []


def test_rotated_keys_reach_the_server_with_one_rollout_and_are_told_nowhere(
    world: World, s3: S3Server, export: Mount, log: Path
) -> None:
    old, generation = pod_uid(world), world.get(STATEFUL_SET, "demo")["metadata"]["generation"]
    before = len(objects(s3))
    s3.change_keys("AKSECOND", "second-secret-key")

    data = {"access-key-id": encoded(s3.keys[0]), "secret-access-key": encoded(s3.keys[1])}
    world.patch(SECRET, "s3-keys", data=data)
    until_replaced(world, old)

    export.write("second", CONTENT[::-1])
    until_uploaded(world, s3, more_than=before)
    assert world.get(STATEFUL_SET, "demo")["metadata"]["generation"] == generation + 1
    told = json.dumps([world.client.list(kind).items for kind in set(EVERYTHING) - {SECRET}]) + log.read_text()
    assert "export" in told
    for secret in ("AKFIRST", "AKSECOND", "first-secret-key", "second-secret-key"):
        assert secret not in told


def test_a_lost_cache_lets_nobody_in_until_each_share_was_seeded_from_the_bucket(
    world: World, s3: S3Server, export: Mount
) -> None:
    """The real server reads what it has no cache of as zeros, without an error, until a snapshot is restored."""
    # Other content: the server keeps what is the same once only.
    before, content = len(objects(s3)), CONTENT.upper()
    export.write("third", content)
    until_uploaded(world, s3, more_than=before)
    old = pod_uid(world)

    world.patch(DITTOFS, "demo", spec={"replicas": 0})
    world.until_phase(DITTOFS, "demo", "Stopped")
    world.delete(PERSISTENT_VOLUME_CLAIM, "demo-cache")
    eventually(lambda: world.status(DITTOFS, "demo")["cacheLost"], PATIENCE_S, what="the loss of the cache")
    world.patch(DITTOFS, "demo", spec={"replicas": 1})
    eventually(lambda: pod_uid(world) not in ("", old), PATIENCE_S, what="another pod")

    world.until_told(DITTOFS_SHARE, "export", "Ready", "False", "CacheLost")
    assert world.told(DITTOFS, "demo", "Degraded") == ("True", "CacheLost")
    assert names.CLOSED_LABEL in world.get(SERVICE, "demo-nfs")["spec"]["selector"]
    with pytest.raises(NfsFailed):
        export.read("third")

    seed(world)
    world.patch(PERSISTENT_VOLUME_CLAIM, "demo-cache", metadata={"annotations": {names.CACHE_LOST_ANNOTATION: None}})
    until_served(world)
    assert export.read("third") == content


def seed(world: World) -> None:
    """What the condition asks a person to do, of a share that is disabled."""
    server, path = world.server(), "/shares/export/snapshots"
    snapshot = server.call("POST", path, {"name": "seed"})["snapshot_id"]
    eventually(lambda: server.call("GET", f"{path}/{snapshot}")["state"] == "ready", PATIENCE_S, what="a snapshot")
    server.call("POST", f"{path}/{snapshot}/restore", {})


def test_a_share_deleted_for_good_takes_its_objects_along_and_none_that_another_share_needs(
    world: World, s3: S3Server, export: Mount, tmp_path: Path
) -> None:
    """The same content in both: the server keeps it once for each share, never for both."""
    # Other content than any test before: the server keeps what is the same in a share once only.
    below, content, before = "default/demo/fleeting/", "in two shares\n" * 4096, len(objects(s3))
    world.share("fleeting", defaultPermission="read-write", deletionPolicy="Delete")
    world.until_phase(DITTOFS_SHARE, "fleeting", "Ready")
    for share in (export, mount(world, "fleeting", tmp_path)):
        share.write("same", content)
    until_uploaded(world, s3, more_than=before)
    eventually(lambda: s3.objects(BUCKET, below), UPLOAD_S, what="objects in the bucket")
    kept = objects(s3)

    world.delete(DITTOFS_SHARE, "fleeting")
    world.until_gone(DITTOFS_SHARE, "fleeting")

    world.until_event("fleeting", "Normal", "ObjectsDeleted")
    assert s3.objects(BUCKET, below) == set()
    rows = {store["name"] for store in world.server().call("GET", "/store/block/remote")}
    assert rows == {"op-export"}
    eventually(lambda: "/data/cache/shares/fleeting /data/metadata/fleeting" in _listed(world), PATIENCE_S)

    old = pod_uid(world)
    world.delete(POD, "demo-0")
    until_replaced(world, old)
    # Without it all would be read from the cache.
    assert world.server().call("POST", "/shares/export/blockstore/evict", {})["bytes_freed"] > 0
    assert export.read("same") == content
    assert s3.objects(BUCKET) == objects(s3) == kept


def _listed(world: World) -> str:
    return str(world.get(CONFIG_MAP, "demo-dittofs-config")["data"].get("purge", ""))
