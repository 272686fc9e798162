"""Restores from archives: once, into what is empty, and with what came back made anew before the server runs."""

from __future__ import annotations

import json
from typing import Any

import pytest

from dittofs_operator.archive import comeback
from informers.errors import ApiError, Forbidden, Invalid
from informers.resource import Manifest, ObjectKey, Resource
from informers.result import Backoff
from reconcilers import names
from reconcilers.api.resources import DITTOFS, DITTOFS_SHARE
from reconcilers.backup.archive.job_stage import START_LIMIT_S
from reconcilers.backup.archive.limits import END_LIMIT_S, LOAD_LIMIT_S, MARGIN_S, PREPARE_LIMIT_S
from tests.support.archive_world import SHA256, WRITTEN, ArchiveWorld, Killed
from tests.support.share_world import CLAIM, INSTANCE

PURGE = '{"addresses":{"/gone":5},"last":5}'
SOURCE = {"archive": {"id": "weekly-1", "pvc": {"claimName": CLAIM.name}}}
OBJECTS = json.dumps(
    {
        "items": [
            {"kind": "DittoFS", "metadata": {"name": "demo"}},
            {
                "kind": "DittoFSShare",
                "metadata": {"name": "a", "labels": {"team": "x"}},
                "spec": {"instanceRef": {"name": "elsewhere"}, "path": "/a", "quota": {"size": "1Gi"}},
            },
            {"kind": "DittoFSShare", "metadata": {"name": "b"}, "spec": {"instanceRef": {"name": "elsewhere"}}},
            {
                "kind": "PersistentVolumeClaim",
                "metadata": {"name": "demo-metadata", "annotations": {names.PURGE_ANNOTATION: PURGE}},
            },
        ]
    }
).encode()


class RestoreWorld(ArchiveWorld):
    """A server that has what was restored, since the Jobs here only say that they did something."""

    def prepare(self) -> None:
        self.serve("a", "b")
        for view in self.objects.shares.list():
            self.objects.shares.remove(view)

    def restore(self, name: str = "again", **spec: Any) -> ObjectKey:
        return self.put_backup(name, operation="Restore", restore={**SOURCE, **spec})

    def _run(self, job: dict[str, Any], hold: Any) -> None:
        if job["metadata"]["name"].endswith("-rs") and "rs" not in self.tells:
            container = job["spec"]["template"]["spec"]["containers"][0]
            number = next(int(flag.partition("=")[2]) for flag in container["args"] if flag.startswith("--page="))
            self.tells["rs"] = {**WRITTEN, **comeback.page(OBJECTS, number)}
            super()._run(job, hold)
            del self.tells["rs"]
        else:
            super()._run(job, hold)


@pytest.fixture
def restores(world: ArchiveWorld) -> RestoreWorld:
    world.__class__ = RestoreWorld
    assert isinstance(world, RestoreWorld)
    world.prepare()
    return world


def made(world: ArchiveWorld) -> list[str]:
    return sorted(view["metadata"]["name"] for view in world.objects.shares.list())


def test_what_was_archived_comes_back_before_the_server_runs_again(restores: RestoreWorld) -> None:
    key = restores.restore()
    restores.go(key, "Verifying")

    # Not yet seen to be let go: all that the server will look for at its start is there.
    share = restores.objects.get(DITTOFS_SHARE, ObjectKey("default", "a"))
    assert made(restores) == ["a", "b"]
    assert (share["spec"]["instanceRef"], share["spec"]["quota"]) == ({"name": "demo"}, {"size": "1Gi"})
    assert share["metadata"]["labels"] == {"team": "x"}
    claim = restores.objects.claims.get(CLAIM)
    assert claim is not None
    assert claim["metadata"]["annotations"][names.PURGE_ANNOTATION] == PURGE

    assert restores.go(key, "Completed", "Failed") == "Completed"
    status = restores.backup_status(key)
    assert restores.states == ["serving", "stopped", "serving"]
    assert restores.held() is None
    assert [(one["path"], one["state"]) for one in status["restored"]] == [("/a", "Restored"), ("/b", "Restored")]
    assert status["manifestSHA256"] == SHA256
    assert "archiveID" not in status
    assert restores.recorder.reasons()[-2:] == ["RestoreStarted", "RestoreCompleted"]


