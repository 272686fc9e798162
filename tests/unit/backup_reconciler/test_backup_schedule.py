"""A schedule makes one backup for each slot, whatever restarts, and keeps those it is told to."""

from __future__ import annotations

from typing import Any

import pytest

from informers.errors import Forbidden
from informers.resource import Manifest, ObjectKey
from informers.result import Backoff, Done, RequeueAfter, Terminal
from reconcilers.api.resources import DITTOFS_BACKUP
from tests.support.backup_world import BackupWorld, Killed

# The world's clock starts at 2030-01-02 03:04:05.
HOUR_S = 3600.0
FIRST, SECOND = "nightly-20300102-040000", "nightly-20300102-050000"


def hourly(world: BackupWorld, **spec: Any) -> ObjectKey:
    world.serve("a")
    key = world.put_backup("nightly", schedule="@hourly", **spec)
    world.pass_over(key)
    return key


def until_past(world: BackupWorld, hours: float) -> None:
    """To 4:00:05 for one hour, 5:00:05 for two, and so on."""
    world.clock.advance(HOUR_S * (hours - 1) + 56 * 60)


def message(world: BackupWorld, key: ObjectKey) -> str:
    return str(world.backup_status(key)["conditions"][0]["message"])


def test_it_says_when_it_is_due_and_makes_nothing_before(world: BackupWorld) -> None:
    key = hourly(world)

    assert world.pass_over(key) == RequeueAfter(600.0)

    status = world.backup_status(key)
    assert status["phase"] == "Scheduled"
    assert status["nextScheduleTime"] == "2030-01-02T04:00:00Z"
    assert world.told(key, "Ready") == ("True", "Scheduled")
    assert world.made() == []
    assert not world.objects.get(DITTOFS_BACKUP, key)["metadata"].get("finalizers")


def test_it_looks_again_right_when_it_is_due(world: BackupWorld) -> None:
    key = hourly(world)
    world.clock.advance(55 * 60)

    assert world.pass_over(key) == RequeueAfter(55.0)


def test_a_slot_makes_one_backup_with_its_fields(world: BackupWorld) -> None:
    key = hourly(world, shares=["a"], deletionPolicy="Retain", retention={"keepLast": 3}, timeZone="UTC")
    until_past(world, 1)

    world.pass_over(key)
    world.pass_over(key)

    made = world.objects.get(DITTOFS_BACKUP, ObjectKey("default", FIRST))
    assert world.made() == [FIRST]
    assert made["spec"] == {"instanceRef": {"name": "demo"}, "shares": ["a"], "deletionPolicy": "Retain"}
    assert made["metadata"]["labels"]["dittofs.dittofs.io/schedule"] == "nightly"
    assert "ownerReferences" not in made["metadata"]
    status = world.backup_status(key)
    assert status["lastScheduleTime"] == "2030-01-02T04:00:00Z"
    assert status["nextScheduleTime"] == "2030-01-02T05:00:00Z"
    assert status["lastBackupRef"] == {"name": FIRST}
    assert world.told(key, "Progressing") == ("True", "BackupUnderWay")
    assert world.recorder.reasons()[-1] == "BackupScheduled"


def test_what_becomes_of_its_backups_is_in_its_status(world: BackupWorld) -> None:
    key = hourly(world)
    assert world.told(key, "Completed") == ("False", "NoneEnded")
    until_past(world, 1)
    world.pass_over(key)
    world.run_all()
    ended = world.backup_status(ObjectKey("default", FIRST))["completionTime"]

    world.pass_over(key)

    assert world.backup_status(key)["lastSuccessfulTime"] == ended
    assert world.told(key, "Completed") == ("True", "LastBackupCompleted")
    assert world.told(key, "Failed") == ("False", "LastBackupCompleted")
    assert world.told(key, "Progressing") == ("False", "Idle")
    world.objects.delete(DITTOFS_BACKUP, ObjectKey("default", FIRST))
    world.pass_over(key)
    assert world.backup_status(key)["lastSuccessfulTime"] == ended, "it was, even if somebody removed it"


