"""The status of a DittoFSBackup that is a schedule, decided from what one pass found. Pure: no client, no clock."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from informers.resource import View
from reconcilers.api.backup import FINISHED, BackupCondition, BackupMethod, BackupPhase, DittoFSBackup
from reconcilers.backup.status import known_target
from reconcilers.conditions import Condition, false, to_status, true, unknown

TIME = "%Y-%m-%dT%H:%M:%SZ"


@dataclass(frozen=True, slots=True)
class ScheduleFacts:
    """What is known of the backups of a schedule; times as text, empty when there is none."""

    next_time: str = ""
    last_time: str = ""
    last_success: str = ""
    last_backup: str = ""
    #: The newest one that ended, and how.
    last_ended: str = ""
    last_phase: str = ""
    #: The one that is not finished.
    running: str = ""

    @classmethod
    def of(cls, backup: DittoFSBackup, children: Iterable[View]) -> ScheduleFacts:
        """What the last pass wrote down, and what `children`, the backups of this schedule, say."""
        status = backup.status
        by_name = sorted(children, key=lambda child: str(child["metadata"]["name"]))
        ended = [child for child in by_name if _status(child).get("phase") in FINISHED]
        running = [child for child in by_name if child not in ended and not child["metadata"].get("deletionTimestamp")]
        successes = [
            str(_status(child).get("completionTime") or "")
            for child in ended
            if _status(child)["phase"] == BackupPhase.COMPLETED
        ]
        return cls(
            next_time=status.next_schedule_time,
            last_time=status.last_schedule_time,
            last_success=max([status.last_successful_time, *successes]),
            last_backup=status.last_backup_ref.name if status.last_backup_ref else "",
            last_ended=str(ended[-1]["metadata"]["name"]) if ended else "",
            last_phase=str(_status(ended[-1])["phase"]) if ended else "",
            running=str(running[0]["metadata"]["name"]) if running else "",
        )


@dataclass(frozen=True, slots=True)
class ScheduleFindings:
    """What one pass found: `phase` is Scheduled when the schedule is in force."""

    phase: BackupPhase
    reason: str
    message: str
    facts: ScheduleFacts


def in_force(facts: ScheduleFacts, *, held: bool) -> ScheduleFindings:
    """Backups are made when they are due; one that is `held` when the one before is finished."""
    message = f"the next backup is due at {facts.next_time}"
    if held:
        message = f'a backup is due since {facts.next_time}: it is made when "{facts.running}" is finished'
    return ScheduleFindings(BackupPhase.SCHEDULED, "Scheduled", message, facts)


def out_of_force(phase: BackupPhase, reason: str, message: str, facts: ScheduleFacts) -> ScheduleFindings:
    """No backup is made: what would have been due meanwhile is not made up for."""
    return ScheduleFindings(phase, reason, message, replace(facts, next_time=""))


def wanted_schedule_status(backup: DittoFSBackup, findings: ScheduleFindings, *, now: datetime) -> dict[str, Any]:
    """The status of the schedule `backup` after a pass that found `findings`."""
    facts = findings.facts
    times = {
        "nextScheduleTime": facts.next_time,
        "lastScheduleTime": facts.last_time,
        "lastSuccessfulTime": facts.last_success,
    }
    return {
        "observedGeneration": backup.metadata.generation,
        "ready": findings.phase is BackupPhase.SCHEDULED,
        "phase": findings.phase.value,
        **{name: time for name, time in times.items() if time},
        **({"lastBackupRef": {"name": facts.last_backup}} if facts.last_backup else {}),
        "conditions": to_status(
            (*_conditions(findings), _target(backup)),
            previous=[condition.model_dump(mode="json", by_alias=True) for condition in backup.status.conditions],
            observed_generation=backup.metadata.generation,
            now=now,
        ),
    }


def _conditions(findings: ScheduleFindings) -> tuple[Condition, ...]:
    facts = findings.facts
    ready = true if findings.phase is BackupPhase.SCHEDULED else false
    if facts.running:
        progressing = true(
            BackupCondition.PROGRESSING, "BackupUnderWay", f'DittoFSBackup "{facts.running}" is not finished'
        )
    else:
        progressing = false(BackupCondition.PROGRESSING, "Idle", "no backup of this schedule is under way")
    return (
        ready(BackupCondition.READY, findings.reason, findings.message),
        progressing,
        _last(BackupCondition.COMPLETED, BackupPhase.COMPLETED, facts),
        _last(BackupCondition.FAILED, BackupPhase.FAILED, facts),
    )


def _target(backup: DittoFSBackup) -> Condition:
    if backup.spec.method is not BackupMethod.ARCHIVE:
        return known_target(backup)
    return unknown(BackupCondition.TARGET_READY, "CheckedByEach", "each backup of this schedule looks at the target")


def _last(kind: BackupCondition, phase: BackupPhase, facts: ScheduleFacts) -> Condition:
    if not facts.last_ended:
        return false(kind, "NoneEnded", "no backup of this schedule has ended yet, or none is left")
    message = f'the last one that ended, DittoFSBackup "{facts.last_ended}", is {facts.last_phase}'
    return (true if facts.last_phase == phase else false)(kind, f"LastBackup{facts.last_phase}", message)


def _status(child: View) -> Any:  # noqa: ANN401 - JSON of any shape
    return child.get("status") or {}
