"""Brings an archive back into an empty instance; whoever dies here, the next pass goes on from what there is to see."""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace

from informers.clock import Clock
from informers.errors import Forbidden, Invalid
from informers.resource import View
from informers.result import Backoff, Done, RequeueAfter, Result
from reconcilers.access import ApiClient, Recorder
from reconcilers.api.backup import BackupCoverage, BackupPhase, DittoFSBackup
from reconcilers.api.common import InvalidObject
from reconcilers.api.dittofs import DittoFS
from reconcilers.api.restore import RestoredShare, RestoreState
from reconcilers.backup import status
from reconcilers.backup.archive.comeback import Comeback, Refusals, Remaker, Unreadable, unpacked
from reconcilers.backup.archive.course import Stage
from reconcilers.backup.archive.inputs import Inputs, NameTaken
from reconcilers.backup.archive.job_stage import SeenJob, seen_with_its_pods
from reconcilers.backup.archive.limits import held_for_restore, latest_restore
from reconcilers.backup.archive.orders import RESTORE, Orders, archive_id, location
from reconcilers.backup.archive.restore_course import RestoreDeed, RestoreSight, next_restore_deed
from reconcilers.backup.archive.run import LOOK_EVERY_S, SOON_S
from reconcilers.backup.archive.target import Targets
from reconcilers.backup.caches import BackupCaches, instance_key, instance_of
from reconcilers.backup.plan import Obstacle
from reconcilers.backup.subject import Subject
from reconcilers.builders.job import job_name
from reconcilers.hold import Hold, HoldMode, is_held_stopped, standing
from reconcilers.hold_keeper import HoldKeeper
from reconcilers.jobs import NO_IMAGE, JobNameTaken, Jobs
from reconcilers.server.credentials import CredentialsMissing
from reconcilers.server.errors import ServerError
from reconcilers.share.access import ServerAccess, is_reachable

#: Of what could not be made, so many have an event.
_TOLD = 5
#: Of the words on one of them, so many characters are in the status.
_LONGEST = 500
#: Of what a condition says on all of them, so many.
_WORDS = 2000
#: How soon at the latest to try again what nobody may do yet.
LATEST_TRY_S = 60.0


def is_archive_restore(backup: DittoFSBackup) -> bool:
    """Whether `backup` restores an archive."""
    return backup.spec.restore is not None and backup.spec.restore.archive is not None


@dataclass(frozen=True, slots=True)
class _Scene:
    """What a pass works with."""

    subject: Subject
    instance: DittoFS | None
    sight: RestoreSight
    job: SeenJob
    pages: tuple[str, ...]

    @property
    def backup(self) -> DittoFSBackup:
        """The restore, with what is known of its status."""
        return self.subject.backup


