"""The entries of an archive's tar stream, each known to be one that this program writes."""

from __future__ import annotations

import tarfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import IO, cast

from dittofs_operator.archive.errors import ArchiveError, Reason
from dittofs_operator.archive.manifest import Manifest, Tree
from dittofs_operator.archive.reader import Stream
from dittofs_operator.archive.sources import OBJECTS, TREES
from dittofs_operator.archive.sparse import Extent
from dittofs_operator.archive.tar import SPARSE_SIZE, XATTR_PREFIX

_BUFFER_BYTES = 1 << 20
_NS_DIGITS, _NS = 9, 1_000_000_000


class FileData:
    """The stored data of a file, to be read once from the front."""

    def __init__(self, stream: IO[bytes], size: int) -> None:
        self._stream = stream
        self._left = size

    def read(self, size: int = -1) -> bytes:
        """At most `size` bytes, all that are left without it, none at the end; raises ArchiveError."""
        wanted = self._left if size < 0 else min(size, self._left)
        with _told():
            content = self._stream.read(wanted)
            if len(content) != wanted:
                raise tarfile.ReadError("a file is cut off")
        self._left -= wanted
        return content


@dataclass(frozen=True, slots=True)
class Entry:
    """A folder or a file; of a file the data can be read until the next entry is asked for."""

    #: Empty for the objects, which are in no tree.
    tree: str
    #: Inside the tree.
    path: PurePosixPath
    size: int
    mode: int
    mtime_ns: int
    xattrs: Mapping[str, bytes]
    #: None for a file without holes.
    extents: tuple[Extent, ...] | None
    #: What the extents hold, one after the other; None for a folder.
    data: FileData | None


def entries(frames: Iterator[bytes]) -> Iterator[Entry]:
    """What is in the tar stream of `frames`, in its order; raises ArchiveError."""
    stream = Stream(frames)
    # It needs no more than its read.
    file = cast("IO[bytes]", stream)
    with _told(), tarfile.open(fileobj=file, mode="r|", bufsize=_BUFFER_BYTES, errors="surrogateescape") as archive:
        while (member := archive.next()) is not None:
            yield _entry(archive, member)
            # It would keep all that it has seen.
            archive.members = []  # type: ignore[attr-defined]  # which typeshed leaves out
        while rest := stream.read(_BUFFER_BYTES):
            if any(rest):
                raise ArchiveError(Reason.ARCHIVE_DAMAGED, "the archive goes on after its end: use another")


def archived_objects(frames: Iterator[bytes]) -> bytes:
    """The Kubernetes objects in the tar stream of `frames`, a List in JSON; raises ArchiveError."""
    for entry in entries(frames):
        if not entry.tree and entry.data is not None:
            return entry.data.read()
        break
    raise ArchiveError(Reason.ARCHIVE_DAMAGED, f"the archive does not begin with {OBJECTS}: use another")


def counted(entry: Entry, trees: dict[str, Tree]) -> None:
    """Add `entry` to what `trees` say of its tree."""
    if not entry.tree:
        return
    so_far = trees.get(entry.tree) or Tree(name=entry.tree, files=0, directories=0, bytes=0)
    trees[entry.tree] = so_far.model_copy(
        update={
            "files": so_far.files + (entry.data is not None),
            "directories": so_far.directories + (entry.data is None),
            "bytes": so_far.bytes + entry.size,
        }
    )


def check_trees(trees: Mapping[str, Tree], manifest: Manifest) -> None:
    """Raise ArchiveError unless what was seen of the `trees` is what `manifest` says."""
    for told in manifest.trees:
        seen = trees.get(told.name) or Tree(name=told.name, files=0, directories=0, bytes=0)
        if seen != told:
            raise ArchiveError(
                Reason.ARCHIVE_DAMAGED,
                f"of {told.name} the archive {manifest.id} holds {seen.files} files and {seen.bytes} bytes instead of "
                f"{told.files} and {told.bytes}: use another",
            )


def _entry(archive: tarfile.TarFile, member: tarfile.TarInfo) -> Entry:
    path = PurePosixPath(member.name)
    tree = path.parts[0] if path.parts else ""
    inside = PurePosixPath(*path.parts[1:])
    is_objects = path == PurePosixPath(OBJECTS)
    if (
        not (is_objects or (tree in TREES and inside.parts))
        or ".." in path.parts
        or not (member.isreg() or member.isdir())
    ):
        raise ArchiveError(
            Reason.ARCHIVE_DAMAGED, f"the archive has an entry that no backup makes, {member.name!r}: use another"
        )
    sparse = member.pax_headers.get(SPARSE_SIZE)
    found: list[tuple[int, int]] = member.sparse if sparse else []  # type: ignore[assignment]  # typeshed knows no better
    extents = tuple(Extent(*one) for one in found) if sparse else None
    stored = member.size if extents is None else sum(extent.size for extent in extents)
    # It stands where the data begin.
    stream = cast("IO[bytes]", archive.fileobj)
    return Entry(
        tree="" if is_objects else tree,
        path=path if is_objects else inside,
        size=int(sparse) if sparse else member.size,
        mode=member.mode,
        mtime_ns=_nanoseconds(member.pax_headers.get("mtime", str(member.mtime))),
        xattrs={
            name.removeprefix(XATTR_PREFIX): value.encode("utf-8", "surrogateescape")
            for name, value in member.pax_headers.items()
            if name.startswith(XATTR_PREFIX)
        },
        extents=extents,
        data=FileData(stream, stored) if member.isreg() else None,
    )


def _nanoseconds(seconds: str) -> int:
    whole, _, fraction = seconds.partition(".")
    return int(whole) * _NS + int(fraction[:_NS_DIGITS].ljust(_NS_DIGITS, "0"))


@contextmanager
def _told() -> Iterator[None]:
    try:
        yield
    except (tarfile.TarError, ValueError, EOFError) as error:
        raise ArchiveError(Reason.ARCHIVE_DAMAGED, f"the archive holds no tar stream ({error}): use another") from None
