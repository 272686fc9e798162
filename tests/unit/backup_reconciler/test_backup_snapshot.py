"""A backup by the method Snapshot: taken once, verified, said honestly."""

from __future__ import annotations

from typing import Any

import pytest

from hack.localcluster.double import snapshots
from informers.resource import ObjectKey
from informers.result import Done, RequeueAfter
from reconcilers import names
from reconcilers.api.resources import PERSISTENT_VOLUME_CLAIM
from reconcilers.purge import Purge
from tests.support.backup_world import BackupWorld, Killed, in_the_making
from tests.support.share_world import CLAIM


def test_every_declared_share_is_kept_and_verified(world: BackupWorld) -> None:
    world.serve("a", "b")
    key = world.put_backup()

    world.until(key, "Completed")

    status = world.backup_status(key)
    assert [(artifact["share"], artifact["path"]) for artifact in status["artifacts"]] == [("a", "/a"), ("b", "/b")]
    assert [world.on_server(artifact["path"]) for artifact in status["artifacts"]] == [
        [artifact["snapshotID"]] for artifact in status["artifacts"]
    ]
    assert all(artifact["bytes"] > 0 for artifact in status["artifacts"])
    assert status["artifacts"][0]["location"] == "PersistentVolumeClaim demo-payload"
    assert status["startTime"]
    assert status["completionTime"]
    assert status["size"] == str(sum(artifact["bytes"] for artifact in status["artifacts"]))
    assert status["ready"] is True
    assert world.told(key, "Ready") == ("True", "Verified")
    assert world.told(key, "Progressing") == ("False", "Verified")
    assert world.told(key, "Failed") == ("False", "Verified")
    assert world.recorder.reasons()[-2:] == ["BackupStarted", "BackupCompleted"]


def test_a_share_beside_one_that_is_being_removed_is_kept_on_the_same_claim(world: BackupWorld) -> None:
    claim = world.objects.get(PERSISTENT_VOLUME_CLAIM, CLAIM)
    claim["metadata"]["annotations"] = {names.PURGE_ANNOTATION: Purge().adding("/a", now_ms=1).text()}
    world.objects.put(claim)
    world.serve("a")
    key = world.put_backup()

    world.until(key, "Completed")

    assert world.status(ObjectKey("default", "a"))["stores"]["local"] == "op-payload~2"
    assert world.backup_status(key)["artifacts"][0]["location"] == "PersistentVolumeClaim demo-payload"


def test_without_a_bucket_it_says_that_it_is_not_durable(world: BackupWorld) -> None:
    world.serve("a")
    key = world.put_backup()

    world.until(key, "Completed")

    status = world.backup_status(key)
    assert status["durable"] is False
    assert status["artifacts"][0]["durable"] is False
    assert "not durable" in next(c["message"] for c in status["conditions"] if c["type"] == "Completed")


def test_with_a_bucket_it_is_complete_only_once_the_server_found_all_of_it_there(world: BackupWorld) -> None:
    world.serve("a")
    key = world.put_backup()
    world.altered = with_bucket(durable=False)
    world.until(key, "Verifying")
    assert world.told(key, "Progressing") == ("True", "Verifying")

    world.altered = with_bucket(durable=True)
    world.until(key, "Completed")

    assert world.backup_status(key)["durable"] is True


def with_bucket(*, durable: bool) -> Any:
    def altered(method: str, path: str, answer: Any) -> Any:
        if "/snapshots/" in path and method == "GET":
            return {**answer, "remote_durable": durable}
        if method == "GET" and path == "/api/v1/shares/a":
            return {**answer, "remote_block_store_id": "r"}
        return answer

    return altered


def test_only_the_named_shares_are_kept(world: BackupWorld) -> None:
    world.serve("a", "b")
    key = world.put_backup(shares=["b"])

    world.until(key, "Completed")

    assert [artifact["share"] for artifact in world.backup_status(key)["artifacts"]] == ["b"]
    assert world.on_server("/a") == []


def test_a_finished_backup_never_runs_again(world: BackupWorld) -> None:
    world.serve("a")
    key = world.put_backup()
    world.until(key, "Completed")
    world.operations.clear()

    world.put_backup(shares=["a"], suspend=False)
    world.put_backup(shares=["nope"], method="Unheard")
    world.restarted_operator()

    assert world.pass_over(key) == Done()
    assert world.operations == []


def test_nothing_of_a_finished_backup_is_asked_again_of_the_server(world: BackupWorld) -> None:
    world.serve("a", "b")
    key = world.put_backup()
    world.until(key, "Completed")

    begun = [operation for operation in world.operations if operation.startswith("POST") and "snapshots" in operation]

    assert begun == ["POST /api/v1/shares/a/snapshots", "POST /api/v1/shares/b/snapshots"]


def test_every_id_is_written_down_before_anything_else_is_sent(world: BackupWorld) -> None:
    world.serve("a", "b")
    key = world.put_backup()
    world.until(key, "Completed")

    after = [
        following
        for operation, following in zip(world.operations, world.operations[1:], strict=False)
        if operation.startswith("POST") and operation.endswith("/snapshots")
    ]

    assert after == ["apply", "apply"]


def steps(world: BackupWorld) -> int:
    """How many requests and writes an undisturbed backup takes, polls left out."""
    world.serve("a", "b")
    key = world.put_backup("undisturbed")
    world.until(key, "Completed")
    return len(world.operations)


