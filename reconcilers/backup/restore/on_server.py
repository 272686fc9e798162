"""What a restore does on the server around the one call that restores: each of it can be done again."""

from __future__ import annotations

from contextlib import suppress
from datetime import datetime

from reconcilers.api.backup import BackupPhase
from reconcilers.api.restore import RestoredShare
from reconcilers.backup.plan import Obstacle
from reconcilers.backup.restore.plan import NOT_DURABLE
from reconcilers.server.errors import Conflict
from reconcilers.server.session import ServerSession
from reconcilers.server.snapshot_calls import Snapshot, SnapshotState

#: The permission that is none.
_NOBODY = "none"


def obstacle(session: ServerSession, shares: tuple[RestoredShare, ...], *, accept: bool) -> Obstacle | None:
    """What is in the way of restoring `shares`, of which none was touched yet; None: nothing.

    `accept`: snapshots that are on the volume alone are good enough. Raises a `ServerError`.
    """
    rows = {row.name: row for row in session.shares()}
    for share in shares:
        row = rows.get(share.path)
        if row is None or not row.loaded:
            message = f'the server does not serve "{share.path}": see DittoFSShare "{share.share}"'
            return Obstacle(BackupPhase.PENDING, "ShareNotServed", message)
        others = sorted(
            other.name
            for other in rows.values()
            if other.metadata_store_id == row.metadata_store_id and other.name != row.name
        )
        if others:
            message = (
                f'"{share.path}" has its metadata in one store with {", ".join(others)}: the server would set these '
                "back as well, while clients work. Move the others to stores of their own, or copy files by a client"
            )
            return _never("SharedMetadataStore", message)
        if (found := _unusable(session.snapshot(share.path, share.snapshot_id), accept=accept)) is not None:
            reason, words = found
            return _never(reason, f'"{share.path}", snapshot {share.snapshot_id}: {words}')
    return None


def _unusable(snapshot: Snapshot | None, *, accept: bool) -> tuple[str, str] | None:
    if snapshot is None:
        return (
            "SnapshotGone",
            "gone from the server: somebody removed it, or the share it was of; choose another backup",
        )
    if snapshot.state != SnapshotState.READY or not snapshot.dump_bytes:
        return "SnapshotDamaged", f"it is {snapshot.state}, with {snapshot.dump_bytes} bytes; choose another backup"
    if not (snapshot.remote_durable or accept):
        return "NotDurable", NOT_DURABLE
    return None


def newest_snapshot(session: ServerSession, path: str) -> str:
    """When the newest snapshot of a share was made, in the server's words; empty without any."""
    return max((snapshot.created_at for snapshot in session.snapshots(path)), key=_moment, default="")


def safety_snapshots(session: ServerSession, share: RestoredShare) -> tuple[Snapshot, ...]:
    """The snapshots that the server made by itself before it restored `share`, the oldest first.

    The oldest that is ready has what was there before; later ones what an attempt left.
    """
    since = _moment(share.newest_snapshot)
    made = (
        snapshot
        for snapshot in session.snapshots(share.path)
        if not snapshot.name and not snapshot.scheduled and _moment(snapshot.created_at) > since
    )
    return tuple(sorted(made, key=lambda snapshot: _moment(snapshot.created_at)))


def tidy_up(session: ServerSession, share: RestoredShare) -> Snapshot | None:
    """Remove all safety snapshots of `share` but the oldest that is ready, and give that one."""
    made = safety_snapshots(session, share)
    kept = next((snapshot for snapshot in made if snapshot.state == SnapshotState.READY), None)
    for snapshot in made:
        if snapshot is not kept:
            with suppress(Conflict):
                session.delete_snapshot(share.path, snapshot.id)
    return kept


def close(session: ServerSession, path: str) -> str:
    """Have nobody write to the share; gives what is still in the way, empty: nothing.

    A share that is disabled lets nobody in who comes, but those who are in go on (tried against v0.29.0): NFS clients
    of version 3 by the handles that they have, so nobody is permitted anything; SMB clients by their connection, so
    that is cut. The share reconciler gives back what is declared. Not by read_only: a server that starts meanwhile
    would write that into the share's metadata and never take it back.
    """
    row = session.share(path)
    if row is None or not row.loaded:
        return "the server does not serve the share"
    # A policy that made one just then would make the server's own snapshot fail.
    session.delete_snapshot_policy(path)
    if row.enabled:
        session.disable_share(path)
    for grant in session.share_permissions(path):
        session.delete_share_permission(path, kind=grant.kind, holder=grant.sid or grant.name)
    if row.default_permission != _NOBODY:
        session.update_share(path, fields={"default_permission": _NOBODY})
    # Root is anybody then, and the server forgets what it knows of the access that clients have.
    session.patch_share_nfs_config(path, {"squash": "all_to_guest"})
    for connection in session.connections():
        if path in connection.shares or (not connection.shares and connection.protocol == "smb"):
            session.disconnect(connection.id)
    if any(snapshot.state == SnapshotState.CREATING for snapshot in session.snapshots(path)):
        return "the server is making a snapshot of the share"
    return ""


def _moment(text: str) -> datetime:
    return datetime.fromisoformat(text or "0001-01-01T00:00:00Z")


def _never(reason: str, message: str) -> Obstacle:
    return Obstacle(BackupPhase.FAILED, reason, message, final=True)
