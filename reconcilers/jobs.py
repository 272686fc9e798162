"""Starts, reads and removes Jobs of the operator's own image for objects of ours."""

from __future__ import annotations

import contextlib
from typing import Protocol

from informers.client import ObjectList
from informers.errors import AlreadyExists, Conflict, NotFound
from informers.event import Added, Event
from informers.mapper import Mapper, owner_key
from informers.resource import Manifest, ObjectKey, Resource, View
from reconcilers import names
from reconcilers.access import ApiClient, Cache
from reconcilers.api.common import CustomResource
from reconcilers.api.resources import JOB, POD, SERVICE_ACCOUNT
from reconcilers.builders.job import JobOptions, job, job_account, job_name, works_for
from reconcilers.job_outcome import JobOutcome, job_outcome, still_going

#: What a person does about an operator that can make no Jobs.
NO_IMAGE = (
    "the operator was not told its own image, which this takes: run it with --image or DITTOFS_OPERATOR_IMAGE, as "
    "manifests/operator/deployment.yaml does"
)
_JOB_LABEL = "batch.kubernetes.io/job-name"


class JobsClient(ApiClient, Protocol):
    """The calls that are made for Jobs (`informers.client.Client`)."""

    def list(self, resource: Resource, *, namespace: str = "", label_selector: str = "") -> ObjectList:
        """A live read."""


class JobNameTaken(Exception):
    """A Job of the name is there, and works for somebody else; the message says what to do."""


class Jobs:
    """The Jobs in the cache `jobs`, which has all that carry the label of what this operator manages.

    Safe for many threads, for different owners. Every method raises the `ClientError` of a refusal.
    """

    def __init__(self, *, jobs: Cache, client: JobsClient) -> None:
        self._jobs = jobs
        self._client = client

    def find(self, owner: CustomResource, suffix: str) -> View | None:
        """The Job that works for `owner`; None when there is none, or only one that is on its way out."""
        found = self._jobs.get(ObjectKey(owner.metadata.namespace, job_name(owner.metadata.name, suffix)))
        if found is None or found["metadata"].get("deletionTimestamp") or not works_for(found, owner):
            return None
        return found

    def start(self, owner: CustomResource, options: JobOptions) -> None:
        """Make the Job; nothing more where it is there already. Raises JobNameTaken, too."""
        with contextlib.suppress(AlreadyExists):
            account = job_account(owner.metadata.namespace)
            self._client.create(SERVICE_ACCOUNT, account, field_manager=names.FIELD_MANAGER)
        wanted = job(owner, options)
        try:
            self._client.create(JOB, wanted, field_manager=names.FIELD_MANAGER)
        except AlreadyExists:
            with contextlib.suppress(NotFound):
                there = self._client.get(JOB, ObjectKey.of(wanted))
                if not works_for(there, owner):
                    raise JobNameTaken(
                        f'the Job "{wanted["metadata"]["name"]}" is not of this object: remove it, or rename the object'
                    ) from None

    def outcome(self, found: View) -> JobOutcome:
        """What became of the Job `found`, by its pods as they are now."""
        uid = found["metadata"]["uid"]
        return job_outcome(found, [pod for pod in self._pods(ObjectKey.of(found)) if _is_of(pod, uid)])

    def survivor(self, owner: CustomResource, suffix: str) -> str:
        """The name of a pod that may still write for a Job of `owner` that is gone or going; empty: there is none."""
        key = ObjectKey(owner.metadata.namespace, job_name(owner.metadata.name, suffix))
        found = self._jobs.get(key)
        if found is not None and not works_for(found, owner):
            return ""  # they are somebody else's, as the Job of that name is
        return next((str(pod["metadata"]["name"]) for pod in still_going(self._pods(key))), "")

    def remove(self, found: View) -> None:
        """Remove the Job with its pods; done too when it is gone already."""
        with contextlib.suppress(NotFound, Conflict):
            self._client.delete(JOB, ObjectKey.of(found), uid=found["metadata"]["uid"])

    def _pods(self, job: ObjectKey) -> list[Manifest]:
        return self._client.list(POD, namespace=job.namespace, label_selector=f"{_JOB_LABEL}={job.name}").items


def owner_of_job(kind: Resource) -> Mapper:
    """From an event of a Job to the object of `kind` that it works for."""
    return owner_key(kind.kind, kind.group)


def owner_of_job_pod(kind: Resource, jobs: Cache) -> Mapper:
    """From an event of a pod to the object of `kind` that its Job works for."""
    job_of, owner_of = owner_key(JOB.kind, JOB.group), owner_of_job(kind)

    def mapper(event: Event) -> tuple[ObjectKey, ...]:
        found = (jobs.get(key) for key in job_of(event))
        return tuple(key for one in found if one is not None for key in owner_of(Added(one)))

    return mapper


def _is_of(pod: View, uid: str) -> bool:
    return any(one.get("uid") == uid for one in pod["metadata"].get("ownerReferences") or ())
