"""What becomes of a backup's data with its object; it never keeps an object for longer than it says here."""

from __future__ import annotations

from collections.abc import Callable

from informers.clock import Clock
from informers.finalizer import Finalizer
from informers.resource import ObjectKey, View
from informers.result import Backoff, Done, RequeueAfter, Result
from reconcilers.access import Recorder
from reconcilers.api.backup import BackupDeletion, DittoFSBackup
from reconcilers.api.common import InvalidObject
from reconcilers.api.dittofs import DittoFS
from reconcilers.api.resources import DITTOFS_BACKUP
from reconcilers.backup import snapshots
from reconcilers.backup.archive.orders import location
from reconcilers.backup.archive.removal import ArchiveRemoval, Fate
from reconcilers.backup.caches import BackupCaches, instance_of
from reconcilers.patience import PATIENCE_S, RETRY_EVERY_S, Patience
from reconcilers.server.credentials import CredentialsMissing
from reconcilers.server.errors import ServerError
from reconcilers.share.access import ServerAccess, is_reachable

#: How long one may that is still making the snapshot, or restoring from it.
BUSY_PATIENCE_S = 900.0


def leaving_backup(view: View) -> DittoFSBackup:
    """What of `view` its deletion needs: an object that another version of ours let in must not stay for ever."""
    spec, status = view.get("spec") or {}, view.get("status") or {}
    artifacts = [
        {name: str(artifact.get(name) or "") for name in ("share", "path", "snapshotID")}
        for artifact in status.get("artifacts") or ()
    ]
    policy = spec.get("deletionPolicy")
    needed = {
        **{field: spec.get(field) for field in ("instanceRef", "method", "target", "job")},
        # A word of another version is none to remove data for.
        "deletionPolicy": policy if policy in (None, *BackupDeletion) else BackupDeletion.RETAIN,
    }
    head = {"apiVersion": DITTOFS_BACKUP.api_version, "kind": DITTOFS_BACKUP.kind, "metadata": view["metadata"]}
    kept = {name: value for name, value in needed.items() if value is not None}
    archive = {field: str(status.get(field) or "") for field in ("archiveID", "manifestSHA256")}
    whole = {**head, "spec": kept, "status": {"artifacts": artifacts, **archive}}
    try:
        return DittoFSBackup.from_view(whole)
    except InvalidObject:
        # What its archive was kept on is not to be known: it stays, and that is said.
        bare = {name: value for name, value in kept.items() if name in ("instanceRef", "deletionPolicy")}
        return DittoFSBackup.from_view({**whole, "spec": bare})


class Deletion:
    """Cleans up after deleted DittoFSBackups."""

    def __init__(
        self,
        *,
        caches: BackupCaches,
        finalizer: Finalizer,
        recorder: Recorder,
        access: ServerAccess,
        clock: Clock,
        report: Callable[[View, DittoFSBackup, str], None],
        archives: ArchiveRemoval,
    ) -> None:
        self._caches = caches
        self._finalizer = finalizer
        self._recorder = recorder
        self._access = access
        self._patience = Patience(clock=clock)
        self._report = report
        self._archives = archives

    def step(self, view: View, backup: DittoFSBackup) -> Result:
        """One attempt to let `backup` go."""
        if not self._finalizer.is_on(view):
            return Done()
        try:
            instance, unreadable = instance_of(view, self._caches), ""
        except InvalidObject as error:
            instance, unreadable = None, str(error)
        if backup.status.archive_id:
            waiting = self._archive(view, backup, instance)
            if waiting is not None:
                return waiting
        elif backup.spec.deletion_policy is BackupDeletion.RETAIN or not backup.status.artifacts:
            return self._let_go(view)
        return self._wait(view, backup, unreadable) if unreadable else self._snapshots(view, backup, instance)

    def _archive(self, view: View, backup: DittoFSBackup, instance: DittoFS | None) -> Result | None:
        """One attempt to remove the archive; None when only its snapshots are left."""
        farewell = self._archives.step(backup, instance)
        match farewell.fate:
            case Fate.LEAVING:
                return self._wait(view, backup, farewell.words, patience_s=BUSY_PATIENCE_S)
            case Fate.STUCK:
                return self._leave_behind(view, backup, farewell.words)
            case Fate.KEPT:
                return self._let_go(view)
            case Fate.GONE:
                return None if _has_snapshots(backup) else self._let_go(view)

    def _snapshots(self, view: View, backup: DittoFSBackup, instance: DittoFS | None) -> Result:
        if instance is None or instance.deleting:
            return self._leave_behind(view, backup, "its DittoFS is gone")
        if not is_reachable(instance):
            return self._wait(view, backup, "the server is not reachable")
        try:
            session = self._access.open(instance)
            held = snapshots.remove(session, backup.metadata.uid, backup.status.artifacts)
        except (ServerError, CredentialsMissing) as error:
            return self._wait(view, backup, str(error))
        if held:
            return self._wait(view, backup, "the server is still at work on the snapshot", patience_s=BUSY_PATIENCE_S)
        return self._let_go(view)

    def forget(self, backup: ObjectKey) -> None:
        """Drop what was remembered of a backup that is gone."""
        self._patience.forget(backup)

    def _wait(self, view: View, backup: DittoFSBackup, reason: str, *, patience_s: float = PATIENCE_S) -> Result:
        left_s = patience_s - self._patience.waited_s(backup)
        if left_s > 0:
            what = "archive" if backup.status.archive_id else "snapshots"
            self._report(view, backup, f"its {what} can't be removed yet: {reason}")
            return RequeueAfter(min(RETRY_EVERY_S, left_s))
        return self._leave_behind(view, backup, f"gave up after {patience_s:g} s: {reason}")

    def _leave_behind(self, view: View, backup: DittoFSBackup, reason: str) -> Result:
        note = f"{_what(backup)} of this backup stay: {reason}"
        self._recorder.warning(view, "DataLeftBehind", note)
        return self._let_go(view)

    def _let_go(self, view: View) -> Result:
        return Done() if self._finalizer.drop(view) else Backoff("the object changed meanwhile")


def _has_snapshots(backup: DittoFSBackup) -> bool:
    return any(artifact.snapshot_id for artifact in backup.status.artifacts)


def _what(backup: DittoFSBackup) -> str:
    """What there is of the backup, and where."""
    kept = backup.status.artifacts
    archive = f"the archive in {location(backup)}" if backup.status.archive_id else ""
    if archive and not _has_snapshots(backup):
        return archive
    some = ", ".join(f"{artifact.snapshot_id or 'unknown'} of {artifact.path}" for artifact in kept[:3])
    more = f" and {len(kept) - 3} more" if len(kept) > 3 else ""
    where = f" on {kept[0].location}" if kept[0].location else ""
    return f"{archive}{' and ' if archive else ''}the snapshots {some}{more}{where}"