def test_the_job_gets_the_claims_and_what_is_of_this_cluster(restores: RestoreWorld) -> None:
    restores.go(restores.restore(), "Completed")

    (job,) = restores.objects.jobs.list()
    pod = job["spec"]["template"]["spec"]
    arguments = set(pod["containers"][0]["args"])
    assert {"restore", "--uid=uid-again", "--archive=weekly-1", "--admin-password=/job/admin/file"} <= arguments
    mounts = {mount["mountPath"]: mount.get("readOnly", False) for mount in pod["containers"][0]["volumeMounts"]}
    writable = {path for path, read_only in mounts.items() if not read_only}
    assert writable == {"/tmp", "/data/controlplane", "/data/metadata", "/data/payload"}


def test_without_create_shares_none_is_made(restores: RestoreWorld) -> None:
    key = restores.restore(createShares=False)

    assert restores.go(key, "Completed", "Failed") == "Completed"

    assert made(restores) == []


def test_an_instance_with_shares_is_left_alone(world: ArchiveWorld) -> None:
    world.serve("mine")
    key = world.put_backup("again", operation="Restore", restore=SOURCE)

    world.step(key)

    assert world.told(key, "Ready") == ("False", "NotEmpty")
    assert world.states == ["serving"]


def test_nothing_is_restored_beside_a_server_of_the_same_bucket(restores: RestoreWorld) -> None:
    known = {"type": "Degraded", "status": "True", "lastTransitionTime": "2030-01-02T03:00:00Z"}
    restores.put_instance(conditions=[{**known, "reason": "BucketShared", "message": "delete the other one"}])
    key = restores.restore()

    restores.pass_over(key)

    assert restores.told(key, "Ready") == ("False", "BucketShared")
    assert restores.message(key) == "delete the other one"


