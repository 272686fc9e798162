"""What became of a Job of the operator's image, read out of it and its pods. Pure.

The command leaves its outcome as JSON in the termination message of its pod, which takes no rights.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

from informers.resource import View

#: Of what a pod said as its last words, when they aren't what a command tells; a person finds more in its log.
_SHOWN = 300
_ENDED = frozenset({"Succeeded", "Failed"})


class JobState(StrEnum):
    """How far a Job is."""

    RUNNING = "Running"
    SUCCEEDED = "Succeeded"
    FAILED = "Failed"


@dataclass(frozen=True, slots=True)
class JobOutcome:
    """What can be told of a Job. It runs until none of its pods can write any more."""

    state: JobState
    #: Why it failed, or what a pod waits for; for a person, and empty when there is nothing to say.
    message: str = ""
    #: What the command told; empty: nothing.
    result: Mapping[str, Any] = field(default_factory=dict)
    #: It runs, and none of its pods has begun to work yet.
    idle: bool = False


def job_outcome(job: View, pods: Iterable[View]) -> JobOutcome:
    """What became of `job`, given all of its `pods`."""
    known = sorted(pods, key=_started)
    going = still_going(known)
    if _holds(job, "Complete"):
        if going:
            return JobOutcome(JobState.RUNNING)
        words = next((_last_words(pod) for pod in reversed(known) if _phase(pod) == "Succeeded"), "")
        return JobOutcome(JobState.SUCCEEDED, "", _result(words))
    if failed := _holds(job, "Failed"):
        if going:
            return JobOutcome(JobState.RUNNING, "it has failed, and its pod is on its way out")
        return _failed(failed, known)
    waits = next((why for pod in going if (why := _waits(pod))), "")
    return JobOutcome(JobState.RUNNING, waits, idle=not _has_begun(job, known))


def still_going(pods: Iterable[View]) -> list[View]:
    """Those of `pods` that may write, or begin to; one that is being deleted does until it is gone."""
    return [pod for pod in pods if _phase(pod) not in _ENDED]


def _has_begun(job: View, pods: list[View]) -> bool:
    """Whether a pod has ever worked; one that failed and whose successor waits has."""
    # A kubelet that waits for a Secret, a claim or a volume says so in events alone: such a pod is only Pending.
    return bool((job.get("status") or {}).get("failed")) or any(_phase(pod) != "Pending" for pod in pods)


def _failed(condition: View, pods: list[View]) -> JobOutcome:
    name = str(pods[-1]["metadata"]["name"]) if pods else ""
    words = _last_words(pods[-1]) if pods else ""
    why = str(condition.get("message") or condition.get("reason") or "no reason is given")
    if told := str(_result(words).get("message") or ""):
        return JobOutcome(JobState.FAILED, told, _result(words))
    said = f'; its pod "{name}" said last: {words.strip()[-_SHOWN:]}' if words.strip() else ""
    return JobOutcome(JobState.FAILED, f"{why}{said}")


def _holds(job: View, kind: str) -> View:
    conditions = (job.get("status") or {}).get("conditions") or ()
    return next((one for one in conditions if one.get("type") == kind and one.get("status") == "True"), {})


def _phase(pod: View) -> str:
    return str((pod.get("status") or {}).get("phase") or "Pending")


def _started(pod: View) -> tuple[str, str]:
    ended = str(_terminated(pod).get("finishedAt") or "")
    return ended, str(pod["metadata"].get("creationTimestamp") or "")


def _terminated(pod: View) -> View:
    statuses = (pod.get("status") or {}).get("containerStatuses") or ()
    found: View = next((end for one in statuses if (end := (one.get("state") or {}).get("terminated"))), {})
    return found


def _last_words(pod: View) -> str:
    """What its container left; of a pod that had none to leave, as an evicted one, why it ended."""
    end, status = _terminated(pod), pod.get("status") or {}
    words = end.get("message") or status.get("message") or ""
    # Only a container that was killed for want of memory says so nowhere else.
    return str(words) or (f"{end['reason']} (exit code {end.get('exitCode')})" if end.get("reason") else "")


def _result(words: str) -> dict[str, Any]:
    try:
        result = json.loads(words)
    except ValueError:
        return {}
    return result if isinstance(result, dict) else {}


def _waits(pod: View) -> str:
    """What a pod that does not run yet waits for, as its scheduler or kubelet says; empty when it runs."""
    status, name = pod.get("status") or {}, pod["metadata"]["name"]
    for condition in status.get("conditions") or ():
        if condition.get("type") == "PodScheduled" and condition.get("status") == "False":
            return f'no node takes its pod "{name}": {condition.get("message") or condition.get("reason") or ""}'
    for container in status.get("containerStatuses") or ():
        waiting = (container.get("state") or {}).get("waiting") or {}
        if waiting.get("message"):
            return f'its pod "{name}" waits: {waiting.get("reason")}: {waiting["message"]}'
    return ""
