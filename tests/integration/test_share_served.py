"""DittoFSShares on a running instance: what is asked for reaches the server, and stays there."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest
import yaml

from dittofs_operator.program import Program
from informers.client import Client
from informers.resource import ObjectKey, Resource
from reconcilers import names
from reconcilers.api.resources import CONFIG_MAP, DITTOFS, DITTOFS_SHARE, POD, STATEFUL_SET
from tests.support.acceptance import PATIENCE_S, Refused, Server, World, world_of_its_own
from tests.support.eventually import eventually

pytestmark = pytest.mark.integration

CONFIG = "demo-dittofs-config"


@pytest.fixture(scope="module")
def world(client: Client, operator: Program) -> Iterator[World]:
    """A namespace with a running DittoFS "demo" for all tests of this file, each with a path of its own."""
    with world_of_its_own(client) as made:
        made.instance()
        made.until_phase(DITTOFS, "demo", "Running")
        yield made


@pytest.fixture(scope="module")
def server(world: World) -> Server:
    return world.server()


def ready_share(world: World, name: str, **spec: Any) -> None:
    world.share(name, **spec)
    world.until_phase(DITTOFS_SHARE, name, "Ready")


def declared(world: World) -> list[str]:
    return [entry["path"] for entry in declared_entries(world)]


def declared_entries(world: World) -> list[dict[str, Any]]:
    entries: list[dict[str, Any]] = yaml.safe_load(world.get(CONFIG_MAP, CONFIG)["data"]["shares.yaml"])["shares"]
    return entries


def places(world: World) -> list[str]:
    """Where shares.yaml says that the metadata of shares is."""
    return [entry["stores"]["metadataPath"] for entry in declared_entries(world)]


def announcement(instance: dict[str, Any]) -> str:
    return str((instance["metadata"].get("annotations") or {}).get(names.SHARES_HASH_ANNOTATION, ""))


def announced(world: World) -> str:
    return announcement(world.get(DITTOFS, "demo"))


def wanted(world: World) -> list[str]:
    """The paths of all DittoFSShares of the namespace; where two have the same one, it counts once."""
    shares = world.client.list(DITTOFS_SHARE, namespace=world.namespace).items
    return sorted({share["spec"].get("path") or f"/{share['metadata']['name']}" for share in shares})


def specified(row: dict[str, Any]) -> dict[str, Any]:
    """The row without what the server finds out by itself: its health and the time of that."""
    return {key: value for key, value in row.items() if key != "status"}


def until_row(server: Server, path: str, wanted: Callable[[dict[str, Any]], bool], what: str) -> None:
    eventually(lambda: wanted(server.share(path)), PATIENCE_S, what=what)


def test_a_ready_share_tells_its_mount_line_stores_path_and_id(world: World, server: Server) -> None:
    ready_share(world, "telling", path="/team/telling")

    status = world.status(DITTOFS_SHARE, "telling")
    nfs = world.status(DITTOFS, "demo")["endpoints"]["nfs"]
    assert status["ready"] is True
    assert status["path"] == "/team/telling"
    assert status["mount"] == f"mount -t nfs -o vers=4.1,port=2049,proto=tcp {nfs['clusterIP']}:/team/telling /mnt"
    assert status["stores"] == {"metadata": "op-team%2Ftelling", "local": "op-payload", "remote": ""}
    assert status["adopted"] is False
    assert status["shareID"] == server.share("/team/telling")["id"]
    conditions = {"Ready", "InstanceReady", "Synced", "SnapshotPolicyReady", "RestartRequired"}
    assert {condition["type"] for condition in status["conditions"]} == conditions
    world.until_event("telling", "Normal", "Created")


def test_an_absent_path_is_the_name(world: World, server: Server) -> None:
    ready_share(world, "nameless")

    assert world.status(DITTOFS_SHARE, "nameless")["path"] == "/nameless"
    assert "/nameless" in server.shares()


def test_what_is_specified_at_the_start_is_on_the_server_when_the_share_is_ready(world: World, server: Server) -> None:
    ready_share(world, "whole", readOnly=True, defaultPermission="read", quota={"size": "5Gi"}, nfs={"squash": "none"})

    row = server.share("/whole")
    assert (row["enabled"], row["read_only"], row["default_permission"]) == (True, True, "read")
    assert row["quota_bytes"] == "5.00GiB"
    assert server.nfs("/whole")["squash"] == "none"


def test_a_share_that_starts_disabled_is_disabled_on_the_server(world: World, server: Server) -> None:
    world.share("closed", enabled=False)
    world.until_phase(DITTOFS_SHARE, "closed", "Disabled")

    assert server.share("/closed")["enabled"] is False
    assert world.told(DITTOFS_SHARE, "closed", "Ready") == ("False", "Disabled")


def test_every_change_of_the_specification_reaches_the_server(world: World, server: Server) -> None:
    ready_share(world, "changing")
    share_id = server.share("/changing")["id"]

    world.patch(
        DITTOFS_SHARE,
        "changing",
        spec={
            "readOnly": True,
            "defaultPermission": "read",
            "quota": {"size": "3Gi"},
            "nfs": {"squash": "all_to_admin"},
        },
    )
    world.until_phase(DITTOFS_SHARE, "changing", "Ready")
    row = server.share("/changing")
    assert (row["read_only"], row["default_permission"], row["quota_bytes"]) == (True, "read", "3.00GiB")
    assert server.nfs("/changing")["squash"] == "all_to_admin"

    world.patch(DITTOFS_SHARE, "changing", spec={"readOnly": False, "quota": None, "nfs": None, "enabled": False})
    world.until_phase(DITTOFS_SHARE, "changing", "Disabled")
    row = server.share("/changing")
    assert (row["read_only"], row.get("quota_bytes", ""), row["enabled"]) == (False, "", False)
    assert server.nfs("/changing")["squash"] == "root_to_guest"

    world.patch(DITTOFS_SHARE, "changing", spec={"enabled": True})
    world.until_phase(DITTOFS_SHARE, "changing", "Ready")
    assert server.share("/changing")["enabled"] is True
    assert server.share("/changing")["id"] == share_id
    world.until_event("changing", "Normal", "Updated")


def test_what_somebody_changes_on_the_server_is_set_right(world: World, server: Server) -> None:
    ready_share(world, "drifting", defaultPermission="read", quota={"size": "2Gi"})

    server.change("/drifting", read_only=True, default_permission="admin", quota_bytes="7GiB")
    server.switch("/drifting", "disable")

    def as_specified(row: dict[str, Any]) -> bool:
        has = row["read_only"], row["default_permission"], row["quota_bytes"], row["enabled"]
        return has == (False, "read", "2.00GiB", True)

    until_row(server, "/drifting", as_specified, "repair of the row")
    world.until_event("drifting", "Warning", "DriftRepaired")
    world.until_phase(DITTOFS_SHARE, "drifting", "Ready")


def test_a_share_that_somebody_removes_from_the_server_is_made_again(world: World, server: Server) -> None:
    ready_share(world, "removed", readOnly=True)
    old = server.share("/removed")["id"]

    server.remove("/removed")

    def made_again() -> bool:
        try:
            row = server.share("/removed")
        except Refused:
            return False
        return (
            row["id"] != old
            and row["read_only"] is True
            and world.status(DITTOFS_SHARE, "removed")["shareID"] == row["id"]
        )

    eventually(made_again, PATIENCE_S, what="the share, made again")


def test_the_config_map_lists_the_share_and_no_pod_restarts(world: World) -> None:
    pod = world.get(POD, "demo-0")

    ready_share(world, "listed")
    eventually(lambda: "/listed" in declared(world), PATIENCE_S)

    entries = yaml.safe_load(world.get(CONFIG_MAP, CONFIG)["data"]["shares.yaml"])["shares"]
    entry = next(entry for entry in entries if entry["name"] == "listed")
    assert entry["stores"] == {"metadata": "op-listed", "local": "op-payload", "metadataPath": "/data/metadata/listed"}
    now = world.get(POD, "demo-0")
    assert now["metadata"]["uid"] == pod["metadata"]["uid"]
    assert [c["restartCount"] for c in now["status"]["containerStatuses"]] == [0]


def test_shares_that_come_together_are_told_to_the_instance_in_one_change(world: World) -> None:
    eventually(lambda: declared(world) == wanted(world) and announced(world), PATIENCE_S, what="nothing to announce")
    lists = {resource: world.client.list(resource, namespace=world.namespace) for resource in (DITTOFS, CONFIG_MAP)}
    before = announced(world)

    for name in ("together-a", "together-b", "together-c"):
        ready_share(world, name)
    eventually(lambda: declared(world) == wanted(world) and announced(world) != before, PATIENCE_S)

    hashes = [announcement(one) for one in _states_since(world, DITTOFS, lists[DITTOFS].resource_version, "demo")]
    assert [one for one in hashes if one != before] == [announced(world)] * (len(hashes) - hashes.count(before))
    # A look at the instance that happens to fall in between may write, too, but never the same twice.
    files = [
        one["data"]["shares.yaml"]
        for one in _states_since(world, CONFIG_MAP, lists[CONFIG_MAP].resource_version, CONFIG)
    ]
    assert files
    assert len(files) == len(set(files))


def _states_since(world: World, resource: Resource, version: str, name: str) -> list[dict[str, Any]]:
    """Every state of the object `name` that was written after `version` of the collection, up to the present one."""
    present = world.get(resource, name)["metadata"]["resourceVersion"]
    states = []
    with world.client.watch(resource, namespace=world.namespace, resource_version=version, timeout_s=20) as stream:
        for event in stream:
            if event.object["metadata"].get("name") == name:
                states.append(event.object)
                if event.object["metadata"]["resourceVersion"] == present:
                    break
    return states


def test_a_deleted_share_is_disabled_and_its_rows_wait_for_the_next_of_its_path(world: World, server: Server) -> None:
    ready_share(world, "first", path="/heritage", readOnly=True)
    row = server.share("/heritage")

    world.delete(DITTOFS_SHARE, "first")
    world.until_gone(DITTOFS_SHARE, "first")

    left = server.share("/heritage")
    assert left["enabled"] is False
    assert left["id"] == row["id"]
    assert left["metadata_store_id"] == row["metadata_store_id"]
    world.until_event("first", "Normal", "Deleted")
    eventually(lambda: "/heritage" not in declared(world), PATIENCE_S, what="shares.yaml without it")

    ready_share(world, "second", path="/heritage")

    taken = server.share("/heritage")
    assert (taken["enabled"], taken["read_only"], taken["id"]) == (True, False, row["id"])
    assert world.status(DITTOFS_SHARE, "second")["shareID"] == row["id"]
    assert world.status(DITTOFS_SHARE, "second")["adopted"] is False


def test_a_share_deleted_for_good_is_off_the_server_and_the_next_pod_removes_its_files(
    world: World, server: Server
) -> None:
    ready_share(world, "fleeting", deletionPolicy="Delete")
    template = world.get(STATEFUL_SET, "demo")["metadata"]["generation"]

    world.delete(DITTOFS_SHARE, "fleeting")
    world.until_gone(DITTOFS_SHARE, "fleeting")
    assert "/fleeting" not in server.shares()
    ready_share(world, "heir", path="/fleeting")
    assert world.status(DITTOFS_SHARE, "heir")["stores"]["metadata"] == "op-fleeting~2"
    eventually(lambda: "/data/metadata/fleeting\n" in listed(world), PATIENCE_S, what="the files in the ConfigMap")
    eventually(lambda: "/data/metadata/fleeting~2" in places(world), PATIENCE_S, what="the place of the new one")

    old = world.get(POD, "demo-0")["metadata"]["uid"]
    world.delete(POD, "demo-0")
    eventually(lambda: (world.find(POD, "demo-0") or {"metadata": {"uid": old}})["metadata"]["uid"] != old, PATIENCE_S)
    world.until_event("demo", "Normal", "FilesPurged")
    eventually(lambda: not listed(world), PATIENCE_S, what="a ConfigMap without the files")
    world.until_phase(DITTOFS, "demo", "Running")
    world.until_phase(DITTOFS_SHARE, "heir", "Ready")
    assert world.get(STATEFUL_SET, "demo")["metadata"]["generation"] == template


def listed(world: World) -> str:
    return str(world.get(CONFIG_MAP, CONFIG)["data"].get("purge", ""))


def test_a_share_that_somebody_made_on_the_server_is_adopted_with_its_stores(world: World, server: Server) -> None:
    ready_share(world, "donor")  # makes the block store
    server.call("POST", "/store/metadata", {"name": "theirs", "type": "memory", "config": "{}"})
    server.call(
        "POST", "/shares", {"name": "/theirs", "metadata_store_id": "theirs", "local_block_store": "op-payload"}
    )
    row = server.share("/theirs")

    ready_share(world, "adopting", path="/theirs", defaultPermission="read")

    status = world.status(DITTOFS_SHARE, "adopting")
    assert (status["adopted"], status["stores"]["metadata"], status["shareID"]) == (True, "theirs", row["id"])
    assert server.share("/theirs")["metadata_store_id"] == row["metadata_store_id"]
    world.until_event("adopting", "Normal", "Adopted")


def test_of_two_objects_of_a_path_the_elder_has_it_and_the_other_writes_nothing(world: World, server: Server) -> None:
    ready_share(world, "elder", path="/contested", defaultPermission="read")
    # Times of creation count in whole seconds; of two of the same second the smaller uid is the elder.
    born = world.get(DITTOFS_SHARE, "elder")["metadata"]["creationTimestamp"]
    eventually(lambda: _now_of_the_cluster(world) > born, 5, what="another second")
    before = specified(server.share("/contested"))

    world.share("younger", path="/contested", defaultPermission="admin", readOnly=True)

    told = world.until_told(DITTOFS_SHARE, "younger", "Synced", "False", "PathConflict")
    assert '"elder"' in told["message"]
    assert world.told(DITTOFS_SHARE, "younger", "Ready") == ("False", "PathConflict")
    world.until_event("younger", "Warning", "PathConflict")
    assert specified(server.share("/contested")) == before
    assert world.phase(DITTOFS_SHARE, "elder") == "Ready"

    world.delete(DITTOFS_SHARE, "elder")
    world.until_phase(DITTOFS_SHARE, "younger", "Ready")
    row = server.share("/contested")
    assert (row["id"], row["enabled"], row["read_only"], row["default_permission"]) == (
        before["id"],
        True,
        True,
        "admin",
    )


def _now_of_the_cluster(world: World) -> str:
    made = world.create(CONFIG_MAP, "clock", data={})
    world.delete(CONFIG_MAP, "clock")
    return str(made["metadata"]["creationTimestamp"])


def test_the_loser_of_a_conflict_goes_without_touching_the_share(world: World, server: Server) -> None:
    ready_share(world, "owner", path="/owned")
    born = world.get(DITTOFS_SHARE, "owner")["metadata"]["creationTimestamp"]
    eventually(lambda: _now_of_the_cluster(world) > born, 5, what="another second")
    world.share("loser", path="/owned")
    world.until_told(DITTOFS_SHARE, "loser", "Synced", "False", "PathConflict")

    world.delete(DITTOFS_SHARE, "loser")
    world.until_gone(DITTOFS_SHARE, "loser")

    assert server.share("/owned")["enabled"] is True


def test_a_suspended_share_is_left_alone_until_it_is_not(world: World, server: Server) -> None:
    ready_share(world, "resting")
    world.patch(DITTOFS_SHARE, "resting", spec={"suspend": True, "readOnly": True})
    world.until_phase(DITTOFS_SHARE, "resting", "Suspended")
    ready_share(world, "neighbour-of-resting")  # looks at the server, so the other one has had its chance

    assert server.share("/resting")["read_only"] is False
    server.change("/resting", default_permission="admin")

    world.patch(DITTOFS_SHARE, "resting", spec={"suspend": False})
    world.until_phase(DITTOFS_SHARE, "resting", "Ready")

    def as_described() -> bool:
        row = server.share("/resting")
        assert (row["read_only"], row["default_permission"]) == (True, "none")
        return True

    # The operator may have looked at the row just before the change by hand: then the next look finds it.
    eventually(as_described, PATIENCE_S, what="the row as described")


def test_a_suspended_share_can_still_be_deleted(world: World, server: Server) -> None:
    ready_share(world, "leaving")
    world.patch(DITTOFS_SHARE, "leaving", spec={"suspend": True})
    world.until_phase(DITTOFS_SHARE, "leaving", "Suspended")

    world.delete(DITTOFS_SHARE, "leaving")
    world.until_gone(DITTOFS_SHARE, "leaving")

    assert server.share("/leaving")["enabled"] is False


def test_a_stop_and_start_of_the_server_brings_the_shares_back(world: World) -> None:
    ready_share(world, "lasting", readOnly=True)
    share_id = world.status(DITTOFS_SHARE, "lasting")["shareID"]

    world.patch(DITTOFS, "demo", spec={"replicas": 0})
    world.until_phase(DITTOFS, "demo", "Stopped")
    world.until_phase(DITTOFS_SHARE, "lasting", "WaitingForInstance")
    assert world.status(DITTOFS_SHARE, "lasting")["shareID"] == share_id
    world.patch(DITTOFS, "demo", spec={"replicas": 1})

    world.until_phase(DITTOFS_SHARE, "lasting", "Ready")
    assert world.server().share("/lasting")["id"] == share_id


def test_the_operator_is_no_owner_of_what_the_user_wrote(world: World) -> None:
    """A user's own apply must not run into conflicts with the operator over the specification."""
    ready_share(world, "owned-fields")

    managers = world.client.get(DITTOFS_SHARE, ObjectKey(world.namespace, "owned-fields"))["metadata"]["managedFields"]

    for entry in managers:
        if entry["manager"].startswith("dittofs-operator"):
            assert "f:spec" not in entry["fieldsV1"]
