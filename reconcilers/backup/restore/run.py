"""The way of one restore: share by share, each closed to clients before it is touched, and opened again at the end.

Every step may be the last one before a restart. A share that is being restored is held until it has what the backup
kept or, when that can't be had, what it had before: the call that restores is repeated until the server says that it
is done, which gives the same content each time.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta

from informers.clock import Clock
from informers.resource import ObjectKey, View
from informers.result import Backoff, Done, RequeueAfter, Result
from reconcilers.access import ApiClient, Recorder
from reconcilers.api.backup import BackupArtifact, BackupPhase, DittoFSBackup, Operation
from reconcilers.api.common import InvalidObject
from reconcilers.api.dittofs import DittoFS
from reconcilers.api.restore import RestoredShare, RestoreState, SafetySnapshot
from reconcilers.api.share import DittoFSShare
from reconcilers.backup import status
from reconcilers.backup.caches import BackupCaches, instance_key
from reconcilers.backup.plan import Obstacle, usable
from reconcilers.backup.restore import on_server
from reconcilers.backup.restore.errands import Errands
from reconcilers.backup.restore.plan import planned
from reconcilers.backup.status import BackupFacts, Findings
from reconcilers.backup.subject import Subject
from reconcilers.hold import Hold, HoldMode, is_held_share, is_held_stopped
from reconcilers.hold_keeper import MAX_TEXT, HoldKeeper
from reconcilers.server.credentials import CredentialsMissing
from reconcilers.server.errors import Reaction, ServerError, ServerRefused, treatment
from reconcilers.server.session import ServerSession
from reconcilers.share.access import ServerAccess
from reconcilers.share.desired import desired_share

#: How long the restore of one share may be tried; then what was there is put back, which has no such end.
SHARE_LIMIT_S = 7200.0
#: How long a restore that has touched nothing may wait, from its beginning.
WAIT_LIMIT_S = 7200.0
#: How long a deleted object waits for its restore to come to an end.
LEAVING_LIMIT_S = 3600.0
#: How soon to look again at what the server does: a part of the time that it took so far, within these bounds.
SOONEST_LOOK_S, LATEST_LOOK_S = 0.5, 15.0
#: How soon to take the next share.
NEXT_S = 0.05
#: How often a restore is refused before what was there is put back; so often, in turn, before the server is restarted.
ATTEMPTS = 3

_ACTIVE = frozenset({RestoreState.RESTORING, RestoreState.UNDOING})
#: What the server says while another restore of the share goes on; it has no status of its own for it.
_BUSY = "snapshot restore failed"
_PASSING = frozenset({401, 409, 429, 503})


@dataclass(frozen=True, slots=True)
class _Scene:
    subject: Subject
    instance: DittoFS
    session: ServerSession
    facts: BackupFacts


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
        errands: Errands,
    ) -> None:
        self._caches = caches
        self._recorder = recorder
        self._access = access
        self._clock = clock
        self._known = known
        self._write = write
        self._errands = errands
        self._keeper = HoldKeeper(client=client, backups=caches.backups, clock=clock)
        self._lock = threading.Lock()
        #: By uid and path, how often the server refused.
        self._refusals: dict[tuple[str, str], int] = {}
        #: Uids of the restores that have the server stopped, so that it starts anew.
        self._restarting: set[str] = set()

    def is_under_way(self, backup: DittoFSBackup) -> bool:
        """Whether it is a restore that has begun and not ended."""
        return (
            backup.spec.operation is Operation.RESTORE
            and bool(backup.status.start_time)
            and not backup.status.completion_time
        )

    def planned(
        self, backup: DittoFSBackup, instance: DittoFS, shares: Iterable[View]
    ) -> tuple[RestoredShare, ...] | Obstacle:
        """What is to be restored, or what is in its way."""
        name = backup.spec.restore.backup_name if backup.spec.restore else ""
        source = self._caches.backups.get(ObjectKey(backup.metadata.namespace, name))
        plan = planned(backup, None if source is None else self._known(source), instance, shares)
        if not isinstance(plan, Obstacle) and len(self._hold(backup, BackupFacts(restored=plan)).text()) > MAX_TEXT:
            message = f"{len(plan)} shares are more than one restore can hold: name some in spec.shares"
            return Obstacle(BackupPhase.FAILED, "TooManyShares", message, final=True)
        return plan

    def step(self, subject: Subject) -> Result:
        """One pass over a restore that has begun. Raises an `ApiError`."""
        backup, facts = subject.backup, BackupFacts.of_status(subject.backup)
        key = instance_key(subject.view)
        view = self._caches.instances.get(key)
        if view is None or view["metadata"].get("deletionTimestamp"):
            return self._over(subject, facts, "InstanceGone", "its DittoFS is gone or going")
        if backup.deleting and status.seconds_since(backup.metadata.deletion_timestamp or "", self._clock.now()) > (
            LEAVING_LIMIT_S
        ):
            return self._over(subject, facts, "Abandoned", f"gave up: {_open_ends(facts)}")
        if _active(facts) is not None and (waiting := self._go_on_holding(subject, view, facts)):
            return waiting
        try:
            instance = usable(backup, DittoFS.from_view(view))
            if isinstance(instance, Obstacle):
                return self._wait(subject, facts, instance)
            return self._advance(_Scene(subject, instance, self._access.open(instance), facts))
        except InvalidObject as error:
            return self._wait(subject, facts, _obstacle("InvalidSpec", str(error)))
        except CredentialsMissing as error:
            return self._hindered(subject, "CredentialsMissing", error)
        except ServerError as error:
            what = treatment(error)
            if what.reaction is Reaction.REPORT and _active(facts) is None:
                return self._over(subject, facts, what.reason, str(error))
            return self._hindered(subject, what.reason, error)

    # --- the hold

    def _hold(self, backup: DittoFSBackup, facts: BackupFacts, mode: HoldMode = HoldMode.HOLD_SHARES) -> Hold:
        now = self._clock.now()
        begun = datetime.fromisoformat(facts.start_time) if facts.start_time else now
        until = begun + timedelta(seconds=WAIT_LIMIT_S + SHARE_LIMIT_S * len(facts.restored))
        if _active(facts) is not None:
            # It must not end before the share can be opened; whole hours, since each change is written to all shares.
            until = max(until, now.replace(minute=0, second=0, microsecond=0) + timedelta(hours=3))
        shares = tuple(share.share for share in facts.restored)
        return Hold(backup.metadata.name, backup.metadata.uid, mode, until.astimezone(UTC), shares)

    def _go_on_holding(self, subject: Subject, view: View, facts: BackupFacts) -> Result | None:
        """Hold what is being restored, whether or not the server can be asked; have it restarted if that is wanted."""
        uid, key = subject.backup.metadata.uid, ObjectKey.of(view)
        with self._lock:
            restarting = uid in self._restarting
        hold = self._hold(subject.backup, facts, HoldMode.STOP if restarting else HoldMode.HOLD_SHARES)
        if holder := self._keeper.take(key, hold):
            return self._wait(subject, facts, _busy(holder))
        if not restarting:
            return None
        if is_held_stopped(view, hold):
            with self._lock:
                self._restarting.discard(uid)
            self._keeper.take(key, replace(hold, mode=HoldMode.HOLD_SHARES))
        return self._tell(subject, facts, "the server is started again, which undoes half a restore")

    def _not_held(self, scene: _Scene) -> Result | None:
        """Take the hold; None once nobody else works on the shares."""
        backup, facts = scene.subject.backup, scene.facts
        hold = self._hold(backup, facts)
        if holder := self._keeper.take(scene.instance.key, hold):
            return self._wait(scene.subject, facts, _busy(holder))
        for name in hold.shares:
            view = self._caches.shares.get(ObjectKey(backup.metadata.namespace, name))
            if view is not None and not is_held_share(view, hold):
                return self._tell(scene.subject, facts, f"waits until nobody else works on {name}")
        return None

    # --- the course

    def _advance(self, scene: _Scene) -> Result:
        backup, facts = scene.subject.backup, scene.facts
        share = _active(facts)
        failed = any(share.state == RestoreState.UNCHANGED for share in facts.restored)
        if share is None and not failed and not backup.deleting:
            share = next((share for share in facts.restored if share.state == RestoreState.WAITING), None)
        if share is None:
            return self._end(scene)
        if all(share.state == RestoreState.WAITING for share in facts.restored):
            accept = self._accepts(backup)
            if found := on_server.obstacle(scene.session, facts.restored, accept=accept):
                return self._wait(scene.subject, facts, found)
        if waiting := self._not_held(scene):
            return waiting
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
        accept = self._accepts(scene.subject.backup)
        try:
            words = self._set_back(scene, share, share.snapshot_id, accept=accept)
        except ServerRefused as error:
            if error.status >= 500 and error.status not in _PASSING and error.detail != _BUSY:
                if self._refused(scene, share) < ATTEMPTS:
                    return self._hindered(scene.subject, "RestoreFailed", error)
                return self._give_up(scene, share, "RestoreFailed", str(error))
            if error.status in _PASSING or error.status >= 500:
                return self._hindered(scene.subject, treatment(error).reason, error)
            return self._give_up(scene, share, "RestoreRefused", str(error))
        if words:
            return self._tell(scene.subject, scene.facts, f'"{share.path}": {words}')
        scene = self._settle(scene, share.model_copy(update={"state": RestoreState.RESTORED}))
        note = f'restored "{share.path}" from snapshot {share.snapshot_id}'
        self._recorder.normal(scene.subject.view, "ShareRestored", note)
        return RequeueAfter(NEXT_S)

    def _give_up(self, scene: _Scene, share: RestoredShare, reason: str, words: str) -> Result:
        """Put back what was there, if the server can have touched it."""
        touched = any(snapshot.state == "ready" for snapshot in on_server.safety_snapshots(scene.session, share))
        state = RestoreState.UNDOING if touched else RestoreState.UNCHANGED
        given_up = share.model_copy(update={"state": state, "message": f"{reason}: {words}"[:1024]})
        self._forget(scene.subject.backup.metadata.uid, share.path)
        self._record(scene, given_up)
        return RequeueAfter(NEXT_S)

    def _undo(self, scene: _Scene, share: RestoredShare) -> Result:
        made = on_server.safety_snapshots(scene.session, share)
        kept = next((snapshot for snapshot in made if snapshot.state == "ready"), None)
        if kept is None:
            message = (
                f'"{share.path}" can\'t be given back what it had: somebody removed the snapshot that the server made '
                "before. The share stays closed: restore it by the server's own client, then delete this object"
            )
            return self._wait(scene.subject, scene.facts, _obstacle("SafetySnapshotGone", message))
        try:
            words = self._set_back(scene, share, kept.id, accept=True)
        except ServerRefused as error:
            if error.status not in _PASSING and error.detail != _BUSY and self._refused(scene, share) >= ATTEMPTS:
                self._forget(scene.subject.backup.metadata.uid, share.path)
                with self._lock:
                    self._restarting.add(scene.subject.backup.metadata.uid)
            return self._hindered(scene.subject, "UndoFailed", error)
        if words:
            return self._tell(scene.subject, scene.facts, f'"{share.path}" gets what it had: {words}')
        self._settle(scene, share.model_copy(update={"state": RestoreState.UNCHANGED}))
        return RequeueAfter(NEXT_S)

    def _set_back(self, scene: _Scene, share: RestoredShare, snapshot_id: str, *, accept: bool) -> str:
        """Have the server make the share's content that of the snapshot; gives what is awaited, empty: it is done."""
        name = f"{scene.subject.backup.metadata.uid} {share.path} {snapshot_id}"
        session = scene.session
        if not self._errands.is_running(name) and (words := on_server.close(session, share.path)):
            return words
        done = self._errands.run(
            name, lambda: session.restore_snapshot(share.path, snapshot_id, allow_non_durable=accept)
        )
        return "" if done else "the server is at work"

    def _settle(self, scene: _Scene, share: RestoredShare) -> _Scene:
        """Keep one safety snapshot of a share that is done, and write down which."""
        kept = on_server.tidy_up(scene.session, share)
        self._forget(scene.subject.backup.metadata.uid, share.path)
        safety = tuple(snapshot for snapshot in scene.facts.safety if snapshot.share != share.share)
        if kept is not None:
            safety = (*safety, SafetySnapshot(share=share.share, path=share.path, snapshot_id=kept.id))
        return self._record(replace(scene, facts=replace(scene.facts, safety=safety)), share)

    def _end(self, scene: _Scene) -> Result:
        """Open the shares as they are specified, and let others work on them again."""
        backup, facts = scene.subject.backup, scene.facts
        for restored in facts.restored:
            view = self._caches.shares.get(ObjectKey(backup.metadata.namespace, restored.share))
            row = None if restored.state == RestoreState.WAITING else scene.session.share(restored.path)
            if row is None or not row.loaded or view is None or view["metadata"].get("deletionTimestamp"):
                continue  # The share reconciler sees to it.
            try:
                on_server.reopen(scene.session, row, desired_share(DittoFSShare.from_view(view), scene.instance))
            except InvalidObject:
                continue  # As above, once it can be read.
        failures = [f'"{share.path}": {share.message}' for share in facts.restored if share.message]
        if failures or backup.deleting:
            return self._over(scene.subject, facts, "RestoreFailed", f"{'; '.join(failures)}{_summary(facts)}")
        self._keeper.release(scene.instance.key, backup.metadata.uid)
        findings = status.restored(facts, now=self._clock.now())
        self._write(scene.subject, findings)
        self._recorder.normal(scene.subject.view, "RestoreCompleted", findings.message)
        return Done()

    # --- what is told

    def _over(self, subject: Subject, facts: BackupFacts, reason: str, message: str) -> Result:
        """End the restore otherwise than well."""
        self._keeper.release(instance_key(subject.view), subject.backup.metadata.uid)
        findings = status.failed(facts, reason, message, now=self._clock.now())
        if subject.backup.deleting:
            self._write(subject, replace(findings, phase=BackupPhase.DELETING))
            if _active(facts) is not None:
                self._recorder.warning(subject.view, "RestoreAbandoned", f"{reason}: {message}")
            return RequeueAfter(NEXT_S)
        self._write(subject, findings)
        self._recorder.warning(subject.view, "RestoreFailed", f"{reason}: {message}")
        return Done()

    def _wait(self, subject: Subject, facts: BackupFacts, obstacle: Obstacle) -> Result:
        """Something is in the way; for ever only while a share is neither restored nor as it was."""
        waited_s = status.seconds_since(facts.start_time, self._clock.now())
        if _active(facts) is None and (obstacle.final or waited_s > WAIT_LIMIT_S):
            words = "" if obstacle.final else f"gave up after {WAIT_LIMIT_S / 60:g} min: "
            return self._over(subject, facts, obstacle.reason, f"{words}{obstacle.message}")
        findings = Findings(obstacle.phase, obstacle.reason, obstacle.message, facts, progressing=True)
        if not status.told(subject.backup, findings) and _active(facts) is not None:
            self._recorder.warning(subject.view, findings.reason, findings.message)
        self._write(subject, self._as_leaving(subject, findings))
        return RequeueAfter(LATEST_LOOK_S)

    def _hindered(self, subject: Subject, reason: str, error: Exception) -> Result:
        subject = self._again(subject)
        result = self._wait(subject, BackupFacts.of_status(subject.backup), _obstacle(reason, str(error)))
        return Backoff(reason, at_most_s=LATEST_LOOK_S) if isinstance(result, RequeueAfter) else result

    def _tell(self, subject: Subject, facts: BackupFacts, words: str) -> Result:
        share = _active(facts)
        began = facts.start_time if share is None else share.started_at
        if share is None and status.seconds_since(began, self._clock.now()) > WAIT_LIMIT_S:
            return self._wait(subject, facts, _obstacle("DeadlineExceeded", words))
        findings = status.under_way(BackupPhase.RUNNING, words, facts)
        self._write(subject, self._as_leaving(subject, findings))
        took_s = status.seconds_since(began, self._clock.now())
        return RequeueAfter(min(max(took_s / 5, SOONEST_LOOK_S), LATEST_LOOK_S))

    def _as_leaving(self, subject: Subject, findings: Findings) -> Findings:
        return replace(findings, phase=BackupPhase.DELETING) if subject.backup.deleting else findings

    def _record(self, scene: _Scene, share: RestoredShare) -> _Scene:
        """Write down how far `share` is, before anything else happens."""
        shares = tuple(share if other.share == share.share else other for other in scene.facts.restored)
        facts = replace(scene.facts, restored=shares)
        words = f'"{share.path}": {share.state}'
        self._write(
            scene.subject,
            self._as_leaving(scene.subject, status.under_way(BackupPhase.RUNNING, words, facts)),
        )
        return replace(scene, subject=self._again(scene.subject), facts=facts)

    def _again(self, subject: Subject) -> Subject:
        return Subject(subject.view, DittoFSBackup.from_view(self._known(subject.view)))

    def _accepts(self, backup: DittoFSBackup) -> bool:
        return backup.spec.restore is not None and backup.spec.restore.accept_non_durable

    def _refused(self, scene: _Scene, share: RestoredShare) -> int:
        key = (scene.subject.backup.metadata.uid, share.path)
        with self._lock:
            self._refusals[key] = self._refusals.get(key, 0) + 1
            return self._refusals[key]

    def _forget(self, uid: str, path: str) -> None:
        with self._lock:
            self._refusals.pop((uid, path), None)


