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
from reconcilers.api.resources import DITTOFS_BACKUP
from reconcilers.backup import snapshots
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
        "instanceRef": spec.get("instanceRef"),
        # A word of another version is none to remove data for.
        "deletionPolicy": policy if policy in (None, *BackupDeletion) else BackupDeletion.RETAIN,
    }
    head = {"apiVersion": DITTOFS_BACKUP.api_version, "kind": DITTOFS_BACKUP.kind, "metadata": view["metadata"]}
    kept = {name: value for name, value in needed.items() if value is not None}
    return DittoFSBackup.from_view({**head, "spec": kept, "status": {"artifacts": artifacts}})


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
    ) -> None:
        self._caches = caches
        self._finalizer = finalizer
        self._recorder = recorder
        self._access = access
        self._patience = Patience(clock=clock)
        self._report = report

    def step(self, view: View, backup: DittoFSBackup) -> Result:
        """One attempt to let `backup` go."""
        if not self._finalizer.is_on(view):
            return Done()
        if backup.spec.deletion_policy is BackupDeletion.RETAIN or not backup.status.artifacts:
            return self._let_go(view)
        try:
            instance = instance_of(view, self._caches)
        except InvalidObject as error:
            return self._wait(view, backup, str(error))
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
            self._report(view, backup, f"its snapshots can't be removed from the server yet: {reason}")
            return RequeueAfter(min(RETRY_EVERY_S, left_s))
        return self._leave_behind(view, backup, f"gave up after {patience_s:g} s: {reason}")

    def _leave_behind(self, view: View, backup: DittoFSBackup, reason: str) -> Result:
        kept = backup.status.artifacts
        some = ", ".join(f"{artifact.snapshot_id or 'unknown'} of {artifact.path}" for artifact in kept[:3])
        more = f" and {len(kept) - 3} more" if len(kept) > 3 else ""
        where = f", on {kept[0].location}" if kept[0].location else ""
        note = f"the snapshots {some}{more} of this backup stay{where}: {reason}"
        self._recorder.warning(view, "DataLeftBehind", note)
        return self._let_go(view)

    def _let_go(self, view: View) -> Result:
        return Done() if self._finalizer.drop(view) else Backoff("the object changed meanwhile")
