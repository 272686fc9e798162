"""A share in a bucket that goes for good: a Job removes its objects, and nobody else's, while the object waits."""

from __future__ import annotations

import json
from contextlib import suppress
from datetime import datetime
from typing import Any

import pytest

from informers.errors import ClientError, Forbidden
from informers.errors import ServerError as ApiServerError
from informers.resource import Manifest, ObjectKey, Resource
from informers.result import Done, RequeueAfter
from informers.view import thaw
from reconcilers.api.resources import DITTOFS, DITTOFS_BACKUP, JOB, POD
from tests.support.share_world import ShareWorld

KEYS = {"id": "AKIDENTIFIER", "secret-access-key": "s3cr3t-that-nobody-may-see"}
S3 = {
    "bucket": "files",
    "endpoint": "http://127.0.0.1:1",
    "allowPrivateEndpoint": True,
    "caSecretRef": {"name": "authority"},
    "credentialsSecretRef": {"name": "keys", "accessKeyIdKey": "id"},
}
JOB_KEY = ObjectKey("default", "export-objects")


@pytest.fixture
def bucket(world: ShareWorld) -> ShareWorld:
    """A world whose instance has its contents in a bucket, and whose operator knows its image."""
    world.image = "dittofs-operator:1"
    world.objects.created_at = lambda: world.clock.now().strftime("%Y-%m-%dT%H:%M:%SZ")
    world.objects.secrets["keys"] = dict(KEYS)
    put_instance(world)
    world.restarted()
    return world


def put_instance(world: ShareWorld, **s3: Any) -> None:
    pod = {"nodeSelector": {"disk": "ssd"}, "tolerations": [{"key": "storage"}]}
    payload = {"type": "s3", "s3": {**S3, **s3}}
    world.put_instance(spec={"payload": payload, "pod": pod, "imagePullSecrets": [{"name": "pull"}]})


def deleted(world: ShareWorld, name: str = "export", **spec: Any) -> ObjectKey:
    """A share that was there, and was deleted for good."""
    key = world.put_share(name, deletionPolicy="Delete", **spec)
    world.settle(key)
    world.recorder.events.clear()
    world.delete_share(key)
    return key


def waiting(world: ShareWorld) -> ObjectKey:
    key = deleted(world)
    assert isinstance(world.reconciler.reconcile(key), RequeueAfter)
    assert world.exists(key)
    return key


def ends(world: ShareWorld, kind: str, **result: Any) -> None:
    """The Job comes to an end, and its pod tells `result`."""
    job = world.objects.get(JOB, JOB_KEY)
    job["status"] = {"conditions": [{"type": kind, "status": "True", "message": "the Job's own words"}]}
    world.objects.put(job)
    code = 0 if kind == "Complete" else 12
    end = {"exitCode": code, "reason": "Error", "message": json.dumps(result)}
    phase = "Succeeded" if kind == "Complete" else "Failed"
    put_pod(world, {"phase": phase, "containerStatuses": [{"state": {"terminated": end}}]})


def put_pod(world: ShareWorld, status: dict[str, Any]) -> None:
    owner = {"uid": world.objects.get(JOB, JOB_KEY)["metadata"]["uid"]}
    metadata = {"name": "p", "namespace": "default", "ownerReferences": [owner]}
    world.objects.put({"kind": POD.kind, "metadata": metadata, "status": status})


def told(world: ShareWorld) -> list[tuple[str, str]]:
    return [(event.reason, event.note) for event in world.recorder.events]


def left_behind(world: ShareWorld) -> str:
    (note,) = [note for reason, note in told(world) if reason == "DataLeftBehind"]
    return note


