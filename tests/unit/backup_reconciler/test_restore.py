"""A restore in place: the shares have what the backup kept, once, whatever becomes of the operator meanwhile."""

from __future__ import annotations

from typing import Any

import pytest

from hack.localcluster.double import snapshots
from informers.resource import ObjectKey
from informers.result import Done
from reconcilers.hold import Hold, HoldMode
from reconcilers.server.errors import Failure, ServerUnreachable
from tests.support.restore_world import RestoreWorld


def test_shares_get_what_the_backup_kept_and_are_opened_as_they_are_specified(restores: RestoreWorld) -> None:
    access = {"defaultPermission": "read-write", "permissions": [{"group": "users", "level": "read"}]}
    restores.kept("a", "b", snapshotPolicy={"interval": "1h"}, nfs={"squash": "none"}, **access)
    key = restores.put_restore()

    assert restores.drive(key) == "Completed"

    assert (restores.read("a"), restores.read("b")) == ("good", "good")
    for share in ("a", "b"):
        row = restores.hand.share(f"/{share}")
        assert row is not None
        assert (row.enabled, row.read_only, row.default_permission) == (True, False, "read-write")
        assert [grant.level for grant in restores.hand.share_permissions(f"/{share}")] == ["read"]
        assert restores.hand.share_nfs_config(f"/{share}").squash == "none"
        assert restores.hand.snapshot_policy(f"/{share}") is not None
    assert restores.hold_text() == ""
    status = restores.backup_status(key)
    assert [share["state"] for share in status["restored"]] == ["Restored", "Restored"]
    assert restores.told(key, "Completed") == ("True", "Restored")
    for snapshot in status["safetySnapshots"]:
        assert snapshot["snapshotID"] == restores.on_server(snapshot["path"])[0]
        assert len(restores.on_server(snapshot["path"])) == 2, "the backup's own, and what was there before"
    reasons = restores.recorder.reasons()
    assert [reason for reason in reasons if reason.startswith(("Restore", "ShareRestored"))] == [
        "RestoreStarted",
        "ShareRestored",
        "ShareRestored",
        "RestoreCompleted",
    ]


def test_a_finished_restore_never_runs_again(restores: RestoreWorld) -> None:
    restores.kept("a")
    key = restores.put_restore()
    restores.drive(key)
    restores.write("a", "newer")
    restores.restarted_operator()
    restores.operations.clear()

    assert restores.pass_over(key) == Done()
    assert restores.operations == []
    assert restores.read("a") == "newer"


def test_only_the_named_shares_are_touched(restores: RestoreWorld) -> None:
    restores.kept("a", "b")
    key = restores.put_restore(shares=["b"])

    restores.drive(key)

    assert (restores.read("a"), restores.read("b")) == ("bad", "good")
    assert not any("/shares/a/" in operation for operation in restores.touches())


def test_a_share_that_is_specified_as_closed_or_read_only_stays_so(restores: RestoreWorld) -> None:
    restores.kept("a", "b")
    restores.settle(restores.put_share("a", enabled=False))
    restores.settle(restores.put_share("b", readOnly=True))

    restores.drive(restores.put_restore())

    assert not restores.enabled("a")
    row = restores.hand.share("/b")
    assert row is not None
    assert (row.enabled, row.read_only) == (True, True)
    assert (restores.read("a"), restores.read("b")) == ("good", "good")


def test_nothing_is_touched_before_nobody_else_works_on_the_share(restores: RestoreWorld) -> None:
    restores.kept("a")
    key = restores.put_restore()

    for _ in range(3):
        restores.pass_over(key)  # of the share's controller nothing is heard

    assert restores.touches() == []
    assert Hold.parse(restores.hold_text()).mode is HoldMode.HOLD_SHARES
    assert restores.read("a") == "bad"
    assert restores.drive(key) == "Completed"


def test_the_share_is_closed_before_and_recorded_before_it_is_closed(restores: RestoreWorld) -> None:
    restores.kept("a", defaultPermission="read-write", permissions=[{"group": "users", "level": "read"}])
    key = restores.put_restore()
    restores.drive(key)

    first = restores.operations.index("DELETE /api/v1/shares/a/snapshot-policy")
    assert "apply" in restores.operations[:first]
    order = [
        restores.operations.index(f"{method} /api/v1/shares/a{end}")
        for method, end in (
            ("POST", "/disable"),
            ("PUT", ""),
            ("PATCH", "/adapters/nfs/config"),
            ("DELETE", "/permissions/groups/users"),
        )
    ]
    restored = next(i for i, operation in enumerate(restores.operations) if operation.endswith("/restore"))
    opened = restores.operations.index("POST /api/v1/shares/a/enable")
    released = len(restores.operations) - 1 - restores.operations[::-1].index("json_patch")
    assert max(order) < restored < released < opened
    assert restores.enabled("a"), "completed is what clients can use"


