"""Does what `dittofs-operator backup | verify | restore | remove | remove-objects` was asked for, and tells the end."""

from __future__ import annotations

import json
import shutil
import signal
import sys
import tempfile
import traceback
from argparse import Namespace
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from types import FrameType

from dittofs_operator.archive import report
from dittofs_operator.archive.bucket import BucketPlace, BucketTarget
from dittofs_operator.archive.comeback import NoSuchPage, page
from dittofs_operator.archive.compression import Compression
from dittofs_operator.archive.control_plane_edit import Edit
from dittofs_operator.archive.create import Order, create
from dittofs_operator.archive.entries import archived_objects
from dittofs_operator.archive.errors import EXIT_CODES, ArchiveError, Reason
from dittofs_operator.archive.flags import BACKUP, REMOVE, REMOVE_OBJECTS, VERIFY
from dittofs_operator.archive.folder import FolderTarget
from dittofs_operator.archive.inputs import (
    WrongInput,
    plain_objects,
    read_authorities,
    read_description,
    read_keys,
    read_password,
)
from dittofs_operator.archive.key import read_key
from dittofs_operator.archive.manifest import ControlPlane, Description, Payload
from dittofs_operator.archive.objects import check_prefix, remove_objects
from dittofs_operator.archive.reader import ArchiveReader
from dittofs_operator.archive.restore import Claims, Restore, restore
from dittofs_operator.archive.sources import Sources
from dittofs_operator.archive.target import Target
from dittofs_operator.archive.verify import verify
from informers.clock import SystemClock

_FAILED, _WRONG_USAGE = 1, 2


def run(command: str, given: Mapping[str, object], *, program: str, version: str) -> int:
    """Do `command` with the flags that were `given`; returns the exit code."""
    flags = Namespace(**given)
    try:
        with _stopped_by_signal():
            told, code = _run(command, flags, version), 0
    except WrongInput as error:
        told, code = report.failed("WrongInput", str(error)), _WRONG_USAGE
    except ArchiveError as error:
        told, code = report.failed(error.reason, str(error)), EXIT_CODES[error.reason]
    except Exception:  # noqa: BLE001 - whatever it was: printed whole, and told by the exit code
        traceback.print_exc()
        told, code = report.failed("Unexpected", "the program failed: look at the log of the pod"), _FAILED
    sys.stderr.write(f"{program} {command}: {told['message'] if code else json.dumps(told)}\n")
    try:
        report.write(flags.result, told)
    except OSError as error:
        sys.stderr.write(f"{program} {command}: the result can't be left in {flags.result}: {error.strerror}\n")
        return code or _FAILED
    return code


@contextmanager
def _stopped_by_signal() -> Iterator[None]:
    """Let SIGTERM end a command as any failure does: it clears what it put, and tells why."""

    def stop(_signal: int, _frame: FrameType | None) -> None:
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
        raise ArchiveError(
            Reason.STOPPED,
            "it was asked to stop before it was done, as it is at the deadline of its Job: give it more time",
        )

    before = signal.signal(signal.SIGTERM, stop)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