def test_a_job_removes_them_once_the_share_is_off_the_server(bucket: ShareWorld) -> None:
    key = waiting(bucket)

    assert bucket.hand.share("/export") is None
    assert bucket.hand.remote_store("op-export") is None
    job = bucket.objects.get(JOB, JOB_KEY)
    pod = job["spec"]["template"]["spec"]
    until = next(argument for argument in pod["containers"][0]["args"] if argument.startswith("--until="))
    assert pod["containers"][0]["args"] == [
        "remove-objects",
        "--bucket=files",
        "--prefix=default/demo/export/",
        "--instance-prefix=default/demo/",
        until,
        "--region=us-east-1",
        "--credentials=/run/dittofs/s3-keys",
        "--result=/dev/termination-log",
        "--endpoint=http://127.0.0.1:1",
        "--authorities=/run/dittofs/s3-ca/ca.crt",
    ]
    assert [volume["secret"] for volume in pod["volumes"] if "secret" in volume] == [
        {
            "secretName": "keys",
            "items": [
                {"key": "id", "path": "access-key-id"},
                {"key": "secret-access-key", "path": "secret-access-key"},
            ],
        },
        {"secretName": "authority", "items": [{"key": "ca.crt", "path": "ca.crt"}]},
    ]
    assert (pod["nodeSelector"], pod["tolerations"]) == ({"disk": "ssd"}, [{"key": "storage"}])
    assert pod["imagePullSecrets"] == [{"name": "pull"}]
    assert [owner["uid"] for owner in job["metadata"]["ownerReferences"]] == ["uid-export"]

    ends(bucket, "Complete", result="Completed", objects=3, kept=0)
    assert bucket.reconciler.reconcile(key) == Done()

    assert not bucket.exists(key)
    assert [reason for reason, _ in told(bucket)] == ["Deleted", "ObjectsDeleted"]
    assert told(bucket)[1][1] == 'removed 3 objects of the share "/export" from the bucket'
    assert list(bucket.purge().addresses) == ["/export"]


@pytest.mark.parametrize("gone", [False, True], ids=["not loaded", "gone"])
def test_uploads_that_the_server_may_not_have_ended_are_waited_for(bucket: ShareWorld, gone: bool) -> None:
    """The request took too long: the server ends the uploads by and by, and answers the next request at once."""
    if not gone:
        bucket.hand.create_local_store("op-cache", store_type="fs", config={"path": "/data/cache"})
        (bucket.server.data / "data" / "cache").rmdir()
        (bucket.server.data / "data" / "cache").touch()
    key = deleted(bucket)
    if gone:
        bucket.hand.delete_share("/export")
    bucket.reconciler.reconcile(key)

    (container,) = bucket.objects.get(JOB, JOB_KEY)["spec"]["template"]["spec"]["containers"]
    times = dict(argument.split("=") for argument in container["args"] if argument.startswith(("--until", "--last")))
    until, look = (datetime.fromisoformat(times[flag]) for flag in ("--until", "--last-look-from"))
    assert 60 < (look - bucket.clock.now()).total_seconds() < (until - bucket.clock.now()).total_seconds()


def test_the_keys_are_told_nowhere(bucket: ShareWorld) -> None:
    waiting(bucket)

    everything = [thaw(one) for store in (bucket.objects.jobs, bucket.objects.shares) for one in store.list()]
    for secret in KEYS.values():
        assert secret not in json.dumps(everything) + str(bucket.recorder.events)


def test_what_its_pod_waits_for_stands_in_the_status(bucket: ShareWorld) -> None:
    key = waiting(bucket)
    condition = {"type": "PodScheduled", "status": "False", "message": "0/3 nodes are available"}
    put_pod(bucket, {"conditions": [condition]})

    assert isinstance(bucket.reconciler.reconcile(key), RequeueAfter)

    assert bucket.status(key)["phase"] == "Deleting"
    assert bucket.condition(key, "Ready")[1] == "Removing"
    message = str(bucket.status(key)["conditions"])
    assert "removes the objects below s3://files/default/demo/export/; no node takes its pod" in message
    before = len(bucket.objects.writes)
    bucket.reconciler.reconcile(key)
    assert len(bucket.objects.writes) == before