def test_an_operator_that_dies_at_any_step_neither_doubles_nor_loses_a_snapshot(
    world: BackupWorld, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(snapshots, "MAKING_S", 0.0)
    count = steps(world)
    before = [world.on_server(path) for path in ("/a", "/b")]
    for index in range(count):
        key = world.put_backup(f"backup-{index}")
        world.operations.clear()
        world.dies_after = index
        try:
            world.until(key, "Completed")
        except Killed:
            world.restarted_operator()
        world.dies_after = None
        world.until(key, "Completed")
        made = [artifact["snapshotID"] for artifact in world.backup_status(key)["artifacts"]]
        for path, known, snapshot in zip(("/a", "/b"), before, made, strict=True):
            assert world.on_server(path) == [snapshot, *known], index
        world.delete_backup(key)
        world.pass_over(key)
        assert not world.backup_exists(key)
        assert [world.on_server(path) for path in ("/a", "/b")] == before


def test_a_snapshot_that_was_begun_twice_by_a_slow_request_is_kept_once(world: BackupWorld) -> None:
    world.serve("a")
    key = world.put_backup()
    name = names.backup_snapshot("uid-nightly")
    first = world.hand.create_snapshot("/a", name)
    world.on_server("/a")
    world.hand.create_snapshot("/a", name)
    world.on_server("/a")

    world.until(key, "Completed")

    assert world.on_server("/a") == [first]
    assert world.backup_status(key)["artifacts"][0]["snapshotID"] == first


def test_another_snapshot_in_the_making_is_waited_for(world: BackupWorld, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(snapshots, "MAKING_S", 1e9)
    world.serve("a", "b")
    key = world.put_backup()
    world.pass_over(key)  # the finalizer
    world.hand.create_snapshot("/a", "somebody else's")

    result = world.pass_over(key)

    status = world.backup_status(key)
    assert status["phase"] == "Running"
    assert "another snapshot" in status["conditions"][0]["message"]
    assert [bool(artifact.get("snapshotID")) for artifact in status["artifacts"]] == [False, True]
    assert isinstance(result, RequeueAfter)
    monkeypatch.setattr(snapshots, "MAKING_S", 0.0)
    world.until(key, "Completed")


def test_how_soon_it_looks_again_grows_with_the_time_that_it_takes(world: BackupWorld) -> None:
    world.serve("a")
    key = world.put_backup()
    world.altered = in_the_making
    world.pass_over(key)

    waits = []
    for seconds in (0.0, 5.0, 20.0, 500.0):
        world.clock.advance(seconds)
        waits.append(world.pass_over(key))

    assert waits == [RequeueAfter(0.5), RequeueAfter(1.0), RequeueAfter(5.0), RequeueAfter(15.0)]


def test_a_snapshot_that_the_server_fails_to_make_fails_the_backup_in_its_words(world: BackupWorld) -> None:
    world.serve("a", "b")
    key = world.put_backup()
    world.altered = lambda method, path, answer: (
        {**answer, "state": "failed", "error": "drain timed out"} if "/a/snapshots/" in path else answer
    )

    world.until(key, "Failed")

    assert world.told(key, "Failed") == ("True", "SnapshotFailed")
    assert "drain timed out" in world.recorder.events[-1].note
    assert world.backup_status(key)["artifacts"][1]["bytes"] > 0, "what can be kept is kept"
    assert world.pass_over(key) == Done()


@pytest.mark.parametrize(
    "error",
    [
        "abandoned: server restarted while snapshot was still creating",
        "snapshot create x: drain: upload drain timed out: context canceled",
    ],
)
def test_a_snapshot_that_ended_with_the_server_s_process_is_made_once_more_under_its_id(
    world: BackupWorld, monkeypatch: pytest.MonkeyPatch, error: str
) -> None:
    key = world.put_backup()
    world.serve("a")
    monkeypatch.setattr(snapshots, "MAKING_S", 1e9)
    world.until(key, "Running")
    seen = snapshots.of_share

    def restarted(request: Any) -> Any:
        monkeypatch.setattr(snapshots, "of_share", seen)
        rows = seen(request)
        rows[0].update(state="failed", error=error)
        return rows

    monkeypatch.setattr(snapshots, "of_share", restarted)
    world.pass_over(key)
    assert world.phase(key) == "Running"
    monkeypatch.setattr(snapshots, "MAKING_S", 0.0)
    world.until(key, "Completed")

    assert world.on_server("/a") == [world.backup_status(key)["artifacts"][0]["snapshotID"]]


def test_a_snapshot_that_somebody_removed_meanwhile_fails_the_backup(world: BackupWorld) -> None:
    world.serve("a")
    key = world.begun()
    (made,) = world.on_server("/a")
    world.hand.delete_snapshot("/a", made)

    world.pass_over(key)

    assert world.told(key, "Failed") == ("True", "SnapshotFailed")
    assert world.on_server("/a") == []


@pytest.mark.parametrize("field", ["dump_bytes", "state"])
def test_what_can_t_be_verified_is_not_complete_and_has_an_end(world: BackupWorld, field: str) -> None:
    world.serve("a")
    key = world.put_backup()
    unseen = {"dump_bytes": {"dump_bytes": 0}, "state": {"state": "odd"}}[field]
    world.altered = lambda method, path, answer: (
        {**answer, **unseen} if "/snapshots/" in path and answer and answer["state"] == "ready" else answer
    )
    world.until(key, "Verifying")

    world.clock.advance(7200)
    world.pass_over(key)

    assert world.phase(key) == "Failed"
    assert world.told(key, "Failed") == ("True", "DeadlineExceeded")


def test_a_share_that_the_server_has_not_loaded_is_waited_for(world: BackupWorld) -> None:
    world.put_share("late")
    key = world.put_backup()
    world.pass_over(key)
    world.pass_over(key)
    assert world.phase(key) == "Running"
    assert "has not loaded" in world.backup_status(key)["conditions"][0]["message"]

    world.settle(world.put_share("late"))

    world.until(key, "Completed")