class ArchiveRestoreRun:
    """Restores archives, one step in each pass."""

    def __init__(
        self,
        *,
        caches: BackupCaches,
        client: ApiClient,
        recorder: Recorder,
        access: ServerAccess,
        clock: Clock,
        jobs: Jobs,
        image: str,
        known: Callable[[View], View],
        write: Callable[[Subject, status.Findings], None],
        failed: Callable[[View], None],
    ) -> None:
        """As for `ArchiveRun`."""
        self._caches = caches
        self._recorder = recorder
        self._access = access
        self._clock = clock
        self._jobs = jobs
        self._image = image
        self._known = known
        self._write = write
        self._failed = failed
        self._targets = Targets(client=client)
        self._inputs = Inputs(caches=caches, client=client)
        self._remaker = Remaker(client=client)
        self._keeper = HoldKeeper(client=client, backups=caches.backups, clock=clock)
        self._lock = threading.Lock()
        #: By uid, what was told of the objects so far; a restart has it told once more.
        self._pages: dict[str, dict[int, str]] = {}

    def obstacle(self, backup: DittoFSBackup, instance: DittoFS, shares: tuple[View, ...]) -> Obstacle | None:
        """What is in the way of a restore into `instance`; nothing was done yet. Raises an `ApiError`."""
        if not self._image:
            return Obstacle(BackupPhase.PENDING, "OperatorImageMissing", NO_IMAGE)
        if shares:
            message = (
                f'DittoFS "{instance.metadata.name}" has DittoFSShares, and an archive overwrites nothing: restore it '
                "into one without shares"
            )
            return Obstacle(BackupPhase.PENDING, "NotEmpty", message)
        shared = next((one for one in instance.status.conditions if one.reason == "BucketShared"), None)
        if shared is not None:
            # Two servers of the same blocks would each delete those that the other's database names.
            return Obstacle(BackupPhase.PENDING, "BucketShared", shared.message)
        return self._targets.obstacle(backup, instance)

    def step(self, subject: Subject) -> Result:
        """One pass over a restore that has begun and is not finished. Raises an `ApiError`."""
        try:
            instance = instance_of(subject.view, self._caches)
        except InvalidObject:
            instance = None
        scene = self._look(subject, instance)
        if instance is None or instance.deleting:
            message = f'DittoFS "{subject.backup.spec.instance_ref.name}" is gone, or about to go'
            return self._fail(scene, "InstanceNotFound", message)
        if given_up := _given_up(scene.backup):
            return self._fail(scene, *given_up)
        deed = next_restore_deed(scene.sight)
        if deed in _GIVING_UP:
            reason, words = _GIVING_UP[deed]
            reason = str(scene.job.result.get("reason") or reason)
            return self._fail(scene, reason, ": ".join(part for part in (words, scene.job.message) if part))
        if deed in _WAITING:
            return self._wait(scene, _WAITING[deed])
        return self._act(scene, instance, deed)

    def _act(self, scene: _Scene, instance: DittoFS, deed: RestoreDeed) -> Result:
        match deed:
            case RestoreDeed.STOP:
                return self._stop(scene, instance)
            case RestoreDeed.START:
                return self._start(scene, instance)
            case RestoreDeed.AGAIN | RestoreDeed.NEXT_PAGE:
                if scene.job.view is not None:
                    self._jobs.remove(scene.job.view)
                return RequeueAfter(SOON_S)
            case RestoreDeed.REMAKE:
                return self._remake(scene, instance)
            case RestoreDeed.RELEASE:
                self._keeper.release(instance.key, scene.backup.metadata.uid)
                return RequeueAfter(SOON_S)
            case _:
                return self._complete(scene)

    def _look(self, subject: Subject, instance: DittoFS | None) -> _Scene:
        backup, now = subject.backup, self._clock.now()
        view = self._caches.instances.get(instance_key(subject.view))
        hold = None if view is None else standing(view, self._caches.backups, now=now).hold
        ours = hold if hold is not None and hold.uid == backup.metadata.uid else None
        recorded = bool(backup.status.manifest_sha256)
        job = SeenJob() if recorded else seen_with_its_pods(self._jobs, backup, RESTORE, now=now)
        pages = self._collect(backup, job)
        sight = RestoreSight(
            recorded=recorded,
            held=None if ours is None else ours.mode,
            stopped=ours is not None and view is not None and is_held_stopped(view, ours),
            job=job.stage,
            complete=bool(pages),
            loaded=recorded and ours is None and instance is not None and self._is_loaded(backup, instance),
            overdue=now >= latest_restore(backup, recorded=recorded, working=job.stage is not Stage.ABSENT),
        )
        return _Scene(subject, instance, sight, job, pages)

    def _collect(self, backup: DittoFSBackup, job: SeenJob) -> tuple[str, ...]:
        """All pages, in order, once each of them was told."""
        with self._lock:
            known = self._pages.setdefault(backup.metadata.uid, {})
            if job.stage is not Stage.DONE:
                return ()
            known[int(job.result["page"])] = str(job.result["objects"])
            count = int(job.result["pages"])
            return tuple(known[number] for number in range(count)) if known.keys() >= set(range(count)) else ()

    def _next_page(self, backup: DittoFSBackup) -> int:
        with self._lock:
            known = self._pages.get(backup.metadata.uid, {})
            return next(number for number in range(len(known) + 1) if number not in known)

    def _is_loaded(self, backup: DittoFSBackup, instance: DittoFS) -> bool:
        if instance.spec.replicas == 0:
            return True  # nobody wants it to run, and what the Job told is all that can be known
        if not is_reachable(instance):
            return False
        try:
            loaded = {row.name for row in self._access.open(instance).shares() if row.loaded}
        except (ServerError, CredentialsMissing):
            return False
        return all(share.path in loaded for share in backup.status.restored)

    def _stop(self, scene: _Scene, instance: DittoFS) -> Result:
        backup = scene.backup
        hold = Hold(backup.metadata.name, backup.metadata.uid, HoldMode.STOP, held_for_restore(backup))
        if holder := self._keeper.take(instance.key, hold):
            return self._wait(scene, f'waits for DittoFSBackup "{holder}", which holds the instance')
        return self._wait(scene, _WAITING[RestoreDeed.AWAIT_STOP])

    def _start(self, scene: _Scene, instance: DittoFS) -> Result:
        backup = scene.backup
        name = job_name(backup.metadata.name, RESTORE)
        try:
            self._inputs.describe(backup, instance)
            self._jobs.start(backup, Orders(backup, self._image, instance).restore(instance, self._next_page(backup)))
        except NameTaken as error:
            return self._fail(scene, "ContentsRefused", str(error))
        except (JobNameTaken, Forbidden, Invalid) as error:
            return self._fail(scene, "JobRefused", f'the Job "{name}" can\'t be made: {error}')
        facts = replace(status.BackupFacts.of_status(backup), job=name)
        findings = status.under_way(BackupPhase.RUNNING, f'the Job "{name}" is at work', facts)
        self._write(scene.subject, findings)
        return RequeueAfter(LOOK_EVERY_S)

    def _remake(self, scene: _Scene, instance: DittoFS) -> Result:
        told, backup = scene.job.result, scene.backup
        try:
            comeback = unpacked(scene.pages)
        except Unreadable as error:
            return self._fail(scene, "ArchiveDamaged", str(error))
        wanted = backup.spec.restore is not None and backup.spec.restore.create_shares
        refusals = self._remaker.remake(comeback, instance, shares=wanted)
        if refusals.forbidden and not (scene.sight.overdue or backup.deleting):
            return self._await_right(scene, refusals)
        missing = refusals.all
        for words in list(missing.values())[:_TOLD]:
            self._recorder.warning(scene.subject.view, "ShareNotMade", f"its files are restored: {words}")
        facts = replace(
            status.BackupFacts.of_status(backup),
            manifest_sha256=str(told["manifestSHA256"]),
            covered=BackupCoverage.model_validate(told["covered"]),
            restored=_restored(comeback, missing),
        )
        message = "the claims are filled: the server may run again"
        self._write(scene.subject, status.under_way(BackupPhase.VERIFYING, message, facts))
        with self._lock:
            self._pages.pop(backup.metadata.uid, None)
        return self.step(self._newest(scene.subject))

    def _await_right(self, scene: _Scene, refusals: Refusals) -> Result:
        """The claims are filled, and nothing is lost by waiting for somebody who lets the shares be made."""
        count, first = len(refusals.forbidden), next(iter(refusals.forbidden.values()))
        words = (
            f"the files are restored, and {count} DittoFSShares are not let be made: allow the operator to create "
            f"dittofsshares (its ClusterRole, quotas, admission policies), and it goes on; {first}"
        )
        findings = status.held_up(status.BackupFacts.of_status(scene.backup), "NotPermitted", words[:_WORDS])
        if not status.told(scene.backup, findings):
            self._recorder.warning(scene.subject.view, findings.reason, findings.message)
        self._write(scene.subject, findings)
        return Backoff("DittoFSShares are not let be made", at_most_s=LATEST_TRY_S)

    def _complete(self, scene: _Scene) -> Result:
        facts = status.BackupFacts.of_status(scene.backup)
        done = tuple(share.model_copy(update={"state": RestoreState.RESTORED.value}) for share in facts.restored)
        facts = replace(facts, restored=done)
        if unmade := [share.share for share in done if share.message]:
            words = (
                f"{len(done)} shares are restored and loaded by the server, but {len(unmade)} of their DittoFSShares "
                f"could not be made: make them by hand, status.restored says why: {', '.join(unmade)}"
            )
            return self._fail(scene, "SharesNotMade", words[:_WORDS], facts)
        findings = status.restored_from_archive(facts, archive_id(scene.backup), now=self._clock.now())
        self._write(scene.subject, findings)
        self._recorder.normal(scene.subject.view, "RestoreCompleted", findings.message)
        return _ended(scene)

    def _wait(self, scene: _Scene, words: str) -> Result:
        phase = BackupPhase.VERIFYING if scene.sight.recorded else BackupPhase.RUNNING
        said = f"{words}{': ' if scene.job.message else ''}{scene.job.message}"
        facts = status.BackupFacts.of_status(scene.backup)
        self._write(scene.subject, status.under_way(phase, said, facts))
        return RequeueAfter(LOOK_EVERY_S)

    def _fail(self, scene: _Scene, reason: str, message: str, facts: status.BackupFacts | None = None) -> Result:
        subject, uid = scene.subject, scene.backup.metadata.uid
        if scene.job.runs and scene.sight.held is not None:
            return self._end_job(scene, reason, message)
        if scene.job.runs and scene.job.view is not None:
            self._jobs.remove(scene.job.view)
        self._keeper.release(instance_key(subject.view), uid)
        facts = facts or status.BackupFacts.of_status(scene.backup)
        words = f"{message} ({location(scene.backup)})"
        self._write(subject, status.failed(facts, reason, words, now=self._clock.now()))
        self._recorder.warning(subject.view, "RestoreFailed", f"{reason}: {words}")
        self._failed(subject.view)
        with self._lock:
            self._pages.pop(uid, None)
        return _ended(scene)

    def _end_job(self, scene: _Scene, reason: str, message: str) -> Result:
        """Give up, and wait for the end of all that writes where the server would; the hold's own end bounds it."""
        # Told first: without its Job, nothing else says that the restore was given up.
        findings = status.held_up(status.BackupFacts.of_status(scene.backup), reason, f"{_ENDS}{message}")
        self._write(scene.subject, findings)
        if scene.job.view is not None:
            self._jobs.remove(scene.job.view)
        return RequeueAfter(SOON_S)

    def _newest(self, subject: Subject) -> Subject:
        """The same object with the status that was just written."""
        return Subject(subject.view, DittoFSBackup.from_view(self._known(subject.view)))