@pytest.mark.parametrize(
    ("endpoint", "path_style", "virtual"),
    [
        ("http://127.0.0.1:1", None, False),
        ("http://127.0.0.1:1", False, True),
        ("", None, True),
        ("", True, False),
    ],
)
def test_the_bucket_is_addressed_as_the_server_does(
    bucket: ShareWorld, endpoint: str, path_style: bool | None, virtual: bool
) -> None:
    put_instance(bucket, endpoint=endpoint, forcePathStyle=path_style)
    waiting(bucket)

    arguments = bucket.objects.get(JOB, JOB_KEY)["spec"]["template"]["spec"]["containers"][0]["args"]
    assert ("--virtual-hosted" in arguments) is virtual
    assert any(argument.startswith("--endpoint=") for argument in arguments) is bool(endpoint)


def test_a_failure_is_told_with_the_place_and_holds_nothing(bucket: ShareWorld) -> None:
    key = waiting(bucket)
    ends(bucket, "Failed", result="Failed", reason="TargetRefused", message="AccessDenied: let the account delete")

    assert bucket.reconciler.reconcile(key) == Done()

    assert not bucket.exists(key)
    note = left_behind(bucket)
    assert note.startswith("the objects below s3://files/default/demo/export/ stay, or some of them")
    assert note.endswith("AccessDenied: let the account delete")


def test_what_the_server_did_not_put_there_is_told(bucket: ShareWorld) -> None:
    key = waiting(bucket)
    ends(bucket, "Complete", objects=0, kept=2)

    assert bucket.reconciler.reconcile(key) == Done()

    note = left_behind(bucket)
    assert note.startswith("2 of the objects below s3://files/default/demo/export/ stay: the server did not put")


def test_a_job_that_does_not_end_is_waited_for_for_fifteen_minutes(bucket: ShareWorld) -> None:
    key = waiting(bucket)
    began = bucket.clock.now()
    bucket.restarted()

    while bucket.exists(key):
        result = bucket.reconciler.reconcile(key)
        if isinstance(result, RequeueAfter):
            bucket.clock.advance(result.seconds)

    assert 15 * 60 <= (bucket.clock.now() - began).total_seconds() < 16 * 60
    assert "did not end in 15 min" in left_behind(bucket)


@pytest.mark.parametrize("meanwhile", ["instance gone", "server away", "retained after all", "unreadable"])
def test_whatever_changes_meanwhile_the_end_of_the_job_is_awaited(bucket: ShareWorld, meanwhile: str) -> None:
    """Its rows are gone: to let it go would give what is half removed to the next share of the path."""
    key = waiting(bucket)
    match meanwhile:
        case "instance gone":
            bucket.drop_instance()
        case "server away":
            bucket.put_instance(apiReachable=False)
        case "retained after all":
            bucket.put_share(deletionPolicy="Retain")
        case _:
            bucket.put_share(deletionPolicy="Delete", defaultPermission="of-tomorrow")
    for _ in range(20):
        bucket.clock.advance(10)
        assert isinstance(bucket.reconciler.reconcile(key), RequeueAfter)

    ends(bucket, "Complete", objects=1, kept=0)
    assert bucket.reconciler.reconcile(key) == Done()
    assert not bucket.exists(key)
    assert told(bucket)[-1][0] == "ObjectsDeleted"


def test_the_next_share_of_the_path_gets_nothing_of_it_and_a_place_of_its_own(bucket: ShareWorld) -> None:
    first = waiting(bucket)
    second = bucket.put_share("second", path="/export", created="2031-01-02T03:00:00Z")
    bucket.settle(second)
    assert bucket.condition(second, "Synced") == ("Unknown", "PathIsBeingRemoved")
    bucket.put_share(deletionPolicy="Retain")
    bucket.settle(second)
    assert bucket.condition(second, "Synced") == ("Unknown", "PathIsBeingRemoved")

    bucket.reconciler.reconcile(first)
    assert bucket.exists(first)
    ends(bucket, "Complete", objects=1, kept=0)
    bucket.reconciler.reconcile(first)
    bucket.settle(second)

    row = bucket.hand.remote_store("op-export~2")
    assert row is not None
    assert row.config["prefix"] == "default/demo/export~2/"
    assert "HandedOver" not in bucket.recorder.reasons()