def test_it_is_completed_only_once_the_share_is_open_again(restores: RestoreWorld) -> None:
    restores.kept("a")
    key = restores.put_restore()
    restores.round(key)
    while not restores.hold_text():
        restores.round(key)
    while restores.hold_text():
        restores.pass_over(key)
        if restores.hold_text():
            restores.reconciler.reconcile(ObjectKey("default", "a"))
    for _ in range(3):
        restores.pass_over(key)  # of the share's controller nothing is heard
        assert restores.phase(key) == "Running"

    restores.reconciler.reconcile(ObjectKey("default", "a"))
    restores.pass_over(key)

    assert restores.enabled("a")
    assert restores.phase(key) == "Completed"


@pytest.mark.parametrize(("shares", "stride"), [(("a",), 1), (("a", "b"), 7)])
def test_an_operator_that_dies_at_any_step_restores_once_and_opens_the_shares(
    restores: RestoreWorld, monkeypatch: pytest.MonkeyPatch, shares: tuple[str, ...], stride: int
) -> None:
    monkeypatch.setattr(snapshots, "MAKING_S", 0.0)
    restores.kept(*shares)
    index, died = 0, True
    while died:
        for share in shares:
            restores.write(share, f"bad {index}")
        before = {share: set(restores.on_server(f"/{share}")) for share in shares}
        key = restores.put_restore(f"back-{index}")

        died = restores.die_and_come_back(key, index)

        assert restores.phase(key) == "Completed", (index, restores.backup_status(key))
        safety = {entry["share"]: entry["snapshotID"] for entry in restores.backup_status(key)["safetySnapshots"]}
        for share in shares:
            assert restores.read(share) == "good", index
            assert restores.enabled(share), index
            # The one safety snapshot has what was there before, whatever was tried since.
            assert set(restores.on_server(f"/{share}")) - before[share] == {safety[share]}, index
            restores.hand.disable_share(f"/{share}")
            restores.hand.restore_snapshot(f"/{share}", safety[share], allow_non_durable=True)
            assert restores.read(share) == f"bad {index}", index
            restores.hand.enable_share(f"/{share}")
            for extra in set(restores.on_server(f"/{share}")) - before[share]:
                restores.hand.delete_snapshot(f"/{share}", extra)
        assert restores.hold_text() == "", index
        restores.objects.backups.remove(restores.objects.backups.get(key))
        index += stride
    assert index > 30, "so many steps it has at least"


def cut_off(times: int) -> Any:
    """So many answers to restores are lost."""
    left = [times]

    def altered(method: str, path: str, answer: Any) -> Any:
        if path.endswith("/restore") and left[0]:
            left[0] -= 1
            raise ServerUnreachable("no answer: the connection broke off", failure=Failure.CUT_OFF)
        return answer

    return altered


def test_an_answer_that_is_lost_is_asked_for_again(restores: RestoreWorld) -> None:
    restores.kept("a")
    restores.altered = cut_off(3)
    key = restores.put_restore()

    assert restores.drive(key) == "Completed"

    assert restores.read("a") == "good"
    assert len(restores.on_server("/a")) == 2, "of four snapshots that the server made before, the first is kept"


def test_another_backup_of_the_instance_waits_for_the_restore(restores: RestoreWorld) -> None:
    restores.kept("a")
    key = restores.put_restore()
    restores.round(key)
    restores.round(key)
    other = restores.put_backup("later", created="2031-01-01T00:00:00Z")

    restores.pass_over(other)

    assert restores.told(other, "Ready") == ("False", "InstanceBusy")
    restores.drive(key)
    restores.until(other, "Completed")


def test_the_safety_snapshots_go_with_the_object_and_the_backup_s_own_stay(restores: RestoreWorld) -> None:
    restores.kept("a")
    (own,) = restores.on_server("/a")
    key = restores.put_restore()
    restores.drive(key)

    restores.delete_backup(key)
    restores.pass_over(key)

    assert not restores.backup_exists(key)
    assert restores.on_server("/a") == [own]


def test_with_the_policy_retain_the_safety_snapshots_stay(restores: RestoreWorld) -> None:
    restores.kept("a")
    key = restores.put_restore(deletionPolicy="Retain")
    restores.drive(key)

    restores.delete_backup(key)
    restores.pass_over(key)

    assert len(restores.on_server("/a")) == 2
