"""The samples, served by the real DittoFS server: files written by a real NFS client, and what becomes of them.

Needs the server's binary (DITTOFS_DFS_BINARY, or dfs on the path) and Debian's libnfs-utils. Skipped without them,
unless REQUIRE_REAL=1 turns that into a failure.
"""

from __future__ import annotations

import base64
from collections.abc import Iterator
from pathlib import Path
from random import Random

import pytest
import yaml

from hack.localcluster.cluster import LocalCluster
from informers import configuration
from informers.client import Client
from informers.resource import Resource
from reconcilers.api.resources import (
    CONFIG_MAP,
    DITTOFS,
    DITTOFS_BACKUP,
    DITTOFS_SHARE,
    PERSISTENT_VOLUME_CLAIM,
    POD,
    SECRET,
)
from tests.support.acceptance import PATIENCE_S, USER, Refused, World
from tests.support.eventually import eventually
from tests.support.nfs_mount import ROOT, USER_1000, NfsFailed, mount
from tests.support.operator_process import operator_process
from tests.support.real_server import give_up, nfs_client_or_skip

pytestmark = [
    pytest.mark.integration,
    pytest.mark.places("local", reason="it has a local cluster of its own, whose pods run the real server"),
]

MANIFESTS = Path(__file__).parents[2] / "manifests"
DEFINITION = Resource(
    "apiextensions.k8s.io", "v1", "customresourcedefinitions", "CustomResourceDefinition", namespaced=False
)
KINDS = {kind.kind: kind for kind in (DITTOFS, DITTOFS_SHARE, DITTOFS_BACKUP)}


