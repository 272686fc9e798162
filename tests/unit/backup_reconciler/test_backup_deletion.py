"""What becomes of the snapshots with their backup: only its own go, and nothing hangs."""

from __future__ import annotations

import pytest

from hack.localcluster.double import snapshots
from informers.resource import ObjectKey
from informers.result import RequeueAfter
from reconcilers.api.resources import DITTOFS_BACKUP
from tests.support.backup_world import BackupWorld


def completed(world: BackupWorld, **spec: str) -> ObjectKey:
    world.serve("a", "b")
    key = world.put_backup(**spec)
    world.until(key, "Completed")
    return key


def test_its_snapshots_go_with_it_and_no_others(world: BackupWorld) -> None:
    key = completed(world)
    other = world.put_backup("other")
    world.until(other, "Completed")
    by_hand = world.hand.create_snapshot("/a", "by hand")
    kept = {by_hand, *(artifact["snapshotID"] for artifact in world.backup_status(other)["artifacts"])}
    world.on_server("/a")

    world.delete_backup(key)
    world.pass_over(key)

    assert not world.backup_exists(key)
    assert {*world.on_server("/a"), *world.on_server("/b")} == kept


def test_under_retain_they_stay(world: BackupWorld) -> None:
    key = completed(world, deletionPolicy="Retain")
    before = world.on_server("/a")

    world.delete_backup(key)
    world.pass_over(key)

    assert not world.backup_exists(key)
    assert world.on_server("/a") == before != []


def test_a_snapshot_whose_id_was_never_written_down_goes_too(world: BackupWorld) -> None:
    world.serve("a")
    key = world.begun()
    manifest = world.objects.get(DITTOFS_BACKUP, key)
    manifest["status"]["artifacts"][0].pop("snapshotID")
    world.objects.put(manifest)
    world.restarted_operator()

    world.delete_backup(key)
    world.pass_over(key)

    assert world.on_server("/a") == []


def test_a_backup_that_made_nothing_goes_at_once(world: BackupWorld) -> None:
    key = world.put_backup(shares=["nope"])
    world.pass_over(key)

    world.delete_backup(key)
    world.objects.writes.clear()
    world.pass_over(key)

    assert world.objects.writes == [], "without the finalizer the API server removes it by itself"


def test_a_server_that_can_t_be_asked_holds_it_for_a_minute_at_most(world: BackupWorld) -> None:
    key = completed(world)
    world.put_instance(apiReachable=False)
    world.delete_backup(key)

    assert world.pass_over(key) == RequeueAfter(5.0)
    assert world.phase(key) == "Deleting"
    world.clock.advance(58)
    assert world.pass_over(key) == RequeueAfter(pytest.approx(2.0))
    assert world.backup_exists(key)
    world.clock.advance(2)
    world.pass_over(key)

    assert not world.backup_exists(key)
    assert world.recorder.reasons()[-1] == "DataLeftBehind"
    assert "on PersistentVolumeClaim demo-payload" in world.recorder.events[-1].note


def test_a_server_that_comes_back_in_time_is_cleaned(world: BackupWorld) -> None:
    key = completed(world)
    world.put_instance(apiReachable=False)
    world.delete_backup(key)
    world.pass_over(key)
    world.put_instance()

    world.pass_over(key)

    assert not world.backup_exists(key)
    assert world.on_server("/a") == []


def test_without_its_instance_it_goes_and_says_what_stays(world: BackupWorld) -> None:
    key = completed(world)
    world.drop_instance()
    world.delete_backup(key)

    world.pass_over(key)

    assert not world.backup_exists(key)
    assert world.recorder.reasons()[-1] == "DataLeftBehind"


def test_a_snapshot_that_is_still_made_is_waited_for_and_removed(
    world: BackupWorld, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(snapshots, "MAKING_S", 1e9)
    world.serve("a")
    key = world.put_backup()
    world.pass_over(key)
    world.pass_over(key)
    world.delete_backup(key)
    world.clock.advance(600)
    assert world.pass_over(key) == RequeueAfter(5.0)
    monkeypatch.setattr(snapshots, "MAKING_S", 0.0)

    world.pass_over(key)

    assert not world.backup_exists(key)
    assert world.on_server("/a") == []
    assert "DataLeftBehind" not in world.recorder.reasons()


def test_one_of_another_version_is_let_go_without_its_data(world: BackupWorld) -> None:
    key = completed(world)
    world.put_backup(deletionPolicy="Unheard")

    world.delete_backup(key)
    world.pass_over(key)

    assert not world.backup_exists(key)
    assert world.on_server("/a") != []


def test_a_share_that_is_gone_from_the_server_holds_up_nothing(world: BackupWorld) -> None:
    key = completed(world)
    world.hand._caller.call("DELETE", "/api/v1/shares/a")

    world.delete_backup(key)
    world.pass_over(key)

    assert not world.backup_exists(key)
    assert world.on_server("/b") == []
