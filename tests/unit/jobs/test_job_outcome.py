"""What is read out of a Job and its pods."""

from __future__ import annotations

import json
from typing import Any

from reconcilers.job_outcome import JobOutcome, JobState, job_outcome

RUNNING = {"state": {"running": {}}}


def job(*conditions: str, message: str = "Job has reached the specified backoff limit") -> dict[str, Any]:
    found = [{"type": kind, "status": "True", "reason": "R", "message": message} for kind in conditions]
    return {"metadata": {"name": "export-bk"}, "status": {"conditions": found}}


def pod(phase: str, name: str = "p", **status: Any) -> dict[str, Any]:
    return {"metadata": {"name": name, "creationTimestamp": "2030"}, "status": {"phase": phase, **status}}


def ended(words: str, at: str = "2030-01-02T03:04:05Z", code: int = 1) -> dict[str, Any]:
    end = {"exitCode": code, "reason": "Error", "finishedAt": at, **({"message": words} if words else {})}
    return {"containerStatuses": [{"state": {"terminated": end}}]}


def told(**result: str) -> str:
    return json.dumps(result)


def test_a_job_without_an_end_runs() -> None:
    assert job_outcome(job(), []) == JobOutcome(JobState.RUNNING, idle=True)
    assert job_outcome({"metadata": {}}, [pod("Running", containerStatuses=[RUNNING])]) == JobOutcome(JobState.RUNNING)


def test_the_result_is_that_of_the_pod_that_succeeded() -> None:
    pods = [
        pod("Failed", **ended(told(result="Failed", message="no"))),
        pod("Succeeded", **ended(told(result="Completed", archive="a"), code=0)),
    ]

    assert job_outcome(job("Complete"), pods) == JobOutcome(
        JobState.SUCCEEDED, "", {"result": "Completed", "archive": "a"}
    )


def test_a_success_whose_pod_is_gone_has_no_result() -> None:
    assert job_outcome(job("Complete"), []) == JobOutcome(JobState.SUCCEEDED)


def test_a_failure_tells_what_the_last_pod_told() -> None:
    later = told(result="Failed", reason="TargetFull", message="free space")
    pods = [
        pod("Failed", "b", **ended(later, "2030-01-02T03:05:00Z")),
        pod("Failed", "a", **ended(told(message="earlier"))),
    ]

    outcome = job_outcome(job("Failed"), pods)

    assert (outcome.state, outcome.message) == (JobState.FAILED, "free space")
    assert outcome.result["reason"] == "TargetFull"


def test_a_failure_without_a_result_tells_the_condition_and_the_end_of_the_last_words() -> None:
    outcome = job_outcome(job("Failed"), [pod("Failed", **ended("x" * 4000 + "Killed"))])

    assert outcome.message.startswith("Job has reached the specified backoff limit")
    assert outcome.message.endswith("xKilled")
    assert len(outcome.message) < 500
    assert outcome.result == {}


def test_a_failure_without_any_word_tells_how_the_container_or_the_pod_ended() -> None:
    killed = {"containerStatuses": [{"state": {"terminated": {"exitCode": 137, "reason": "OOMKilled"}}}]}

    assert "OOMKilled (exit code 137)" in job_outcome(job("Failed"), [pod("Failed", **killed)]).message
    evicted = pod("Failed", message="The node was low on resource: memory")
    assert "low on resource" in job_outcome(job("Failed"), [evicted]).message
    assert job_outcome(job("Failed", message="too long"), []).message == "too long"


def test_a_job_is_not_over_while_a_pod_of_it_may_still_write() -> None:
    """A deadline marks the Job at once; its pod has a grace period, or is on a node that nobody hears of."""
    leaving = pod("Running", containerStatuses=[RUNNING])

    assert job_outcome(job("Failed"), [leaving]).state is JobState.RUNNING
    assert job_outcome(job("Complete"), [leaving]).state is JobState.RUNNING


def test_what_a_pod_waits_for_is_told_as_its_scheduler_or_kubelet_says() -> None:
    condition = {"type": "PodScheduled", "status": "False", "reason": "Unschedulable", "message": "0/3 nodes"}
    waiting = {"reason": "ImagePullBackOff", "message": "not found"}

    unscheduled = job_outcome(job(), [pod("Pending", conditions=[condition])])
    unpulled = job_outcome(job(), [pod("Pending", containerStatuses=[{"state": {"waiting": waiting}}])])

    assert unscheduled == JobOutcome(JobState.RUNNING, 'no node takes its pod "p": 0/3 nodes', idle=True)
    assert unpulled == JobOutcome(JobState.RUNNING, 'its pod "p" waits: ImagePullBackOff: not found', idle=True)


def test_a_job_is_idle_until_a_pod_of_it_worked_and_not_between_two_pods() -> None:
    """A pod that waits for a volume or a Secret is Pending without a word, and counted as active by its Job."""
    silent = pod("Pending", containerStatuses=[{"state": {"waiting": {"reason": "ContainerCreating"}}}])
    active, tried = {"status": {"active": 1}}, {"status": {"active": 0, "failed": 1}}

    assert job_outcome(job() | active, [silent]).idle
    assert not job_outcome(job() | active, [pod("Running", containerStatuses=[RUNNING])]).idle
    assert not job_outcome(job() | tried, []).idle
    assert not job_outcome(job() | active, [pod("Failed", "a", **ended("")), silent]).idle


def test_words_that_are_no_object_are_no_result() -> None:
    for words in ("[1]", "3", "null", '{"torn'):
        assert job_outcome(job("Complete"), [pod("Succeeded", **ended(words, code=0))]).result == {}