@pytest.fixture(scope="module")
def real_cluster(dfs_binary: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[LocalCluster]:
    """A cluster of its own whose pods run the real server."""
    with LocalCluster(tmp_path_factory.mktemp("real"), dfs_binary=dfs_binary) as running:
        yield running
    assert running.leftovers() == []


@pytest.fixture(scope="module")
def world(real_cluster: LocalCluster, tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    """The namespace default with the samples, looked after by an operator of its own."""
    client = Client(configuration.load(str(real_cluster.kubeconfig)).configuration, user_agent=USER)
    for file in sorted((MANIFESTS / "crds").glob("*.yaml")):
        for manifest in yaml.safe_load_all(file.read_text()):
            client.create(DEFINITION, manifest, field_manager=USER)
    made = World(client, "default")
    log = tmp_path_factory.mktemp("operator") / "log"
    with operator_process(real_cluster.kubeconfig, log, lease_namespace="default"):
        for file in sorted((MANIFESTS / "samples").glob("*.yaml")):
            for manifest in yaml.safe_load_all(file.read_text()):
                manifest["metadata"]["namespace"] = "default"
                client.create(KINDS[manifest["kind"]], manifest, field_manager=USER)
        made.until_phase(DITTOFS, "demo", "Running")
        for share in ("export", "projects"):
            made.until_phase(DITTOFS_SHARE, share, "Ready")
        yield made
    client.close()


@pytest.fixture
def scratch(tmp_path: Path) -> Path:
    nfs_client_or_skip()
    return tmp_path


def test_the_server_has_what_the_samples_describe(world: World) -> None:
    server = world.server()

    nfs, smb = (server.adapters()[kind] for kind in ("nfs", "smb"))
    assert (nfs["enabled"], nfs["running"], nfs["port"], nfs["status"]["status"]) == (True, True, 12049, "healthy")
    assert (smb["enabled"], smb["running"]) == (False, False)
    rows = server.shares()
    assert set(rows) >= {"/export", "/team/projects"}
    projects = rows["/team/projects"]
    assert (projects["enabled"], projects["read_only"], projects["status"]["status"]) == (True, False, "healthy")
    assert (projects["default_permission"], projects["quota_bytes"]) == ("read-write", "5.00GiB")
    assert server.nfs("/team/projects")["squash"] == "root_to_admin"
    assert server.nfs("/export")["squash"] == "root_to_guest"
    assert projects["id"] == world.status(DITTOFS_SHARE, "projects")["shareID"]


@pytest.mark.parametrize("share", ["export", "projects"])
@pytest.mark.parametrize("user", [ROOT, USER_1000])
def test_whoever_mounts_a_sample_can_write_list_and_read(world: World, scratch: Path, share: str, user: str) -> None:
    mounted = mount(world, share, scratch)
    name = f"{share}-by-{user[4]}"

    mounted.write(name, f"written to {share}", user=user)

    assert name in mounted.list(user=user)
    assert mounted.read(name, user=user) == f"written to {share}"


def test_version_4_needs_one_port_alone_and_lists_the_same(world: World, scratch: Path) -> None:
    mounted = mount(world, "export", scratch)
    mounted.write("seen-by-both", "x")

    assert "seen-by-both" in mounted.list(version=4)
    assert mounted.list(version=4) == mounted.list(version=3)


def test_files_outlive_the_pod_and_a_stop_of_the_server(world: World, scratch: Path) -> None:
    mount(world, "export", scratch).write("lasting", "still here")

    pod = world.get(POD, "demo-0")["metadata"]["uid"]
    world.delete(POD, "demo-0")
    eventually(lambda: (world.find(POD, "demo-0") or {"metadata": {"uid": pod}})["metadata"]["uid"] != pod, PATIENCE_S)
    _until_served(world)
    assert mount(world, "export", scratch).read("lasting") == "still here"

    world.patch(DITTOFS, "demo", spec={"replicas": 0})
    world.until_phase(DITTOFS, "demo", "Stopped")
    with pytest.raises(NfsFailed):
        mount(world, "export", scratch).list()
    world.patch(DITTOFS, "demo", spec={"replicas": 1})
    _until_served(world)
    assert mount(world, "export", scratch).read("lasting") == "still here"


def _until_served(world: World) -> None:
    # Not the phase: so many shares with badger stores as there are at the end are a defect.
    world.until_told(DITTOFS, "demo", "Ready", "True", "Ready")
    world.until_phase(DITTOFS_SHARE, "export", "Ready")


def test_a_restore_gives_back_every_byte_that_the_backup_kept(world: World, scratch: Path) -> None:
    mounted = mount(world, "export", scratch)
    kept = {"large": Random(7).randbytes(1 << 20).hex(), "ünïcode": "ÄÖÜ", "removed": "x" * 5000}
    for name, content in kept.items():
        mounted.write(name, content)
    with mounted.opened("in-place") as in_place:
        assert in_place("kept") == "ok"
        listed = mounted.list()
        world.backup("kept", shares=["export"])
        world.until_phase(DITTOFS_BACKUP, "kept", "Completed")
        assert in_place("over") == "ok"
        mounted.remove("removed")
        mounted.remove("large")
        mounted.write("large", kept["large"][::-1])
        mounted.write("later", "x")

        source = {"backupRef": {"name": "kept"}}
        world.backup("hasty", operation="Restore", restore=source)
        world.until_told(DITTOFS_BACKUP, "hasty", "Failed", "True", "NotDurable")
        assert mounted.read("in-place") == "over"
        world.backup("back", operation="Restore", restore={**source, "acceptNonDurable": True})
        world.until_phase(DITTOFS_BACKUP, "back", "Completed")

        assert mounted.list() == listed
        assert {name: mounted.read(name) for name in kept} == kept
        assert mounted.read("in-place") == "kept"
        assert in_place("done") == "ok", "who had the file open goes on"
    row = world.server().share("/export")
    assert (row["enabled"], row["read_only"]) == (True, False)
    (safety,) = world.status(DITTOFS_BACKUP, "back")["safetySnapshots"]
    (own,) = world.status(DITTOFS_BACKUP, "kept")["artifacts"]
    assert {row["id"] for row in world.server().snapshots("/export")} == {safety["snapshotID"], own["snapshotID"]}
    world.until_phase(DITTOFS_SHARE, "export", "Ready")
    for reason in ("RestoreStarted", "ShareRestored", "RestoreCompleted"):
        world.until_event("back", "Normal", reason)


def test_clients_feel_a_share_that_becomes_read_only(world: World, scratch: Path) -> None:
    world.share("turning", defaultPermission="read-write")
    world.until_phase(DITTOFS_SHARE, "turning", "Ready")
    mounted = mount(world, "turning", scratch)
    mounted.write("before", "x")

    world.patch(DITTOFS_SHARE, "turning", spec={"readOnly": True})
    world.until_phase(DITTOFS_SHARE, "turning", "Ready")
    with pytest.raises(NfsFailed):
        mounted.write("after", "x")
    assert mounted.read("before") == "x"

    world.patch(DITTOFS_SHARE, "turning", spec={"readOnly": False})
    world.until_phase(DITTOFS_SHARE, "turning", "Ready")
    mounted.write("again", "x")


def test_a_share_that_begins_read_only_can_become_writable_for_everybody(world: World, scratch: Path) -> None:
    world.share("opening", defaultPermission="read-write", readOnly=True)
    world.until_phase(DITTOFS_SHARE, "opening", "Ready")
    mounted = mount(world, "opening", scratch)
    for user in (ROOT, USER_1000):
        with pytest.raises(NfsFailed):
            mounted.write("early", "x", user=user)

    world.patch(DITTOFS_SHARE, "opening", spec={"readOnly": False})
    world.until_phase(DITTOFS_SHARE, "opening", "Ready")

    for user in (ROOT, USER_1000):
        mounted.write(f"by-{user[4]}", "x", user=user)


#: Who may write to a share: permission for all, squash, and whether root and whether another user can.
PERMISSIONS = (
    ("none", "root_to_guest", False, False),
    ("none", "root_to_admin", True, False),
    ("none", "none", True, False),
    ("read", "root_to_guest", False, False),
    ("read-write", "root_to_guest", True, True),
    ("read-write", "all_to_guest", True, True),
    ("admin", "root_to_guest", True, True),
)


@pytest.mark.parametrize(("permission", "squash", "root_can", "others_can"), PERMISSIONS)
def test_permission_and_squash_say_who_may_write(
    world: World, scratch: Path, permission: str, squash: str, root_can: bool, others_can: bool
) -> None:
    name = f"{permission}-{squash.replace('_', '-')}"
    world.share(name, path=f"/p-{permission}-{squash}", defaultPermission=permission, nfs={"squash": squash})
    world.until_phase(DITTOFS_SHARE, name, "Ready")
    mounted = mount(world, name, scratch)

    for user, can in ((ROOT, root_can), (USER_1000, others_can)):
        if can:
            mounted.write(f"by-{user[4]}", "x", user=user)
        else:
            with pytest.raises(NfsFailed):
                mounted.write(f"by-{user[4]}", "x", user=user)


def test_a_deleted_share_lets_nobody_in_and_its_files_wait_for_the_next_of_its_path(
    world: World, scratch: Path
) -> None:
    world.share("first", path="/heritage", defaultPermission="read-write")
    world.until_phase(DITTOFS_SHARE, "first", "Ready")
    mounted = mount(world, "first", scratch)
    mounted.write("kept", "for the next")

    world.delete(DITTOFS_SHARE, "first")
    world.until_gone(DITTOFS_SHARE, "first")
    with pytest.raises(NfsFailed):
        mounted.list()

    world.share("second", path="/heritage", defaultPermission="read-write")
    world.until_phase(DITTOFS_SHARE, "second", "Ready")
    assert mounted.read("kept") == "for the next"


def test_a_deleted_share_loses_its_files_at_the_next_start_and_a_new_one_of_its_path_does_not(
    world: World, real_cluster: LocalCluster, scratch: Path
) -> None:
    files = {"defaultPermission": "read-write"}
    for name, policy in (("fleeting", "Delete"), ("lasting", "Retain")):
        world.share(name, deletionPolicy=policy, **files)
        world.until_phase(DITTOFS_SHARE, name, "Ready")
        mount(world, name, scratch).write("first", f"of {name}")

    for name in ("fleeting", "lasting"):
        world.delete(DITTOFS_SHARE, name)
        world.until_gone(DITTOFS_SHARE, name)
    world.share("next", path="/fleeting", **files)
    world.until_phase(DITTOFS_SHARE, "next", "Ready")
    assert "/fleeting" in world.server().shares()
    stores = world.status(DITTOFS_SHARE, "next")["stores"]
    assert (stores["metadata"], stores["local"]) == ("op-fleeting~2", "op-payload~2")
    mounted = mount(world, "next", scratch)
    assert "first" not in mounted.list()
    mounted.write("second", "of next")
    contents, metadata = (_volume(world, real_cluster, claim) for claim in ("demo-payload", "demo-metadata"))
    assert {path.name for path in (contents / "shares").iterdir()} >= {"fleeting", "lasting"}

    pod = world.get(POD, "demo-0")["metadata"]["uid"]
    eventually(lambda: "fleeting" in world.get(CONFIG_MAP, "demo-dittofs-config")["data"].get("purge", ""), PATIENCE_S)
    world.delete(POD, "demo-0")
    eventually(lambda: (world.find(POD, "demo-0") or {"metadata": {"uid": pod}})["metadata"]["uid"] != pod, PATIENCE_S)
    _until_served(world)
    world.until_event("demo", "Normal", "FilesPurged")

    assert "fleeting" not in {path.name for path in (contents / "shares").iterdir()}
    assert {path.name for path in metadata.iterdir()} >= {"fleeting~2", "lasting", "export"}
    assert "fleeting" not in {path.name for path in metadata.iterdir()}
    eventually(lambda: "purge" not in world.get(CONFIG_MAP, "demo-dittofs-config")["data"], PATIENCE_S)
    world.until_phase(DITTOFS_SHARE, "next", "Ready")
    assert mounted.read("second") == "of next"
    world.share("again", path="/lasting", **files)
    world.until_phase(DITTOFS_SHARE, "again", "Ready")
    assert mount(world, "again", scratch).read("first") == "of lasting"


def _volume(world: World, cluster: LocalCluster, claim: str) -> Path:
    return cluster.data_dir / "volumes" / str(world.get(PERSISTENT_VOLUME_CLAIM, claim)["spec"]["volumeName"])


def test_a_quota_is_kept_by_the_server(world: World, scratch: Path) -> None:
    world.share("small", defaultPermission="read-write", quota={"size": "1Mi"})
    world.until_phase(DITTOFS_SHARE, "small", "Ready")
    mounted = mount(world, "small", scratch)
    mounted.write("fits", "x" * 1024)

    with pytest.raises(NfsFailed):
        mounted.write("does-not", "x" * (3 << 20))


def test_only_allowed_clients_may_mount_and_a_change_is_felt_at_once(world: World, scratch: Path) -> None:
    """The client of this test reaches the server from an address of its own machine."""
    world.share("guarded", defaultPermission="read-write", nfs={"allowedClients": ["203.0.113.9"]})
    world.until_phase(DITTOFS_SHARE, "guarded", "Ready")
    mounted = mount(world, "guarded", scratch)
    with pytest.raises(NfsFailed):
        mounted.list()

    world.patch(DITTOFS_SHARE, "guarded", spec={"nfs": {"allowedClients": ["203.0.113.9", "127.0.0.0/8"]}})
    world.until_phase(DITTOFS_SHARE, "guarded", "Ready")
    mounted.write("allowed", "x")

    world.patch(DITTOFS_SHARE, "guarded", spec={"nfs": {"allowedClients": ["203.0.113.9"]}})
    world.until_phase(DITTOFS_SHARE, "guarded", "Ready")
    with pytest.raises(NfsFailed):
        mounted.list()

    world.patch(DITTOFS_SHARE, "guarded", spec={"nfs": {"allowedClients": []}})
    world.until_phase(DITTOFS_SHARE, "guarded", "Ready")
    assert mounted.read("allowed") == "x"


def test_a_users_permission_goes_before_everybodys_and_a_quota_is_kept(world: World, scratch: Path) -> None:
    secret = {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "alice", "namespace": "default"}}
    world.client.create(SECRET, {**secret, "stringData": {"password": "long enough"}}, field_manager=USER)
    alice = {"name": "alice", "uid": 1000, "gid": 1000, "passwordSecretRef": {"name": "alice"}}
    world.patch(DITTOFS, "demo", spec={"users": [alice]})
    world.share(
        "personal",
        defaultPermission="read-write",
        permissions=[{"user": "alice", "level": "read"}],
        quotas=[{"scope": "user", "id": 1001, "hardSize": "1Mi"}],
    )
    world.until_phase(DITTOFS_SHARE, "personal", "Ready")
    mounted = mount(world, "personal", scratch)
    other = "uid=1001&gid=1001"

    mounted.write("by-other", "x", user=other)
    with pytest.raises(NfsFailed):
        mounted.write("too-much", "x" * (3 << 20), user=other)
    assert "by-other" in mounted.list(user=USER_1000)
    with pytest.raises(NfsFailed):
        mounted.write("by-alice", "x", user=USER_1000)

    world.patch(DITTOFS_SHARE, "personal", spec={"permissions": [{"user": "alice", "level": "read-write"}]})
    world.until_phase(DITTOFS_SHARE, "personal", "Ready")
    mounted.write("by-alice", "x", user=USER_1000)


def test_a_deleted_file_waits_in_the_bin_and_every_change_of_it_is_felt_at_once(world: World, scratch: Path) -> None:
    world.share("binned", defaultPermission="read-write", trash={"excludePatterns": ["*.tmp"]})
    world.until_phase(DITTOFS_SHARE, "binned", "Ready")
    mounted, server = mount(world, "binned", scratch), world.server()

    def delete(name: str) -> None:
        mounted.write(name, "x")
        mounted.remove(name)

    def in_the_bin() -> list[str]:
        return sorted(entry["original_path"] for entry in server.call("GET", "/shares/binned/trash"))

    for name in ("kept", "gone.tmp"):
        delete(name)
    assert in_the_bin() == ["kept"]

    world.patch(DITTOFS_SHARE, "binned", spec={"trash": {"excludePatterns": []}})
    world.until_phase(DITTOFS_SHARE, "binned", "Ready")
    delete("kept.tmp")
    assert in_the_bin() == ["kept", "kept.tmp"]

    world.patch(DITTOFS_SHARE, "binned", spec={"trash": None})
    world.until_phase(DITTOFS_SHARE, "binned", "Ready")
    assert in_the_bin() == ["kept", "kept.tmp"], "nobody said that the bin is to be emptied"

    world.patch(DITTOFS_SHARE, "binned", spec={"trash": {"enabled": False}})
    world.until_phase(DITTOFS_SHARE, "binned", "Ready")
    assert in_the_bin() == []
    delete("gone")
    assert in_the_bin() == []
    assert mounted.list() == set()


def test_the_server_takes_snapshots_by_the_policy_and_keeps_them_without_it(world: World) -> None:
    world.share("pictured", snapshotPolicy={"interval": "@weekly", "namePrefix": "by-policy"})
    world.until_phase(DITTOFS_SHARE, "pictured", "Ready")
    server = world.server()

    taken = server.call("POST", "/shares/pictured/snapshot-policy/run")["snapshot_id"]

    def ready() -> bool:
        (snapshot,) = server.call("GET", "/shares/pictured/snapshots")
        assert (snapshot["id"], snapshot["scheduled"]) == (taken, True)
        assert snapshot["name"].startswith("by-policy-")
        return bool(snapshot["state"] == "ready")

    eventually(ready, PATIENCE_S, what="the snapshot")
    world.patch(DITTOFS_SHARE, "pictured", spec={"snapshotPolicy": None})
    world.until_told(DITTOFS_SHARE, "pictured", "SnapshotPolicyReady", "True", "NotSpecified")
    world.until_phase(DITTOFS_SHARE, "pictured", "Ready")
    with pytest.raises(Refused, match="404"):
        server.call("GET", "/shares/pictured/snapshot-policy")
    assert [snapshot["id"] for snapshot in server.call("GET", "/shares/pictured/snapshots")] == [taken]

    world.delete(DITTOFS_SHARE, "pictured")
    world.until_gone(DITTOFS_SHARE, "pictured")
    assert [snapshot["id"] for snapshot in server.call("GET", "/shares/pictured/snapshots")] == [taken]


def test_blocked_operations_of_a_share_are_kept_and_refused_to_nobody(world: World, scratch: Path) -> None:
    """Which the condition says, and what this test is there to hear of when a version of the server does more."""
    world.share("unblocked", defaultPermission="read-write", blockedOperations=["CREATE", "WRITE"])
    world.until_phase(DITTOFS_SHARE, "unblocked", "Ready")

    assert world.server().share("/unblocked")["blocked_operations"] == ["CREATE", "WRITE"]
    assert world.told(DITTOFS_SHARE, "unblocked", "Synced") == ("True", "FieldsWithoutEffect")
    mount(world, "unblocked", scratch).write("written", "x")


def test_a_client_without_proof_is_refused_from_the_next_start_on(world: World, scratch: Path) -> None:
    world.share("proving", defaultPermission="read-write")
    world.until_phase(DITTOFS_SHARE, "proving", "Ready")
    mounted = mount(world, "proving", scratch)

    world.patch(DITTOFS_SHARE, "proving", spec={"nfs": {"allowAuthSys": False}})
    world.until_told(DITTOFS_SHARE, "proving", "RestartRequired", "True", "WaitsForStart")
    mounted.write("before", "x")

    world.delete(POD, "demo-0")
    world.until_told(DITTOFS_SHARE, "proving", "RestartRequired", "False", "InForce")
    _until_served(world)
    with pytest.raises(NfsFailed):
        mounted.list()


def test_a_snapshot_that_the_server_could_not_take_is_told(world: World, real_cluster: LocalCluster) -> None:
    """It leaves a failed one each minute then, and removes none of them."""
    world.share("unlucky", snapshotPolicy={})
    world.until_phase(DITTOFS_SHARE, "unlucky", "Ready")
    folder = _volume(world, real_cluster, "demo-payload") / "shares" / "unlucky"
    (folder / "snapshots").write_text("in the way")

    with pytest.raises(Refused, match="500"):
        world.server().call("POST", "/shares/unlucky/snapshot-policy/run")
    world.patch(DITTOFS_SHARE, "unlucky", spec={"snapshotPolicy": {"keepLast": 2}})

    world.until_told(DITTOFS_SHARE, "unlucky", "SnapshotPolicyReady", "False", "SnapshotFailed")
    world.until_phase(DITTOFS_SHARE, "unlucky", "Ready")
    world.until_event("unlucky", "Warning", "SnapshotFailed")


MIB = 1 << 20


def memory_limit_folder() -> str:
    """Where a process that this one starts looks for its memory limit: the one group of cgroup v2 that it is in."""
    groups = [line.split(":", 2) for line in Path("/proc/self/cgroup").read_text().splitlines()]
    unified = [path for number, controllers, path in groups if number == "0" and not controllers]
    if not unified:
        give_up("no cgroup v2 on this machine, so that the server can't be shown a memory limit")
    return f"/sys/fs/cgroup{unified[0].rstrip('/')}"


def test_a_share_takes_more_than_a_quarter_of_the_pods_memory(
    world: World, real_cluster: LocalCluster, scratch: Path
) -> None:
    """By itself the server stops writers there, at 256 MiB where that is more."""
    world.create(CONFIG_MAP, "limit", data={"memory.max": str(512 * MIB)})
    volume = {"name": "limit", "configMap": {"name": "limit"}}
    place = {"name": "limit", "mountPath": memory_limit_folder(), "readOnly": True}
    world.instance("limited", metadata={"type": "sqlite"}, pod={"extraVolumes": [volume], "extraVolumeMounts": [place]})
    world.share("vast", instance="limited", defaultPermission="read-write")
    world.until_phase(DITTOFS_SHARE, "vast", "Ready")
    log = (real_cluster.data_dir / "logs" / "default_limited-0_dittofs.log").read_text()
    assert '"local_store_size":"256 MiB"' in log
    mounted = mount(world, "vast", scratch, instance="limited")

    # At random: the server keeps what is the same once only.
    content = base64.b64encode(Random(1).randbytes(204 * MIB)).decode()

    assert len(content) > 256 * MIB
    mounted.write("much", content)

    assert "much" in mounted.list()
    world.delete(DITTOFS, "limited")
