"""The options in a share's own row and its owner, against a server that answers over HTTP."""

from __future__ import annotations

from typing import Any

import pytest

from informers.result import RequeueAfter
from reconcilers.api.resources import DITTOFS_SHARE
from reconcilers.server.rows import Share
from reconcilers.server.session import ServerSession
from reconcilers.server.share_options import DEFAULTS
from reconcilers.share.convergence import DEEP_POLL_INTERVAL_S
from tests.support.share_world import POLL_S, ShareWorld, failed

OPTIONS: dict[str, Any] = {
    "smb": {"encryptData": True, "streamsDisabled": True},
    "retention": {"policy": "ttl", "ttl": "72h"},
    "cache": {"localSize": "5Gi", "readBuffer": "64Mi"},
    "blockedOperations": ["WRITE", "OPEN"],
}
TOLD: dict[str, object] = {
    **DEFAULTS,
    "encrypt_data": True,
    "streams_disabled": True,
    "retention_policy": "ttl",
    "retention_ttl": 72 * 3600,
    "local_store_size": "5.00GiB",
    "read_buffer_size": "64.00MiB",
    "blocked_operations": frozenset({"WRITE", "OPEN"}),
}


def row(world: ShareWorld, path: str = "/export") -> Share:
    share = world.hand.share(path)
    assert share is not None
    return share


def told(world: ShareWorld, key: Any, kind: str) -> tuple[str, str, str]:
    entry = next(c for c in world.status(key)["conditions"] if c["type"] == kind)
    return entry["status"], entry["reason"], entry["message"]


def test_a_share_is_made_with_its_options_and_they_are_in_force_at_once(world: ShareWorld) -> None:
    key = world.put_share(**OPTIONS)

    world.settle(key)

    assert row(world).options == TOLD
    assert told(world, key, "RestartRequired")[:2] == ("False", "InForce")
    assert sum(call.method == "PUT" for call in world.calls) == 0


def test_changed_options_reach_the_row_and_those_that_are_taken_away_go_back(world: ShareWorld) -> None:
    key = world.put_share()
    world.settle(key)

    world.put_share(**OPTIONS)
    world.settle(key)
    assert row(world).options == TOLD
    assert world.recorder.reasons() == ["Created", "Updated", "WaitsForStart"]

    world.put_share()
    world.settle(key)
    assert row(world).options == DEFAULTS


def test_a_size_that_looks_the_same_on_the_server_is_sent_when_it_is_declared_anew(world: ShareWorld) -> None:
    key = world.put_share(cache={"localSize": str(5 << 30)})
    world.settle(key)
    world.calls.clear()

    world.put_share(cache={"localSize": str((5 << 30) + 1)})
    world.settle(key)

    assert [call.body for call in world.calls if call.method == "PUT"] == [{"local_store_size": str((5 << 30) + 1)}]


def test_options_that_somebody_changes_are_set_right_within_a_poll_and_named(world: ShareWorld) -> None:
    key = world.put_share(**OPTIONS)
    world.settle(key)
    world.hand.update_share(
        "/export",
        fields={
            "encrypt_data": False,
            "allow_mfsymlink": True,
            "retention_policy": "pin",
            "local_store_size": "0",
            "blocked_operations": [],
        },
    )

    world.clock.advance(POLL_S)
    world.reconciler.reconcile(key)

    assert row(world).options == TOLD
    event = world.recorder.events[-1]
    assert event.reason == "DriftRepaired"
    for field in ("smb.encryptData", "smb.allowMfsymlink", "retention.policy", "cache.localSize", "blockedOperations"):
        assert field in event.note
    # Nobody started the server meanwhile: it runs with what it had.
    assert told(world, key, "RestartRequired")[:2] == ("False", "InForce")


def test_what_the_server_does_nothing_about_is_said(world: ShareWorld) -> None:
    key = world.put_share(**OPTIONS)
    world.settle(key)

    status, reason, message = told(world, key, "Synced")
    assert (status, reason) == ("True", "FieldsWithoutEffect")
    for words in ("cache.localSize (only with a bucket", "retention.policy (only with", "blockedOperations (DittoFS"):
        assert words in message
    assert world.status(key)["phase"] == "Ready"

    world.put_share(smb={"encryptData": True}, cache={"readBuffer": "64Mi"})
    world.settle(key)
    assert told(world, key, "Synced")[1] == "InSync"


