"""The way of one backup from its turn to its end; every step may be the last one before a restart.

What has an end: waiting for what it needs, and the run itself; in the queue it waits for others that have an end.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import replace

from informers.clock import Clock
from informers.finalizer import Finalizer
from informers.resource import View
from informers.result import Backoff, Done, RequeueAfter, Result
from reconcilers import names
from reconcilers.access import Recorder
from reconcilers.api.backup import BackupCondition, BackupMethod, BackupPhase, DittoFSBackup, Operation
from reconcilers.api.common import InvalidObject
from reconcilers.api.dittofs import DittoFS
from reconcilers.backup import snapshots, status, turn
from reconcilers.backup.archive.orders import archive_id as archive_of
from reconcilers.backup.archive.orders import location
from reconcilers.backup.archive.restore_run import ArchiveRestoreRun, is_archive_restore
from reconcilers.backup.archive.run import ArchiveRun
from reconcilers.backup.caches import BY_INSTANCE, BackupCaches, instance_key, instance_of
from reconcilers.backup.plan import Obstacle, planned, usable
from reconcilers.backup.restore.run import RestoreRun
from reconcilers.backup.snapshots import Artifacts, Look, Verdict
from reconcilers.backup.subject import Subject
from reconcilers.conditions import true
from reconcilers.server.credentials import CredentialsMissing
from reconcilers.server.errors import Reaction, ServerError, treatment
from reconcilers.share.access import ServerAccess
from reconcilers.share.caches import BY_INSTANCE as SHARES_BY_INSTANCE

#: How long a backup may wait for what it needs before it begins.
START_LIMIT_S = 3600.0
#: How long a run may take, from its beginning.
RUN_LIMIT_S = 7200.0
#: How soon to look again at what the server makes: a part of the time that it took so far, within these bounds.
SOONEST_LOOK_S, LATEST_LOOK_S = 0.5, 15.0
#: How often to look at the queue, should nobody call.
QUEUE_LOOK_S = 60.0

#: Obstacles that come with time, and concern nobody before.
_USUAL = frozenset({"InstanceSuspended", "ApiNotReachable", "ServerUnreachable", "ServerBusy"})


class BackupRun:
    """Brings backups to their turn, and takes those by the method Snapshot."""

    def __init__(
        self,
        *,
        caches: BackupCaches,
        recorder: Recorder,
        access: ServerAccess,
        finalizer: Finalizer,
        clock: Clock,
        known: Callable[[View], View],
        write: Callable[[Subject, status.Findings], None],
        failed: Callable[[View], None],
        restores: RestoreRun,
        archives: ArchiveRun,
        archive_restores: ArchiveRestoreRun,
    ) -> None:
        """`known` gives a view with its newest status; `write` writes a status and raises an `ApiError`.

        `failed` is told of each backup and each restore that failed.
        """
        self._caches = caches
        self._recorder = recorder
        self._access = access
        self._finalizer = finalizer
        self._clock = clock
        self._known = known
        self._write = write
        self._failed = failed
        self._restores = restores
        self._archives = archives
        self._archive_restores = archive_restores
        #: Held from looking whose turn it is to having written that it began.
        self._turn = threading.Lock()

    def step(self, subject: Subject) -> Result:
        """One pass over a backup that is not finished. Raises an `ApiError`."""
        if self._restores.is_under_way(subject.backup):
            return self.go_on_restoring(subject)
        if _makes_archive(subject.backup) and subject.backup.status.start_time:
            return self._archives.step(subject)
        instance = self._instance(subject)
        if not subject.backup.status.start_time:
            return self._begin(subject, instance)
        if isinstance(instance, Obstacle):
            return self._wait(subject, instance)
        return self._advance(subject, instance)

    def go_on_restoring(self, subject: Subject) -> Result:
        """One pass over a restore that has begun. Raises an `ApiError`."""
        return (self._archive_restores if is_archive_restore(subject.backup) else self._restores).step(subject)

    def _instance(self, subject: Subject) -> DittoFS | Obstacle:
        try:
            return usable(subject.backup, instance_of(subject.view, self._caches))
        except InvalidObject as error:
            fields = ", ".join(field for field, _ in error.problems)
            message = f'the operator can\'t read {fields} of DittoFS "{subject.backup.spec.instance_ref.name}"'
            return Obstacle(BackupPhase.WAITING_FOR_INSTANCE, "InvalidSpec", message)

    def _begin(self, subject: Subject, instance: DittoFS | Obstacle) -> Result:
        backup = subject.backup
        if backup.spec.suspend:
            self._write(subject, status.suspended(backup))
            return Done()
        if isinstance(instance, Obstacle):
            return self._wait(subject, instance)
        facts = self._planned(subject, instance)
        if isinstance(facts, Obstacle):
            return self._wait(subject, facts)
        with self._turn:
            rivals = self._caches.backups.by_index(BY_INSTANCE, str(instance_key(subject.view)))
            ahead = turn.ahead_of(self._known(subject.view), [self._known(rival) for rival in rivals])
            if ahead is not None:
                self._write(subject, status.queued(backup, ahead))
                return RequeueAfter(QUEUE_LOOK_S)
            if not self._finalizer.is_on(subject.view):
                # The watch brings the object back with the finalizer on; only then anything is made on the server.
                return Done() if self._finalizer.add(subject.view) else Backoff("the object changed meanwhile")
            what = facts.archive_id or _cut(", ".join(share.share for share in facts.restored or facts.artifacts))
            restores = backup.spec.operation is Operation.RESTORE
            what = what or archive_of(backup)
            reason, deed = ("RestoreStarted", "restores") if restores else ("BackupStarted", "backs up")
            findings = status.under_way(BackupPhase.RUNNING, f"{deed} {what}", facts)
            if facts.archive_id:
                found = true(BackupCondition.TARGET_READY, "Found", f"the archive will be in {location(backup)}")
                findings = replace(findings, target=found)
            self._write(subject, findings)
        self._recorder.normal(subject.view, reason, f"{deed} {what}")
        subject = self._again(subject)
        if restores:
            return self.go_on_restoring(subject)
        return self._archives.begin(subject, instance) if facts.archive_id else self._advance(subject, instance)

    def _planned(self, subject: Subject, instance: DittoFS) -> status.BackupFacts | Obstacle:
        backup, now = subject.backup, self._clock.now()
        shares = tuple(self._caches.shares.by_index(SHARES_BY_INSTANCE, str(instance.key)))
        if is_archive_restore(backup):
            return self._archive_restores.obstacle(backup, instance, shares) or status.begun((), now=now)
        if backup.spec.operation is Operation.RESTORE:
            wanted = self._restores.planned(backup, instance, shares)
            return wanted if isinstance(wanted, Obstacle) else replace(status.begun((), now=now), restored=wanted)
        archives = _makes_archive(backup)
        plan = self._archives.planned(backup, instance, shares) if archives else planned(backup, instance, shares)
        archive_id = names.archive(backup.metadata.name, backup.metadata.uid) if archives else ""
        return plan if isinstance(plan, Obstacle) else status.begun(plan, now=now, archive_id=archive_id)

    def _wait(self, subject: Subject, obstacle: Obstacle) -> Result:
        backup = subject.backup
        now = self._clock.now()
        since, limit_s = backup.status.start_time, RUN_LIMIT_S
        if not since:
            since, limit_s = status.trying_since(backup), START_LIMIT_S
        if obstacle.final or (since and status.seconds_since(since, now) >= limit_s):
            words = obstacle.message if obstacle.final else f"gave up after {limit_s / 60:g} min: {obstacle.message}"
            return self._fail(subject, status.BackupFacts.of_status(backup), obstacle.reason, words)
        findings = status.waiting(backup, obstacle)
        if obstacle.reason not in _USUAL and not status.told(backup, findings):
            self._recorder.warning(subject.view, findings.reason, findings.message)
        self._write(subject, findings)
        return RequeueAfter(LATEST_LOOK_S)

    def _advance(self, subject: Subject, instance: DittoFS) -> Result:
        backup = subject.backup
        facts = status.BackupFacts.of_status(backup)

        def record(artifacts: Artifacts) -> None:
            nonlocal facts
            facts = replace(facts, artifacts=artifacts)
            self._write(subject, status.under_way(BackupPhase.RUNNING, "the server makes snapshots", facts))

        try:
            session = self._access.open(instance)
            looks = snapshots.advance(session, backup.metadata.uid, facts.artifacts, record)
        except CredentialsMissing as error:
            return self._hindered(subject, "CredentialsMissing", str(error))
        except ServerError as error:
            what = treatment(error)
            if what.reaction is Reaction.REPORT:
                return self._fail(subject, facts, what.reason, str(error))
            return self._hindered(subject, what.reason, str(error))
        return self._settle(subject, looks, replace(facts, artifacts=tuple(look.artifact for look in looks)))

    def _settle(self, subject: Subject, looks: tuple[Look, ...], facts: status.BackupFacts) -> Result:
        now = self._clock.now()
        by_verdict = {verdict: [look for look in looks if look.verdict is verdict] for verdict in Verdict}
        took_s = status.seconds_since(facts.start_time, now)
        open_looks = by_verdict[Verdict.PENDING] or by_verdict[Verdict.UNVERIFIED]
        if open_looks and took_s < RUN_LIMIT_S:
            phase = BackupPhase.RUNNING if by_verdict[Verdict.PENDING] else BackupPhase.VERIFYING
            self._write(subject, status.under_way(phase, _words(open_looks), facts))
            return RequeueAfter(min(max(took_s / 5, SOONEST_LOOK_S), LATEST_LOOK_S))
        if by_verdict[Verdict.FAILED]:
            return self._fail(subject, facts, "SnapshotFailed", _words(by_verdict[Verdict.FAILED]))
        if open_looks:
            words = f"gave up after {RUN_LIMIT_S / 60:g} min: {_words(open_looks)}"
            return self._fail(subject, facts, "DeadlineExceeded", words)
        findings = status.completed(facts, now=now)
        self._write(subject, findings)
        self._recorder.normal(subject.view, "BackupCompleted", findings.message)
        return Done()

    def _hindered(self, subject: Subject, reason: str, message: str) -> Result:
        """The server can't be asked; what was recorded in this very pass is in the newest status."""
        result = self._wait(self._again(subject), Obstacle(BackupPhase.WAITING_FOR_INSTANCE, reason, message))
        return Backoff(reason, at_most_s=LATEST_LOOK_S) if isinstance(result, RequeueAfter) else result

    def _fail(self, subject: Subject, facts: status.BackupFacts, reason: str, message: str) -> Result:
        self._write(subject, status.failed(facts, reason, message, now=self._clock.now()))
        restores = subject.backup.spec.operation is Operation.RESTORE
        event = "RestoreFailed" if restores else "BackupFailed"
        self._recorder.warning(subject.view, event, f"{reason}: {message}")
        self._failed(subject.view)
        return Done()

    def _again(self, subject: Subject) -> Subject:
        """The same object with the status that was just written."""
        return Subject(subject.view, DittoFSBackup.from_view(self._known(subject.view)))


def _makes_archive(backup: DittoFSBackup) -> bool:
    return backup.spec.method is BackupMethod.ARCHIVE


def _words(looks: list[Look]) -> str:
    first = f"{looks[0].artifact.share}: {looks[0].words}"
    return first if len(looks) == 1 else f"{first} (and {len(looks) - 1} more shares)"


def _cut(shares: str, longest: int = 200) -> str:
    return shares if len(shares) <= longest else f"{shares[:longest]}…"
