"""Jobs of the operator's image, through the API of a cluster whose node runs this very source for it."""

from __future__ import annotations

import pytest

from hack.localcluster.kubelet.sandbox import support
from informers.client import Client
from reconcilers.api.resources import DITTOFS_SHARE, JOB, PERSISTENT_VOLUME_CLAIM, SERVICE_ACCOUNT
from reconcilers.api.share import DittoFSShare
from reconcilers.builders.job import RESULT_FILE, Claim, JobOptions, job, job_account
from reconcilers.job_outcome import JobOutcome, JobState
from reconcilers.jobs import Jobs
from tests.support.eventually import eventually
from tests.support.objects import Objects

pytestmark = [
    pytest.mark.integration,
    pytest.mark.places(
        "local", "controlplane", reason="only a simulated node runs this source as the operator's image"
    ),
    pytest.mark.skipif(not support().possible, reason=f"no sandbox: {support().reason}"),
]

IMAGE = "example.com/dittofs-operator:v1"
#: A process of Python starts, on a machine that may be busy with others.
END_S = 60.0


@pytest.fixture
def objects(client: Client, namespace: str) -> Objects:
    return Objects(client, namespace)


def end_of(objects: Objects, name: str) -> JobOutcome:
    # It reads pods live, and Jobs from what it is given.
    jobs = Jobs(jobs=_Nothing(), client=objects.api)

    def ended() -> JobOutcome | None:
        outcome = jobs.outcome(objects.get(JOB, name))
        return None if outcome.state is JobState.RUNNING else outcome

    return eventually(ended, END_S, what=f"the end of the Job {name}")


def test_a_job_runs_the_operators_image_beside_a_claim_and_tells_its_outcome_by_its_last_words(
    objects: Objects,
) -> None:
    objects.claim("archives")
    eventually(lambda: objects.get(PERSISTENT_VOLUME_CLAIM, "archives")["status"]["phase"] == "Bound", what="a claim")
    made = objects.create(DITTOFS_SHARE, "export", spec={"instanceRef": {"name": "demo"}})
    objects.api.create(SERVICE_ACCOUNT, job_account(objects.namespace), field_manager="tests")

    for command in ("remove", "verify"):
        arguments = (command, "--archive=nightly", "--folder=/archives", f"--result={RESULT_FILE}")
        options = JobOptions(
            suffix=command,
            image=IMAGE,
            arguments=arguments,
            instance="demo",
            deadline_s=120,
            retries=0,
            claims=(Claim(name="archives", path="/archives", read_only=command == "verify"),),
        )
        objects.api.create(JOB, job(DittoFSShare.from_view(made), options), field_manager="tests")

    removed, verified = (end_of(objects, f"export-{command}") for command in ("remove", "verify"))
    assert removed == JobOutcome(JobState.SUCCEEDED, "", {"result": "Completed", "archive": "nightly"})
    assert verified.state is JobState.FAILED
    assert verified.result["reason"] == "ArchiveMissing"
    assert verified.message == verified.result["message"]


class _Nothing:
    def get(self, key: object) -> None:
        return None

    def by_index(self, index: str, value: str) -> tuple[()]:
        return ()
