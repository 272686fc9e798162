"""Which shares a restore is about and from which snapshots, or what is in its way: decided from the objects alone."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from informers.resource import View
from reconcilers.api.backup import BackupArtifact, BackupMethod, BackupPhase, DittoFSBackup, Operation
from reconcilers.api.common import InvalidObject
from reconcilers.api.dittofs import DittoFS
from reconcilers.api.restore import RestoredShare
from reconcilers.backup.plan import Obstacle, quoted
from reconcilers.share.declared import path_winners

_REMEDY = "make another DittoFSBackup with the operation Restore"
#: What the server answers to the restore of such a snapshot, with what it takes to have it all the same.
NOT_DURABLE = (
    "snapshot not remotely durable (the server's 412): it is on the volume alone. Set restore.acceptNonDurable to true "
    f"if that is good enough, and {_REMEDY}"
)


def planned(
    backup: DittoFSBackup, source: View | None, instance: DittoFS, shares: Iterable[View]
) -> tuple[RestoredShare, ...] | Obstacle:
    """What is to be restored, from the backup `source`, to the declared `shares` of `instance`."""
    found = _source(backup, source)
    if isinstance(found, Obstacle):
        return found
    wanted = _wanted(backup, found)
    if isinstance(wanted, Obstacle):
        return wanted
    winners = path_winners(shares)
    declared = {str(share["metadata"]["name"]): path for path, share in winners.items()}
    missing = [artifact for artifact in wanted if declared.get(artifact.share) != artifact.path]
    if missing:
        places = quoted([f"{artifact.share} ({artifact.path})" for artifact in missing])
        message = (
            f'DittoFS "{instance.metadata.name}" has no DittoFSShare {places} that isn\'t being deleted and has its '
            "path to itself: create it, or restore without it by spec.shares"
        )
        return Obstacle(BackupPhase.PENDING, "ShareNotFound", message)
    suspended = [artifact.share for artifact in wanted if (winners[artifact.path].get("spec") or {}).get("suspend")]
    if suspended:
        message = f"spec.suspend of DittoFSShare {quoted(suspended)} is true: nobody would open it again"
        return Obstacle(BackupPhase.PENDING, "ShareSuspended", message)
    volatile = [artifact.share for artifact in wanted if not artifact.durable]
    if volatile and not (backup.spec.restore and backup.spec.restore.accept_non_durable):
        return _never("NotDurable", f"{quoted(volatile)}: {NOT_DURABLE}")
    return tuple(
        RestoredShare(share=artifact.share, path=artifact.path, snapshot_id=artifact.snapshot_id) for artifact in wanted
    )


def _source(backup: DittoFSBackup, view: View | None) -> DittoFSBackup | Obstacle:
    name = backup.spec.restore.backup_name if backup.spec.restore else ""
    if view is None or view["metadata"].get("deletionTimestamp"):
        message = f'there is no DittoFSBackup "{name}" in this namespace that isn\'t being deleted: name one that is'
        return Obstacle(BackupPhase.PENDING, "BackupNotFound", message)
    try:
        source = DittoFSBackup.from_view(view)
    except InvalidObject as error:
        return _never("BackupUnreadable", f"{error}: name another one, and {_REMEDY}")
    reason = _useless(backup, source)
    if reason:
        return _never("BackupNotUsable", f'DittoFSBackup "{name}" {reason}: name another one, and {_REMEDY}')
    if source.status.phase != BackupPhase.COMPLETED:
        message = f'DittoFSBackup "{name}" is not completed yet'
        return Obstacle(BackupPhase.PENDING, "BackupNotCompleted", message)
    return source


def _useless(backup: DittoFSBackup, source: DittoFSBackup) -> str:
    """Why nothing can ever be restored from `source`; empty: it may be."""
    if source.spec.instance_ref.name != backup.spec.instance_ref.name:
        return f'is of DittoFS "{source.spec.instance_ref.name}", and snapshots can\'t leave their instance'
    if source.spec.schedule:
        last = source.status.last_backup_ref
        return "is a schedule, which keeps nothing itself" + (f'; its newest backup is "{last.name}"' if last else "")
    if source.spec.operation is not Operation.BACKUP:
        return "is a restore itself"
    if source.spec.method is not BackupMethod.SNAPSHOT:
        return f"was made by the method {source.spec.method}, which is restored into an empty instance only"
    if source.status.phase == BackupPhase.FAILED:
        return "has failed"
    return ""


def _wanted(backup: DittoFSBackup, source: DittoFSBackup) -> Sequence[BackupArtifact] | Obstacle:
    kept = {artifact.share: artifact for artifact in source.status.artifacts}
    missing = [share for share in backup.spec.shares if share not in kept]
    if missing:
        message = f'DittoFSBackup "{source.metadata.name}" has nothing of {quoted(missing)}: {_REMEDY}'
        return _never("ShareNotInBackup", message)
    return [kept[share] for share in backup.spec.shares] if backup.spec.shares else source.status.artifacts


def _never(reason: str, message: str) -> Obstacle:
    return Obstacle(BackupPhase.FAILED, reason, message, final=True)
