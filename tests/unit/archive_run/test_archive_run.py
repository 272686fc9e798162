"""Archives: the server is stopped for the copy alone, whatever happens it runs again, and nothing is made twice."""

from __future__ import annotations

import base64
import gzip
import json
from typing import Any

import pytest

from hack.localcluster.double import snapshots
from informers.errors import Forbidden
from informers.resource import ObjectKey
from reconcilers.api.resources import CONFIG_MAP, DITTOFS, DITTOFS_BACKUP, JOB, PERSISTENT_VOLUME_CLAIM
from reconcilers.backup.archive.limits import PREPARE_LIMIT_S
from reconcilers.names import PURGE_ANNOTATION
from tests.support.archive_world import COVERED, SHA256, ArchiveWorld, Killed


def test_the_copy_is_made_while_the_server_is_stopped_and_read_back_while_it_runs(world: ArchiveWorld) -> None:
    world.serve("a")
    key = world.archive()

    assert world.go(key, "Completed", "Failed") == "Completed"

    status = world.backup_status(key)
    assert world.states == ["serving", "stopped", "serving"]
    assert world.harm == []
    assert world.held() is None
    assert status["archiveID"] == "weekly-uid-weekly"
    assert (status["manifestSHA256"], status["size"], status["durable"]) == (SHA256, "20Ki", True)
    assert status["covered"] == COVERED
    assert status["jobRef"] == {"name": "weekly-vf"}
    assert [(one["share"], one["location"]) for one in status["artifacts"]] == [
        ("a", "PersistentVolumeClaim weekly-archive, folder weekly-uid-weekly")
    ]
    assert world.told(key, "TargetReady") == ("True", "Written")
    assert sorted(world.told_jobs()) == ["weekly-bk", "weekly-vf"]
    assert world.recorder.reasons()[-3:] == ["BackupStarted", "NotEncrypted", "BackupCompleted"]


def test_the_jobs_may_write_to_the_target_alone_and_have_nothing_else_of_the_cluster(world: ArchiveWorld) -> None:
    world.serve("a")
    world.go(world.archive(job={"nodeSelector": {"disk": "fast"}}), "Completed")

    pods = {view["metadata"]["name"]: view["spec"]["template"]["spec"] for view in world.objects.jobs.list()}
    writable = {
        name: {m["mountPath"] for m in pod["containers"][0]["volumeMounts"] if not m.get("readOnly")}
        for name, pod in pods.items()
    }
    assert writable == {"weekly-bk": {"/tmp", "/archives"}, "weekly-vf": {"/tmp"}}
    assert {mount["mountPath"] for mount in pods["weekly-vf"]["containers"][0]["volumeMounts"]} == {"/tmp", "/archives"}
    for pod in pods.values():
        assert pod["automountServiceAccountToken"] is False
        assert pod["nodeSelector"] == {"disk": "fast"}


def steps(world: ArchiveWorld) -> int:
    key = world.archive("undisturbed")
    world.operations.clear()
    assert world.go(key, "Completed", "Failed") == "Completed"
    return len(world.operations)


def test_an_operator_that_dies_at_any_step_ends_with_one_archive_and_a_running_server(world: ArchiveWorld) -> None:
    world.serve("a")
    count = steps(world)
    assert count > 10
    for index in range(count):
        key = world.archive(f"backup-{index}")
        world.operations.clear()
        world.jobs_made.clear()
        world.dies_after = index
        try:
            world.go(key, "Completed", "Failed")
        except Killed:
            world.restarted_operator()
        world.dies_after = None
        assert world.go(key, "Completed", "Failed") == "Completed", (index, world.backup_status(key))
        assert world.held() is None
        ours = [uid for uid in world.jobs_made if f"backup-{index}-" in uid]
        assert sorted(ours) == [f"uid-backup-{index}-bk", f"uid-backup-{index}-vf"], index
    assert world.harm == []


def failing(reason: str) -> dict[str, str]:
    return {"result": "Failed", "reason": reason, "message": "what to do"}