_WAITING = {
    RestoreDeed.AWAIT_STOP: "waits until the server has stopped",
    RestoreDeed.AWAIT_JOB: "the Job is at work",
    RestoreDeed.AWAIT_SHARES: "waits until the server has loaded the shares that came back",
}
#: What a restore says first that was given up, and whose Job has not ended.
_ENDS = "waits for the end of the Job's pods, to let the server go: "
_GIVING_UP = {
    RestoreDeed.GIVE_UP_LATE: ("DeadlineExceeded", "it took too long"),
    RestoreDeed.GIVE_UP_STUCK: ("JobNotStarted", "no pod of the Job began to work, and their events say why"),
    RestoreDeed.GIVE_UP_JOB: ("JobFailed", ""),
    RestoreDeed.GIVE_UP_UNHELD: ("HoldLost", "the hold on the instance ended before the Job did"),
}


def _given_up(backup: DittoFSBackup) -> tuple[str, str] | None:
    """Why the restore was given up, whose Job had to end first."""
    reason, message = status.why_not_ready(backup)
    return (reason, message.removeprefix(_ENDS)) if message.startswith(_ENDS) else None


def _ended(scene: _Scene) -> Result:
    # An object that was deleted meanwhile has waited for this.
    return RequeueAfter(SOON_S) if scene.backup.deleting else Done()


def _restored(comeback: Comeback, missing: Mapping[str, str]) -> tuple[RestoredShare, ...]:
    """The shares that came back; `missing` says why a DittoFSShare could not be made."""
    state = RestoreState.RESTORING.value
    return tuple(
        RestoredShare(share=one.name, path=one.path, state=state, message=missing.get(one.name, "")[:_LONGEST])
        for one in comeback.shares
    )
