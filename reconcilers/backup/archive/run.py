"""Does what `course` decides for an archive; whoever dies here, the next pass goes on from what there is to see."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

from informers.clock import Clock
from informers.errors import Forbidden, Invalid
from informers.resource import View
from informers.result import Backoff, Done, RequeueAfter, Result
from reconcilers.access import ApiClient, Recorder
from reconcilers.api.backup import (
    MAX_SHARES,
    BackupArtifact,
    BackupCondition,
    BackupCoverage,
    BackupPhase,
    DittoFSBackup,
)
from reconcilers.api.common import InvalidObject
from reconcilers.api.dittofs import DittoFS
from reconcilers.backup import snapshots, status
from reconcilers.backup.archive import pins
from reconcilers.backup.archive.contents import TooLarge
from reconcilers.backup.archive.course import Deed, Sight, Stage, next_deed
from reconcilers.backup.archive.inputs import Inputs, NameTaken
from reconcilers.backup.archive.job_stage import SeenJob, seen
from reconcilers.backup.archive.limits import latest_archive
from reconcilers.backup.archive.orders import READ, WRITE, Orders, location
from reconcilers.backup.archive.target import Targets
from reconcilers.backup.archive.words import GIVING_UP, WAITING, target_trouble
from reconcilers.backup.caches import BackupCaches, instance_key, instance_of
from reconcilers.backup.plan import Obstacle
from reconcilers.backup.snapshots import Artifacts, Verdict
from reconcilers.backup.subject import Subject
from reconcilers.builders.job import JobOptions, job_name
from reconcilers.conditions import true
from reconcilers.hold import Hold, HoldMode, is_held_stopped, is_held_without_clients, standing
from reconcilers.hold_keeper import HoldKeeper
from reconcilers.jobs import NO_IMAGE, JobNameTaken, Jobs
from reconcilers.server.credentials import CredentialsMissing
from reconcilers.server.errors import Reaction, ServerError, treatment
from reconcilers.share.access import ServerAccess
from reconcilers.share.declared import path_winners

#: How often to look, should nobody call; and how soon at what comes at once.
LOOK_EVERY_S, SOON_S = 10.0, 1.0


@dataclass(frozen=True, slots=True)
class _Scene:
    """What a pass works with."""

    subject: Subject
    instance: DittoFS | None
    sight: Sight
    copy: SeenJob
    verify: SeenJob

    @property
    def backup(self) -> DittoFSBackup:
        """The backup, with what is known of its status."""
        return self.subject.backup


class ArchiveRun:
    """Takes backups by the method Archive, one step in each pass."""

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
        """`image` is the operator's own, empty when it was not told; the rest as for `BackupRun`."""
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
        self._keeper = HoldKeeper(client=client, backups=caches.backups, clock=clock)

    def planned(self, backup: DittoFSBackup, instance: DittoFS, shares: tuple[View, ...]) -> Artifacts | Obstacle:
        """What is to be kept of `instance`, or what is in the way; nothing was done yet. Raises an `ApiError`."""
        if not self._image:
            return Obstacle(BackupPhase.PENDING, "OperatorImageMissing", NO_IMAGE)
        found = self._targets.obstacle(backup, instance)
        if found is not None:
            return found
        if pins.needs_pins(instance):
            return pins.obstacle(self._access, instance) or ()
        declared = path_winners(shares)
        if len(declared) > MAX_SHARES:
            message = f"{len(declared)} shares are more than the {MAX_SHARES} that the status of one backup can name"
            return Obstacle(BackupPhase.FAILED, "TooManyShares", message, final=True)
        return tuple(
            BackupArtifact(share=str(share["metadata"]["name"]), path=path, location=location(backup))
            for path, share in sorted(declared.items())
        )

    def begin(self, subject: Subject, instance: DittoFS) -> Result:
        """What is to be said at the beginning, and the first step."""
        if subject.backup.spec.encryption.key_secret_ref is None:
            note = "the archive is not encrypted: who can read it has the server's keys and the hashes of passwords"
            self._recorder.warning(subject.view, "NotEncrypted", note)
        if instance.spec.database.sqlite is None:
            note = "the control-plane database is in PostgreSQL and not in the archive: back it up by itself"
            self._recorder.warning(subject.view, "ControlPlaneExternal", note)
        return self.step(subject)

    def step(self, subject: Subject) -> Result:
        """One pass over an archive that has begun and is not finished. Raises an `ApiError`."""
        try:
            instance = instance_of(subject.view, self._caches)
        except InvalidObject:
            instance = None
        scene = self._look(subject, instance)
        recorded = scene.sight.recorded
        if (instance is None or instance.deleting) and not recorded:
            message = f'DittoFS "{subject.backup.spec.instance_ref.name}" is gone, or about to go'
            return self._fail(scene, "InstanceNotFound", message)
        deed = next_deed(scene.sight)
        if deed in WAITING:
            return self._wait(scene, deed)
        if deed in GIVING_UP:
            return self._give_up(scene, deed)
        if instance is not None and not recorded:
            return self._prepare(scene, instance, deed)
        return self._finish(scene, deed)

    def _look(self, subject: Subject, instance: DittoFS | None) -> _Scene:
        backup, now = subject.backup, self._clock.now()
        view = self._caches.instances.get(instance_key(subject.view))
        hold = None if view is None else standing(view, self._caches.backups, now=now).hold
        ours = hold if hold is not None and hold.uid == backup.metadata.uid else None
        recorded = bool(backup.status.manifest_sha256)
        copy = SeenJob() if recorded else seen(self._jobs, backup, WRITE, now=now)
        verify = seen(self._jobs, backup, READ, now=now) if recorded else SeenJob()
        artifacts = backup.status.artifacts
        needs_pins = instance is not None and pins.needs_pins(instance)
        sight = Sight(
            recorded=recorded,
            held=None if ours is None else ours.mode,
            silent=ours is not None and view is not None and is_held_without_clients(view, ours),
            stopped=ours is not None and view is not None and is_held_stopped(view, ours),
            pins_needed=needs_pins,
            pinned=needs_pins and bool(artifacts) and all(one.bytes for one in artifacts),
            copy=copy.stage,
            verify=verify.stage,
            overdue=now >= latest_archive(backup, recorded=recorded, copying=copy.stage is not Stage.ABSENT),
        )
        return _Scene(subject, instance, sight, copy, verify)

    def _prepare(self, scene: _Scene, instance: DittoFS, deed: Deed) -> Result:
        match deed:
            case Deed.SEND_CLIENTS_AWAY:
                return self._hold(scene, instance, HoldMode.ADAPTERS_OFF)
            case Deed.PIN:
                return self._pin(scene, instance)
            case Deed.STOP:
                return self._hold(scene, instance, HoldMode.STOP)
            case Deed.COPY:
                return self._copy(scene, instance)
            case Deed.COPY_AGAIN:
                return self._again(scene.copy)
            case _:
                return self._record(scene)

    def _finish(self, scene: _Scene, deed: Deed) -> Result:
        match deed:
            case Deed.RELEASE:
                self._keeper.release(instance_key(scene.subject.view), scene.backup.metadata.uid)
                return RequeueAfter(SOON_S)
            case Deed.VERIFY:
                return self._start(scene, self._orders(scene).read(), BackupPhase.VERIFYING)
            case Deed.VERIFY_AGAIN:
                return self._again(scene.verify)
            case _:
                return self._complete(scene)

    def _hold(self, scene: _Scene, instance: DittoFS, mode: HoldMode) -> Result:
        backup = scene.backup
        until = latest_archive(backup, recorded=False, copying=mode is HoldMode.STOP)
        holder = self._keeper.take(instance.key, Hold(backup.metadata.name, backup.metadata.uid, mode, until))
        if holder:
            message = f'waits for DittoFSBackup "{holder}", which holds the instance'
            self._tell(scene.subject, BackupPhase.RUNNING, message)
            return RequeueAfter(LOOK_EVERY_S)
        return self._wait(scene, Deed.AWAIT_STOP if mode is HoldMode.STOP else Deed.AWAIT_SILENCE)

    def _pin(self, scene: _Scene, instance: DittoFS) -> Result:
        subject, facts = scene.subject, status.BackupFacts.of_status(scene.backup)

        def record(artifacts: Artifacts) -> None:
            nonlocal facts
            facts = replace(facts, artifacts=artifacts)
            words = "the server keeps what the bucket has from being deleted"
            self._write(subject, status.under_way(BackupPhase.RUNNING, words, facts))

        try:
            session = self._access.open(instance)
            wanted = pins.wanted_pins(facts.artifacts, instance, session, self._caches)
            if wanted != facts.artifacts:
                record(wanted)
            looks = snapshots.advance(session, scene.backup.metadata.uid, wanted, record)
        except (CredentialsMissing, ServerError) as error:
            reported = isinstance(error, ServerError) and treatment(error).reaction is Reaction.REPORT
            if reported:
                return self._fail(scene, "SnapshotFailed", str(error))
            self._tell(subject, BackupPhase.RUNNING, f"the server can't be asked: {error}")
            return Backoff("the server can't be asked", at_most_s=LOOK_EVERY_S)
        facts = replace(facts, artifacts=tuple(look.artifact for look in looks))
        bad = [look for look in looks if look.verdict is Verdict.FAILED]
        if bad:
            return self._fail(scene, "SnapshotFailed", f"{bad[0].artifact.path}: {bad[0].words}")
        going = [look for look in looks if look.verdict is not Verdict.VERIFIED]
        if going:
            words = f"{going[0].artifact.path}: {going[0].words}"
            self._write(subject, status.under_way(BackupPhase.RUNNING, words, facts))
            return RequeueAfter(SOON_S)
        self._write(subject, status.under_way(BackupPhase.RUNNING, "the server keeps what the bucket has", facts))
        return self._hold(replace(scene, subject=self._newest(subject)), instance, HoldMode.STOP)

    def _copy(self, scene: _Scene, instance: DittoFS) -> Result:
        try:
            self._inputs.make(scene.backup, instance)
        except (TooLarge, NameTaken) as error:
            return self._fail(scene, "ContentsRefused", str(error))
        return self._start(scene, self._orders(scene).write(instance), BackupPhase.RUNNING)

    def _start(self, scene: _Scene, options: JobOptions, phase: BackupPhase) -> Result:
        name = job_name(scene.backup.metadata.name, options.suffix)
        try:
            self._jobs.start(scene.backup, options)
        except (JobNameTaken, Forbidden, Invalid) as error:
            return self._fail(scene, "JobRefused", f'the Job "{name}" can\'t be made: {error}')
        facts = replace(status.BackupFacts.of_status(scene.backup), job=name)
        self._write(scene.subject, status.under_way(phase, f'the Job "{name}" is at work', facts))
        return RequeueAfter(LOOK_EVERY_S)

    def _again(self, job: SeenJob) -> Result:
        if job.view is not None:
            self._jobs.remove(job.view)
        return RequeueAfter(SOON_S)

    def _record(self, scene: _Scene) -> Result:
        told = scene.copy.result
        facts = replace(
            status.BackupFacts.of_status(scene.backup),
            manifest_sha256=str(told["manifestSHA256"]),
            archive_size=status.quantity(int(told["storedBytes"])),
            covered=BackupCoverage.model_validate(told["covered"]),
        )
        findings = status.under_way(BackupPhase.VERIFYING, "the archive is written: the server may run again", facts)
        ready = true(BackupCondition.TARGET_READY, "Written", f"the archive is written: {location(scene.backup)}")
        self._write(scene.subject, replace(findings, target=ready))
        return self.step(self._newest(scene.subject))

    def _complete(self, scene: _Scene) -> Result:
        facts = status.BackupFacts.of_status(scene.backup)
        findings = status.archived(facts, location(scene.backup), now=self._clock.now())
        self._write(scene.subject, findings)
        self._recorder.normal(scene.subject.view, "BackupCompleted", findings.message)
        return Done()

    def _wait(self, scene: _Scene, deed: Deed) -> Result:
        job = scene.verify if scene.sight.recorded else scene.copy
        phase = BackupPhase.VERIFYING if scene.sight.recorded else BackupPhase.RUNNING
        name = scene.backup.status.job_ref.name if scene.backup.status.job_ref is not None else ""
        words = WAITING[deed] or f'the Job "{name}" is at work' + (f": {job.message}" if job.message else "")
        self._tell(scene.subject, phase, words)
        return RequeueAfter(LOOK_EVERY_S)

    def _give_up(self, scene: _Scene, deed: Deed) -> Result:
        job = scene.verify if scene.sight.recorded else scene.copy
        reason, words = GIVING_UP[deed]
        if deed in (Deed.GIVE_UP_COPY, Deed.GIVE_UP_VERIFY):
            reason = str(job.result.get("reason") or reason)
        return self._fail(scene, reason, f"{words}{': ' if words and job.message else ''}{job.message}")

    def _fail(self, scene: _Scene, reason: str, message: str) -> Result:
        subject = scene.subject
        # First of all the server: whatever else there is to do may fail.
        self._keeper.release(instance_key(subject.view), scene.backup.metadata.uid)
        facts = status.BackupFacts.of_status(self._newest(subject).backup)
        findings = status.failed(facts, reason, message, now=self._clock.now())
        self._write(subject, replace(findings, target=target_trouble(reason, message)))
        for job in (scene.copy, scene.verify):
            if job.view is not None and job.runs:
                self._jobs.remove(job.view)
        self._recorder.warning(subject.view, "BackupFailed", f"{reason}: {message}")
        self._failed(subject.view)
        return Done()

    def _tell(self, subject: Subject, phase: BackupPhase, message: str) -> None:
        self._write(subject, status.under_way(phase, message, status.BackupFacts.of_status(subject.backup)))

    def _newest(self, subject: Subject) -> Subject:
        """The same object with the status that was just written."""
        return Subject(subject.view, DittoFSBackup.from_view(self._known(subject.view)))

    def _orders(self, scene: _Scene) -> Orders:
        return Orders(scene.backup, self._image, scene.instance)
