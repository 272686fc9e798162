"""What is in the way of a backup is said, and has an end; one at a time is made of an instance."""

from __future__ import annotations

from typing import Any

import pytest

from informers.resource import ObjectKey
from informers.result import Backoff, Done, RequeueAfter
from informers.view import freeze
from reconcilers.api.backup import BackupArtifact
from reconcilers.backup.status import size_of
from reconcilers.backup.turn import ahead_of
from tests.support.backup_world import BackupWorld


def message(world: BackupWorld, key: ObjectKey) -> str:
    return str(world.backup_status(key)["conditions"][0]["message"])


def test_without_its_instance_it_waits_and_tells_once(world: BackupWorld) -> None:
    world.serve("a")
    world.drop_instance()
    key = world.put_backup()

    results = [world.pass_over(key) for _ in range(3)]

    assert world.phase(key) == "Pending"
    assert world.told(key, "Ready") == ("False", "InstanceNotFound")
    assert world.told(key, "Progressing") == ("True", "InstanceNotFound")
    assert world.recorder.reasons().count("InstanceNotFound") == 1
    assert results == [RequeueAfter(15.0)] * 3
    assert world.operations == ["apply"]

    world.put_instance()
    world.until(key, "Completed")


@pytest.mark.parametrize(
    ("instance", "reason"),
    [
        ({"spec": {"suspend": True}}, "InstanceSuspended"),
        ({"apiReachable": False}, "ApiNotReachable"),
        ({"endpoints": {}}, "ApiNotReachable"),
    ],
    ids=str,
)
def test_an_instance_that_can_t_be_asked_is_waited_for_without_a_word_to_its_server(
    world: BackupWorld, instance: dict[str, Any], reason: str
) -> None:
    world.serve("a")
    world.put_instance(**instance)
    key = world.put_backup()

    world.pass_over(key)

    assert world.phase(key) == "WaitingForInstance"
    assert world.told(key, "Ready") == ("False", reason)
    assert world.operations == ["apply"]


def test_an_instance_that_is_being_deleted_is_not_backed_up(world: BackupWorld) -> None:
    world.serve("a")
    world.put_instance(metadata={"deletionTimestamp": "2030-01-02T03:00:00Z"})
    key = world.put_backup()

    world.pass_over(key)

    assert world.told(key, "Ready") == ("False", "InstanceDeleting")


def test_a_run_rests_while_its_instance_is_suspended(world: BackupWorld) -> None:
    world.serve("a")
    key = world.begun()
    world.put_instance(spec={"suspend": True})
    world.operations.clear()

    world.pass_over(key)

    assert world.phase(key) == "WaitingForInstance"
    assert world.operations == ["apply"]
    assert world.backup_status(key)["artifacts"][0]["snapshotID"]
    world.put_instance()
    world.until(key, "Completed")


def test_what_is_in_memory_is_not_backed_up(world: BackupWorld) -> None:
    world.serve("a")
    world.put_instance(spec={"metadata": {"type": "memory"}, "payload": {"type": "memory"}})
    key = world.put_backup()

    assert world.pass_over(key) == Done()

    assert world.told(key, "Failed") == ("True", "NothingDurable")
    assert world.recorder.reasons()[-1] == "BackupFailed"
    assert world.failed == ["nightly"]


@pytest.mark.parametrize("shares", [["nope"], ["a", "nope"], ["leaving"], ["elsewhere"]], ids=str)
def test_a_share_that_is_not_there_is_named_and_nothing_is_begun(world: BackupWorld, shares: list[str]) -> None:
    world.serve("a", "leaving")
    world.delete_share(ObjectKey("default", "leaving"))
    world.put_share("elsewhere", instanceRef={"name": "other"})
    key = world.put_backup(shares=shares)

    world.pass_over(key)
    world.pass_over(key)

    assert world.phase(key) == "Pending"
    assert world.told(key, "Ready") == ("False", "ShareNotFound")
    assert f'"{shares[-1]}"' in message(world, key)
    assert world.recorder.reasons().count("ShareNotFound") == 1
    assert world.on_server("/a") == []


def test_an_instance_without_shares_has_nothing_to_back_up(world: BackupWorld) -> None:
    key = world.put_backup()

    world.pass_over(key)

    assert world.told(key, "Ready") == ("False", "NoShares")


def test_waiting_for_what_is_needed_has_an_end(world: BackupWorld) -> None:
    key = world.put_backup(shares=["nope"])
    world.pass_over(key)
    world.clock.advance(3599)
    world.pass_over(key)
    assert world.phase(key) == "Pending"

    world.clock.advance(1)
    world.restarted_operator()

    assert world.pass_over(key) == Done()
    assert world.told(key, "Failed") == ("True", "ShareNotFound")
    assert "gave up after 60 min" in message(world, key)


def test_a_backup_that_no_operator_saw_for_a_day_still_begins(world: BackupWorld) -> None:
    world.serve("a")
    key = world.put_backup()
    world.clock.advance(86_400)

    world.until(key, "Completed")


def test_time_in_which_it_was_suspended_does_not_count(world: BackupWorld) -> None:
    key = world.put_backup(shares=["nope"])
    world.pass_over(key)
    world.put_backup(shares=["nope"], suspend=True)
    world.pass_over(key)
    world.clock.advance(7200)
    world.put_backup(shares=["nope"])

    world.pass_over(key)
    world.pass_over(key)

    assert world.phase(key) == "Pending"


def test_a_run_whose_server_is_gone_has_an_end(world: BackupWorld) -> None:
    world.serve("a")
    key = world.begun()
    world.put_instance(apiReachable=False)
    world.pass_over(key)
    assert world.phase(key) == "WaitingForInstance"

    world.clock.advance(7200)
    world.pass_over(key)

    assert world.told(key, "Failed") == ("True", "ApiNotReachable")