def test_a_failed_backup_shows_on_its_schedule(world: BackupWorld) -> None:
    key = hourly(world, shares=["nope"])
    until_past(world, 1)
    world.pass_over(key)
    made = ObjectKey("default", FIRST)
    world.pass_over(made)
    world.clock.advance(HOUR_S)
    world.pass_over(made)

    world.pass_over(key)

    assert world.phase(made) == "Failed"
    assert world.told(key, "Failed") == ("True", "LastBackupFailed")
    assert world.told(key, "Ready") == ("True", "Scheduled")
    assert "lastSuccessfulTime" not in world.backup_status(key)


def test_an_operator_that_dies_at_any_step_makes_no_slot_twice(world: BackupWorld) -> None:
    key = hourly(world)
    until_past(world, 1)
    for index in range(3):
        world.operations.clear()
        world.restarted_operator()
        world.dies_after = index
        try:
            world.pass_over(key)
        except Killed:
            world.restarted_operator()
        world.dies_after = None
        world.pass_over(key)
        world.pass_over(key)

        assert len(world.made()) == index + 1
        assert world.backup_status(key)["lastBackupRef"] == {"name": world.made()[-1]}
        world.run_all()
        world.clock.advance(HOUR_S)


def test_after_hours_without_an_operator_one_backup_is_made_up_for(world: BackupWorld) -> None:
    key = hourly(world)
    until_past(world, 30)
    world.restarted_operator()

    for _ in range(3):
        world.pass_over(key)

    assert world.made() == ["nightly-20300103-090000"]
    assert world.recorder.reasons()[-2:] == ["BackupScheduled", "SlotsMissed"]
    assert world.backup_status(key)["nextScheduleTime"] == "2030-01-03T10:00:00Z"


def test_while_one_is_under_way_no_other_is_made_and_then_one(world: BackupWorld) -> None:
    key = hourly(world)
    until_past(world, 1)
    world.pass_over(key)
    world.clock.advance(3 * HOUR_S)

    world.pass_over(key)

    assert world.made() == [FIRST]
    assert "due since 2030-01-02T05:00:00Z" in message(world, key)
    world.run_all()
    world.pass_over(key)
    world.pass_over(key)
    assert world.made() == [FIRST, "nightly-20300102-070000"]


@pytest.mark.parametrize("whose", ["schedule", "instance"])
def test_what_is_due_while_suspended_is_not_made_up_for(world: BackupWorld, whose: str) -> None:
    key = hourly(world)
    if whose == "schedule":
        world.put_backup("nightly", schedule="@hourly", suspend=True)
    else:
        world.put_instance(spec={"suspend": True})
    world.pass_over(key)
    assert world.phase(key) == "Suspended"
    assert "nextScheduleTime" not in world.backup_status(key)
    until_past(world, 5)
    world.pass_over(key)

    if whose == "schedule":
        world.put_backup("nightly", schedule="@hourly")
    else:
        world.put_instance()
    world.pass_over(key)

    assert world.made() == []
    assert world.backup_status(key)["nextScheduleTime"] == "2030-01-02T09:00:00Z"


def test_suspended_it_removes_nothing(world: BackupWorld) -> None:
    key = hourly(world, retention={"keepLast": 1})
    for _ in range(2):
        until_past(world, 1) if not world.made() else world.clock.advance(HOUR_S)
        world.pass_over(key)
        world.run_all()
    world.put_backup("nightly", schedule="@hourly", retention={"keepLast": 1}, suspend=True)

    world.pass_over(key)

    assert world.made() == [FIRST, SECOND]


def test_a_changed_schedule_counts_from_now(world: BackupWorld) -> None:
    key = hourly(world)
    until_past(world, 1)
    world.put_backup("nightly", schedule="0 2 * * *", timeZone="Europe/Berlin")

    world.pass_over(key)

    assert world.made() == []
    assert world.backup_status(key)["nextScheduleTime"] == "2030-01-03T01:00:00Z"


@pytest.mark.parametrize(
    ("spec", "reason"),
    [
        ({"schedule": "61 * * * *"}, "InvalidSchedule"),
        ({"schedule": "0 0 30 2 *"}, "InvalidSchedule"),
        ({"schedule": "@daily", "timeZone": "Mars/Olympus"}, "UnknownTimeZone"),
    ],
    ids=str,
)
def test_what_means_nothing_is_told_once_and_waits_for_another(
    world: BackupWorld, spec: dict[str, str], reason: str
) -> None:
    key = world.put_backup("nightly", **spec)

    assert [world.pass_over(key) for _ in range(2)] == [Terminal(reason)] * 2

    assert world.phase(key) == "Pending"
    assert world.told(key, "Ready") == ("False", reason)
    assert world.recorder.reasons() == [reason]
    world.put_backup("nightly", schedule="@daily")
    world.pass_over(key)
    assert world.told(key, "Ready") == ("True", "Scheduled")


