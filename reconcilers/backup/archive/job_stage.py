"""How far a Job of a backup is, as its course asks for it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from informers.resource import View
from reconcilers.api.backup import DittoFSBackup
from reconcilers.backup.archive.course import Stage
from reconcilers.job_outcome import JobOutcome, JobState
from reconcilers.jobs import Jobs

#: How long a Job may take to have a pod at work: to be scheduled, to have its volumes and its image.
START_LIMIT_S = 300.0
#: What a command tells that did all it was asked for.
COMPLETED = "Completed"


@dataclass(frozen=True, slots=True)
class SeenJob:
    """A Job, if there is one, and what it says."""

    stage: Stage = Stage.ABSENT
    view: View | None = None
    message: str = ""
    result: Mapping[str, Any] = field(default_factory=dict)

    @property
    def runs(self) -> bool:
        """Whether a pod of it may be at work."""
        return self.stage in (Stage.AT_WORK, Stage.STUCK)


def seen(jobs: Jobs, backup: DittoFSBackup, suffix: str, *, now: datetime) -> SeenJob:
    """The Job of `backup` whose name ends with `suffix`. Raises a `ClientError`."""
    view = jobs.find(backup, suffix)
    if view is None:
        return SeenJob()
    outcome = jobs.outcome(view)
    return SeenJob(_stage(view, outcome, now), view, outcome.message, outcome.result)


def seen_with_its_pods(jobs: Jobs, backup: DittoFSBackup, suffix: str, *, now: datetime) -> SeenJob:
    """As `seen`; a Job that was removed is at work until the last of its pods is gone. Raises a `ClientError`."""
    found = seen(jobs, backup, suffix, now=now)
    if found.stage is Stage.ABSENT and (pod := jobs.survivor(backup, suffix)):
        return SeenJob(Stage.AT_WORK, None, f'its pod "{pod}" is on its way out')
    return found


def _stage(job: View, outcome: JobOutcome, now: datetime) -> Stage:
    match outcome.state:
        case JobState.SUCCEEDED:
            return Stage.DONE if outcome.result.get("result") == COMPLETED else Stage.SILENT
        case JobState.FAILED:
            return Stage.FAILED
        case JobState.RUNNING:
            age_s = (now - datetime.fromisoformat(job["metadata"]["creationTimestamp"])).total_seconds()
            ending = (job.get("status") or {}).get("conditions")
            return Stage.STUCK if outcome.idle and age_s > START_LIMIT_S and not ending else Stage.AT_WORK