def _run(command: str, flags: Namespace, version: str) -> dict[str, object]:
    if command == REMOVE_OBJECTS:
        check_prefix(flags.prefix, flags.instance_prefix)
        place = _bucket(flags)
        removed = remove_objects(place, until=flags.until, last_look_from=flags.last_look_from, clock=SystemClock())
        return report.objects_removed(place.bucket, place.prefix, removed.objects, removed.kept)
    target = _target(flags)
    if command == REMOVE:
        target.remove()
        return report.removed(flags.archive)
    key = None if flags.key is None else read_key(flags.key)
    if command == VERIFY:
        reader = ArchiveReader(target, archive=flags.archive, manifest_sha256=flags.manifest_sha256 or "")
        opened = verify(reader, key)
        return {**report.completed(reader.manifest, reader.manifest_sha256), "opened": opened}
    description = read_description(flags.description)
    _check_claims(flags, description)
    with _Scratch(flags.scratch) as scratch:
        if command == BACKUP:
            made = create(_order(flags, description, scratch, key, version), target)
            return report.completed(made.manifest, made.manifest_sha256)
        wanted = Restore(flags.uid, description, _claims(flags), _edit(flags), scratch)
        reader = ArchiveReader(target, archive=flags.archive, manifest_sha256=flags.manifest_sha256 or "")
        restore(wanted, reader, key)
    objects = archived_objects(reader.content(reader.unlock(key)))
    _print_objects(objects)
    told = report.completed(reader.manifest, reader.manifest_sha256)
    if flags.page is None:
        return told
    try:
        return {**told, **page(objects, flags.page)}
    except NoSuchPage as error:
        raise WrongInput(f"--page={flags.page}: {error}") from None


def _target(flags: Namespace) -> Target:
    if flags.folder is not None:
        return FolderTarget(flags.folder, flags.archive)
    return BucketTarget(_bucket(flags), flags.archive)


def _bucket(flags: Namespace) -> BucketPlace:
    if flags.credentials is None:
        raise WrongInput("--bucket needs --credentials")
    authorities = "" if flags.authorities is None else read_authorities(flags.authorities)
    keys = read_keys(flags.credentials)
    return BucketPlace(
        flags.bucket, flags.prefix, flags.endpoint, flags.region, keys, authorities, virtual_hosted=flags.virtual_hosted
    )


def _check_claims(flags: Namespace, description: Description) -> None:
    """Raise WrongInput unless there are the claims that an instance like this has, and no others."""
    embedded, local = description.control_plane is ControlPlane.SQLITE, description.payload is Payload.FILESYSTEM
    for flag, value, needed in (
        ("--control-plane", flags.control_plane, embedded),
        ("--payload", flags.payload, local),
        ("--cache", flags.cache, not local),
    ):
        if (value is not None) != needed:
            raise WrongInput(f"{flag} is {'missing' if needed else 'too much'} for what {flags.description} describes")


def _order(flags: Namespace, description: Description, scratch: Path, key: bytes | None, version: str) -> Order:
    objects = plain_objects(flags.objects, scratch)
    sources = Sources(objects, flags.control_plane, flags.metadata, flags.payload, flags.cache, scratch)
    return Order(flags.archive, description, sources, Compression(flags.compression), key, datetime.now(UTC), version)


def _claims(flags: Namespace) -> Claims:
    return Claims(flags.control_plane, flags.metadata, flags.payload, flags.cache)


def _edit(flags: Namespace) -> Edit | None:
    if flags.control_plane is None:
        return None
    if flags.admin_password is None:
        raise WrongInput("--control-plane needs --admin-password")
    if flags.cache is not None and flags.payload_credentials is None:
        raise WrongInput("--cache needs --payload-credentials")
    keys = None if flags.payload_credentials is None else read_keys(flags.payload_credentials)
    return Edit(read_password(flags.admin_password), keys)


def _print_objects(objects: bytes) -> None:
    """Print the archived Kubernetes objects, but for Secrets: this goes into the log of a pod."""
    items = [one for one in json.loads(objects)["items"] if one["kind"] != "Secret"]
    sys.stdout.write(json.dumps({"apiVersion": "v1", "kind": "List", "items": items}) + "\n")


class _Scratch:
    """A folder of its own in the one that was given, which may hold the rest of a run that was killed."""

    def __init__(self, parent: Path) -> None:
        self._parent = parent

    def __enter__(self) -> Path:
        try:
            self._folder = Path(tempfile.mkdtemp(prefix="archive-", dir=self._parent))
        except OSError as error:
            raise WrongInput(f"{self._parent}: {error.strerror}: name a folder that can be written") from None
        return self._folder

    def __exit__(self, *_: object) -> None:
        shutil.rmtree(self._folder, ignore_errors=True)