def test_without_its_instance_nothing_is_made_and_it_is_told_once(world: BackupWorld) -> None:
    key = hourly(world)
    world.drop_instance()
    until_past(world, 3)

    world.pass_over(key)
    world.pass_over(key)

    assert world.told(key, "Ready") == ("False", "InstanceNotFound")
    assert world.recorder.reasons().count("InstanceNotFound") == 1
    assert world.made() == []


def test_an_instance_that_can_t_be_reached_gets_its_backup_which_waits(world: BackupWorld) -> None:
    key = hourly(world)
    world.put_instance(apiReachable=False)
    until_past(world, 1)

    world.pass_over(key)

    assert world.made() == [FIRST]
    world.pass_over(ObjectKey("default", FIRST))
    assert world.phase(ObjectKey("default", FIRST)) == "WaitingForInstance"


def test_old_backups_go_with_their_snapshots(world: BackupWorld) -> None:
    key = hourly(world, retention={"keepLast": 2})
    by_hand = world.put_backup("by-hand")
    world.until(by_hand, "Completed")
    until_past(world, 1)
    for _ in range(4):
        world.pass_over(key)
        world.run_all()
        world.clock.advance(HOUR_S)
    world.pass_over(key)
    gone = [ObjectKey("default", name) for name in (FIRST, SECOND)]
    for leaving in gone:
        world.pass_over(leaving)

    assert [world.backup_exists(leaving) for leaving in gone] == [False, False]
    assert world.backup_exists(by_hand)
    assert world.recorder.reasons().count("RetentionPruned") == 2
    world.run_all()
    kept = {world.backup_status(ObjectKey("default", name))["artifacts"][0]["snapshotID"] for name in world.made()}
    assert set(world.on_server("/a")) == kept


def test_backups_of_a_former_schedule_of_the_name_are_left_alone(world: BackupWorld) -> None:
    hourly(world)
    former: Manifest = {
        "apiVersion": DITTOFS_BACKUP.api_version,
        "kind": DITTOFS_BACKUP.kind,
        "metadata": {
            "name": "nightly-20290101-000000",
            "namespace": "default",
            "uid": "f",
            "labels": {"dittofs.dittofs.io/schedule": "nightly"},
            "annotations": {"dittofs.dittofs.io/schedule-uid": "another"},
        },
        "spec": {"instanceRef": {"name": "demo"}},
        "status": {"phase": "Failed"},
    }
    for number in range(5):
        world.objects.put({**former, "metadata": {**former["metadata"], "name": f"nightly-2029010{number}-000000"}})

    world.pass_over(ObjectKey("default", "nightly"))

    assert len(world.made()) == 5


def test_a_backup_that_may_not_be_made_is_told_and_stays_due(
    world: BackupWorld, monkeypatch: pytest.MonkeyPatch
) -> None:
    key = hourly(world)
    until_past(world, 1)

    def refuse(*args: Any, **keywords: Any) -> Any:
        raise Forbidden(403, "Forbidden", "exceeded quota")

    with monkeypatch.context() as refusing:
        refusing.setattr(world.objects, "create", refuse)
        result = world.pass_over(key)
    assert isinstance(result, Backoff)
    assert world.told(key, "Ready") == ("False", "NotPermitted")
    assert "exceeded quota" in message(world, key)

    world.pass_over(key)

    assert world.made() == [FIRST]
    assert world.told(key, "Ready") == ("True", "Scheduled")


def test_a_schedule_holds_up_no_backup_and_goes_without_a_word(world: BackupWorld) -> None:
    key = hourly(world)
    world.until(world.put_backup("by-hand", created="2030-02-01T00:00:00Z"), "Completed")
    until_past(world, 1)
    world.pass_over(key)

    world.delete_backup(key)

    assert world.pass_over(key) == Done()
    assert world.made() == ["by-hand", FIRST], "what it made stays"


def test_a_steady_schedule_writes_nothing(world: BackupWorld) -> None:
    key = hourly(world)
    world.operations.clear()
    for _ in range(3):
        world.clock.advance(600)
        world.pass_over(key)

    assert world.operations == []
