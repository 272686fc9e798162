"""A tar stream of folders, in the form of POSIX.1-2001 (pax) with GNU's sparse files 1.0: GNU tar reads it.

Kept are mode, owner, time to the nanosecond, and the extended attributes of the name space `user`.
"""

from __future__ import annotations

import errno
import os
import stat
import tarfile
from collections.abc import Iterator, Sequence
from pathlib import Path

from dittofs_operator.archive.errors import ArchiveError, Reason
from dittofs_operator.archive.sparse import Extent, extents

#: What ends a tar stream.
END = bytes(2 * tarfile.BLOCKSIZE)
XATTR_PREFIX = "SCHILY.xattr."
SPARSE_SIZE = "GNU.sparse.realsize"
_READ_BYTES = 1 << 20
_NS = 1_000_000_000


def folder(path: Path, name: str) -> Iterator[bytes]:
    """The entry `name` for the folder `path`; raises ArchiveError."""
    try:
        status = path.stat(follow_symlinks=False)
    except OSError as error:
        raise unreadable(path, error) from None
    yield _header(name, status, kind=tarfile.DIRTYPE)


def file(path: Path, name: str) -> Iterator[bytes]:
    """The entry `name` for the file `path`, with what is in it; raises ArchiveError."""
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
    except OSError as error:
        raise unreadable(path, error) from None
    try:
        yield from _file(descriptor, path, name)
    except OSError as error:
        raise unreadable(path, error) from None
    finally:
        os.close(descriptor)


def unreadable(path: Path, error: OSError) -> ArchiveError:
    """What to say of a `path` that the file system does not give."""
    return ArchiveError(Reason.SOURCE_UNREADABLE, f"{path} can't be read ({error.strerror}): look at the volume")


def _file(descriptor: int, path: Path, name: str) -> Iterator[bytes]:
    before = os.fstat(descriptor)
    if not stat.S_ISREG(before.st_mode):
        raise ArchiveError(Reason.SOURCE_UNREADABLE, f"{path} is neither a file nor a folder: remove it")
    xattrs = {f"{XATTR_PREFIX}{key}": value for key, value in _xattrs(descriptor).items()}
    holes = extents(descriptor, before)
    size = before.st_size
    if holes is None:
        yield _header(name, before, size=size, extra=xattrs)
        yield from _data(descriptor, path, Extent(0, size))
    else:
        where = _sparse_map(holes, size)
        size = len(where) + sum(extent.size for extent in holes)
        sparse = {
            "GNU.sparse.major": "1",
            "GNU.sparse.minor": "0",
            "GNU.sparse.name": name,
            SPARSE_SIZE: str(before.st_size),
        }
        head, _, tail = name.rpartition("/")
        yield _header(f"{head}/GNUSparseFile.0/{tail}", before, size=size, extra={**xattrs, **sparse})
        yield where
        for extent in holes:
            yield from _data(descriptor, path, extent)
    yield bytes(-size % tarfile.BLOCKSIZE)
    after = os.fstat(descriptor)
    if (before.st_size, before.st_mtime_ns) != (after.st_size, after.st_mtime_ns):
        raise _changed(path)


def _header(
    name: str,
    status: os.stat_result,
    *,
    kind: bytes = tarfile.REGTYPE,
    size: int = 0,
    extra: dict[str, str] | None = None,
) -> bytes:
    entry = tarfile.TarInfo(name)
    entry.type, entry.size = kind, size
    entry.mode, entry.uid, entry.gid = stat.S_IMODE(status.st_mode), status.st_uid, status.st_gid
    entry.mtime = status.st_mtime_ns // _NS
    entry.pax_headers = {"mtime": f"{status.st_mtime_ns // _NS}.{status.st_mtime_ns % _NS:09}", **(extra or {})}
    return entry.tobuf(tarfile.PAX_FORMAT, "utf-8", "surrogateescape")


def _sparse_map(holes: Sequence[Extent], size: int) -> bytes:
    # The empty extent at the end tells readers of a hole there.
    numbers = [len(holes) + 1, *(number for one in (*holes, Extent(size, 0)) for number in (one.offset, one.size))]
    text = "".join(f"{number}\n" for number in numbers).encode()
    return text + bytes(-len(text) % tarfile.BLOCKSIZE)


def _data(descriptor: int, path: Path, extent: Extent) -> Iterator[bytes]:
    offset, end = extent.offset, extent.offset + extent.size
    while offset < end:
        chunk = os.pread(descriptor, min(_READ_BYTES, end - offset), offset)
        if not chunk:
            raise _changed(path)
        yield chunk
        offset += len(chunk)


def _xattrs(descriptor: int) -> dict[str, str]:
    try:
        names = [name for name in os.listxattr(descriptor) if name.startswith("user.")]
    except OSError as error:
        if error.errno == errno.ENOTSUP:
            return {}
        raise
    return {name: os.getxattr(descriptor, name).decode("utf-8", "surrogateescape") for name in names}


def _changed(path: Path) -> ArchiveError:
    return ArchiveError(
        Reason.SOURCE_CHANGED, f"{path} changed while it was read: stop whatever writes there, then try again"
    )
