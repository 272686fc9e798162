"""What a backup takes, or what is in its way: decided from the objects alone, before a server is asked."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from informers.resource import View
from reconcilers import names
from reconcilers.api.backup import MAX_SHARES, BackupArtifact, BackupMethod, BackupPhase, DittoFSBackup
from reconcilers.api.dittofs import DittoFS
from reconcilers.api.storage import PayloadType
from reconcilers.share.access import is_reachable
from reconcilers.share.declared import path_winners


@dataclass(frozen=True, slots=True)
class Obstacle:
    """What a backup waits for; one that is `final` no waiting helps against."""

    phase: BackupPhase
    reason: str
    message: str
    final: bool = False


def usable(backup: DittoFSBackup, instance: DittoFS | None) -> DittoFS | Obstacle:
    """The `instance`, if its server can be asked for a backup, or why it can't."""
    name = backup.spec.instance_ref.name
    if instance is None:
        message = f'there is no DittoFS "{name}" in this namespace: create it, or delete this backup'
        return Obstacle(BackupPhase.PENDING, "InstanceNotFound", message)
    if instance.deleting:
        return Obstacle(BackupPhase.PENDING, "InstanceDeleting", f'DittoFS "{name}" is being deleted')
    if instance.spec.payload.type is PayloadType.MEMORY:
        message = f'DittoFS "{name}" keeps its files in memory: there is nothing that could outlast its server'
        return Obstacle(BackupPhase.FAILED, "NothingDurable", message, final=True)
    if instance.spec.suspend:
        message = f'spec.suspend of DittoFS "{name}" is true'
        return Obstacle(BackupPhase.WAITING_FOR_INSTANCE, "InstanceSuspended", message)
    if not is_reachable(instance) and not _needs_no_server(backup, instance):
        message = f'the operator cannot log in to the server of DittoFS "{name}" yet'
        return Obstacle(BackupPhase.WAITING_FOR_INSTANCE, "ApiNotReachable", message)
    return instance


def _needs_no_server(backup: DittoFSBackup, instance: DittoFS) -> bool:
    """Whether `backup` has nothing to ask the server for, running or not."""
    if backup.spec.restore is not None:
        return backup.spec.restore.archive is not None
    archive = backup.spec.method is BackupMethod.ARCHIVE
    return archive and instance.spec.replicas == 0 and instance.spec.payload.type is not PayloadType.S3


def planned(backup: DittoFSBackup, instance: DittoFS, shares: Iterable[View]) -> tuple[BackupArtifact, ...] | Obstacle:
    """What is to be kept of which share, by the declared ones of `instance`; nothing is known of a snapshot yet."""
    declared = {str(share["metadata"]["name"]): (path, share) for path, share in path_winners(shares).items()}
    wanted = backup.spec.shares or tuple(sorted(declared))
    missing = [name for name in wanted if name not in declared]
    if missing:
        message = (
            f'DittoFS "{instance.metadata.name}" has no DittoFSShare {quoted(missing)} that isn\'t being deleted and '
            "has its path to itself: create it, or make a backup without it"
        )
        return Obstacle(BackupPhase.PENDING, "ShareNotFound", message)
    if not wanted:
        message = f'DittoFS "{instance.metadata.name}" has no DittoFSShare: there is nothing to back up'
        return Obstacle(BackupPhase.PENDING, "NoShares", message)
    if len(wanted) > MAX_SHARES:
        message = f"{len(wanted)} shares are more than the {MAX_SHARES} of one backup: name some in spec.shares"
        return Obstacle(BackupPhase.FAILED, "TooManyShares", message, final=True)
    return tuple(
        BackupArtifact(share=name, path=path, location=_location(instance, share))
        for name, (path, share) in ((name, declared[name]) for name in wanted)
    )


def _location(instance: DittoFS, share: View) -> str:
    store = str(((share.get("status") or {}).get("stores") or {}).get("local") or "")
    if store.partition("~")[0] not in ("", names.PAYLOAD_STORE, names.CACHE_STORE):
        return f"block store {store} of the server"
    payload = instance.spec.payload
    if payload.s3 is None:
        return f"PersistentVolumeClaim {names.payload_claim(instance.metadata.name)}"
    prefix = names.object_prefix(instance.key, payload.s3.prefix)
    return (
        f"PersistentVolumeClaim {names.cache_claim(instance.metadata.name)} and s3://{payload.s3.bucket}/{prefix} "
        "(lost with either)"
    )


def quoted(missing: list[str], at_most: int = 5) -> str:
    """These names in quotes, the first of them if there are many."""
    listed = ", ".join(f'"{name}"' for name in missing[:at_most])
    return listed if len(missing) <= at_most else f"{listed} and {len(missing) - at_most} more"
