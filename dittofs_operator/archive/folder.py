"""An archive in a folder: `<root>/<id>`, which is `<root>/.partial-<id>` until it is whole."""

from __future__ import annotations

import errno
import os
import shutil
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

from dittofs_operator.archive.errors import ArchiveError, Reason
from dittofs_operator.archive.names import MANIFEST, PARTS

_ON_ERRNO: Mapping[int, tuple[Reason, str]] = {
    errno.ENOSPC: (Reason.TARGET_FULL, "grow the claim, or delete archives on it"),
    errno.EDQUOT: (Reason.TARGET_FULL, "grow the claim, or delete archives on it"),
    errno.EFBIG: (Reason.TARGET_FULL, "use a claim whose file system takes larger files"),
    errno.EACCES: (Reason.TARGET_REFUSED, "let the user of the Job write there (fsGroup, access mode)"),
    errno.EPERM: (Reason.TARGET_REFUSED, "let the user of the Job write there (fsGroup, access mode)"),
    errno.EROFS: (Reason.TARGET_REFUSED, "mount the claim writable"),
    errno.ENOENT: (Reason.TARGET_MISSING, "mount the claim there"),
    errno.ENOTDIR: (Reason.TARGET_MISSING, "name a folder"),
}


#: The group of the volume (fsGroup) may read what others must not: hashes and keys may be in it.
_FOLDER_MODE, _FILE_MODE = 0o750, 0o640


class FolderTarget:
    """An archive below `root`, which must be there: the folder where a claim is mounted."""

    def __init__(self, root: Path, archive: str) -> None:
        self._root = root
        self._whole = root / archive
        self._partial = root / f".partial-{archive}"
        self.location = str(self._whole)

    def begin(self) -> None:
        """Make the folder of the attempt; an older one of this archive goes."""
        with self._told():
            if self._partial.exists():
                shutil.rmtree(self._partial)
            self._partial.mkdir(_FOLDER_MODE)
            (self._partial / PARTS).mkdir(_FOLDER_MODE)

    def put(self, name: str, pieces: Sequence[bytes]) -> None:
        """Write the file and let it last."""
        with self._told(), (self._partial / name).open("xb") as file:
            os.fchmod(file.fileno(), _FILE_MODE)
            for piece in pieces:
                file.write(piece)
            file.flush()
            os.fsync(file.fileno())

    def commit(self, manifest: bytes) -> None:
        """Write the manifest and give the folder the name of the archive."""
        self.put(MANIFEST, [manifest])
        with self._told():
            for folder in (self._partial / PARTS, self._partial):
                sync_folder(folder)
            self._partial.rename(self._whole)
            sync_folder(self._root)

    def remove(self) -> None:
        """Take the name of the archive away first, if it is one, then the files."""
        with self._told():
            if self._partial.exists():
                shutil.rmtree(self._partial)
            if (self._whole / MANIFEST).exists():
                self._whole.rename(self._partial)
                sync_folder(self._root)
                shutil.rmtree(self._partial)

    def read(self, name: str, offset: int, size: int) -> bytes:
        """What is in the file there."""
        with self._told(), (self._whole / name).open("rb") as file:
            file.seek(offset)
            return file.read(size)

    def size(self, name: str) -> int | None:
        """The size of the file; None without one."""
        with self._told():
            try:
                return (self._whole / name).stat().st_size
            except FileNotFoundError:
                return None

    @contextmanager
    def _told(self) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            reason, remedy = _ON_ERRNO.get(error.errno or 0, (Reason.TARGET_REFUSED, "look at the volume"))
            raise ArchiveError(reason, f"{error.filename or self.location}: {error.strerror}: {remedy}") from None


def sync_folder(folder: Path) -> None:
    """Let the names in `folder` outlast a loss of power; raises OSError."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
