"""Makes an archive: the sources become parts at the target, and the manifest makes them an archive."""

from __future__ import annotations

import os
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from hashlib import sha256

from dittofs_operator.archive.compression import Compression
from dittofs_operator.archive.errors import ArchiveError, Reason
from dittofs_operator.archive.frames import FRAME_BYTES, FrameCodec
from dittofs_operator.archive.key import SALT_BYTES, ArchiveKeys
from dittofs_operator.archive.manifest import (
    ControlPlane,
    Coverage,
    Covered,
    Description,
    Encryption,
    Manifest,
    Payload,
    ResourceName,
    dump,
)
from dittofs_operator.archive.names import MANIFEST
from dittofs_operator.archive.reader import ArchiveReader
from dittofs_operator.archive.sources import Sources, TarStream, read_objects, resource_names
from dittofs_operator.archive.target import Target
from dittofs_operator.archive.writer import PART_BYTES, write_parts


@dataclass(frozen=True, slots=True)
class Order:
    """What archive is wanted."""

    archive: str
    description: Description
    sources: Sources
    compression: Compression
    key: bytes | None
    created: datetime
    operator: str
    frame_bytes: int = FRAME_BYTES
    part_bytes: int = PART_BYTES


@dataclass(frozen=True, slots=True)
class Archived:
    """An archive at its target, and the hash by which its manifest is known."""

    manifest: Manifest
    manifest_sha256: str


def create(order: Order, target: Target) -> Archived:
    """Make the archive that is ordered; one of this name that is whole already is left as it is. Raises ArchiveError.

    Where it fails it clears what it put. Killed anywhere it leaves nothing that looks like an archive, and can be
    called again.
    """
    if target.size(MANIFEST) is not None:
        there = ArchiveReader(target, archive=order.archive)
        return Archived(there.manifest, there.manifest_sha256)
    objects = read_objects(order.sources.objects)
    if order.key is None and any(one["kind"] == "Secret" for one in objects):
        raise ArchiveError(Reason.KEY_MISSING, "Secrets are archived encrypted only: give a key, or leave them out")
    keys = None if order.key is None else ArchiveKeys.derive(order.key, os.urandom(SALT_BYTES))
    target.begin()
    try:
        return _write(order, target, keys, resource_names(objects))
    except ArchiveError:
        # Nobody may come back for what fills the target now; what is wrong was said already.
        with suppress(ArchiveError):
            target.remove()
        raise


def _write(order: Order, target: Target, keys: ArchiveKeys | None, resources: tuple[ResourceName, ...]) -> Archived:
    stream = TarStream(order.sources)
    codec = FrameCodec(order.archive, order.compression, keys)
    parts = write_parts(stream, codec, target, frame_bytes=order.frame_bytes, part_bytes=order.part_bytes)
    manifest = Manifest(
        id=order.archive,
        created=order.created.isoformat(timespec="seconds"),
        operator=order.operator,
        description=order.description,
        covered=_covered(order.description),
        trees=stream.trees,
        resources=resources,
        compression=order.compression,
        encryption=None if keys is None else Encryption(salt=keys.salt.hex(), check=keys.check),
        frame_bytes=order.frame_bytes,
        content_bytes=stream.bytes,
        parts=parts,
    )
    content = dump(manifest, keys)
    target.commit(content)
    return Archived(manifest, sha256(content).hexdigest())


def _covered(description: Description) -> Covered:
    embedded = description.control_plane is ControlPlane.SQLITE
    return Covered(
        control_plane=Coverage.INCLUDED if embedded else Coverage.EXTERNAL,
        metadata=Coverage.INCLUDED,
        payload=Coverage.INCLUDED if description.payload is Payload.FILESYSTEM else Coverage.BUCKET,
    )
