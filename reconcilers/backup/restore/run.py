"""The way of one restore: share by share, each closed to clients before it is touched, and opened again at the end.

Every step may be the last one before a restart. A share that is being restored is held until it has what the backup
kept or, when that can't be had, what it had before: the call that restores is repeated until the server says that it
is done, which gives the same content each time.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace

from informers.clock import Clock
from informers.resource import ObjectKey, View
from informers.result import RequeueAfter, Result
from reconcilers.access import ApiClient, Recorder
from reconcilers.api.backup import BackupArtifact, BackupPhase, DittoFSBackup, Operation
from reconcilers.api.common import InvalidObject
from reconcilers.api.dittofs import DittoFS
from reconcilers.api.restore import RestoredShare, RestoreState, SafetySnapshot
from reconcilers.api.share import SharePhase
from reconcilers.backup import status
from reconcilers.backup.caches import BackupCaches, instance_key
from reconcilers.backup.plan import Obstacle, usable
from reconcilers.backup.restore import on_server
from reconcilers.backup.restore.errands import Errands
from reconcilers.backup.restore.holding import Holding
from reconcilers.backup.restore.plan import planned
from reconcilers.backup.restore.states import (
    LEAVING_LIMIT_S,
    SHARE_LIMIT_S,
    active,
    failures,
    in_turn,
    is_untouched,
    open_ends,
)
from reconcilers.backup.restore.telling import NEXT_S, SOONEST_LOOK_S, Telling, hindrance
from reconcilers.backup.status import BackupFacts, Findings
from reconcilers.backup.subject import Subject
from reconcilers.server.credentials import CredentialsMissing
from reconcilers.server.errors import Reaction, ServerError, ServerRefused, treatment
from reconcilers.server.session import ServerSession
from reconcilers.server.snapshot_calls import SnapshotState
from reconcilers.share.access import ServerAccess

#: How often a restore is refused before what was there is put back; so often, in turn, before the server is restarted.
ATTEMPTS = 3

#: What the server says while another restore of the share goes on; it has no status of its own for it.
_BUSY = "snapshot restore failed"
#: Refusals that pass by themselves: a login that ran out, something that goes on, a server with too much to do.
_PASSING = frozenset({401, 409, 429, 503})


@dataclass(frozen=True, slots=True)
class _Scene:
    subject: Subject
    instance: DittoFS
    session: ServerSession

    @property
    def backup(self) -> DittoFSBackup:
        return self.subject.backup

    @property
    def shares(self) -> tuple[RestoredShare, ...]:
        return self.subject.backup.status.restored


class RestoreRun:
    """Does restores whose turn has come."""

    def __init__(
        self,
        *,
        caches: BackupCaches,
        client: ApiClient,
        recorder: Recorder,
        access: ServerAccess,
        clock: Clock,
        known: Callable[[View], View],
        write: Callable[[Subject, Findings], None],
        failed: Callable[[View], None],
        errands: Errands,
    ) -> None:
        """`known` gives a view with its newest status; `write` writes a status and raises an `ApiError`.

        `failed` is told of each restore that failed.
        """
        self._caches = caches
        self._recorder = recorder
        self._access = access
        self._clock = clock
        self._known = known
        self._errands = errands
        self._holding = Holding(caches=caches, client=client, clock=clock)
        self._tell = Telling(
            recorder=recorder, clock=clock, holding=self._holding, known=known, write=write, failed=failed
        )
        self._lock = threading.Lock()
        #: By uid and path, how often the server refused.
        self._refusals: dict[tuple[str, str], int] = {}

    def is_under_way(self, backup: DittoFSBackup) -> bool:
        """Whether it is a restore that has begun and not ended."""
        begun = backup.spec.operation is Operation.RESTORE and bool(backup.status.start_time)
        return begun and not backup.status.completion_time

    def planned(
        self, backup: DittoFSBackup, instance: DittoFS, shares: Iterable[View]
    ) -> tuple[RestoredShare, ...] | Obstacle:
        """What is to be restored, or what is in its way."""
        name = backup.spec.restore.backup_name if backup.spec.restore else ""
        source = self._caches.backups.get(ObjectKey(backup.metadata.namespace, name))
        plan = planned(backup, None if source is None else self._known(source), instance, shares)
        if not isinstance(plan, Obstacle) and not self._holding.fits(backup, plan):
            message = f"{len(plan)} shares are more than one restore can hold: name some in spec.shares"
            return Obstacle(BackupPhase.FAILED, "TooManyShares", message, final=True)
        return plan

    def step(self, subject: Subject) -> Result:
        """One pass over a restore that has begun. Raises an `ApiError`."""
        backup = subject.backup
        view = self._caches.instances.get(instance_key(subject.view))
        if view is None or view["metadata"].get("deletionTimestamp"):
            return self._tell.over(subject, "InstanceGone", "its DittoFS is gone or going")
        touched = active(backup.status.restored) is not None
        if self._is_overdue(backup):
            return self._tell.over(subject, "Abandoned", f"gave up: {open_ends(backup.status.restored)}")
        if touched and (awaited := self._holding.go_on(backup, view)):
            return self._await(subject, awaited)
        try:
            instance = usable(backup, DittoFS.from_view(view))
            if isinstance(instance, Obstacle):
                return self._tell.wait(subject, instance)
            return self._advance(_Scene(subject, instance, self._access.open(instance)))
        except InvalidObject as error:
            return self._tell.wait(subject, hindrance("InvalidSpec", str(error)))
        except CredentialsMissing as error:
            return self._tell.hindered(subject, "CredentialsMissing", error)
        except ServerError as error:
            what = treatment(error)
            if what.reaction is Reaction.REPORT and not touched:
                return self._tell.over(subject, what.reason, str(error))
            return self._tell.hindered(subject, what.reason, error)

    def _is_overdue(self, backup: DittoFSBackup) -> bool:
        asked_at = backup.metadata.deletion_timestamp
        return bool(asked_at) and status.seconds_since(asked_at or "", self._clock.now()) > LEAVING_LIMIT_S

    def _await(self, subject: Subject, awaited: Obstacle | str) -> Result:
        if isinstance(awaited, Obstacle):
            return self._tell.wait(subject, awaited)
        return self._tell.under_way(subject, awaited)

    def _advance(self, scene: _Scene) -> Result:
        backup = scene.backup
        share = active(scene.shares) or (None if backup.deleting else in_turn(scene.shares))
        if share is None:
            return self._end(scene)
        if is_untouched(scene.shares):
            obstacle = on_server.obstacle(scene.session, scene.shares, accept=_accepts(backup))
            if obstacle is not None:
                return self._tell.wait(scene.subject, obstacle)
        if awaited := self._holding.take(backup, scene.instance.key):
            return self._await(scene.subject, awaited)
        if share.state == RestoreState.WAITING:
            begun = {
                "state": RestoreState.RESTORING,
                "started_at": self._clock.now().strftime("%Y-%m-%dT%H:%M:%SZ"),
                "newest_snapshot": on_server.newest_snapshot(scene.session, share.path),
            }
            share = share.model_copy(update=begun)
            scene = self._record(scene, share)
        return self._restore(scene, share) if share.state == RestoreState.RESTORING else self._undo(scene, share)

    def _restore(self, scene: _Scene, share: RestoredShare) -> Result:
        if status.seconds_since(share.started_at, self._clock.now()) > SHARE_LIMIT_S:
            return self._give_up(scene, share, "DeadlineExceeded", f"not done in {SHARE_LIMIT_S / 60:g} min")
        try:
            words = self._set_back(scene, share, share.snapshot_id, accept=_accepts(scene.backup))
        except ServerRefused as error:
            if _passes(error):
                return self._tell.hindered(scene.subject, treatment(error).reason, error)
            if error.status < 500:
                return self._give_up(scene, share, "RestoreRefused", str(error))
            if self._refused(scene, share) < ATTEMPTS:
                return self._tell.hindered(scene.subject, "RestoreFailed", error)
            return self._give_up(scene, share, "RestoreFailed", str(error))
        if words:
            return self._tell.under_way(scene.subject, f'"{share.path}": {words}')
        self._settle(scene, share.model_copy(update={"state": RestoreState.RESTORED}))
        note = f'restored "{share.path}" from snapshot {share.snapshot_id}'
        self._recorder.normal(scene.subject.view, "ShareRestored", note)
        return RequeueAfter(NEXT_S)

    def _give_up(self, scene: _Scene, share: RestoredShare, reason: str, words: str) -> Result:
        """Put back what was there, if the server can have touched it."""
        given_up = share.model_copy(update={"message": f"{reason}: {words}"[:1024]})
        made = on_server.safety_snapshots(scene.session, share)
        if any(snapshot.state != SnapshotState.FAILED for snapshot in made):
            self._forget(scene, share)
            self._record(scene, given_up.model_copy(update={"state": RestoreState.UNDOING}))
        else:
            self._settle(scene, given_up.model_copy(update={"state": RestoreState.UNCHANGED}))
        return RequeueAfter(NEXT_S)

    def _undo(self, scene: _Scene, share: RestoredShare) -> Result:
        made = on_server.safety_snapshots(scene.session, share)
        kept = next((snapshot for snapshot in made if snapshot.state == SnapshotState.READY), None)
        if kept is None and any(snapshot.state == SnapshotState.CREATING for snapshot in made):
            return self._tell.under_way(scene.subject, f'"{share.path}": the server is making a snapshot of the share')
        if kept is None:
            message = (
                f'"{share.path}" can\'t be given back what it had: somebody removed the snapshot that the server made '
                "before. The share stays closed: restore it by the server's own client, then delete this object"
            )
            return self._tell.wait(scene.subject, hindrance("SafetySnapshotGone", message))
        try:
            words = self._set_back(scene, share, kept.id, accept=True)
        except ServerRefused as error:
            if not _passes(error) and self._refused(scene, share) >= ATTEMPTS:
                self._forget(scene, share)
                self._holding.restart(scene.backup.metadata.uid)
            return self._tell.hindered(scene.subject, "UndoFailed", error)
        if words:
            return self._tell.under_way(scene.subject, f'"{share.path}" gets what it had: {words}')
        self._settle(scene, share.model_copy(update={"state": RestoreState.UNCHANGED}))
        return RequeueAfter(NEXT_S)

    def _set_back(self, scene: _Scene, share: RestoredShare, snapshot_id: str, *, accept: bool) -> str:
        """Have the server make the share's content that of the snapshot; gives what is awaited, empty: it is done."""
        name = f"{scene.backup.metadata.uid} {share.path} {snapshot_id}"
        session = scene.session
        if not self._errands.is_running(name) and (words := on_server.close(session, share.path)):
            return words
        done = self._errands.run(
            name, lambda: session.restore_snapshot(share.path, snapshot_id, allow_non_durable=accept)
        )
        return "" if done else "the server is at work"

    def _settle(self, scene: _Scene, share: RestoredShare) -> None:
        """Keep one safety snapshot of a share that is done, and write down which."""
        kept = on_server.tidy_up(scene.session, share)
        self._forget(scene, share)
        safety = tuple(snapshot for snapshot in scene.backup.status.safety_snapshots if snapshot.share != share.share)
        if kept is not None:
            safety = (*safety, SafetySnapshot(share=share.share, path=share.path, snapshot_id=kept.id))
        self._record(scene, share, safety=safety)

    def _record(
        self, scene: _Scene, share: RestoredShare, *, safety: tuple[SafetySnapshot, ...] | None = None
    ) -> _Scene:
        """Write down how far `share` is, before anything else happens."""
        shares = tuple(share if other.share == share.share else other for other in scene.shares)
        facts = replace(BackupFacts.of_status(scene.backup), restored=shares)
        if safety is not None:
            facts = replace(facts, safety=safety)
        subject = self._tell.record(scene.subject, facts, f'"{share.path}": {share.state}')
        return replace(scene, subject=subject)

    def _end(self, scene: _Scene) -> Result:
        """Let others work on the shares again, first of all the share reconciler, which opens them as declared."""
        failed = failures(scene.shares)
        if failed or scene.backup.deleting:
            return self._tell.over(scene.subject, "RestoreFailed", failed or "the object was deleted")
        self._holding.release(scene.backup, scene.instance.key)
        for share in scene.shares:
            view = self._caches.shares.get(ObjectKey(scene.instance.metadata.namespace, share.share))
            if view is not None and (view.get("status") or {}).get("phase") == SharePhase.MAINTENANCE:
                facts = BackupFacts.of_status(scene.backup)
                self._tell.record(scene.subject, facts, f'waits until "{share.path}" is open again')
                return RequeueAfter(SOONEST_LOOK_S)
        return self._tell.completed(scene.subject)

    def _refused(self, scene: _Scene, share: RestoredShare) -> int:
        key = (scene.backup.metadata.uid, share.path)
        with self._lock:
            self._refusals[key] = self._refusals.get(key, 0) + 1
            return self._refusals[key]

    def _forget(self, scene: _Scene, share: RestoredShare) -> None:
        with self._lock:
            self._refusals.pop((scene.backup.metadata.uid, share.path), None)


def with_safety_snapshots(backup: DittoFSBackup) -> DittoFSBackup:
    """A restore as the deletion of backups takes it: of its own are only the snapshots of what was there before."""
    if backup.spec.operation is not Operation.RESTORE:
        return backup
    own = tuple(
        BackupArtifact(share=snapshot.share, path=snapshot.path, snapshot_id=snapshot.snapshot_id)
        for snapshot in backup.status.safety_snapshots
    )
    return backup.model_copy(update={"status": backup.status.model_copy(update={"artifacts": own})})


def _accepts(backup: DittoFSBackup) -> bool:
    return backup.spec.restore is not None and backup.spec.restore.accept_non_durable


def _passes(error: ServerRefused) -> bool:
    return error.status in _PASSING or (error.status >= 500 and error.detail == _BUSY)