@pytest.mark.parametrize(("job", "reason"), [("bk", "TargetFull"), ("bk", "SourceDamaged"), ("vf", "ArchiveDamaged")])
def test_what_a_job_says_of_its_failure_is_told_and_the_server_runs(world: ArchiveWorld, job: str, reason: str) -> None:
    world.serve("a")
    key = world.archive()
    world.tells[job] = failing(reason)

    assert world.go(key, "Completed", "Failed") == "Failed"

    assert world.told(key, "Failed") == ("True", reason)
    assert world.message(key) == "what to do"
    assert world.held() is None
    assert world.states[-1] == "serving"
    assert world.failed == ["weekly"]
    target = world.told(key, "TargetReady")
    assert target == (("False", reason) if reason.startswith("Target") else target)


def test_the_target_is_found_before_the_server_stops(world: ArchiveWorld) -> None:
    world.serve("a")
    key = world.archive()
    world.tells["bk"] = None

    world.go(key, "Running")

    assert world.told(key, "TargetReady") == ("True", "Found")


def test_the_server_is_let_go_before_the_failure_is_told(world: ArchiveWorld) -> None:
    world.serve("a")
    key = world.archive()
    world.tells["bk"] = failing("TargetFull")
    world.go(key, "Failed", passes=0)
    while world.held() is None or "weekly-bk" not in world.told_jobs():
        world.step(key)
    world.operations.clear()

    world.step(key)

    assert world.operations[:2] == ["json_patch", "apply"]
    assert world.phase(key) == "Failed"


def test_a_copy_that_takes_too_long_ends_with_a_running_server(world: ArchiveWorld) -> None:
    world.serve("a")
    key = world.archive(job={"activeDeadline": "10m"})
    world.tells["bk"] = None
    world.go(key, "Failed", passes=6)
    assert world.states[-1] == "stopped"

    world.clock.advance(PREPARE_LIMIT_S + 600 + 300)
    assert world.go(key, "Completed", "Failed", passes=2) == "Failed"

    assert world.told(key, "Failed") == ("True", "DeadlineExceeded")
    assert world.told_jobs() == []
    world.surroundings()
    assert world.states[-1] == "serving"


def test_a_job_whose_pod_never_starts_does_not_keep_the_server_down_until_its_deadline(world: ArchiveWorld) -> None:
    world.serve("a")
    key = world.archive()
    world.tells["bk"] = None
    world.go(key, "Failed", passes=6)

    world.clock.advance(301)
    world.step(key)

    assert world.told(key, "Failed") == ("True", "JobNotStarted")
    assert world.states[-1] == "serving"


def test_a_pod_that_silently_waits_for_a_volume_or_a_secret_does_not_keep_the_server_down_either(
    world: ArchiveWorld,
) -> None:
    world.serve("a")
    key = world.archive()
    world.tells["bk"] = None
    world.go(key, "Failed", passes=6)
    world.has_pod("weekly-bk", "Pending", status={"active": 1})

    world.clock.advance(301)
    world.step(key)

    assert world.told(key, "Failed") == ("True", "JobNotStarted")
    assert "their events say why" in world.message(key)
    assert world.states[-1] == "serving"


def test_a_job_that_tries_once_more_after_hours_of_work_is_not_given_up(world: ArchiveWorld) -> None:
    world.serve("a")
    key = world.archive()
    world.tells["vf"] = None
    world.go(key, "Failed", passes=12)
    assert "weekly-vf" in world.told_jobs()
    world.clock.advance(3600)
    world.has_pod("weekly-vf", "Failed", status={"active": 0, "failed": 1})

    world.step(key)

    assert world.phase(key) == "Verifying"


def test_a_copy_beside_which_the_server_may_have_run_is_no_backup(world: ArchiveWorld) -> None:
    world.serve("a")
    key = world.archive()
    world.tells["bk"] = None
    world.go(key, "Failed", passes=6)
    instance = world.objects.get(DITTOFS, ObjectKey("default", "demo"))
    instance["metadata"]["annotations"] = {}
    world.objects.put(instance)

    world.pass_over(key)

    assert world.told(key, "Failed") == ("True", "HoldLost")
    assert world.told_jobs() == []


def test_an_operator_without_an_image_says_what_to_do_and_stops_nothing(world: ArchiveWorld) -> None:
    world.serve("a")
    world.image = ""
    world.restarted_operator()
    key = world.archive()

    world.step(key)

    assert world.told(key, "Ready") == ("False", "OperatorImageMissing")
    assert world.states == ["serving"]


