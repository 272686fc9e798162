"""The parts of a file that hold data: badger and the journal make theirs long and fill them later."""

from __future__ import annotations

import errno
import os
from dataclasses import dataclass

_BLOCK = 512
#: Python's tarfile loses its place after a sparse file that takes more than an octal size field holds.
_MAX_DATA_BYTES = 8**11 - 1


@dataclass(frozen=True, slots=True)
class Extent:
    """So many bytes of data from `offset` on."""

    offset: int
    size: int


def extents(descriptor: int, status: os.stat_result) -> tuple[Extent, ...] | None:
    """The data between the holes of an open file; None where it has no holes worth telling. Raises OSError."""
    if status.st_blocks * _BLOCK >= status.st_size:
        return None
    found: list[Extent] = []
    offset = 0
    while offset < status.st_size:
        try:
            start = os.lseek(descriptor, offset, os.SEEK_DATA)
        except OSError as error:
            if error.errno == errno.ENXIO:
                break
            raise
        offset = min(os.lseek(descriptor, start, os.SEEK_HOLE), status.st_size)
        found.append(Extent(start, offset - start))
    data = sum(extent.size for extent in found)
    return None if data == status.st_size or data > _MAX_DATA_BYTES else tuple(found)
