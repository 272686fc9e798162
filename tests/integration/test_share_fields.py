"""Every field of a DittoFSShare, read back from the server by its REST API (docs/share-fields.md)."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from dittofs_operator.program import Program
from informers.client import Client
from reconcilers.api.resources import DITTOFS, DITTOFS_SHARE, POD
from tests.support.acceptance import PATIENCE_S, Refused, Server, World, world_of_its_own
from tests.support.eventually import eventually

pytestmark = pytest.mark.integration


@pytest.fixture(scope="module")
def world(client: Client, operator: Program) -> Iterator[World]:
    """A namespace with a running DittoFS "demo" that has a user and a group."""
    with world_of_its_own(client) as made:
        made.secret("alice", password="long enough")
        alice = {"name": "alice", "uid": 1001, "gid": 3000, "passwordSecretRef": {"name": "alice"}}
        made.instance(users=[alice], groups=[{"name": "staff", "gid": 3000}])
        made.until_phase(DITTOFS, "demo", "Running")
        yield made


@pytest.fixture(scope="module")
def server(world: World) -> Server:
    return world.server()


def test_what_hangs_on_a_share_is_read_back_from_the_server(world: World, server: Server) -> None:
    world.share(
        "hanging",
        permissions=[
            {"user": "alice", "level": "read-write"},
            {"group": "staff", "level": "read"},
            {"sid": "S-1-5-21-1-2-3-1001", "level": "admin"},
        ],
        quotas=[
            {"scope": "user", "id": 1001, "hardSize": "3Gi", "softSize": "2Gi", "hardFiles": 9, "grace": "1h"},
            {"scope": "group", "id": 3000, "softFiles": 5},
            {"scope": "default-user", "hardFiles": 7},
        ],
        nfs={
            "squash": "all_to_guest",
            "anonymousUID": 70,
            "anonymousGID": 71,
            "allowedClients": ["10.0.0.0/8", "192.0.2.7", "host.example"],
            "allowAuthSys": False,
            "requireKerberos": True,
            "minKerberosLevel": "krb5p",
            "disableReaddirplus": True,
        },
    )
    world.until_phase(DITTOFS_SHARE, "hanging", "Ready")

    permissions = {
        (row["type"], row["name"], row["level"]) for row in server.call("GET", "/shares/hanging/permissions")
    }
    assert permissions == {
        ("user", "alice", "read-write"),
        ("group", "staff", "read"),
        ("sid", "S-1-5-21-1-2-3-1001", "admin"),
    }
    limits = ("limit_bytes", "soft_bytes", "limit_files", "soft_files", "grace_seconds")
    quotas = {
        (row["scope"], row.get("identity_id"), *(row.get(name) for name in limits))
        for row in server.call("GET", "/shares/hanging/quotas")
    }
    assert quotas == {
        ("user", 1001, "3.00GiB", "2.00GiB", 9, 0, 3600),
        ("group", 3000, None, None, 0, 5, 0),
        ("default-user", None, None, None, 7, 0, 0),
    }
    assert server.nfs("/hanging") == {
        "squash": "all_to_guest",
        "anonymous_uid": 70,
        "anonymous_gid": 71,
        "netgroup": "op-hanging",
        "allow_auth_sys": False,
        "require_kerberos": True,
        "min_kerberos_level": "krb5p",
        "disable_readdirplus": True,
    }
    members = server.call("GET", "/adapters/nfs/netgroups/op-hanging")["members"]
    assert {(row["type"], row["value"]) for row in members} == {
        ("cidr", "10.0.0.0/8"),
        ("ip", "192.0.2.7"),
        ("hostname", "host.example"),
    }


def test_the_bin_of_deleted_files_is_read_back_and_kept_as_specified(world: World, server: Server) -> None:
    world.share(
        "binned",
        trash={"retentionDays": 7, "maxSize": "3Gi", "restrictToAdmin": True, "excludePatterns": ["*.tmp", "[~.]?*"]},
    )
    world.until_phase(DITTOFS_SHARE, "binned", "Ready")

    def as_specified() -> bool:
        row = server.share("/binned")
        found = {name: value for name, value in row.items() if name.startswith("trash_")}
        assert found == {
            "trash_enabled": True,
            "trash_retention_days": 7,
            "trash_max_bytes": 3 << 30,
            "trash_restrict_to_admin": True,
            "trash_exclude_patterns": ["*.tmp", "[~.]?*"],
        }
        return True

    assert as_specified()
    server.change("/binned", trash_retention_days=1, trash_exclude_patterns=[])
    eventually(as_specified, PATIENCE_S, what="the bin as specified")
    world.until_event("binned", "Warning", "DriftRepaired")

    world.patch(DITTOFS_SHARE, "binned", spec={"trash": {"enabled": False}})
    world.until_phase(DITTOFS_SHARE, "binned", "Ready")
    assert server.share("/binned")["trash_enabled"] is False


def test_the_snapshot_policy_is_read_back_and_changed(world: World, server: Server) -> None:
    world.share("pictured", snapshotPolicy={"interval": "1h30m", "keepLast": 3, "ttl": "36h", "namePrefix": "every"})
    world.until_phase(DITTOFS_SHARE, "pictured", "Ready")

    def policy() -> dict[str, Any]:
        row = server.call("GET", "/shares/pictured/snapshot-policy")
        return {name: row.get(name) for name in ("enabled", "interval", "keep_last", "ttl", "name_prefix")}

    assert policy() == {
        "enabled": True,
        "interval": "1h30m0s",
        "keep_last": 3,
        "ttl": "36h0m0s",
        "name_prefix": "every",
    }
    assert world.told(DITTOFS_SHARE, "pictured", "SnapshotPolicyReady") == ("True", "Scheduled")

    world.patch(DITTOFS_SHARE, "pictured", spec={"snapshotPolicy": None})
    world.until_told(DITTOFS_SHARE, "pictured", "SnapshotPolicyReady", "True", "NotSpecified")
    with pytest.raises(Refused, match="404"):
        policy()


def test_an_adopted_share_without_a_policy_in_its_object_has_none_on_the_server(world: World, server: Server) -> None:
    world.share("giver")  # makes the block store
    world.until_phase(DITTOFS_SHARE, "giver", "Ready")
    server.call("POST", "/store/metadata", {"name": "theirs", "type": "memory", "config": "{}"})
    stores = {"metadata_store_id": "theirs", "local_block_store": "op-payload"}
    server.call("POST", "/shares", {"name": "/theirs", "trash_enabled": True, **stores})
    server.call("PUT", "/shares/theirs/snapshot-policy", {"interval": "24h"})

    world.share("taker", path="/theirs")
    world.until_phase(DITTOFS_SHARE, "taker", "Ready")

    with pytest.raises(Refused, match="404"):
        server.call("GET", "/shares/theirs/snapshot-policy")
    row = server.share("/theirs")
    assert row["trash_enabled"] is True, "to turn it off would empty it"
    status = world.status(DITTOFS_SHARE, "taker")
    assert (status["adopted"], status["stores"]["metadata"], status["shareID"]) == (True, "theirs", row["id"])
    world.until_event("taker", "Normal", "Adopted")


def test_of_contents_in_memory_no_snapshots_are_taken(world: World, server: Server) -> None:
    server.call("POST", "/store/metadata", {"name": "fleeting", "type": "memory", "config": "{}"})
    server.call("POST", "/store/block/local", {"name": "fleeting", "type": "memory", "config": "{}"})
    server.call("POST", "/shares", {"name": "/f", "metadata_store_id": "fleeting", "local_block_store": "fleeting"})

    world.share("fleeting", path="/f", snapshotPolicy={})

    world.until_told(DITTOFS_SHARE, "fleeting", "SnapshotPolicyReady", "False", "NothingDurable")
    world.until_phase(DITTOFS_SHARE, "fleeting", "Ready")
    with pytest.raises(Refused, match="404"):
        server.call("GET", "/shares/f/snapshot-policy")


#: What the row of a share says of its options.
OPTIONS = (
    "encrypt_data",
    "access_based_enumeration",
    "change_notify_disabled",
    "streams_disabled",
    "continuous_availability",
    "allow_mfsymlink",
    "retention_policy",
    "retention_ttl",
    "local_store_size",
    "read_buffer_size",
    "blocked_operations",
)


def test_the_options_of_a_share_are_read_back_from_the_server(world: World, server: Server) -> None:
    world.share(
        "optional",
        owner="alice",
        smb={"encryptData": True, "changeNotifyDisabled": True, "continuousAvailability": True},
        retention={"policy": "ttl", "ttl": "72h"},
        cache={"localSize": "1234567890", "readBuffer": "64Mi"},
        blockedOperations=["WRITE", "OPLOCK_BREAK"],
    )
    world.until_phase(DITTOFS_SHARE, "optional", "Ready")

    def options() -> tuple[Any, ...]:
        row = server.share("/optional")
        return tuple(row.get(name) for name in OPTIONS)

    made = (True, False, True, False, True, False, "ttl", "72h0m0s", "1.15GiB", "64.00MiB", ["WRITE", "OPLOCK_BREAK"])
    assert options() == made
    row = server.share("/optional")
    assert (row["owner_uid"], row["owner_gid"]) == (1001, 3000)
    assert world.told(DITTOFS_SHARE, "optional", "RestartRequired") == ("False", "InForce")
    condition = world.condition(DITTOFS_SHARE, "optional", "Synced")
    assert (condition["status"], condition["reason"]) == ("True", "FieldsWithoutEffect")
    for field in ("cache.localSize", "retention.policy", "blockedOperations"):
        assert field in condition["message"]

    server.change("/optional", encrypt_data=False, retention_policy="pin", local_store_size="0", blocked_operations=[])
    eventually(lambda: options() == made, PATIENCE_S, what="the row as specified")
    world.until_event("optional", "Warning", "DriftRepaired")

    other = {"accessBasedEnumeration": True, "streamsDisabled": True, "allowMfsymlink": True}
    away = {"encryptData": None, "changeNotifyDisabled": None, "continuousAvailability": None}
    world.patch(
        DITTOFS_SHARE,
        "optional",
        spec={
            "smb": {**other, **away},
            "retention": {"policy": "pin", "ttl": ""},
            "cache": None,
            "blockedOperations": [],
        },
    )
    world.until_phase(DITTOFS_SHARE, "optional", "Ready")
    assert options() == (False, True, False, True, False, True, "pin", None, None, None, None)


def test_a_share_waits_for_its_owner_and_is_made_as_soon_as_the_server_has_the_user(
    world: World, server: Server
) -> None:
    world.share("inherited", owner="erin")
    told = world.until_told(DITTOFS_SHARE, "inherited", "Synced", "False", "UnknownAccount")
    assert 'Add it to users of DittoFS "demo"' in told["message"]
    assert "/inherited" not in server.shares()

    world.secret("erin", password="long enough")
    erin = {"name": "erin", "uid": 1005, "gid": 1006, "passwordSecretRef": {"name": "erin"}}
    world.patch(DITTOFS, "demo", spec={"users": [*world.get(DITTOFS, "demo")["spec"]["users"], erin]})

    world.until_phase(DITTOFS_SHARE, "inherited", "Ready")
    row = server.share("/inherited")
    assert (row["owner_uid"], row["owner_gid"]) == (1005, 1006)


def test_what_waits_for_a_start_is_told_until_the_server_was_started_again(world: World) -> None:
    world.share("waiting", smb={"encryptData": True})
    world.until_phase(DITTOFS_SHARE, "waiting", "Ready")
    pod = world.get(POD, "demo-0")["metadata"]["uid"]

    world.patch(DITTOFS_SHARE, "waiting", spec={"smb": {"streamsDisabled": True}, "nfs": {"requireKerberos": True}})
    told = world.until_told(DITTOFS_SHARE, "waiting", "RestartRequired", "True", "WaitsForStart")
    assert "takes up nfs.requireKerberos, smb.streamsDisabled only when it starts" in told["message"]
    assert world.phase(DITTOFS_SHARE, "waiting") == "Ready"
    assert world.get(POD, "demo-0")["metadata"]["uid"] == pod, "the operator never restarts a server for it"

    world.delete(POD, "demo-0")
    world.until_told(DITTOFS_SHARE, "waiting", "RestartRequired", "False", "InForce")
    assert world.status(DITTOFS_SHARE, "waiting")["inForce"]["values"] == {
        "nfs.requireKerberos": "true",
        "smb.encryptData": "true",
        "smb.streamsDisabled": "true",
    }
    world.until_phase(DITTOFS_SHARE, "waiting", "Ready")
