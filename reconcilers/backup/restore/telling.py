"""What a restore tells of itself, and when it looks again."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from informers.clock import Clock
from informers.resource import View
from informers.result import Backoff, Done, RequeueAfter, Result
from reconcilers.access import Recorder
from reconcilers.api.backup import BackupPhase, DittoFSBackup
from reconcilers.backup import status
from reconcilers.backup.caches import instance_key
from reconcilers.backup.plan import Obstacle
from reconcilers.backup.restore.holding import Holding
from reconcilers.backup.restore.states import WAIT_LIMIT_S, active
from reconcilers.backup.status import BackupFacts, Findings
from reconcilers.backup.subject import Subject

#: How soon to look again at what the server does: a part of the time that it took so far, within these bounds.
SOONEST_LOOK_S, LATEST_LOOK_S = 0.5, 15.0
#: How soon to take the next step.
NEXT_S = 0.05


class Telling:
    """Writes the status of restores; each method ends a pass and raises an `ApiError`."""

    def __init__(
        self,
        *,
        recorder: Recorder,
        clock: Clock,
        holding: Holding,
        known: Callable[[View], View],
        write: Callable[[Subject, Findings], None],
        failed: Callable[[View], None],
    ) -> None:
        self._recorder = recorder
        self._clock = clock
        self._holding = holding
        self._known = known
        self._write = write
        self._failed = failed

    def record(self, subject: Subject, facts: BackupFacts, words: str) -> Subject:
        """Write down how far it is, before anything else happens; gives the object with that status."""
        self._write(subject, _as_leaving(subject, status.under_way(BackupPhase.RUNNING, words, facts)))
        return self.newest(subject)

    def newest(self, subject: Subject) -> Subject:
        """The same object with the status that was written last."""
        return Subject(subject.view, DittoFSBackup.from_view(self._known(subject.view)))

    def under_way(self, subject: Subject, words: str) -> Result:
        """Somebody is at work, and is looked at again."""
        facts = BackupFacts.of_status(subject.backup)
        share = active(facts.restored)
        began = facts.start_time if share is None else share.started_at
        took_s = status.seconds_since(began, self._clock.now())
        if share is None and took_s > WAIT_LIMIT_S:
            return self.wait(subject, hindrance("DeadlineExceeded", words))
        self.record(subject, facts, words)
        return RequeueAfter(min(max(took_s / 5, SOONEST_LOOK_S), LATEST_LOOK_S))

    def wait(self, subject: Subject, obstacle: Obstacle) -> Result:
        """Something is in the way; for ever only while a share is neither restored nor as it was."""
        facts = BackupFacts.of_status(subject.backup)
        touched = active(facts.restored) is not None
        waited_s = status.seconds_since(facts.start_time, self._clock.now())
        if not touched and (obstacle.final or waited_s > WAIT_LIMIT_S):
            words = "" if obstacle.final else f"gave up after {WAIT_LIMIT_S / 60:g} min: "
            return self.over(subject, obstacle.reason, f"{words}{obstacle.message}")
        findings = Findings(obstacle.phase, obstacle.reason, obstacle.message, facts, progressing=True)
        if touched and not status.told(subject.backup, findings):
            self._recorder.warning(subject.view, findings.reason, findings.message)
        self._write(subject, _as_leaving(subject, findings))
        return RequeueAfter(LATEST_LOOK_S)

    def hindered(self, subject: Subject, reason: str, error: Exception) -> Result:
        """A call failed, and is made again, ever later; what this very pass has written down stays."""
        result = self.wait(self.newest(subject), hindrance(reason, str(error)))
        return Backoff(reason, at_most_s=LATEST_LOOK_S) if isinstance(result, RequeueAfter) else result

    def over(self, subject: Subject, reason: str, message: str) -> Result:
        """End the restore otherwise than well."""
        facts = BackupFacts.of_status(subject.backup)
        self._holding.release(subject.backup, instance_key(subject.view))
        findings = status.failed(facts, reason, message, now=self._clock.now())
        self._write(subject, _as_leaving(subject, findings))
        if not subject.backup.deleting:
            self._recorder.warning(subject.view, "RestoreFailed", f"{reason}: {message}")
            self._failed(subject.view)
            return Done()
        if active(facts.restored) is not None:
            self._recorder.warning(subject.view, "RestoreAbandoned", f"{reason}: {message}")
        return RequeueAfter(NEXT_S)

    def completed(self, subject: Subject) -> Result:
        """Every share has what the backup kept of it, and is open."""
        findings = status.restored(BackupFacts.of_status(subject.backup), now=self._clock.now())
        self._write(subject, findings)
        self._recorder.normal(subject.view, "RestoreCompleted", findings.message)
        return Done()


def hindrance(reason: str, message: str) -> Obstacle:
    """What keeps the server from being asked."""
    return Obstacle(BackupPhase.WAITING_FOR_INSTANCE, reason, message)


def _as_leaving(subject: Subject, findings: Findings) -> Findings:
    return replace(findings, phase=BackupPhase.DELETING) if subject.backup.deleting else findings
