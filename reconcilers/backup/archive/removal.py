"""What becomes of an archive with its object: the server is let go, Jobs end, and a Job removes what is to go."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum

from informers.clock import Clock
from informers.errors import Forbidden, Invalid
from informers.resource import ObjectKey
from reconcilers.access import ApiClient
from reconcilers.api.backup import BackupDeletion, DittoFSBackup
from reconcilers.api.dittofs import DittoFS
from reconcilers.backup.archive.course import Stage
from reconcilers.backup.archive.job_stage import SeenJob, seen
from reconcilers.backup.archive.orders import READ, REMOVE, WRITE, Orders
from reconcilers.backup.caches import BackupCaches
from reconcilers.hold_keeper import HoldKeeper
from reconcilers.jobs import NO_IMAGE, JobNameTaken, Jobs


class Fate(Enum):
    """How an archive stands whose object goes."""

    KEPT = "it is whole, and stays"
    LEAVING = "a Job is at work on it"
    GONE = "nothing of it is left"
    STUCK = "it can't be removed"


@dataclass(frozen=True, slots=True)
class Farewell:
    """How it stands, and why; empty when there is nothing to say."""

    fate: Fate
    words: str = ""


class ArchiveRemoval:
    """Removes archives of DittoFSBackups that are deleted; one that never became whole goes in any case."""

    def __init__(self, *, caches: BackupCaches, client: ApiClient, clock: Clock, jobs: Jobs, image: str) -> None:
        self._clock = clock
        self._jobs = jobs
        self._image = image
        self._keeper = HoldKeeper(client=client, backups=caches.backups, clock=clock)

    def step(self, backup: DittoFSBackup, instance: DittoFS | None) -> Farewell:
        """One step for `backup`, of which `instance` may be gone. Raises an `ApiError`."""
        self._keeper.release(ObjectKey(backup.metadata.namespace, backup.spec.instance_ref.name), backup.metadata.uid)
        for suffix in (WRITE, READ):
            job = self._seen(backup, suffix)
            if job.runs and job.view is not None:
                self._jobs.remove(job.view)
        if backup.spec.deletion_policy is BackupDeletion.RETAIN and backup.status.manifest_sha256:
            return Farewell(Fate.KEPT)
        if backup.spec.target is None:
            return Farewell(Fate.STUCK, "its target is not one that the operator can read")
        job = self._seen(backup, REMOVE)
        match job.stage:
            case Stage.ABSENT:
                return self._start(backup, instance)
            case Stage.DONE:
                return Farewell(Fate.GONE)
            case Stage.FAILED:
                return Farewell(Fate.STUCK, job.message)
            case Stage.STUCK:
                why = f": {job.message}" if job.message else ", and their events say why"
                return Farewell(Fate.STUCK, f"no pod of the Job that removes it began to work{why}")
            case Stage.SILENT if job.view is not None:
                self._jobs.remove(job.view)
        return Farewell(Fate.LEAVING, job.message or "a Job removes the archive")

    def _start(self, backup: DittoFSBackup, instance: DittoFS | None) -> Farewell:
        if not self._image:
            return Farewell(Fate.STUCK, NO_IMAGE)
        try:
            self._jobs.start(backup, Orders(backup, self._image, instance).remove())
        except (JobNameTaken, Forbidden, Invalid) as error:
            # Also where the namespace is about to go, and takes nothing new.
            return Farewell(Fate.STUCK, f"the Job that removes it can't be made: {error}")
        return Farewell(Fate.LEAVING, "a Job removes the archive")

    def _seen(self, backup: DittoFSBackup, suffix: str) -> SeenJob:
        return seen(self._jobs, backup, suffix, now=self._clock.now())
