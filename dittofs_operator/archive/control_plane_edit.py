"""What of an archived control-plane database must fit the cluster that it comes to: passwords and keys of today.

The server takes the initial password only when it has no admin, and opens buckets with the keys of its rows.
"""

from __future__ import annotations

import json
import sqlite3
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path

import bcrypt

from dittofs_operator.archive.errors import ArchiveError, Reason
from dittofs_operator.archive.nt_hash import nt_hash
from reconcilers import names
from reconcilers.remote_store import S3Keys, with_keys

#: That of the server.
_BCRYPT_COST = 10
#: What the server takes for a password.
MIN_PASSWORD_BYTES, MAX_PASSWORD_BYTES = 8, 72


@dataclass(frozen=True, slots=True)
class Edit:
    """What is in force in the cluster."""

    admin_password: str = field(repr=False)
    #: None where no contents are in a bucket.
    s3_keys: S3Keys | None


def edit_database(file: Path, edit: Edit) -> None:
    """Make the database in `file`, which no server has open, fit; raises ArchiveError."""
    try:
        with closing(sqlite3.connect(file)) as database, database:
            _set_admin(database, edit.admin_password)
            if edit.s3_keys is not None:
                _set_keys(database, edit.s3_keys)
            # They would make the server undo a restore of a snapshot that was under way when the archive was made.
            database.execute("DELETE FROM restore_markers")
    except sqlite3.Error as error:
        raise ArchiveError(
            Reason.ARCHIVE_DAMAGED,
            f"the archived control-plane database is none that this version knows ({error}): restore it with the "
            "version of the operator that made it",
        ) from None


def count_shares(file: Path) -> int:
    """How many shares the database in `file` has; a server that never ended its first start has no table for them."""
    with closing(sqlite3.connect(file)) as database:
        if not database.execute("SELECT 1 FROM sqlite_master WHERE name = 'shares'").fetchone():
            return 0
        return int(database.execute("SELECT count(*) FROM shares").fetchone()[0])


def _set_admin(database: sqlite3.Connection, password: str) -> None:
    hashed = bcrypt.hashpw(password.encode(), bcrypt.gensalt(_BCRYPT_COST)).decode()
    changed = database.execute(
        "UPDATE users SET password_hash = ?, nt_hash = ?, must_change_password = 0 WHERE username = ?",
        (hashed, nt_hash(password), names.ADMIN_USERNAME),
    ).rowcount
    if changed != 1:
        raise sqlite3.DataError("it has no admin")


def _set_keys(database: sqlite3.Connection, keys: S3Keys) -> None:
    """Give the stores that the operator made in the bucket the keys; what others made has keys of its own."""
    rows = database.execute(
        "SELECT name, config FROM block_store_configs WHERE kind = 'remote' AND type = 's3'"
    ).fetchall()
    for name, config in rows:
        if not name.startswith(names.STORE_PREFIX):
            continue
        changed = with_keys(json.loads(config), keys)
        database.execute(
            "UPDATE block_store_configs SET config = ? WHERE kind = 'remote' AND name = ?", (json.dumps(changed), name)
        )