def with_safety_snapshots(backup: DittoFSBackup) -> DittoFSBackup:
    """A restore as the deletion of backups takes it: of its own are only the snapshots of what was there before."""
    if backup.spec.operation is not Operation.RESTORE:
        return backup
    own = tuple(
        BackupArtifact(share=snapshot.share, path=snapshot.path, snapshot_id=snapshot.snapshot_id)
        for snapshot in backup.status.safety_snapshots
    )
    return backup.model_copy(update={"status": backup.status.model_copy(update={"artifacts": own})})


def _active(facts: BackupFacts) -> RestoredShare | None:
    return next((share for share in facts.restored if share.state in _ACTIVE), None)


def _busy(holder: str) -> Obstacle:
    message = f'waits for DittoFSBackup "{holder}", which holds the instance'
    return Obstacle(BackupPhase.PENDING, "InstanceBusy", message)


def _obstacle(reason: str, message: str) -> Obstacle:
    return Obstacle(BackupPhase.WAITING_FOR_INSTANCE, reason, message)


def _open_ends(facts: BackupFacts) -> str:
    share = _active(facts)
    if share is None:
        return "the server can't be asked"
    return (
        f'"{share.path}" is neither restored nor as it was: restore it by the server\'s own client, from snapshot '
        f"{share.snapshot_id} or from the newest one without a name"
    )


def _summary(facts: BackupFacts) -> str:
    restored = [share.path for share in facts.restored if share.state == RestoreState.RESTORED]
    return f". Restored: {', '.join(restored) or 'nothing'}; all others have what they had"
