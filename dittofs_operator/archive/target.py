"""Where an archive is or comes to be: what the folder of a claim and a bucket have in common."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from dittofs_operator.archive.errors import ArchiveError, Reason
from dittofs_operator.archive.names import MANIFEST

#: No manifest is longer: it would be of an archive of a hundred TiB.
MAX_MANIFEST_BYTES = 2 << 30


class Target(Protocol):
    """The place of one archive. Its methods raise ArchiveError.

    Reading is asked for by several threads at once.
    """

    #: For messages: what a person would look for.
    location: str

    def begin(self) -> None:
        """Make sure that parts can be put, and remove what an interrupted attempt at this archive left."""

    def put(self, name: str, pieces: Sequence[bytes]) -> None:
        """Keep the `pieces` together under `name`; they last when this returns."""

    def commit(self, manifest: bytes) -> None:
        """Make the archive whole and visible, at once."""

    def remove(self) -> None:
        """Let there be nothing of the archive; killed in between, nothing of it looks whole."""

    def read(self, name: str, offset: int, size: int) -> bytes:
        """What is stored there, less when it ends before."""

    def size(self, name: str) -> int | None:
        """The stored size of `name`; None when there is none."""


def read_manifest(target: Target) -> bytes:
    """The bytes of the manifest of the archive at `target`; raises ArchiveError."""
    size = target.size(MANIFEST)
    if size is None:
        raise ArchiveError(
            Reason.ARCHIVE_MISSING,
            f"there is no archive at {target.location}: look up its name, or wait until the backup has completed",
        )
    return target.read(MANIFEST, 0, min(size, MAX_MANIFEST_BYTES))
