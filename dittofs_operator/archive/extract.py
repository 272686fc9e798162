"""Writes the entries of an archive into folders: modes, times and holes as they were, owned by who runs this."""

from __future__ import annotations

import ctypes
import errno
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from dittofs_operator.archive.entries import Entry, check_trees, counted, entries
from dittofs_operator.archive.errors import ArchiveError, Reason
from dittofs_operator.archive.manifest import Manifest, Tree
from dittofs_operator.archive.sparse import Extent

_COPY_BYTES = 1 << 20
_OWNER_WORKS_THERE = 0o700


def extract(frames: Iterator[bytes], manifest: Manifest, folders: Mapping[str, Path]) -> None:
    """Put each tree into its empty folder; raises ArchiveError."""
    trees: dict[str, Tree] = {}
    open_folders: list[Entry] = []
    for entry in entries(frames):
        if not entry.tree:
            continue
        counted(entry, trees)
        while open_folders and not _contains(open_folders[-1], entry):
            _finish(open_folders.pop(), folders)
        if entry.data is None:
            with told(folders[entry.tree]):
                (folders[entry.tree] / entry.path).mkdir()
            open_folders.append(entry)
        else:
            _write(entry, folders[entry.tree] / entry.path)
    while open_folders:
        _finish(open_folders.pop(), folders)
    check_trees(trees, manifest)


def sync_file_system(folder: Path) -> None:
    """Let everything in the file system of `folder` outlast a loss of power; raises ArchiveError."""
    with told(folder):
        descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
        try:
            # One call for all files: fsync of each would wait for the disk once per file.
            if _LIBC.syncfs(descriptor):
                number = ctypes.get_errno()
                raise OSError(number, os.strerror(number), str(folder))
        finally:
            os.close(descriptor)


@contextmanager
def told(where: Path) -> Iterator[None]:
    """Say of the claim at `where` what keeps it from being written."""
    try:
        yield
    except OSError as error:
        place = error.filename or where
        if error.errno in (errno.ENOSPC, errno.EDQUOT):
            raise ArchiveError(Reason.CLAIM_FULL, f"{place}: {error.strerror}: grow the claim") from None
        raise ArchiveError(Reason.CLAIM_UNUSABLE, f"{place}: {error.strerror}: look at the volume") from None


_LIBC = ctypes.CDLL(None, use_errno=True)


def _contains(folder: Entry, entry: Entry) -> bool:
    return folder.tree == entry.tree and folder.path in entry.path.parents


def _finish(folder: Entry, folders: Mapping[str, Path]) -> None:
    """Give a folder whose content is complete its mode and time."""
    path = folders[folder.tree] / folder.path
    with told(path):
        path.chmod(folder.mode | _OWNER_WORKS_THERE)
        os.utime(path, ns=(folder.mtime_ns, folder.mtime_ns))


def _write(entry: Entry, path: Path) -> None:
    assert entry.data is not None  # noqa: S101 - the caller looked
    with told(path):
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, entry.mode)
        with open(descriptor, "wb") as file:  # noqa: PTH123 - a descriptor
            for extent in entry.extents or [Extent(0, entry.size)]:
                file.seek(extent.offset)
                left = extent.size
                while left and (chunk := entry.data.read(min(_COPY_BYTES, left))):
                    file.write(chunk)
                    left -= len(chunk)
            file.truncate(entry.size)
            for name, value in entry.xattrs.items():
                os.setxattr(descriptor, name, value)
            os.fchmod(descriptor, entry.mode)
            file.flush()
            os.utime(descriptor, ns=(entry.mtime_ns, entry.mtime_ns))
