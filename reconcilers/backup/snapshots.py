"""The method Snapshot: one snapshot of each share on its server, none of them twice, each verified.

POST is not idempotent, so every snapshot carries a name made of the backup's uid, which is looked up first.
"""

from __future__ import annotations

import enum
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass

from reconcilers import names
from reconcilers.api.backup import BackupArtifact
from reconcilers.server.errors import Conflict, NotFound
from reconcilers.server.session import ServerSession
from reconcilers.server.snapshot_calls import Snapshot, SnapshotState

Artifacts = tuple[BackupArtifact, ...]


class Verdict(enum.Enum):
    """What a look at one snapshot says."""

    PENDING = "the server is at work, or could not begin"
    UNVERIFIED = "the server says that it is done, but not all of it is there to be seen"
    VERIFIED = "it is ready, its copy of the metadata is on disk, and what has to be in the bucket was found there"
    FAILED = "it ended badly, and for good"


@dataclass(frozen=True, slots=True)
class Look:
    """One artifact, how it stands, and, when it is not verified, why."""

    artifact: BackupArtifact
    verdict: Verdict
    words: str = ""


def judge(snapshot: Snapshot | None, *, needs_bucket: bool) -> tuple[Verdict, str]:
    """How a snapshot stands that the server gave for a recorded id; None: it has none of that id any more."""
    if snapshot is None:
        return Verdict.FAILED, "the snapshot is gone from the server: somebody removed it, or the share"
    if snapshot.state == SnapshotState.CREATING:
        return Verdict.PENDING, "the server is making the snapshot"
    if snapshot.state == SnapshotState.FAILED:
        return Verdict.FAILED, f"the server could not make the snapshot: {snapshot.error or 'it gives no reason'}"
    if snapshot.state != SnapshotState.READY:
        return Verdict.UNVERIFIED, f"the server calls the snapshot {snapshot.state}"
    if not snapshot.dump_bytes:
        return Verdict.UNVERIFIED, "the server does not find the snapshot's copy of the metadata on its volume"
    if needs_bucket and not snapshot.remote_durable:
        return Verdict.UNVERIFIED, "the server did not find all contents in the bucket"
    return Verdict.VERIFIED, ""


def advance(
    session: ServerSession, uid: str, artifacts: Artifacts, record: Callable[[Artifacts], None]
) -> tuple[Look, ...]:
    """One step: begin the snapshots that were not, look at those that are not verified.

    `uid` is the backup's. Each new id goes to `record` before anything else is sent. Raises a `ServerError`, or what
    `record` raises.
    """
    words: dict[int, str] = {}
    for index, artifact in enumerate(artifacts):
        if artifact.snapshot_id:
            continue
        snapshot_id, words[index] = _begin(session, artifact.path, names.backup_snapshot(uid))
        if snapshot_id:
            known = artifact.model_copy(update={"snapshot_id": snapshot_id})
            artifacts = (*artifacts[:index], known, *artifacts[index + 1 :])
            record(artifacts)
    return tuple(_look(session, artifact, words.get(index, "")) for index, artifact in enumerate(artifacts))


def remove(session: ServerSession, uid: str, artifacts: Artifacts) -> tuple[BackupArtifact, ...]:
    """Remove the snapshots of the backup `uid`, those too whose id was never recorded; gives what could not go yet.

    A snapshot that is being made or restored can't go. Raises a `ServerError`.
    """
    held = []
    for artifact in artifacts:
        found = {snapshot.id for snapshot in _named(session, artifact.path, names.backup_snapshot(uid))}
        for snapshot_id in sorted(found | ({artifact.snapshot_id} - {""})):
            try:
                session.delete_snapshot(artifact.path, snapshot_id)
            except Conflict:
                held.append(artifact)
    return tuple(held)


def _begin(session: ServerSession, path: str, name: str) -> tuple[str, str]:
    """The id of the snapshot, or why there is none yet."""
    made = _named(session, path, name)
    if made:
        # More than one: an earlier request was slower than its answer. The oldest stays.
        first, *others = sorted(made, key=lambda snapshot: (snapshot.created_at, snapshot.id))
        for other in others:
            with suppress(Conflict):
                session.delete_snapshot(path, other.id)
        return first.id, ""
    try:
        return session.create_snapshot(path, name), ""
    except Conflict:
        return "", "the server is making another snapshot of the share"
    except NotFound:
        return "", "the server has not loaded the share"


def _named(session: ServerSession, path: str, name: str) -> list[Snapshot]:
    return [snapshot for snapshot in session.snapshots(path) if snapshot.name == name]


def _look(session: ServerSession, artifact: BackupArtifact, words: str) -> Look:
    if not artifact.snapshot_id:
        return Look(artifact, Verdict.PENDING, words)
    if artifact.bytes:
        return Look(artifact, Verdict.VERIFIED)
    snapshot = session.snapshot(artifact.path, artifact.snapshot_id)
    if snapshot is not None and snapshot.interrupted:
        with suppress(Conflict, NotFound):
            session.retry_snapshot(artifact.path, artifact.snapshot_id)
        return Look(artifact, Verdict.PENDING, "the server stopped meanwhile: it makes the snapshot once more")
    settled = snapshot is not None and snapshot.state == SnapshotState.READY and not snapshot.remote_durable
    verdict, words = judge(snapshot, needs_bucket=settled and _has_bucket(session, artifact.path))
    if verdict is Verdict.VERIFIED and snapshot is not None:
        seen = {"bytes": snapshot.dump_bytes, "durable": snapshot.remote_durable}
        artifact = artifact.model_copy(update=seen)
    return Look(artifact, verdict, words)


def _has_bucket(session: ServerSession, path: str) -> bool:
    share = session.share(path)
    return share is not None and bool(share.remote_block_store_id)
