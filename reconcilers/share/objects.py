"""The objects of a share that goes for good: who else may have them, and the Job that removes them from the bucket.

Once the Job is there nobody may take the share over. It is kept until the share's object goes, and tells a restarted
operator how far it was.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta

from informers.clock import Clock
from informers.errors import Forbidden, Invalid
from informers.resource import ObjectKey, View
from reconcilers import names
from reconcilers.api.backup import BackupPhase
from reconcilers.api.dittofs import DittoFS
from reconcilers.api.share import DittoFSShare
from reconcilers.backup.caches import BY_INSTANCE
from reconcilers.builders.job import RESULT_FILE, Files, JobOptions
from reconcilers.dittofs.caches import BY_BUCKET, bucket
from reconcilers.job_outcome import JobState
from reconcilers.jobs import NO_IMAGE, JobNameTaken, Jobs
from reconcilers.remote_store import ObjectReader, object_prefix, overlap, read_keys, s3_of, share_prefix
from reconcilers.secret_data import SecretProblem
from reconcilers.server.rows import Store
from reconcilers.share.caches import ShareCaches

#: What the name of the Job ends with.
SUFFIX = "objects"
#: How long the command may take; it looks at the clock itself, so that no pod goes on that nobody hears of.
REMOVE_S = 12 * 60
#: For how long a server goes on with uploads that it could not end before the request of the share's removal did: twice
#: 30 s for what waits and for what is under way, and a margin.
UPLOADS_S = 90
#: How long the Job may be active: with the last request of the command, and with its pods' ends.
ACTIVE_S = 14 * 60
#: How long the share waits for it, from its creation on.
WAIT_S = 15 * 60

_KEYS, _CA = "/run/dittofs/s3-keys", "/run/dittofs/s3-ca"


@dataclass(frozen=True, slots=True)
class Waiting:
    """The Job has not ended; `message` is for a person."""

    message: str


@dataclass(frozen=True, slots=True)
class Ended:
    """The Job has ended, or took too long."""

    #: How many objects are gone.
    removed: int = 0
    #: What stays and why, for a person; empty: nothing.
    left: str = ""


def others_objects(instance: DittoFS, address: str, others: Iterable[View], stores: Iterable[Store]) -> str:
    """Who besides the share at `address` may have objects below its prefix, for a person; empty: nobody.

    `others` are the instances with the same bucket, `stores` the remote stores that the server has left.
    """
    prefix = share_prefix(instance, address)
    for other in others:
        key = ObjectKey.of(other)
        theirs = names.object_prefix(key, str(other["spec"]["payload"]["s3"].get("prefix") or ""))
        if key != instance.key and overlap(prefix, theirs):
            return f"DittoFS {key} has the same bucket and an overlapping prefix"
    s3 = s3_of(instance)
    for store in stores:
        if store.config.get("bucket") == s3.bucket and overlap(prefix, str(store.config.get("prefix") or "")):
            return f'the server\'s store "{store.name}" has the same bucket and an overlapping prefix'
    return ""


def removal(instance: DittoFS, address: str, *, image: str, until: datetime, not_before: datetime | None) -> JobOptions:
    """The Job that removes the objects of the share at `address`, and has its last look `not_before` then.

    The keys come to it by their Secret alone.
    """
    s3, pod = s3_of(instance), instance.spec.pod
    reference, authority = s3.credentials_secret_ref, s3.ca_secret_ref
    keys = {reference.access_key_id_key: "access-key-id", reference.secret_access_key_key: "secret-access-key"}
    secrets = [Files(name=reference.name, path=_KEYS, items=keys)]
    arguments = [
        "remove-objects",
        f"--bucket={s3.bucket}",
        f"--prefix={share_prefix(instance, address)}",
        f"--instance-prefix={object_prefix(instance)}",
        f"--until={until:%Y-%m-%dT%H:%M:%SZ}",
        f"--region={s3.region}",
        f"--credentials={_KEYS}",
        f"--result={RESULT_FILE}",
    ]
    if not_before is not None:
        arguments.append(f"--last-look-from={not_before:%Y-%m-%dT%H:%M:%SZ}")
    if s3.endpoint:
        arguments.append(f"--endpoint={s3.endpoint.rstrip('/')}")
    # The server's own rule: with an endpoint in the path, if nothing else is said.
    if not (bool(s3.endpoint) if s3.force_path_style is None else s3.force_path_style):
        arguments.append("--virtual-hosted")
    if authority is not None:
        secrets.append(Files(name=authority.name, path=_CA, items={authority.key: names.CA_KEY}))
        arguments.append(f"--authorities={_CA}/{names.CA_KEY}")
    return JobOptions(
        suffix=SUFFIX,
        image=image,
        arguments=tuple(arguments),
        instance=instance.metadata.name,
        deadline_s=ACTIVE_S,
        pull_secrets=tuple(secret.name for secret in instance.spec.image_pull_secrets),
        pod=pod,
        node_selector=pod.node_selector,
        tolerations=pod.tolerations,
        secrets=tuple(secrets),
    )


def archives_of(share: DittoFSShare, backups: Iterable[View]) -> str:
    """The DittoFSBackups among those of its instance whose archives have the objects of `share` for contents."""
    found = []
    for backup in backups:
        status = backup.get("status") or {}
        names_there = [artifact.get("share") for artifact in status.get("artifacts") or ()]
        # What failed is no archive; what has not said yet which shares it has may have this one.
        is_archive = status.get("archiveID") and status.get("phase") != BackupPhase.FAILED
        if is_archive and (share.metadata.name in names_there or not names_there):
            found.append(str(backup["metadata"]["name"]))
    return ", ".join(sorted(found))


class ObjectsRemoval:
    """Has the objects of shares removed. Safe for many threads, for different shares."""

    def __init__(self, *, jobs: Jobs, image: str, caches: ShareCaches, objects: ObjectReader, clock: Clock) -> None:
        """`image` is the operator's own; empty: it is not known."""
        self._jobs = jobs
        self._image = image
        self._caches = caches
        self._objects = objects
        self._clock = clock

    def begun(self, share: DittoFSShare) -> View | None:
        """The Job that removes the objects of `share`; None when there is none."""
        return self._jobs.find(share, SUFFIX)

    def begin(
        self, share: DittoFSShare, instance: DittoFS, address: str, stores: Iterable[Store], *, drained: bool
    ) -> str:
        """Have the objects of the share at `address` removed; why they stay, for a person, or empty.

        `stores` are the remote stores that the server has left; `drained`: it uploads nothing more for the share.
        Raises a `ClientError`.
        """
        if not self._image:
            return NO_IMAGE
        if why := others_objects(instance, address, self._of_bucket(instance), stores):
            return why
        if archives := archives_of(share, self._caches.backups.by_index(BY_INSTANCE, str(instance.key))):
            return f"the contents of the archives of DittoFSBackup {archives} are among them"
        now = self._clock.now()
        options = removal(
            instance,
            address,
            image=self._image,
            until=now + timedelta(seconds=REMOVE_S),
            not_before=None if drained else now + timedelta(seconds=UPLOADS_S),
        )
        try:
            read_keys(instance, self._objects)
            self._jobs.start(share, options)
        except (SecretProblem, JobNameTaken) as error:
            return str(error)
        except (Forbidden, Invalid) as error:
            # Above all in a namespace that goes: nothing new is made in there.
            return f"no Job can be made there: {error}"
        return ""

    def progress(self, job: View) -> Waiting | Ended:
        """How far the Job is. Raises a `ClientError`."""
        outcome, name = self._jobs.outcome(job), job["metadata"]["name"]
        where = f"the objects below {_location(job)}"
        if outcome.state is JobState.FAILED:
            return Ended(left=f'{where} stay, or some of them: the Job "{name}" failed: {outcome.message}')
        if outcome.state is JobState.SUCCEEDED:
            kept = int(outcome.result.get("kept") or 0)
            left = f"{kept} of {where} stay: the server did not put them there" if kept else ""
            return Ended(removed=int(outcome.result.get("objects") or 0), left=left)
        made = datetime.fromisoformat(str(job["metadata"]["creationTimestamp"]))
        if (self._clock.now() - made).total_seconds() >= WAIT_S:
            why = f": {outcome.message}" if outcome.message else ""
            return Ended(left=f'{where} stay, or some of them: the Job "{name}" did not end in {WAIT_S // 60} min{why}')
        waits = f"; {outcome.message}" if outcome.message else ""
        return Waiting(f'the Job "{name}" removes {where}{waits}')

    def _of_bucket(self, instance: DittoFS) -> Iterable[View]:
        instances = self._caches.instances
        view = instances.get(instance.key)
        values = () if view is None else bucket(view)
        return [other for value in values for other in instances.by_index(BY_BUCKET, value)]


def _location(job: View) -> str:
    """Where it works, by its own arguments: its instance may be gone by now."""
    (container,) = job["spec"]["template"]["spec"]["containers"]
    given = dict(argument.removeprefix("--").partition("=")[::2] for argument in container["args"])
    return f"s3://{given['bucket']}/{given['prefix']}"
