"""Reads an archive back whole, and says what is wrong with it."""

from __future__ import annotations

from dittofs_operator.archive.entries import check_trees, counted, entries
from dittofs_operator.archive.manifest import Tree
from dittofs_operator.archive.reader import ArchiveReader


def verify(reader: ArchiveReader, key: bytes | None) -> bool:
    """Whether the content was seen too; without the `key` of an encrypted archive it is not. Raises ArchiveError.

    Every stored byte is read and compared with the hash of its frame. With the content every frame is opened too, and
    the files of the tar stream are counted.
    """
    if reader.manifest.encryption is not None and key is None:
        reader.check_hashes()
        return False
    keys = reader.unlock(key)
    reader.check_sizes()
    trees: dict[str, Tree] = {}
    for entry in entries(reader.content(keys)):
        counted(entry, trees)
    check_trees(trees, reader.manifest)
    return True
