"""A consistent copy of the control-plane database of a server that is stopped.

A database with a write-ahead log can't be opened on a volume that is mounted read-only, hence the copy.
"""

from __future__ import annotations

import shutil
import sqlite3
from contextlib import closing
from pathlib import Path

from dittofs_operator.archive.errors import ArchiveError, Reason
from dittofs_operator.archive.tar import unreadable

DATABASE = "controlplane.db"
#: What SQLite keeps beside a database. The log is a part of it; the other is made anew.
LOG, SHARED_MEMORY = f"{DATABASE}-wal", f"{DATABASE}-shm"


def copy_database(folder: Path, scratch: Path) -> Path:
    """One file in the empty folder `scratch` with all that the database in `folder` holds; raises ArchiveError."""
    copy = scratch / DATABASE
    try:
        for name in (DATABASE, LOG):
            if name == DATABASE or (folder / name).exists():
                shutil.copy2(folder / name, scratch / name)
    except OSError as error:
        raise unreadable(folder / DATABASE, error) from None
    try:
        with closing(sqlite3.connect(copy)) as database:
            database.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()
            verdict = [str(row[0]) for row in database.execute("PRAGMA integrity_check(1)")]
            # Without a log, it can be opened wherever it is put.
            database.execute("PRAGMA journal_mode=DELETE").fetchall()
    except sqlite3.Error as error:
        verdict = [str(error)]
    if verdict != ["ok"]:
        raise ArchiveError(
            Reason.SOURCE_DAMAGED,
            f"{folder / DATABASE} is damaged ({verdict[0]}): restore it from an archive, or repair it with sqlite3",
        )
    return copy