def test_objects_of_many_pages_come_back_whole(restores: RestoreWorld, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(comeback, "PAGE_BYTES", 100)
    key = restores.restore()

    assert restores.go(key, "Completed", "Failed", passes=60) == "Completed"

    assert made(restores) == ["a", "b"]
    assert len(restores.operations) > 3


@pytest.mark.parametrize("page_bytes", [2400, 150])
def test_an_operator_that_dies_at_any_step_ends_with_all_of_it_and_a_running_server(
    restores: RestoreWorld, monkeypatch: pytest.MonkeyPatch, page_bytes: int
) -> None:
    monkeypatch.setattr(comeback, "PAGE_BYTES", page_bytes)
    index = 0
    while True:
        key = restores.restore(f"again-{index}")
        for view in restores.objects.shares.list():
            restores.objects.shares.remove(view)
        restores.operations.clear()
        restores.dies_after = index
        died = False
        try:
            restores.go(key, "Completed", "Failed", passes=60)
        except Killed:
            died = True
            restores.restarted_operator()
        restores.dies_after = None
        assert restores.go(key, "Completed", "Failed", passes=60) == "Completed", (index, restores.backup_status(key))
        assert made(restores) == ["a", "b"]
        assert restores.held() is None
        if not died:
            break
        index += 1
    assert index > 10
    assert restores.harm == []


@pytest.mark.parametrize("reason", ["ArchiveDamaged", "NotEmpty", "DifferentInstance", "KeyWrong"])
def test_what_the_job_says_of_its_failure_is_told_and_the_server_runs(restores: RestoreWorld, reason: str) -> None:
    restores.tells["rs"] = {"result": "Failed", "reason": reason, "message": "what to do"}
    key = restores.restore()

    assert restores.go(key, "Completed", "Failed") == "Failed"

    assert restores.told(key, "Failed") == ("True", reason)
    assert "what to do" in restores.message(key)
    assert made(restores) == []
    assert restores.held() is None
    assert restores.failed == ["again"]


def test_a_job_that_takes_too_long_ends_with_a_running_server(restores: RestoreWorld) -> None:
    restores.tells["rs"] = None
    key = restores.restore()
    restores.go(key, "Failed", passes=5)
    assert restores.states[-1] == "stopped"

    restores.clock.advance(PREPARE_LIMIT_S + 7200 + MARGIN_S)
    restores.step(key)
    restores.step(key)

    assert restores.told(key, "Failed") == ("True", "DeadlineExceeded")
    assert restores.states[-1] == "serving"


def test_shares_that_the_server_never_loads_are_no_restore(restores: RestoreWorld) -> None:
    restores.altered = lambda method, path, answer: [] if path == "/api/v1/shares" and method == "GET" else answer
    key = restores.restore()
    restores.go(key, "Failed", passes=15)
    assert restores.phase(key) == "Verifying"

    restores.clock.advance(PREPARE_LIMIT_S + 7200 + MARGIN_S + LOAD_LIMIT_S)
    restores.step(key)

    assert restores.told(key, "Failed") == ("True", "DeadlineExceeded")


def test_a_restore_without_all_of_its_dittofsshares_has_failed_and_says_which_to_make_by_hand(
    restores: RestoreWorld,
) -> None:
    key = restores.restore()
    restores.go(key, "Verifying", passes=1)
    restores.objects.put(
        {
            "kind": DITTOFS_SHARE.kind,
            "metadata": {"name": "b", "namespace": "default", "uid": "u"},
            "spec": {"instanceRef": {"name": "other"}},
        }
    )

    assert restores.go(key, "Completed", "Failed") == "Failed"

    (note,) = [event.note for event in restores.recorder.events if event.reason == "ShareNotMade"]
    assert 'DittoFSShare "b" is there, of another DittoFS' in note
    told = {one["share"]: one.get("message") for one in restores.backup_status(key)["restored"]}
    assert told == {"a": None, "b": 'DittoFSShare "b" is there, of another DittoFS'}
    assert restores.told(key, "Failed") == ("True", "SharesNotMade")
    assert "2 shares are restored and loaded by the server, but 1 of" in restores.message(key)
    assert "make them by hand, status.restored says why: b" in restores.message(key)
    assert {one["state"] for one in restores.backup_status(key)["restored"]} == {"Restored"}
    assert restores.states[-1] == "serving"


def refuse_shares(world: ArchiveWorld, monkeypatch: pytest.MonkeyPatch, error: ApiError) -> None:
    """Let the API server take no DittoFSShare `b`."""
    create = world.objects.create

    def refusing(resource: Resource, manifest: Manifest, *, field_manager: str) -> Manifest:
        if resource == DITTOFS_SHARE and manifest["metadata"]["name"] == "b":
            raise error
        return create(resource, manifest, field_manager=field_manager)

    monkeypatch.setattr(world.objects, "create", refusing)


def test_a_share_that_the_api_server_finds_invalid_ends_the_restore_as_failed(
    restores: RestoreWorld, monkeypatch: pytest.MonkeyPatch
) -> None:
    refuse_shares(restores, monkeypatch, Invalid(422, "Invalid", "spec.path: not so"))
    key = restores.restore()

    assert restores.go(key, "Completed", "Failed") == "Failed"

    assert restores.told(key, "Failed") == ("True", "SharesNotMade")
    told = {one["share"]: one.get("message", "") for one in restores.backup_status(key)["restored"]}
    assert (told["a"], "spec.path: not so" in told["b"]) == ("", True)
    assert (made(restores), restores.states[-1]) == (["a"], "serving")


def test_a_missing_right_is_waited_for_and_nothing_is_lost(
    restores: RestoreWorld, monkeypatch: pytest.MonkeyPatch
) -> None:
    refuse_shares(restores, monkeypatch, Forbidden(403, "Forbidden", "create is not allowed"))
    key = restores.restore()
    restores.go(key, "Completed", "Failed", passes=8)

    assert restores.told(key, "Ready") == ("False", "NotPermitted")
    assert "allow the operator to create dittofsshares" in restores.message(key)
    assert "create is not allowed" in restores.message(key)
    assert isinstance(restores.step(key), Backoff)
    assert (restores.phase(key), restores.states[-1]) == ("Running", "stopped")
    assert restores.recorder.reasons().count("NotPermitted") == 1

    monkeypatch.undo()
    restores.restarted_operator()
    assert restores.go(key, "Completed", "Failed") == "Completed"
    assert made(restores) == ["a", "b"]


@pytest.mark.parametrize("deleted", [False, True])
def test_a_right_that_nobody_gives_ends_the_restore_with_a_running_server(
    restores: RestoreWorld, monkeypatch: pytest.MonkeyPatch, deleted: bool
) -> None:
    refuse_shares(restores, monkeypatch, Forbidden(403, "Forbidden", "create is not allowed"))
    key = restores.restore()
    restores.go(key, "Completed", "Failed", passes=8)

    if deleted:
        restores.delete_backup(key)
    else:
        restores.clock.advance(PREPARE_LIMIT_S + 7200 + MARGIN_S)

    assert restores.go(key, "Completed", "Failed", passes=6) == "Failed"
    assert restores.told(key, "Failed") == ("True", "SharesNotMade")
    assert restores.states[-1] == "serving"


def test_a_deleted_restore_comes_to_its_end_and_leaves_the_archive_alone(restores: RestoreWorld) -> None:
    key = restores.restore()
    restores.go(key, "Failed", passes=3)
    restores.delete_backup(key)

    for _ in range(12):
        restores.step(key)

    assert not restores.backup_exists(key)
    assert restores.held() is None
    assert not any(name.endswith("-rm") for name in restores.told_jobs())


@pytest.mark.parametrize("cause", ["DeadlineExceeded", "JobNotStarted", "InstanceNotFound"])
def test_a_restore_that_is_given_up_lets_the_server_go_only_when_no_pod_can_write_any_more(
    restores: RestoreWorld, cause: str
) -> None:
    restores.tells["rs"] = None
    key = restores.restore()
    restores.go(key, "Failed", passes=5)
    restores.has_pod("again-rs", "Pending" if cause == "JobNotStarted" else "Running", status={"active": 1})
    if cause == "InstanceNotFound":
        instance = restores.objects.get(DITTOFS, INSTANCE)
        instance["metadata"] |= {"deletionTimestamp": "2030-01-02T04:00:00Z", "finalizers": ["example.com/x"]}
        restores.objects.put(instance)
    restores.clock.advance(START_LIMIT_S + 1 if cause == "JobNotStarted" else PREPARE_LIMIT_S + 7200 + MARGIN_S)

    for _ in range(4):
        restores.step(key)
        restores.restarted_operator()
    assert restores.told_jobs() == []
    assert restores.told(key, "Ready") == ("False", cause)
    assert "waits for the end of the Job's pods" in restores.message(key)
    assert (restores.phase(key), restores.states[-1]) == ("Running", "stopped")

    restores.has_no_pod("again-rs")
    restores.step(key)
    assert restores.told(key, "Failed") == ("True", cause)
    assert "waits for the end" not in restores.message(key)
    assert restores.states[-1] == "serving"
    assert restores.told_jobs() == []


def test_a_pod_that_never_ends_costs_the_server_no_more_than_its_hold(restores: RestoreWorld) -> None:
    restores.tells["rs"] = None
    key = restores.restore()
    restores.go(key, "Failed", passes=5)
    restores.has_pod("again-rs", "Running", status={"active": 1})
    restores.clock.advance(PREPARE_LIMIT_S + 7200 + MARGIN_S)
    restores.step(key)
    assert restores.phase(key) == "Running"

    restores.clock.advance(END_LIMIT_S)
    restores.step(key)

    assert restores.told(key, "Failed") == ("True", "DeadlineExceeded")
    assert restores.states[-1] == "serving"


def test_no_second_job_begins_beside_a_pod_of_one_that_was_removed_by_hand(restores: RestoreWorld) -> None:
    restores.tells["rs"] = None
    key = restores.restore()
    restores.go(key, "Failed", passes=5)
    restores.has_pod("again-rs", "Running", status={"active": 1})
    (job,) = restores.objects.jobs.list()
    restores.objects.jobs.remove(job)

    restores.step(key)
    assert restores.told_jobs() == []
    assert 'its pod "again-rs-x" is on its way out' in restores.message(key)

    restores.has_no_pod("again-rs")
    del restores.tells["rs"]
    assert restores.go(key, "Completed", "Failed") == "Completed"
