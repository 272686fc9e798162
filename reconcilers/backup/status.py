"""The status of a DittoFSBackup, decided from what one pass found. Pure: no client, no clock."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from reconcilers.api.backup import (
    BackupArtifact,
    BackupCondition,
    BackupCoverage,
    BackupMethod,
    BackupPhase,
    DittoFSBackup,
)
from reconcilers.api.common import ConditionStatus
from reconcilers.api.restore import RestoredShare, SafetySnapshot
from reconcilers.backup.plan import Obstacle
from reconcilers.conditions import Condition, false, to_status, true, unknown

_TIME = "%Y-%m-%dT%H:%M:%SZ"


@dataclass(frozen=True, slots=True)
class BackupFacts:
    """What is known of a backup that has begun, or not yet: times as text, since they are only compared and shown."""

    start_time: str = ""
    completion_time: str = ""
    artifacts: tuple[BackupArtifact, ...] = ()
    #: Of a restore.
    restored: tuple[RestoredShare, ...] = ()
    safety: tuple[SafetySnapshot, ...] = ()
    #: Of an archive: its name, from the beginning on; the rest once it is written.
    archive_id: str = ""
    manifest_sha256: str = ""
    archive_size: str = ""
    covered: BackupCoverage | None = None
    #: Name of its newest Job.
    job: str = ""

    @classmethod
    def of_status(cls, backup: DittoFSBackup) -> BackupFacts:
        """What the last pass wrote down."""
        status = backup.status
        return cls(
            start_time=status.start_time,
            completion_time=status.completion_time,
            artifacts=status.artifacts,
            restored=status.restored,
            safety=status.safety_snapshots,
            archive_id=status.archive_id,
            manifest_sha256=status.manifest_sha256,
            archive_size=status.size if status.archive_id else "",
            covered=status.covered,
            job=status.job_ref.name if status.job_ref is not None else "",
        )


@dataclass(frozen=True, slots=True)
class Findings:
    """What one pass found."""

    phase: BackupPhase
    reason: str
    message: str
    facts: BackupFacts
    #: The operator works on it, or tries to; in a queue or suspended it doesn't.
    progressing: bool = False
    #: Whether an archive can be kept where it is to be; None: as the last pass said.
    target: Condition | None = None


def waiting(backup: DittoFSBackup, obstacle: Obstacle) -> Findings:
    """Something is in the way of the backup."""
    target = None
    if obstacle.reason.startswith("Target"):
        target = false(BackupCondition.TARGET_READY, obstacle.reason, obstacle.message)
    facts = BackupFacts.of_status(backup)
    return Findings(
        obstacle.phase, obstacle.reason, obstacle.message, facts, progressing=not obstacle.final, target=target
    )


def queued(backup: DittoFSBackup, ahead: str) -> Findings:
    """Another backup of the instance goes first."""
    message = f'waits for DittoFSBackup "{ahead}": one at a time is made of an instance, the oldest first'
    return Findings(BackupPhase.PENDING, "InstanceBusy", message, BackupFacts.of_status(backup))


def suspended(backup: DittoFSBackup) -> Findings:
    """The backup is not to begin."""
    return Findings(
        BackupPhase.SUSPENDED, "Suspended", "spec.suspend is true", BackupFacts.of_status(backup), progressing=False
    )


def under_way(phase: BackupPhase, message: str, facts: BackupFacts) -> Findings:
    """The server is at work, or what it made is being verified."""
    return Findings(phase, phase.value, message, facts, progressing=True)


def completed(facts: BackupFacts, *, now: datetime) -> Findings:
    """Everything was made and verified."""
    facts = replace(facts, completion_time=now.strftime(_TIME))
    kept = "its contents are in the bucket" if is_durable(facts.artifacts) else "not durable: lost with its volume"
    shares = "1 share" if len(facts.artifacts) == 1 else f"{len(facts.artifacts)} shares"
    metadata = f"{sum(artifact.bytes or 0 for artifact in facts.artifacts)} bytes of metadata"
    return Findings(BackupPhase.COMPLETED, "Verified", f"{shares} verified, {metadata}; {kept}", facts)


def restored(facts: BackupFacts, *, now: datetime) -> Findings:
    """Every share has what the backup kept of it."""
    shares = "1 share" if len(facts.restored) == 1 else f"{len(facts.restored)} shares"
    message = f"{shares} restored; what was there before is in status.safetySnapshots"
    return Findings(BackupPhase.COMPLETED, "Restored", message, replace(facts, completion_time=now.strftime(_TIME)))


def archived(facts: BackupFacts, location: str, *, now: datetime) -> Findings:
    """The archive was written, and read back."""
    message = f"the archive ({facts.archive_size}) is verified: {location}"
    return Findings(BackupPhase.COMPLETED, "Verified", message, replace(facts, completion_time=now.strftime(_TIME)))


def restored_from_archive(facts: BackupFacts, archive: str, *, now: datetime) -> Findings:
    """The server has all that was in the archive."""
    shares = "1 share" if len(facts.restored) == 1 else f"{len(facts.restored)} shares"
    unmade = sum(bool(share.message) for share in facts.restored)
    but = f"; {unmade} of their DittoFSShares could not be made: see status.restored" if unmade else ""
    message = f"{shares} restored from the archive {archive}, and loaded by the server{but}"
    return Findings(BackupPhase.COMPLETED, "Restored", message, replace(facts, completion_time=now.strftime(_TIME)))


def failed(facts: BackupFacts, reason: str, message: str, *, now: datetime) -> Findings:
    """It ended badly."""
    return Findings(BackupPhase.FAILED, reason, message, replace(facts, completion_time=now.strftime(_TIME)))


def giving_up(facts: BackupFacts, reason: str, message: str) -> Findings:
    """It is to end badly, once what it began has come to rest."""
    return Findings(BackupPhase.RUNNING, reason, message, facts, progressing=True)


def begun(artifacts: tuple[BackupArtifact, ...], *, now: datetime, archive_id: str = "") -> BackupFacts:
    """What is known when a backup begins; `archive_id` is what its archive will be called, if it makes one."""
    return BackupFacts(start_time=now.strftime(_TIME), artifacts=artifacts, archive_id=archive_id)


def is_durable(artifacts: Iterable[BackupArtifact]) -> bool:
    """Whether the contents of every share were found in the bucket."""
    found = tuple(artifacts)
    return bool(found) and all(artifact.durable for artifact in found)


def size_of(artifacts: Iterable[BackupArtifact]) -> str:
    """What the verified ones among `artifacts` take, as a quantity of up to five digits; empty when there is none."""
    known = [artifact.bytes for artifact in artifacts if artifact.bytes is not None]
    return quantity(sum(known)) if known else ""


def quantity(size: int) -> str:
    """So many bytes as a quantity of up to five digits."""
    units = ["", "Ki", "Mi", "Gi", "Ti", "Pi"]
    while size >= 10_240 and len(units) > 1:
        size = -(-size // 1024)
        units.pop(0)
    return f"{size}{units[0]}"


def seconds_since(time: str, now: datetime) -> float:
    """Seconds from `time`, as a status holds it, to `now`."""
    return (now - datetime.fromisoformat(time)).total_seconds()


def trying_since(backup: DittoFSBackup) -> str:
    """Since when the operator tries to begin it; empty when the last pass did not."""
    known = _previous(backup, BackupCondition.PROGRESSING)
    return known["lastTransitionTime"] if known.get("status") == ConditionStatus.TRUE else ""


def why_not_ready(backup: DittoFSBackup) -> tuple[str, str]:
    """Reason and words of the last pass."""
    known = _previous(backup, BackupCondition.READY)
    return str(known.get("reason") or ""), str(known.get("message") or "")


def told(backup: DittoFSBackup, findings: Findings) -> bool:
    """Whether the last pass said the same, reason and words."""
    return why_not_ready(backup) == (findings.reason, findings.message)


def wanted_status(backup: DittoFSBackup, findings: Findings, *, now: datetime) -> dict[str, Any]:
    """The status of `backup` after a pass that found `findings`."""
    facts = findings.facts
    size = facts.archive_size if facts.archive_id else size_of(facts.artifacts)
    completed = findings.phase is BackupPhase.COMPLETED
    return {
        "observedGeneration": backup.metadata.generation,
        "ready": completed,
        "phase": findings.phase.value,
        **({"startTime": facts.start_time} if facts.start_time else {}),
        **({"completionTime": facts.completion_time} if facts.completion_time else {}),
        **({"size": size} if size else {}),
        "durable": completed and (bool(facts.archive_id) or is_durable(facts.artifacts)),
        "artifacts": [artifact.manifest() for artifact in facts.artifacts],
        **({"restored": [_without_blanks(share.manifest()) for share in facts.restored]} if facts.restored else {}),
        **({"safetySnapshots": [snapshot.manifest() for snapshot in facts.safety]} if facts.safety else {}),
        **({"archiveID": facts.archive_id} if facts.archive_id else {}),
        **({"manifestSHA256": facts.manifest_sha256} if facts.manifest_sha256 else {}),
        **({"covered": facts.covered.manifest()} if facts.covered is not None else {}),
        **({"jobRef": {"name": facts.job}} if facts.job else {}),
        "conditions": to_status(
            (*_conditions(findings), findings.target or known_target(backup)),
            previous=[condition.model_dump(mode="json", by_alias=True) for condition in backup.status.conditions],
            observed_generation=backup.metadata.generation,
            now=now,
        ),
    }


def _without_blanks(document: dict[str, Any]) -> dict[str, Any]:
    """A time that is not known is none that the API server takes."""
    return {name: value for name, value in document.items() if value != ""}


def _conditions(findings: Findings) -> tuple[Condition, ...]:
    holding = {
        BackupCondition.READY: findings.phase is BackupPhase.COMPLETED,
        BackupCondition.PROGRESSING: findings.progressing,
        BackupCondition.COMPLETED: findings.phase is BackupPhase.COMPLETED,
        BackupCondition.FAILED: findings.phase is BackupPhase.FAILED,
    }
    return tuple((true if holds else false)(kind, findings.reason, findings.message) for kind, holds in holding.items())


def known_target(backup: DittoFSBackup) -> Condition:
    """What the last pass said of the target."""
    if backup.spec.restore is not None:
        return true(BackupCondition.TARGET_READY, "NotNeeded", "a restore keeps nothing anywhere")
    if backup.spec.method is not BackupMethod.ARCHIVE:
        return true(BackupCondition.TARGET_READY, "NotNeeded", "snapshots are kept on the volumes of the instance")
    known = _previous(backup, BackupCondition.TARGET_READY)
    if not known:
        return unknown(BackupCondition.TARGET_READY, "NotChecked", "the target has not been looked at yet")
    return Condition(BackupCondition.TARGET_READY, ConditionStatus(known["status"]), known["reason"], known["message"])


def _previous(backup: DittoFSBackup, kind: BackupCondition) -> Mapping[str, Any]:
    found = next((condition for condition in backup.status.conditions if condition.type == kind), None)
    return {} if found is None else found.model_dump(mode="json", by_alias=True)