def test_a_change_that_waits_for_a_start_is_told_until_the_server_was_started_again(world: ShareWorld) -> None:
    key = world.put_share()
    world.settle(key)

    world.put_share(
        smb={"encryptData": True}, cache={"readBuffer": "64Mi", "localSize": "1Gi"}, retention={"policy": "pin"}
    )
    world.settle(key)
    status, reason, message = told(world, key, "RestartRequired")
    assert (status, reason) == ("True", "WaitsForStart")
    assert "takes up cache.readBuffer, smb.encryptData only when it starts" in message
    assert world.status(key)["ready"] is True

    world.restarted()
    world.clock.advance(POLL_S)
    world.settle(key)
    assert told(world, key, "RestartRequired")[2] == message
    assert world.recorder.reasons() == ["Created", "Updated", "WaitsForStart"]

    world.start_server_again()
    world.clock.advance(POLL_S)
    world.settle(key)
    assert told(world, key, "RestartRequired")[:2] == ("False", "InForce")
    assert world.status(key)["inForce"]["values"] == {
        "smb.encryptData": "true",
        "cache.readBuffer": "64.00MiB",
        "cache.localSize": "1.00GiB",
    }


def test_a_change_that_is_taken_back_waits_no_more(world: ShareWorld) -> None:
    key = world.put_share(smb={"streamsDisabled": True})
    world.settle(key)
    world.put_share()
    world.settle(key)
    assert told(world, key, "RestartRequired")[0] == "True"

    world.put_share(smb={"streamsDisabled": True})
    world.settle(key)

    assert told(world, key, "RestartRequired")[0] == "False"


def test_what_somebody_changed_before_a_start_and_was_set_right_after_it_waits_for_the_next_one(
    world: ShareWorld,
) -> None:
    key = world.put_share(smb={"encryptData": True})
    world.settle(key)
    world.hand.update_share("/export", fields={"encrypt_data": False})
    world.start_server_again()

    world.clock.advance(POLL_S)
    world.settle(key)

    assert row(world).options["encrypt_data"] is True
    assert told(world, key, "RestartRequired")[0] == "True"


def test_what_somebody_changed_before_a_start_is_in_force_although_no_look_has_shown_it_yet(world: ShareWorld) -> None:
    key = world.put_share()
    world.settle(key)
    world.hand.update_share("/export", fields={"encrypt_data": True})  # which the list of shares does not show yet
    world.seem_started_again(later_s=5.0)

    world.put_share(smb={"streamsDisabled": True})
    world.settle(key)

    assert world.status(key)["inForce"]["values"] == {"smb.encryptData": "true"}
    assert "takes up smb.encryptData, smb.streamsDisabled only" in told(world, key, "RestartRequired")[2]


def test_of_a_change_in_the_middle_of_which_the_server_was_started_nobody_can_tell_whether_it_is_in_force(
    world: ShareWorld, monkeypatch: pytest.MonkeyPatch
) -> None:
    key = world.put_share()
    world.settle(key)
    update = ServerSession.update_share

    def updated(self: ServerSession, name: str, **options: Any) -> None:
        update(self, name, **options)
        world.seem_started_again(later_s=30.0)

    monkeypatch.setattr(ServerSession, "update_share", updated)
    world.put_share(smb={"encryptData": True})
    world.settle(key)
    assert told(world, key, "RestartRequired")[:2] == ("Unknown", "NotKnown")

    world.seem_started_again(later_s=60.0)
    world.clock.advance(POLL_S)
    world.settle(key)
    assert told(world, key, "RestartRequired")[:2] == ("False", "InForce")


def test_the_making_of_a_share_costs_one_look_at_it_and_at_the_start_of_its_server(world: ShareWorld) -> None:
    key = world.put_share()

    world.settle(key)

    assert [call.path for call in world.calls].count("/api/v1/shares/export") == 1
    assert [call.path for call in world.calls].count("/health") == 1
    assert [call.path for call in world.calls].count("/api/v1/shares/export/adapters/nfs/config") == 1


def test_what_somebody_changed_of_the_nfs_options_before_a_start_is_in_force_before_they_are_looked_at_again(
    world: ShareWorld,
) -> None:
    key = world.put_share()
    world.settle(key)
    world.put_share(smb={"encryptData": True})
    world.settle(key)
    world.hand.patch_share_nfs_config("/export", {"require_kerberos": True})
    world.start_server_again()

    world.clock.advance(POLL_S)
    world.settle(key)

    status, _, message = told(world, key, "RestartRequired")
    assert status == "True"
    assert "takes up nfs.requireKerberos only" in message


def test_a_change_right_after_a_start_waits_for_the_next_one(world: ShareWorld) -> None:
    key, other = world.put_share(), world.put_share("other", nfs={"requireKerberos": True})
    for each in (key, other):
        world.settle(each)  # of which the second asks when the server was started
    world.start_server_again()

    world.put_share(nfs={"requireKerberos": True})
    world.settle(key)
    assert told(world, key, "RestartRequired")[0] == "True"

    world.clock.advance(POLL_S)
    world.settle(key)
    assert told(world, key, "RestartRequired")[0] == "True"