@pytest.mark.parametrize(
    ("spec", "secrets", "reason"),
    [
        ({"target": {"pvc": {"claimName": "nowhere"}}}, {}, "TargetNotFound"),
        ({"target": {"pvc": {"claimName": "demo-metadata"}}, "encryption": {"keySecretRef": {"name": "k"}}}, {}, None),
        ({"encryption": {"keySecretRef": {"name": "k"}}}, {"k": {"key": "short"}}, "TargetSecretMissing"),
        ({"target": {"s3": {"bucket": "far", "credentialsSecretRef": {"name": "s"}}}}, {}, "TargetSecretMissing"),
        (
            {"target": {"s3": {"bucket": "far", "credentialsSecretRef": {"name": "s"}}}},
            {"s": {"access-key-id": "x", "secret-access-key": ""}},
            "TargetSecretMissing",
        ),
    ],
)
def test_what_is_missing_is_found_before_the_server_stops(
    world: ArchiveWorld, spec: dict[str, Any], secrets: dict[str, Any], reason: str | None
) -> None:
    world.serve("a")
    world.objects.secrets |= secrets
    key = world.archive(**spec)

    world.step(key)

    assert world.told(key, "Ready") == ("False", reason or "TargetSecretMissing")
    assert world.told(key, "TargetReady") == world.told(key, "Ready")
    assert world.states == ["serving"]
    assert "short" not in str(world.backup_status(key))


def test_it_begins_when_what_was_missing_comes(world: ArchiveWorld) -> None:
    world.serve("a")
    key = world.archive(encryption={"keySecretRef": {"name": "k"}})
    world.step(key)
    world.objects.secrets["k"] = {"key": base64.b64encode(bytes(32)).decode()}

    assert world.go(key, "Completed", "Failed") == "Completed"

    (job,) = [view for view in world.objects.jobs.list() if view["metadata"]["name"] == "weekly-bk"]
    assert "--key=/job/key/file" in job["spec"]["template"]["spec"]["containers"][0]["args"]
    assert "NotEncrypted" not in world.recorder.reasons()


def test_the_backups_of_a_schedule_share_a_claim_that_is_nobody_s(world: ArchiveWorld) -> None:
    world.serve("a")
    for name in ("nightly-1", "nightly-2"):
        key = world.archive(name)
        manifest = world.objects.get(DITTOFS_BACKUP, key)
        manifest["metadata"]["labels"] = {"dittofs.dittofs.io/schedule": "nightly"}
        world.objects.put(manifest)
        assert world.go(key, "Completed", "Failed") == "Completed"

    claim = world.objects.get(PERSISTENT_VOLUME_CLAIM, ObjectKey("default", "nightly-archive"))
    assert "ownerReferences" not in claim["metadata"]
    mounted = {
        volume["persistentVolumeClaim"]["claimName"]
        for view in world.objects.jobs.list()
        for volume in view["spec"]["template"]["spec"]["volumes"]
        if "persistentVolumeClaim" in volume
    }
    assert mounted == {"nightly-archive", "demo-controlplane", "demo-metadata", "demo-payload"}


def test_a_database_elsewhere_is_said_to_be_in_no_archive(world: ArchiveWorld) -> None:
    world.serve("a")
    world.put_instance(spec={"database": {"postgresSecretRef": {"name": "pg"}}})
    key = world.archive()

    assert world.go(key, "Completed", "Failed") == "Completed"

    (note,) = [event.note for event in world.recorder.events if event.reason == "ControlPlaneExternal"]
    assert "back it up by itself" in note
    (job,) = [view for view in world.objects.jobs.list() if view["metadata"]["name"] == "weekly-bk"]
    assert not any(
        flag.startswith("--control-plane") for flag in job["spec"]["template"]["spec"]["containers"][0]["args"]
    )


def test_a_claim_of_somebody_else_is_not_used(world: ArchiveWorld) -> None:
    world.serve("a")
    world.objects.put({"kind": "PersistentVolumeClaim", "metadata": {"name": "weekly-archive", "namespace": "default"}})
    key = world.archive()

    world.step(key)

    assert world.told(key, "TargetReady") == ("False", "TargetNameTaken")


