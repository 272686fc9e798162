"""Permissions, quotas, NFS options and clients of a share, against a server that answers over HTTP."""

from __future__ import annotations

from typing import Any

import pytest

from informers.result import RequeueAfter
from reconcilers.server.share_rows import PermissionRow, QuotaRow
from reconcilers.share.convergence import DEEP_POLL_INTERVAL_S
from tests.support.share_world import POLL_S, ShareWorld, failed

EVERYTHING: dict[str, Any] = {
    "permissions": [
        {"user": "alice", "level": "read-write"},
        {"group": "staff", "level": "read"},
        {"sid": "S-1-5-21-1-2-3-1001", "level": "admin"},
    ],
    "quotas": [
        {"scope": "user", "id": 1001, "hardSize": "100Gi", "softSize": "10Gi", "hardFiles": 9, "grace": "1h"},
        {"scope": "default-user", "softFiles": 5},
    ],
    "nfs": {"anonymousUID": 70, "requireKerberos": True, "allowedClients": ["10.0.0.0/8", "host.example"]},
}
ALICE = PermissionRow("user", "alice", "read-write")


@pytest.fixture
def accounts(world: ShareWorld) -> ShareWorld:
    world.hand.create_group("staff", gid=3000)
    world.hand.create_user("alice", password="long enough", fields={"uid": 1001, "gid": 3000})
    return world


def test_everything_declared_is_on_the_server(accounts: ShareWorld) -> None:
    key = accounts.put_share(path="/a/b", **EVERYTHING)

    accounts.settle(key)

    hand = accounts.hand
    assert hand.share_permissions("/a/b") == (
        ALICE,
        PermissionRow("group", "staff", "read"),
        PermissionRow("sid", "S-1-5-21-1-2-3-1001", "admin", "S-1-5-21-1-2-3-1001", True),
    )
    assert hand.share_quotas("/a/b") == (
        QuotaRow("default-user", 0, soft_files=5),
        QuotaRow("user", 1001, "100.00GiB", "10.00GiB", 9, 0, 3600),
    )
    options = hand.share_nfs_config("/a/b").options
    assert (options["anonymous_uid"], options["require_kerberos"], options["netgroup"]) == (70, True, "op-a%2Fb")
    netgroup = hand.netgroup("op-a%2Fb")
    assert netgroup is not None
    assert [(member.kind, member.value) for member in netgroup.members] == [
        ("cidr", "10.0.0.0/8"),
        ("hostname", "host.example"),
    ]
    assert accounts.condition(key, "Synced")[0] == "True"
    assert accounts.recorder.reasons() == ["Created", "WaitsForStart"]


def test_what_is_declared_no_more_goes(accounts: ShareWorld) -> None:
    key = accounts.put_share(**EVERYTHING)
    accounts.settle(key)

    accounts.put_share()
    accounts.settle(key)

    hand = accounts.hand
    assert (hand.share_permissions("/export"), hand.share_quotas("/export")) == ((), ())
    assert hand.share_nfs_config("/export").netgroup == ""
    assert hand.netgroup("op-export") is None
    assert accounts.recorder.events[-1].reason == "Updated"


def test_drift_is_repaired_within_a_deep_poll_and_told(accounts: ShareWorld) -> None:
    key = accounts.put_share(**EVERYTHING)
    accounts.settle(key)
    hand, events = accounts.hand, len(accounts.recorder.events)
    hand.put_share_permission("/export", kind="user", holder="alice", level="read")
    hand.put_share_permission("/export", kind="group", holder="users", level="admin")
    hand.delete_share_quota("/export", scope="default-user", identity=0)
    hand.patch_share_nfs_config("/export", {"anonymous_uid": 0, "netgroup": ""})

    for _ in range(int(DEEP_POLL_INTERVAL_S / POLL_S)):
        accounts.clock.advance(POLL_S)
        accounts.reconciler.reconcile(key)

    assert hand.share_permissions("/export")[0] == ALICE
    assert len(hand.share_permissions("/export")) == 3
    assert len(hand.share_quotas("/export")) == 2
    assert hand.share_nfs_config("/export").options["anonymous_uid"] == 70
    assert hand.share_nfs_config("/export").netgroup == "op-export"
    (told,) = accounts.recorder.events[events:]
    assert told.reason == "DriftRepaired"
    for part in (
        "nfs.anonymousUID (0)",
        "nfs.allowedClients",
        "permissions (user alice: read)",
        "permissions (group users: admin, not declared)",
        "quotas (default-user)",
    ):
        assert part in told.note


