"""The Jobs of an archive: the commands of the operator's image, with the claims and Secrets that each needs.

No Secret is ever an argument, and no Job has more than it reads or writes.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field, replace

from reconcilers import names
from reconcilers.api.archive import ArchiveBucket, ArchiveSource, ArchiveTarget
from reconcilers.api.backup import DittoFSBackup
from reconcilers.api.dittofs import DittoFS
from reconcilers.api.object_storage import S3Credentials
from reconcilers.api.pod import Pod
from reconcilers.api.scalars import parse_duration
from reconcilers.api.storage import PayloadType
from reconcilers.backup.archive.contents import DESCRIPTION_FILE, OBJECTS_FILE
from reconcilers.builders.job import RESULT_FILE, Claim, Files, JobOptions

#: What the names of the Jobs end with.
WRITE, READ, REMOVE, RESTORE = "bk", "vf", "rm", "rs"

_ARCHIVES = "/archives"
_CONTENTS = "/job/contents"
_CREDENTIALS = "/job/credentials"
_AUTHORITIES = "/job/authorities"
_KEY = "/job/key"
_ADMIN = "/job/admin"
_PAYLOAD_KEYS = "/job/payload"
_FILE = "file"
#: How often a Job is tried that the server does not wait for.
_RETRIES = 2


@dataclass(frozen=True, slots=True)
class _Parts:
    """Flags, and what has to be mounted for them."""

    arguments: tuple[str, ...] = ()
    claims: tuple[Claim, ...] = ()
    secrets: tuple[Files, ...] = ()
    config_maps: tuple[Files, ...] = ()

    def __add__(self, other: _Parts) -> _Parts:
        return _Parts(
            self.arguments + other.arguments,
            self.claims + other.claims,
            self.secrets + other.secrets,
            self.config_maps + other.config_maps,
        )


@dataclass(frozen=True, slots=True)
class Orders:
    """Makes the Jobs of `backup`, which has a target, with the operator's own `image`."""

    backup: DittoFSBackup
    image: str
    #: None: it is gone, and with it what is known of its pods.
    instance: DittoFS | None = field(default=None)

    def write(self, instance: DittoFS) -> JobOptions:
        """The Job that writes the archive while no server runs."""
        compression = _Parts((f"--compression={self.backup.spec.compression.value}", "--scratch=/tmp"))
        what = _Parts(
            (f"--description={_CONTENTS}/{DESCRIPTION_FILE}", f"--objects={_CONTENTS}/{OBJECTS_FILE}"),
            config_maps=(Files(name=names.archive_contents(self.backup.metadata.name), path=_CONTENTS),),
        )
        # The server waits for it: what went wrong is said at once.
        return self._options(
            WRITE, "backup", self._place() + self._key() + compression + what + _sources(instance), retries=0
        )

    def read(self) -> JobOptions:
        """The Job that reads all of the archive back, and knows its manifest by what was told when it was written."""
        known = _Parts((f"--manifest-sha256={self.backup.status.manifest_sha256}",))
        return self._options(READ, "verify", self._place(read_only=True) + self._key() + known, retries=_RETRIES)

    def restore(self, instance: DittoFS, page: int) -> JobOptions:
        """The Job that fills the empty claims of `instance`, and tells `page` of the objects that come back."""
        mounts = tuple(instance_claims(instance))
        parts = _Parts(
            (
                f"--uid={self.backup.metadata.uid}",
                f"--page={page}",
                "--scratch=/tmp",
                f"--description={_CONTENTS}/{DESCRIPTION_FILE}",
                *(f"--{flag}={path}" for flag, _, path in mounts),
            ),
            tuple(Claim(name=claim, path=path) for _, claim, path in mounts),
            config_maps=(Files(name=names.archive_contents(self.backup.metadata.name), path=_CONTENTS),),
        )
        whole = self._place(read_only=True) + self._key() + parts + _today(instance)
        return self._options(RESTORE, "restore", whole, retries=_RETRIES)

    def remove(self) -> JobOptions:
        """The Job that removes the archive, or what an interrupted attempt at it left."""
        return self._options(REMOVE, "remove", self._place(), retries=_RETRIES)

    def _options(self, suffix: str, command: str, parts: _Parts, *, retries: int) -> JobOptions:
        wanted = self.backup.spec.job
        spec = None if self.instance is None else self.instance.spec
        options = JobOptions(
            suffix=suffix,
            image=self.image,
            arguments=(command, *parts.arguments, f"--result={RESULT_FILE}"),
            instance=self.backup.spec.instance_ref.name,
            deadline_s=deadline_s(self.backup),
            retries=retries,
            pull_secrets=() if spec is None else tuple(one.name for one in spec.image_pull_secrets),
            pod=Pod() if spec is None else spec.pod,
            node_selector=wanted.node_selector,
            tolerations=wanted.tolerations,
            claims=parts.claims,
            secrets=parts.secrets,
            config_maps=parts.config_maps,
        )
        resources = wanted.resources.manifest()
        return replace(options, resources=resources) if resources else options

    def _place(self, *, read_only: bool = False) -> _Parts:
        archive, bucket = _Parts((f"--archive={archive_id(self.backup)}",)), archive_bucket(self.backup)
        if bucket is not None:
            return archive + _bucket(bucket)
        claim = Claim(name=target_claim(self.backup), path=_ARCHIVES, read_only=read_only)
        return archive + _Parts((f"--folder={_ARCHIVES}",), (claim,))

    def _key(self) -> _Parts:
        reference = self.backup.spec.encryption.key_secret_ref
        if reference is None:
            return _Parts()
        return _Parts(
            (f"--key={_KEY}/{_FILE}",),
            secrets=(Files(name=reference.name, path=_KEY, items={reference.key: _FILE}),),
        )