def test_nfs_options_that_come_after_the_making_of_a_share_wait_for_a_start(world: ShareWorld) -> None:
    key = world.put_share(nfs={"requireKerberos": True, "squash": "none"})

    world.settle(key)

    assert told(world, key, "RestartRequired")[0] == "True"
    assert "takes up nfs.requireKerberos only" in told(world, key, "RestartRequired")[2]


def test_an_operator_that_ended_before_it_wrote_the_status_of_a_new_share_tells_no_untruth(world: ShareWorld) -> None:
    world.start_server_again(later_s=-60.0)
    key = world.put_share(nfs={"requireKerberos": True})
    world.settle(key)
    lost = world.objects.get(DITTOFS_SHARE, key)
    del lost["status"]
    world.objects.put(lost)

    world.restarted()
    world.settle(key)

    assert told(world, key, "RestartRequired")[0] == "True"


def test_a_share_that_was_changed_by_hand_before_its_object_came_is_not_known_until_the_next_start(
    world: ShareWorld,
) -> None:
    world.hand.create_metadata_store("theirs", store_type="memory", config={})
    world.hand.create_local_store("theirs", store_type="memory", config={})
    world.hand.create_share("/theirs", metadata_store="theirs", local_store="theirs", fields={"encrypt_data": True})
    key = world.put_share(path="/theirs", smb={"encryptData": True})
    world.hand.update_share("/theirs", fields={"streams_disabled": True})
    world.hand.update_share("/theirs", fields={"streams_disabled": False})

    world.settle(key)
    assert told(world, key, "RestartRequired")[:2] == ("Unknown", "NotKnown")

    world.start_server_again()
    world.clock.advance(POLL_S)
    world.settle(key)
    assert told(world, key, "RestartRequired")[:2] == ("False", "InForce")


def test_while_something_waits_the_server_is_asked_for_its_start_once_a_look_for_all_shares(world: ShareWorld) -> None:
    keys = [world.put_share(name) for name in ("a", "b", "c")]
    for key in keys:
        world.settle(key)
        world.put_share(key.name, smb={"encryptData": True})
        world.settle(key)
    world.calls.clear()

    for _ in range(4):
        world.clock.advance(POLL_S)
        for key in keys:
            assert world.reconciler.reconcile(key) == RequeueAfter(POLL_S)

    assert sum(call.path == "/health" for call in world.calls) == 4


def test_when_nothing_waits_the_server_is_not_asked_for_its_start(world: ShareWorld) -> None:
    key = world.put_share(**OPTIONS)
    world.settle(key)
    world.calls.clear()

    for _ in range(int(2 * DEEP_POLL_INTERVAL_S / POLL_S)):
        world.clock.advance(POLL_S)
        world.reconciler.reconcile(key)

    assert [call.path for call in world.calls if call.path == "/health"] == []


def test_a_share_waits_for_its_owner_and_is_made_only_then(world: ShareWorld) -> None:
    key = world.put_share(owner="alice")

    assert world.settle(key) == failed("UnknownAccount")

    status, reason, message = told(world, key, "Synced")
    assert (status, reason) == ("False", "UnknownAccount")
    assert 'the server has no user "alice". Add it to users of DittoFS "demo"' in message
    assert world.hand.share("/export") is None
    assert world.status(key)["phase"] == "Pending"
    assert world.recorder.reasons() == ["UnknownAccount"]

    world.hand.create_user("alice", password="long enough", fields={"uid": 1001, "gid": 3000})
    world.settle(key)

    assert row(world).owner_uid == 1001
    assert told(world, key, "Synced")[0] == "True"


def test_a_share_that_belongs_to_somebody_else_on_the_server_says_so_and_gets_all_else(world: ShareWorld) -> None:
    world.hand.create_user("alice", password="long enough", fields={"uid": 1001, "gid": 3000})
    world.hand.create_metadata_store("theirs", store_type="memory", config={})
    world.hand.create_local_store("theirs", store_type="memory", config={})
    world.hand.create_share("/theirs", metadata_store="theirs", local_store="theirs", fields={})
    key = world.put_share(path="/theirs", owner="alice", readOnly=True)

    assert world.settle(key) == failed("OwnerDiffers")

    assert row(world, "/theirs").read_only is True
    assert "belongs to root, and not to user" in told(world, key, "Synced")[2]


def test_a_share_whose_owner_is_settled_asks_for_no_user(world: ShareWorld) -> None:
    world.hand.create_user("alice", password="long enough", fields={"uid": 1001, "gid": 3000})
    key = world.put_share(owner="alice")
    world.settle(key)
    world.calls.clear()

    world.clock.advance(POLL_S)
    world.reconciler.reconcile(key)

    assert [call.path for call in world.calls] == ["/api/v1/shares"]