def test_a_server_that_does_not_answer_is_asked_again(world: BackupWorld) -> None:
    world.serve("a")
    world.put_instance(endpoints={"api": {"host": "x", "clusterIP": "127.0.0.1", "address": "127.0.0.1", "port": 1}})
    key = world.put_backup()
    world.pass_over(key)

    result = world.pass_over(key)

    assert result == Backoff("ServerUnreachable", at_most_s=15.0)
    assert world.phase(key) == "WaitingForInstance"
    world.put_instance()
    world.until(key, "Completed")


def test_what_the_server_refuses_for_good_is_told_in_its_words(world: BackupWorld) -> None:
    world.hand.create_metadata_store("mem", store_type="memory", config={})
    world.hand.create_local_store("pm", store_type="memory", config={})
    world.hand.create_share("/adopted", metadata_store="mem", local_store="pm", fields={})
    world.put_share("adopted")
    key = world.put_backup()

    world.until(key, "Failed")

    assert world.told(key, "Failed") == ("True", "Refused")
    assert "snapshots require an fs-backed local store" in message(world, key)


def test_suspended_it_does_not_begin(world: BackupWorld) -> None:
    world.serve("a")
    key = world.put_backup(suspend=True)

    assert world.pass_over(key) == Done()

    assert world.phase(key) == "Suspended"
    assert world.told(key, "Progressing") == ("False", "Suspended")
    assert world.on_server("/a") == []
    world.put_backup()
    world.until(key, "Completed")


def test_suspended_under_way_it_is_finished(world: BackupWorld) -> None:
    world.serve("a")
    key = world.begun()
    world.put_backup(suspend=True)

    world.until(key, "Completed")


def test_one_at_a_time_the_oldest_first(world: BackupWorld) -> None:
    world.serve("a")
    young = world.put_backup("young", created="2030-01-02T03:00:02Z")
    old = world.put_backup("old", created="2030-01-02T03:00:01Z")
    for _ in range(3):
        world.pass_over(young)
    assert world.phase(young) == "Pending"
    assert world.told(young, "Ready") == ("False", "InstanceBusy")
    assert '"old"' in message(world, young)
    assert world.told(young, "Progressing") == ("False", "InstanceBusy")

    world.until(old, "Completed")
    world.until(young, "Completed")

    assert len(world.on_server("/a")) == 2


def test_one_that_is_suspended_or_goes_holds_up_nobody(world: BackupWorld) -> None:
    world.serve("a")
    world.put_backup("oldest", created="2030-01-02T03:00:00Z", suspend=True)
    leaving = world.put_backup("leaving", created="2030-01-02T03:00:01Z")
    world.delete_backup(leaving)
    key = world.put_backup("young", created="2030-01-02T03:00:02Z")

    world.until(key, "Completed")


def test_one_that_waits_for_a_share_holds_up_nobody(world: BackupWorld) -> None:
    world.serve("a")
    waiting = world.put_backup("waiting", created="2030-01-02T03:00:00Z", shares=["nope"])
    key = world.put_backup("young", created="2030-01-02T03:00:01Z")
    world.pass_over(key)
    assert world.told(key, "Ready") == ("False", "InstanceBusy"), "nobody has looked at the older one yet"
    world.pass_over(waiting)

    world.until(key, "Completed")

    assert world.told(waiting, "Ready") == ("False", "ShareNotFound")


def test_one_under_way_is_not_interrupted_by_an_older_one_that_was_resumed(world: BackupWorld) -> None:
    world.serve("a")
    old = world.put_backup("old", created="2030-01-02T03:00:00Z", suspend=True)
    young = world.begun("young", created="2030-01-02T03:00:01Z")

    world.put_backup("old", suspend=False)
    world.pass_over(old)

    assert world.told(old, "Ready") == ("False", "InstanceBusy")
    world.until(young, "Completed")
    world.until(old, "Completed")


def test_backups_of_another_instance_are_nobody_s_business(world: BackupWorld) -> None:
    world.serve("a")
    world.put_backup("other", created="2030-01-01T00:00:00Z", instanceRef={"name": "other"})

    world.until(world.put_backup(), "Completed")


def test_two_of_the_same_second_agree_who_is_first() -> None:
    def backup(name: str) -> Any:
        return freeze({"metadata": {"name": name, "uid": name, "creationTimestamp": "2030-01-02T03:00:00Z"}})

    both = backup("a"), backup("b")

    assert [ahead_of(one, both) for one in both] == [None, "a"]


@pytest.mark.parametrize(
    ("sizes", "shown"),
    [
        ((), ""),
        ((0,), "0"),
        ((1272, 1384), "2656"),
        ((10_239,), "10239"),
        ((10_240,), "10Ki"),
        ((20 * 2**20 + 1,), "21Mi"),
    ],
)
def test_what_it_takes_is_a_quantity_of_few_digits(sizes: tuple[int, ...], shown: str) -> None:
    artifacts = [BackupArtifact(share="a", path="/a", bytes=size) for size in sizes]

    assert size_of(artifacts) == shown


def test_an_object_of_another_version_says_so_and_begins_nothing(world: BackupWorld) -> None:
    world.serve("a")
    key = world.put_backup(method="Unheard")

    world.pass_over(key)

    assert world.told(key, "Ready") == ("False", "InvalidSpec")
    assert world.on_server("/a") == []


def test_a_steady_wait_writes_nothing(world: BackupWorld) -> None:
    key = world.put_backup(shares=["nope"])
    world.pass_over(key)
    world.operations.clear()
    world.clock.advance(30)

    world.pass_over(key)

    assert world.operations == []