def stays_at_once(world: ShareWorld, *why: str) -> None:
    key = deleted(world)
    assert world.reconciler.reconcile(key) == Done()
    assert not world.exists(key)
    assert world.objects.jobs.get(JOB_KEY) is None
    note = left_behind(world)
    for words in ("the objects below s3://files/default/demo/export/", *why):
        assert words in note
    assert world.hand.share("/export") is None
    assert list(world.purge().addresses) == ["/export"]


def test_an_operator_that_does_not_know_its_image_says_how_to_tell_it(bucket: ShareWorld) -> None:
    bucket.image = ""
    bucket.restarted()

    stays_at_once(bucket, "--image or DITTOFS_OPERATOR_IMAGE")


@pytest.mark.parametrize("prefix", ["default/demo/", "default/demo/export/inner/", "default/"])
def test_objects_that_another_instance_may_have_stay(bucket: ShareWorld, prefix: str) -> None:
    other = bucket.objects.get(DITTOFS, ObjectKey("default", "demo"))
    other["metadata"] = {"name": "other", "namespace": "elsewhere", "uid": "i2", "generation": 1}
    other["spec"]["payload"]["s3"]["prefix"] = prefix
    bucket.objects.put(other)

    stays_at_once(bucket, "DittoFS elsewhere/other has the same bucket")


def test_objects_that_another_store_of_the_server_may_have_stay(bucket: ShareWorld) -> None:
    config = {"bucket": "files", "endpoint": "http://127.0.0.1:1", "prefix": "default/demo/export/"}
    keys = {"access_key_id": "a", "secret_access_key": "b", "allow_private_endpoint": True}
    bucket.hand.create_remote_store("by-hand", store_type="s3", config={**config, **keys})

    stays_at_once(bucket, 'the server\'s store "by-hand" has the same bucket')


def put_archive(world: ShareWorld, **status: Any) -> None:
    spec = {"instanceRef": {"name": "demo"}, "method": "Archive"}
    metadata = {"name": "nightly", "namespace": "default", "uid": "b1"}
    world.objects.put({"kind": DITTOFS_BACKUP.kind, "metadata": metadata, "spec": spec, "status": status})


@pytest.mark.parametrize("artifacts", [[], [{"share": "export"}, {"share": "other"}]])
def test_objects_that_are_the_contents_of_an_archive_stay(bucket: ShareWorld, artifacts: list[dict[str, str]]) -> None:
    put_archive(bucket, archiveID="nightly-1", phase="Completed", artifacts=artifacts)

    stays_at_once(bucket, "the contents of the archives of DittoFSBackup nightly are among them")


@pytest.mark.parametrize(
    "status",
    [
        {"archiveID": "nightly-1", "phase": "Completed", "artifacts": [{"share": "other"}]},
        {"archiveID": "nightly-1", "phase": "Failed"},
        {"phase": "Completed", "artifacts": [{"share": "export"}]},
    ],
    ids=["of others", "failed", "snapshots"],
)
def test_a_backup_that_is_no_archive_of_it_is_no_reason_to_keep_them(bucket: ShareWorld, status: Any) -> None:
    put_archive(bucket, **status)

    waiting(bucket)


def test_other_shares_and_instances_beside_it_are_no_reason_to_keep_them(bucket: ShareWorld) -> None:
    other = bucket.objects.get(DITTOFS, ObjectKey("default", "demo"))
    other["metadata"] = {"name": "other", "namespace": "default", "uid": "i2", "generation": 1}
    bucket.objects.put(other)
    bucket.settle(bucket.put_share("exporter"))

    waiting(bucket)

    assert bucket.objects.jobs.get(JOB_KEY) is not None