def test_at_rest_a_share_costs_no_calls_of_its_own_but_once_in_a_deep_poll(accounts: ShareWorld) -> None:
    key = accounts.put_share(**EVERYTHING)
    accounts.settle(key)
    accounts.calls.clear()

    for _ in range(int(2 * DEEP_POLL_INTERVAL_S / POLL_S)):
        accounts.clock.advance(POLL_S)
        assert accounts.reconciler.reconcile(key) == RequeueAfter(POLL_S)

    own = [call.path for call in accounts.calls if call.path.startswith("/api/v1/shares/")]
    assert {call.method for call in accounts.calls} == {"GET"}
    assert len(own) == 2 * 4


def test_after_a_start_of_the_operator_the_deep_looks_are_spread(world: ShareWorld) -> None:
    keys = [world.put_share(f"s{index}") for index in range(12)]
    for key in keys:
        world.settle(key)
    world.restarted()
    for key in keys:
        world.reconciler.reconcile(key)
    world.calls.clear()
    looks: list[int] = []

    for _ in range(10):
        world.clock.advance(DEEP_POLL_INTERVAL_S / 10)
        for key in keys:
            world.reconciler.reconcile(key)
        looks.append(sum(call.path.endswith("/permissions") for call in world.calls) - sum(looks))

    assert sum(looks) == 12
    assert max(looks) <= 4


def test_a_user_that_the_server_does_not_have_is_named_and_the_rest_is_done(accounts: ShareWorld) -> None:
    permissions = [{"user": "bob", "level": "read"}, *EVERYTHING["permissions"]]
    key = accounts.put_share(permissions=permissions, quotas=EVERYTHING["quotas"])

    assert accounts.settle(key) == failed("UnknownAccount")

    assert accounts.condition(key, "Synced") == ("False", "UnknownAccount")
    message = next(c["message"] for c in accounts.status(key)["conditions"] if c["type"] == "Synced")
    assert 'user "bob": User not found' in message
    assert 'DittoFS "demo"' in message
    assert accounts.hand.share_permissions("/export")[0] == ALICE
    assert len(accounts.hand.share_quotas("/export")) == 2
    assert accounts.recorder.reasons() == ["Created", "UnknownAccount"]

    accounts.hand.create_user("bob", password="long enough", fields={"uid": 1002})
    accounts.settle(key)

    assert accounts.condition(key, "Synced")[0] == "True"
    assert {row.name for row in accounts.hand.share_permissions("/export")} >= {"alice", "bob"}


def test_what_an_earlier_share_of_the_path_left_behind_does_not_count(accounts: ShareWorld) -> None:
    """The server keeps quotas of a share that is gone."""
    accounts.hand.put_share_quota("/export", scope="user", identity=7, limits={"limit_files": 1})

    accounts.settle(accounts.put_share())

    assert accounts.hand.share_quotas("/export") == ()


def test_a_word_of_the_server_about_a_client_is_passed_on(world: ShareWorld) -> None:
    key = world.put_share(nfs={"allowedClients": ["10.0.0.300"]})

    assert world.settle(key) == failed("Refused")

    message = next(c["message"] for c in world.status(key)["conditions"] if c["type"] == "Synced")
    assert "invalid IP address: 10.0.0.300" in message
