"""Restores an archive into the empty claims of a stopped server; killed anywhere, the next run starts over.

A folder `.restore-<uid>` on the first claim is there from before the first change to after the last one. A file
`.restored-<uid>` beside it says that the restore is done, to a Job that runs once more.
"""

from __future__ import annotations

import shutil
import sqlite3
from dataclasses import dataclass
from pathlib import Path

from dittofs_operator.archive.control_plane_copy import DATABASE, LOG, SHARED_MEMORY, copy_database
from dittofs_operator.archive.control_plane_edit import Edit, count_shares, edit_database
from dittofs_operator.archive.errors import ArchiveError, Reason
from dittofs_operator.archive.extract import extract, sync_file_system, told
from dittofs_operator.archive.folder import sync_folder
from dittofs_operator.archive.key import ArchiveKeys
from dittofs_operator.archive.manifest import Coverage, Description
from dittofs_operator.archive.reader import ArchiveReader
from dittofs_operator.archive.sources import CACHE, CONTROL_PLANE, METADATA, PAYLOAD
from dittofs_operator.archive.verify import verify

_MARKER, _DONE = ".restore-", ".restored-"
_CONTENT = "content"
#: What a claim may hold and be empty for us: the file system's own, and what an earlier restore left.
_NOTHING = ("lost+found", "shares")


@dataclass(frozen=True, slots=True)
class Claims:
    """Where the claims of the stopped server are mounted; None where the instance has no such claim."""

    control_plane: Path | None
    metadata: Path
    payload: Path | None
    cache: Path | None

    @property
    def by_tree(self) -> dict[str, Path]:
        """The claims by the name of the tree that comes to each; the first one bears the marker."""
        named = {
            CONTROL_PLANE: self.control_plane,
            METADATA: self.metadata,
            PAYLOAD: self.payload,
            CACHE: self.cache,
        }
        return {name: path for name, path in named.items() if path is not None}


@dataclass(frozen=True, slots=True)
class Restore:
    """What to restore, and where to."""

    #: Of the object that asks for it: a restore happens once.
    uid: str
    #: The instance as it is, which must be of the kind of the archived one.
    description: Description
    claims: Claims
    #: None where the control-plane database is elsewhere.
    edit: Edit | None
    #: An empty folder with room for the control-plane database.
    scratch: Path


def restore(order: Restore, reader: ArchiveReader, key: bytes | None) -> None:
    """Bring what is in the archive to the claims, or raise ArchiveError with nothing touched that was there before.

    Another run with the same UID starts over, or sees that all is done.
    """
    keys = reader.unlock(key)
    _refuse_another_kind(order.description, reader)
    claims = order.claims.by_tree
    home = next(iter(claims.values()))
    done = home / f"{_DONE}{order.uid}"
    marker = home / f"{_MARKER}{order.uid}"
    with told(home):
        is_done, is_begun = done.exists(), marker.exists()
    if not is_done:
        if not is_begun:
            _refuse_unless_empty(order)
        verify(reader, key)
        if not is_begun:
            with told(home):
                for old in home.glob(f"{_DONE}*"):
                    old.unlink()
                marker.mkdir()
                sync_folder(home)
        _extract(order, reader, keys, claims)
        for tree, claim in claims.items():
            _place(tree, claim, claim / f"{_MARKER}{order.uid}" / _CONTENT)
        with told(home):
            done.touch()
            sync_folder(home)
    for claim in reversed(claims.values()):
        with told(claim):
            if (mark := claim / f"{_MARKER}{order.uid}").exists():
                shutil.rmtree(mark)
                sync_folder(claim)


def _refuse_another_kind(there: Description, reader: ArchiveReader) -> None:
    archived = reader.manifest.description
    for what in ("control_plane", "metadata", "payload", "bucket"):
        ours, theirs = getattr(there, what), getattr(archived, what)
        if ours != theirs:
            raise ArchiveError(
                Reason.DIFFERENT_INSTANCE,
                f"the archive is of an instance with {what.replace('_', ' ')} {_text(theirs)}, and this one has "
                f"{_text(ours)}: make a DittoFS like the archived one, and restore into that",
            )


def _text(value: object) -> str:
    return "none" if value is None else str(value)


def _refuse_unless_empty(order: Restore) -> None:
    for tree, claim in order.claims.by_tree.items():
        with told(claim):
            others = [path.name for path in claim.iterdir() if path.name.startswith(_MARKER)]
            if others:
                raise _not_empty(f"{claim} has {others[0]} of another restore that did not end")
            if tree == CONTROL_PLANE:
                shares = _shares(claim, order.scratch)
                if shares:
                    raise _not_empty(f"the server has {shares} shares")
                continue
            found = [path for path in claim.iterdir() if path.name not in _NOTHING and not path.name.startswith(_DONE)]
            found += (claim / "shares").iterdir() if (claim / "shares").exists() else ()
            if found:
                raise _not_empty(f"{found[0]} is there")


def _shares(claim: Path, scratch: Path) -> int:
    if not (claim / DATABASE).exists():
        return 0
    copy = copy_database(claim, scratch)
    try:
        return count_shares(copy)
    except sqlite3.Error as error:
        raise ArchiveError(Reason.SOURCE_DAMAGED, f"{claim / DATABASE} can't be read ({error}): delete it") from None
    finally:
        copy.unlink()


def _not_empty(what: str) -> ArchiveError:
    return ArchiveError(
        Reason.NOT_EMPTY,
        f"{what}, and a restore overwrites nothing: make a DittoFS without shares, and restore into that",
    )


def _extract(order: Restore, reader: ArchiveReader, keys: ArchiveKeys | None, claims: dict[str, Path]) -> None:
    """Bring everything to each claim, aside from where the server looks, and let it last."""
    aside: dict[str, Path] = {}
    for tree, claim in claims.items():
        mark = claim / f"{_MARKER}{order.uid}"
        with told(claim):
            mark.mkdir(exist_ok=True)
            if (mark / _CONTENT).exists():
                shutil.rmtree(mark / _CONTENT)
            (mark / _CONTENT).mkdir()
        aside[tree] = mark / _CONTENT
    extract(reader.content(keys), reader.manifest, aside)
    if reader.manifest.covered.control_plane is Coverage.INCLUDED and order.edit is not None:
        edit_database(aside[CONTROL_PLANE] / DATABASE, order.edit)
    for claim in claims.values():
        sync_file_system(claim)


def _place(tree: str, claim: Path, content: Path) -> None:
    """Move everything to where the server looks for it; what is there already is of an earlier run, or of no use."""
    with told(claim):
        if tree == CONTROL_PLANE:
            # The log of another database would be replayed into this one.
            for name in (LOG, SHARED_MEMORY):
                (claim / name).unlink(missing_ok=True)
        for path in sorted(content.iterdir()):
            there = claim / path.name
            if there.is_dir():
                shutil.rmtree(there)
            path.rename(there)
        sync_folder(claim)
