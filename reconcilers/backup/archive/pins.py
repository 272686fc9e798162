"""Snapshots that keep what an archive refers to: without them the server deletes blocks from the bucket in time.

An archive of an instance with a bucket holds the lists of blocks, and of the blocks only what was not uploaded.
"""

from __future__ import annotations

from reconcilers import remote_store
from reconcilers.api.backup import MAX_SHARES, BackupArtifact, BackupPhase
from reconcilers.api.dittofs import DittoFS
from reconcilers.api.storage import PayloadType
from reconcilers.backup.caches import BackupCaches
from reconcilers.backup.plan import Obstacle
from reconcilers.backup.snapshots import Artifacts
from reconcilers.server.credentials import CredentialsMissing
from reconcilers.server.errors import ServerError, treatment
from reconcilers.server.session import ServerSession
from reconcilers.share.access import ServerAccess
from reconcilers.share.caches import BY_INSTANCE as SHARES_BY_INSTANCE
from reconcilers.share.declared import path_winners


def needs_pins(instance: DittoFS) -> bool:
    """Whether contents of `instance` are in a bucket."""
    return instance.spec.payload.type is PayloadType.S3


def obstacle(access: ServerAccess, instance: DittoFS) -> Obstacle | None:
    """What would keep the server from pinning, seen before a client has to leave for it."""
    phase = BackupPhase.WAITING_FOR_INSTANCE
    try:
        rows = access.open(instance).shares()
    except CredentialsMissing as error:
        return Obstacle(phase, "CredentialsMissing", str(error))
    except ServerError as error:
        return Obstacle(phase, treatment(error).reason, str(error))
    wanted = [row for row in rows if row.remote_block_store_id]
    if len(wanted) > MAX_SHARES:
        message = f"{len(wanted)} shares are more than the {MAX_SHARES} that the status of one backup can name"
        return Obstacle(BackupPhase.FAILED, "TooManyShares", message, final=True)
    missing = next((row.name for row in wanted if not row.loaded), None)
    if missing is None:
        return None
    message = f'the server has not loaded the share "{missing}": look at its DittoFSShare, or remove the share'
    return Obstacle(phase, "ShareNotLoaded", message)


def wanted_pins(known: Artifacts, instance: DittoFS, session: ServerSession, caches: BackupCaches) -> Artifacts:
    """One for each share with contents in the bucket, declared or not; raises a `ServerError`."""
    declared = path_winners(caches.shares.by_index(SHARES_BY_INSTANCE, str(instance.key)))
    names = {path: str(share["metadata"]["name"]) for path, share in declared.items()}
    there = {artifact.path for artifact in known}
    added = tuple(
        BackupArtifact(share=names.get(row.name, ""), path=row.name, location=remote_store.location(instance))
        for row in session.shares()
        if row.remote_block_store_id and row.name not in there
    )
    return known + added
