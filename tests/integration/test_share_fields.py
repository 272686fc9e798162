"""Every field of a DittoFSShare, read back from the server by its REST API (docs/share-fields.md)."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from dittofs_operator.program import Program
from informers.client import Client
from reconcilers.api.resources import DITTOFS, DITTOFS_SHARE
from tests.support.acceptance import Server, World, world_of_its_own

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