def test_a_server_that_is_not_to_run_is_archived_as_it_is(world: ArchiveWorld) -> None:
    world.put_instance(spec={"replicas": 0}, apiReachable=False)
    key = world.archive()

    assert world.go(key, "Completed", "Failed") == "Completed"


def test_what_a_job_told_is_asked_again_when_it_is_lost(world: ArchiveWorld) -> None:
    world.serve("a")
    key = world.archive()
    world.tells["bk"] = None
    world.go(key, "Failed", passes=6)
    (job,) = (view for view in world.objects.jobs.list())
    world.objects.put(
        {
            **world.objects.get(JOB, ObjectKey.of(job)),
            "status": {"conditions": [{"type": "Complete", "status": "True"}]},
        }
    )
    del world.tells["bk"]

    assert world.go(key, "Completed", "Failed") == "Completed"
    assert world.harm == []


@pytest.mark.parametrize("policy", ["Delete", "Retain"])
def test_a_completed_archive_goes_or_stays_with_its_object_as_it_says(world: ArchiveWorld, policy: str) -> None:
    world.serve("a")
    key = world.archive(deletionPolicy=policy)
    world.go(key, "Completed")
    world.delete_backup(key)

    for _ in range(4):
        world.step(key)

    assert not world.backup_exists(key)
    assert ("weekly-rm" in world.told_jobs()) == (policy == "Delete")


def test_an_archive_that_is_deleted_under_way_lets_the_server_go_and_leaves_nothing(world: ArchiveWorld) -> None:
    world.serve("a")
    key = world.archive(deletionPolicy="Retain")
    world.tells["bk"] = None
    world.go(key, "Failed", passes=6)
    assert world.states[-1] == "stopped"
    world.delete_backup(key)

    world.step(key)
    assert world.states[-1] == "serving"
    for _ in range(3):
        world.step(key)

    assert world.told_jobs() == ["weekly-rm"]
    assert not world.backup_exists(key)


def test_an_archive_that_can_t_be_removed_is_told_of_and_holds_nobody(world: ArchiveWorld) -> None:
    world.serve("a")
    key = world.archive()
    world.go(key, "Completed")
    world.tells["rm"] = failing("TargetMissing")
    world.delete_backup(key)

    for _ in range(4):
        world.step(key)

    assert not world.backup_exists(key)
    note = next(event.note for event in world.recorder.events if event.reason == "DataLeftBehind")
    assert "PersistentVolumeClaim weekly-archive, folder weekly-uid-weekly" in note
    assert "what to do" in note


def test_a_removal_whose_pod_never_begins_holds_the_object_for_five_minutes_alone(world: ArchiveWorld) -> None:
    world.serve("a")
    key = world.archive()
    world.go(key, "Completed")
    world.tells["rm"] = None
    world.delete_backup(key)
    world.step(key)
    world.has_pod("weekly-rm", "Pending", status={"active": 1})
    world.clock.advance(299)
    world.step(key)
    assert world.backup_exists(key)

    world.clock.advance(2)
    world.step(key)

    assert not world.backup_exists(key)
    note = next(event.note for event in world.recorder.events if event.reason == "DataLeftBehind")
    assert "no pod of the Job that removes it began to work, and their events say why" in note


