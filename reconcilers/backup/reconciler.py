"""Makes the backups that DittoFSBackups ask for, once each or by a schedule, and says what became of them."""

from __future__ import annotations

from collections.abc import Callable

from informers.clock import Clock
from informers.errors import Conflict as ObjectConflict
from informers.errors import NotFound as ObjectNotFound
from informers.finalizer import Finalizer
from informers.resource import ObjectKey, View
from informers.result import Done, RequeueAfter, Result
from reconcilers import names
from reconcilers.access import Recorder
from reconcilers.api.backup import FINISHED, BackupCondition, BackupPhase, DittoFSBackup
from reconcilers.api.common import InvalidObject
from reconcilers.api.resources import DITTOFS_BACKUP
from reconcilers.backup.archive.removal import ArchiveRemoval
from reconcilers.backup.archive.restore_run import ArchiveRestoreRun
from reconcilers.backup.archive.run import ArchiveRun
from reconcilers.backup.caches import BackupCaches
from reconcilers.backup.deletion import Deletion, leaving_backup
from reconcilers.backup.restore.errands import Errands
from reconcilers.backup.restore.run import RestoreRun, with_safety_snapshots
from reconcilers.backup.run import BackupRun
from reconcilers.backup.schedules import Schedules
from reconcilers.backup.status import BackupFacts, Findings, wanted_status
from reconcilers.backup.subject import Subject
from reconcilers.jobs import Jobs, JobsClient
from reconcilers.server.session import Sessions
from reconcilers.share.access import CredentialsReader, ServerAccess
from reconcilers.status_writer import StatusWriter
from reconcilers.unreadable import Unreadable

#: How soon to try again to write a status that others wrote in between of.
STALE_S = 1.0


class BackupReconciler:
    """Reconciles DittoFSBackups. One that is finished costs nothing more."""

    def __init__(
        self,
        *,
        caches: BackupCaches,
        client: JobsClient,
        recorder: Recorder,
        sessions: Sessions,
        credentials: CredentialsReader,
        clock: Clock,
        image: str = "",
        failed: Callable[[View], None] = lambda backup: None,  # noqa: ARG005 - nobody counts
        errands: Errands | None = None,
    ) -> None:
        """`image` is the operator's own, for the Jobs of archives; empty: it was not told, and makes none."""
        self._caches = caches
        self._clock = clock
        self._status = StatusWriter(client=client, resource=DITTOFS_BACKUP, conditions=frozenset(BackupCondition))
        self._unreadable = Unreadable(
            status=self._status,
            recorder=recorder,
            clock=clock,
            conditions=BackupCondition,
            failing=frozenset((BackupCondition.READY,)),
            phase=BackupPhase.PENDING,
        )
        access = ServerAccess(sessions=sessions, credentials=credentials)
        finalizer = Finalizer(names.FINALIZER, DITTOFS_BACKUP, client, field_manager=names.FIELD_MANAGER)
        self._restores = RestoreRun(
            caches=caches,
            client=client,
            recorder=recorder,
            access=access,
            clock=clock,
            known=self._known,
            write=self._write,
            failed=failed,
            errands=Errands() if errands is None else errands,
        )
        jobs = Jobs(jobs=caches.jobs, client=client)
        archives = ArchiveRun(
            caches=caches,
            client=client,
            recorder=recorder,
            access=access,
            clock=clock,
            jobs=jobs,
            image=image,
            known=self._known,
            write=self._write,
            failed=failed,
        )
        self._run = BackupRun(
            caches=caches,
            recorder=recorder,
            access=access,
            finalizer=finalizer,
            clock=clock,
            known=self._known,
            write=self._write,
            failed=failed,
            archives=archives,
            restores=self._restores,
            archive_restores=ArchiveRestoreRun(
                caches=caches,
                client=client,
                recorder=recorder,
                access=access,
                clock=clock,
                jobs=jobs,
                image=image,
                known=self._known,
                write=self._write,
                failed=failed,
            ),
        )
        self._schedules = Schedules(
            caches=caches, client=client, recorder=recorder, clock=clock, write=self._status.write
        )
        self._deletion = Deletion(
            caches=caches,
            finalizer=finalizer,
            recorder=recorder,
            access=access,
            clock=clock,
            report=self._report_deleting,
            archives=ArchiveRemoval(client=client, clock=clock, caches=caches, jobs=jobs, image=image),
        )

    def reconcile(self, key: ObjectKey) -> Result:
        """One pass over the DittoFSBackup named `key`."""
        view = self._caches.backups.get(key)
        if view is None:
            self._deletion.forget(key)
            self._status.forget(key)
            return Done()
        known = self._known(view)
        if known["status"].get("phase") in FINISHED and not view["metadata"].get("deletionTimestamp"):
            return Done()  # whatever its specification says by now, and whether or not we can read it
        try:
            backup = DittoFSBackup.from_view(known)
        except InvalidObject as error:
            if not view["metadata"].get("deletionTimestamp"):
                return self._unreadable.tell(view, error)
            backup = leaving_backup(known)
        try:
            if backup.deleting and not self._restores.is_under_way(backup):
                return self._deletion.step(view, with_safety_snapshots(backup))
            if backup.deleting:
                return self._run.go_on_restoring(Subject(view, backup))
            if backup.spec.schedule:
                return self._schedules.step(Subject(view, backup))
            return self._run.step(Subject(view, backup))
        except ObjectNotFound:
            return Done()
        except ObjectConflict:
            return RequeueAfter(STALE_S)

    def _known(self, view: View) -> View:
        """The object with its newest status: what was written may not have come back yet."""
        return {**view, "status": self._status.last(view)}

    def _report_deleting(self, view: View, backup: DittoFSBackup, message: str) -> None:
        findings = Findings(BackupPhase.DELETING, "DeletingData", message, BackupFacts.of_status(backup))
        self._write(Subject(view, backup), findings)

    def _write(self, subject: Subject, findings: Findings) -> None:
        self._status.write(subject.view, wanted_status(subject.backup, findings, now=self._clock.now()))