def test_a_remote_store_that_another_share_uses_keeps_its_objects(bucket: ShareWorld) -> None:
    bucket.hand.create_metadata_store("mine", store_type="memory", config={})
    key = bucket.put_share(deletionPolicy="Delete")
    bucket.settle(key)
    stores = {"metadata_store": "mine", "local_store": "op-cache", "remote_store": "op-export"}
    bucket.hand.create_share("/by-hand", **stores, fields={})  # type: ignore[arg-type] # names of stores
    bucket.recorder.events.clear()

    stays_at_once(bucket, "another share uses the remote store")
    assert bucket.hand.remote_store("op-export") is not None


def test_keys_that_are_gone_are_asked_for(bucket: ShareWorld) -> None:
    key = deleted(bucket)
    bucket.objects.secrets.clear()

    assert bucket.reconciler.reconcile(key) == Done()
    assert 'Secret "keys" does not exist' in left_behind(bucket)


def test_a_namespace_in_which_nothing_can_be_made_is_not_held_up(
    bucket: ShareWorld, monkeypatch: pytest.MonkeyPatch
) -> None:
    key = deleted(bucket)

    def refuse(resource: Resource, manifest: Manifest, *, field_manager: str) -> Manifest:
        raise Forbidden(403, "Forbidden", "unable to create new content in namespace default: it is being terminated")

    monkeypatch.setattr(bucket.objects, "create", refuse)
    assert bucket.reconciler.reconcile(key) == Done()

    assert not bucket.exists(key)
    assert "no Job can be made there" in left_behind(bucket)


def test_somebody_elses_job_of_the_name_is_left_alone(bucket: ShareWorld) -> None:
    key = deleted(bucket)
    bucket.objects.put({"kind": JOB.kind, "metadata": {"name": JOB_KEY.name, "namespace": "default", "uid": "u"}})

    assert bucket.reconciler.reconcile(key) == Done()
    assert 'the Job "export-objects" is not of this object' in left_behind(bucket)


def test_a_job_that_was_removed_by_hand_is_made_again(bucket: ShareWorld) -> None:
    key = waiting(bucket)
    bucket.objects.delete(JOB, JOB_KEY)

    assert isinstance(bucket.reconciler.reconcile(key), RequeueAfter)
    assert bucket.objects.jobs.get(JOB_KEY) is not None


@pytest.mark.parametrize("point", range(1, 4))
@pytest.mark.parametrize("after", [False, True])
def test_cut_off_at_any_write_there_is_one_job_in_the_end(
    bucket: ShareWorld, monkeypatch: pytest.MonkeyPatch, point: int, after: bool
) -> None:
    """Writes to the API server: the list of files, the account of Jobs, the Job."""
    key = deleted(bucket)
    left = [point]

    def cut(name: str) -> None:
        original = getattr(bucket.objects, name)

        def call(*given: Any, **more: Any) -> Any:
            left[0] -= 1
            if left[0] != 0:
                return original(*given, **more)
            if after:
                original(*given, **more)
            raise ApiServerError(500, "InternalError", "cut off")

        monkeypatch.setattr(bucket.objects, name, call)

    cut("create")
    cut("merge_patch")
    with suppress(ClientError):
        bucket.reconciler.reconcile(key)
    assert left[0] <= 0
    bucket.restarted()
    assert isinstance(bucket.reconciler.reconcile(key), RequeueAfter)
    assert bucket.exists(key)
    assert len(list(bucket.objects.jobs.list())) == 1
    assert list(bucket.purge().addresses) == ["/export"]

    ends(bucket, "Complete", objects=1, kept=0)
    assert bucket.reconciler.reconcile(key) == Done()
    assert not bucket.exists(key)


def test_a_share_without_a_bucket_takes_no_job(world: ShareWorld) -> None:
    world.image = "dittofs-operator:1"
    world.restarted()
    key = deleted(world)

    assert world.reconciler.reconcile(key) == Done()
    assert list(world.objects.jobs.list()) == []