def test_in_a_namespace_that_is_about_to_go_an_archive_holds_up_nothing(
    world: ArchiveWorld, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refused(*_: object, **__: object) -> None:
        raise Forbidden(403, "Forbidden", "the namespace is being terminated")

    world.serve("a")
    key = world.archive()
    world.go(key, "Completed")
    world.delete_backup(key)
    monkeypatch.setattr(world.objects, "create", refused)

    world.step(key)

    assert not world.backup_exists(key)
    note = next(event.note for event in world.recorder.events if event.reason == "DataLeftBehind")
    assert "PersistentVolumeClaim weekly-archive" in note
    assert "being terminated" in note


S3 = {"payload": {"type": "s3", "s3": {"bucket": "files", "credentialsSecretRef": {"name": "keys"}}}}


def in_the_bucket(method: str, path: str, answer: Any) -> Any:
    if method != "GET" or not isinstance(answer, (dict, list)):
        return answer
    if "/snapshots/" in path:
        return {**answer, "remote_durable": True}  # type: ignore[dict-item]
    if path == "/api/v1/shares":
        return [{**row, "remote_block_store_id": "r"} for row in answer]
    return {**answer, "remote_block_store_id": "r"} if path == "/api/v1/shares/a" else answer  # type: ignore[dict-item]


def pinned(world: ArchiveWorld, **spec: Any) -> ObjectKey:
    world.serve("a")
    world.put_instance(spec=S3)
    world.altered = in_the_bucket
    key = world.archive(**spec)
    assert world.go(key, "Completed", "Failed", passes=100) == "Completed", world.backup_status(key)
    return key


def test_what_a_bucket_has_is_pinned_while_no_client_writes_and_let_go_with_the_archive(world: ArchiveWorld) -> None:
    key = pinned(world)

    assert world.states == ["serving", "silent", "stopped", "serving"]
    assert world.harm == []
    (kept,) = world.backup_status(key)["artifacts"]
    assert (kept["path"], kept["durable"], [kept["snapshotID"]]) == ("/a", True, world.on_server("/a"))
    contents = world.objects.get(CONFIG_MAP, ObjectKey("default", "weekly-archive"))
    description = json.loads(contents["data"]["description.json"])
    assert description["snapshots"] == {"/a": kept["snapshotID"]}
    assert description["bucket"] == {"bucket": "files", "endpoint": "", "prefix": "default/demo/"}

    world.delete_backup(key)
    for _ in range(4):
        world.step(key)
    assert not world.backup_exists(key)
    assert world.on_server("/a") == []


def test_an_archive_that_stays_keeps_its_pins(world: ArchiveWorld) -> None:
    key = pinned(world, deletionPolicy="Retain")
    world.delete_backup(key)

    world.step(key)

    assert not world.backup_exists(key)
    assert len(world.on_server("/a")) == 1


def test_an_archive_beside_the_files_in_the_bucket_is_refused_where_the_server_would_delete_it(
    world: ArchiveWorld,
) -> None:
    world.put_instance(spec=S3)
    world.objects.secrets["s"] = {"access-key-id": "x", "secret-access-key": "y"}
    near = {"bucket": "files", "prefix": "default/demo/archives", "credentialsSecretRef": {"name": "s"}}
    key = world.archive(target={"s3": near})

    world.step(key)

    assert world.told(key, "Failed") == ("True", "TargetInPayload")


def test_what_is_archived_of_the_objects_can_be_made_anew(world: ArchiveWorld) -> None:
    world.serve("a", quota={"size": "1Gi"})
    claim = world.objects.get(PERSISTENT_VOLUME_CLAIM, ObjectKey("default", "demo-metadata"))
    claim["metadata"]["annotations"] = {PURGE_ANNOTATION: "[]", "somebody": "else"}
    world.objects.put(claim)
    world.go(world.archive(), "Completed")

    packed = world.objects.get(CONFIG_MAP, ObjectKey("default", "weekly-archive"))["binaryData"]["objects.json.gz"]
    items = json.loads(gzip.decompress(base64.b64decode(packed)))["items"]

    assert [item["kind"] for item in items] == ["DittoFS", "DittoFSShare", "PersistentVolumeClaim"]
    assert "annotations" not in items[0]["metadata"]
    assert items[1]["spec"]["quota"] == {"size": "1Gi"}
    assert all("status" not in item and "resourceVersion" not in item["metadata"] for item in items)
    assert items[2]["metadata"]["annotations"][PURGE_ANNOTATION] == "[]"


def test_an_operator_that_dies_at_any_step_leaves_one_snapshot_of_each_share(
    world: ArchiveWorld, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(snapshots, "MAKING_S", 0.0)
    pinned(world, deletionPolicy="Retain")
    count = len(world.operations)
    assert count > 15
    for index in range(count):
        before = set(world.on_server("/a"))
        key = world.archive(f"backup-{index}")
        world.operations.clear()
        world.dies_after = index
        try:
            world.go(key, "Completed", "Failed", passes=100)
        except Killed:
            world.restarted_operator()
        world.dies_after = None
        assert world.go(key, "Completed", "Failed", passes=100) == "Completed", (index, world.backup_status(key))
        (kept,) = world.backup_status(key)["artifacts"]
        assert set(world.on_server("/a")) - before == {kept["snapshotID"]}, index
        assert world.held() is None
    assert world.harm == []
