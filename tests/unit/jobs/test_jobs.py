"""Jobs are started once, are only those of their object, and are removed by their uid."""

from __future__ import annotations

from typing import Any

import pytest
import structlog

from informers.client import ObjectList
from informers.errors import AlreadyExists, Conflict, NotFound
from informers.event import Added
from informers.resource import Manifest, ObjectKey, Resource
from informers.store import Store
from informers.view import freeze
from reconcilers.api.resources import DITTOFS_BACKUP, DITTOFS_SHARE, JOB, POD
from reconcilers.api.share import DittoFSShare
from reconcilers.builders.job import JobOptions
from reconcilers.job_outcome import JobState
from reconcilers.jobs import JobNameTaken, Jobs, owner_of_job, owner_of_job_pod

OPTIONS = JobOptions(suffix="do", image="dittofs-operator:1", arguments=("version",), instance="demo", deadline_s=60)


def share(uid: str = "u1") -> DittoFSShare:
    metadata = {"name": "export", "namespace": "storage", "uid": uid}
    head = {"apiVersion": DITTOFS_SHARE.api_version, "kind": DITTOFS_SHARE.kind}
    return DittoFSShare.from_view({**head, "metadata": metadata, "spec": {"instanceRef": {"name": "demo"}}})


class Api:
    """What of an API server Jobs need."""

    def __init__(self) -> None:
        self.objects: dict[tuple[str, ObjectKey], Manifest] = {}
        self.pods: list[Manifest] = []
        self.asked: list[str] = []
        self.writes: list[str] = []

    def create(self, resource: Resource, manifest: Manifest, *, field_manager: str) -> Manifest:
        name = (resource.kind, ObjectKey.of(manifest))
        if name in self.objects:
            raise AlreadyExists(409, "AlreadyExists", "there")
        self.writes.append(f"create {resource.kind}")
        manifest["metadata"]["uid"] = f"uid-{len(self.writes)}"
        self.objects[name] = manifest
        return manifest

    def get(self, resource: Resource, key: ObjectKey) -> Manifest:
        if (resource.kind, key) not in self.objects:
            raise NotFound(404, "NotFound", "gone")
        return self.objects[resource.kind, key]

    def list(self, resource: Resource, *, namespace: str = "", label_selector: str = "") -> ObjectList:
        self.asked.append(f"{resource.kind} in {namespace} with {label_selector}")
        return ObjectList(self.pods, "1", "")

    def delete(
        self, resource: Resource, key: ObjectKey, *, uid: str | None = None, propagation: str = "Background"
    ) -> None:
        if self.get(resource, key)["metadata"]["uid"] != uid:
            raise Conflict(409, "Conflict", "another")
        self.writes.append(f"delete {resource.kind} {propagation}")
        del self.objects[resource.kind, key]


class World:
    def __init__(self) -> None:
        self.api = Api()
        self.cache = Store(logger=structlog.get_logger())
        self.jobs = Jobs(jobs=self.cache, client=self.api)  # type: ignore[arg-type] # the calls that it makes

    def started(self) -> Any:
        self.jobs.start(share(), OPTIONS)
        live = self.api.get(JOB, ObjectKey("storage", "export-do"))
        self.cache.put(freeze(live))
        return live


def test_a_job_is_made_once_with_the_account_of_its_pods() -> None:
    world = World()
    world.jobs.start(share(), OPTIONS)
    world.jobs.start(share(), OPTIONS)

    assert world.api.writes == ["create ServiceAccount", "create Job"]


def test_a_job_is_found_by_the_object_that_it_works_for_alone() -> None:
    world = World()
    assert world.jobs.find(share(), "do") is None
    live = world.started()

    assert world.jobs.find(share(), "do") is not None
    assert world.jobs.find(share("another uid"), "do") is None
    world.cache.put(freeze({**live, "metadata": {**live["metadata"], "deletionTimestamp": "2030"}}))
    assert world.jobs.find(share(), "do") is None


def test_somebody_elses_job_of_the_name_is_left_alone_and_said_so() -> None:
    world = World()
    world.started()

    with pytest.raises(JobNameTaken, match='the Job "export-do" is not of this object: remove it'):
        world.jobs.start(share("another uid"), OPTIONS)
    assert world.api.writes == ["create ServiceAccount", "create Job"]


def test_the_outcome_is_read_from_the_pods_of_this_very_job() -> None:
    world = World()
    live = world.started()
    live["status"] = {"conditions": [{"type": "Failed", "status": "True", "message": "m"}]}
    pod = {"name": "p", "ownerReferences": [{"uid": live["metadata"]["uid"]}]}
    earlier = {"name": "q", "ownerReferences": [{"uid": "of an earlier job of the name"}]}
    running = {"status": {"phase": "Running"}}

    world.api.pods = [{"metadata": earlier, **running}]
    assert world.jobs.outcome(live).state is JobState.FAILED
    world.api.pods.append({"metadata": pod, **running})
    assert world.jobs.outcome(live).state is JobState.RUNNING
    assert set(world.api.asked) == {"Pod in storage with batch.kubernetes.io/job-name=export-do"}


def test_a_job_is_removed_with_its_pods_unless_it_is_another_by_now() -> None:
    world = World()
    live = world.started()
    other = {**live, "metadata": {**live["metadata"], "uid": "an earlier one"}}

    world.jobs.remove(other)
    assert world.api.writes[-1] == "create Job"
    world.jobs.remove(live)
    assert world.api.writes[-1] == "delete Job Background"
    world.jobs.remove(live)


def test_events_of_a_job_and_of_its_pods_lead_to_the_object() -> None:
    world = World()
    live = world.started()
    key = ObjectKey("storage", "export")
    reference = {"apiVersion": "batch/v1", "kind": "Job", "name": "export-do", "uid": "u", "controller": True}
    pod = {"kind": POD.kind, "metadata": {"name": "p", "namespace": "storage", "ownerReferences": [reference]}}

    assert tuple(owner_of_job(DITTOFS_SHARE)(Added(freeze(live)))) == (key,)
    assert tuple(owner_of_job(DITTOFS_BACKUP)(Added(freeze(live)))) == ()
    assert tuple(owner_of_job_pod(DITTOFS_SHARE, world.cache)(Added(freeze(pod)))) == (key,)
    assert tuple(owner_of_job_pod(DITTOFS_BACKUP, world.cache)(Added(freeze(pod)))) == ()


def test_a_pod_survives_its_job_until_it_has_ended_and_is_nobody_s_where_the_job_is_another_s() -> None:
    world = World()
    assert world.jobs.survivor(share(), "do") == ""
    live = world.started()
    world.api.pods = [{"metadata": {"name": "export-do-x", "deletionTimestamp": "t"}, "status": {"phase": "Running"}}]

    world.cache.remove(freeze(live))
    assert world.jobs.survivor(share(), "do") == "export-do-x"
    assert world.api.asked[-1] == "Pod in storage with batch.kubernetes.io/job-name=export-do"

    world.cache.put(freeze(live))
    assert world.jobs.survivor(share("u2"), "do") == ""

    world.api.pods[0]["status"]["phase"] = "Failed"
    assert world.jobs.survivor(share(), "do") == ""