def deadline_s(backup: DittoFSBackup) -> int:
    """How long one Job of `backup` may take."""
    return max(1, int(parse_duration(backup.spec.job.active_deadline)))


def archive_place(backup: DittoFSBackup) -> ArchiveTarget | ArchiveSource | None:
    """Where the archive is that `backup` makes, or restores."""
    return backup.spec.target if backup.spec.restore is None else backup.spec.restore.archive


def archive_bucket(backup: DittoFSBackup) -> ArchiveBucket | None:
    """The bucket that the archive is kept in; None when it is on a claim."""
    place = archive_place(backup)
    return None if place is None else place.s3


def archive_id(backup: DittoFSBackup) -> str:
    """What the archive is called that `backup` makes, or restores."""
    place = archive_place(backup)
    return place.id if isinstance(place, ArchiveSource) else names.archive(backup.metadata.name, backup.metadata.uid)


def target_claim(backup: DittoFSBackup) -> str:
    """The claim that the archive of `backup` is kept on; empty when it is in a bucket.

    One that the operator makes is the same for all backups of a schedule.
    """
    place = archive_place(backup)
    if place is None or place.pvc is None:
        return ""
    return place.pvc.claim_name or names.archive_claim(
        backup.metadata.labels.get(names.SCHEDULE_LABEL) or backup.metadata.name
    )


def location(backup: DittoFSBackup) -> str:
    """Where the archive of `backup` is kept, for a person."""
    archive, bucket = archive_id(backup), archive_bucket(backup)
    if bucket is not None:
        return f"s3://{bucket.bucket}/{archive_prefix(bucket)}{archive}"
    return f"PersistentVolumeClaim {target_claim(backup)}, folder {archive}"


def archive_prefix(bucket: ArchiveBucket) -> str:
    """What the names of all archives in `bucket` begin with; ends in a slash, unless it is empty."""
    prefix = bucket.prefix.strip("/")
    return f"{prefix}/" if prefix else ""


def _bucket(bucket: ArchiveBucket) -> _Parts:
    credentials, authorities = bucket.credentials_secret_ref, bucket.ca_secret_ref
    in_path = bool(bucket.endpoint) if bucket.force_path_style is None else bucket.force_path_style
    parts = _Parts(
        (
            f"--bucket={bucket.bucket}",
            f"--prefix={archive_prefix(bucket)}",
            f"--endpoint={bucket.endpoint.rstrip('/')}",
            f"--region={bucket.region}",
            *(() if in_path else ("--virtual-hosted",)),
            f"--credentials={_CREDENTIALS}",
        ),
        secrets=(_keys(credentials, _CREDENTIALS),),
    )
    if authorities is None:
        return parts
    return parts + _Parts(
        (f"--authorities={_AUTHORITIES}/{_FILE}",),
        secrets=(Files(name=authorities.name, path=_AUTHORITIES, items={authorities.key: _FILE}),),
    )


def _today(instance: DittoFS) -> _Parts:
    """What of this cluster a restored database gets: the admin's password, and the keys of the bucket."""
    if instance.spec.database.sqlite is None:
        return _Parts()
    admin = names.admin_secret(instance.metadata.name)
    parts = _Parts(
        (f"--admin-password={_ADMIN}/{_FILE}",),
        secrets=(Files(name=admin, path=_ADMIN, items={names.ADMIN_PASSWORD_KEY: _FILE}),),
    )
    s3 = instance.spec.payload.s3
    if s3 is None:
        return parts
    return parts + _Parts(
        (f"--payload-credentials={_PAYLOAD_KEYS}",), secrets=(_keys(s3.credentials_secret_ref, _PAYLOAD_KEYS),)
    )


def _keys(credentials: S3Credentials, path: str) -> Files:
    keys = {
        credentials.access_key_id_key: "access-key-id",
        credentials.secret_access_key_key: "secret-access-key",
    }
    return Files(name=credentials.name, path=path, items=keys)


def _sources(instance: DittoFS) -> _Parts:
    mounts = tuple(instance_claims(instance))
    return _Parts(
        tuple(f"--{flag}={path}" for flag, _, path in mounts),
        tuple(Claim(name=claim, path=path, read_only=True) for _, claim, path in mounts),
    )


def instance_claims(instance: DittoFS) -> Iterable[tuple[str, str, str]]:
    """Of each claim of `instance`, which keeps its files on some: flag, name, and where the server has it."""
    name, spec = instance.metadata.name, instance.spec
    if spec.database.sqlite is not None:
        yield "control-plane", names.control_plane_claim(name), names.CONTROL_PLANE_MOUNT
    yield "metadata", names.metadata_claim(name), names.METADATA_MOUNT
    if spec.payload.type is PayloadType.S3:
        yield "cache", names.cache_claim(name), names.CACHE_MOUNT
    else:
        yield "payload", names.payload_claim(name), names.PAYLOAD_MOUNT
