"""A small stopped server's claims, made up, and archives of them."""

from __future__ import annotations

import json
import os
import sqlite3
from contextlib import closing
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from random import Random

from dittofs_operator.archive.compression import Compression
from dittofs_operator.archive.create import Archived, Order, create
from dittofs_operator.archive.folder import FolderTarget
from dittofs_operator.archive.manifest import Description
from dittofs_operator.archive.reader import ArchiveReader
from dittofs_operator.archive.sources import Sources
from dittofs_operator.archive.target import Target

ID = "0b7e-20260102-030405"
KEY = bytes(range(32))
FRAME = 4096
NOW = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
DESCRIPTION = Description.model_validate(
    {
        "instance": {"namespace": "default", "name": "demo", "uid": "0b7e"},
        "image": "docker.io/marmos91c/dittofs:v0.29.0",
        "controlPlane": "sqlite",
        "metadata": "badger",
        "payload": "filesystem",
        "cleanStop": True,
    }
)
#: What the server makes of its tables, as far as the archive looks at them.
TABLES = """
CREATE TABLE users (username TEXT, password_hash TEXT, nt_hash TEXT, must_change_password NUMERIC);
CREATE TABLE shares (name TEXT);
CREATE TABLE restore_markers (share_name TEXT);
CREATE TABLE block_store_configs (name TEXT, kind TEXT, type TEXT, config TEXT);
"""


@dataclass(frozen=True)
class Server:
    """The folders of the claims of a server that is stopped."""

    root: Path

    @property
    def control_plane(self) -> Path:
        return self.root / "controlplane"

    @property
    def metadata(self) -> Path:
        return self.root / "metadata"

    @property
    def payload(self) -> Path:
        return self.root / "payload"

    def sources(self, scratch: Path) -> Sources:
        scratch.mkdir(exist_ok=True)
        (objects := scratch / "given.json").write_text(json.dumps(OBJECTS))
        (copies := scratch / "copies").mkdir()
        return Sources(objects, self.control_plane, self.metadata, self.payload, None, copies)

    def files(self) -> dict[str, bytes]:
        """All files but those of the database."""
        found = (path for folder in (self.metadata, self.payload) for path in folder.rglob("*") if path.is_file())
        return {str(path.relative_to(self.root)): path.read_bytes() for path in found}


OBJECTS = {
    "kind": "List",
    "items": [
        {"kind": "DittoFSShare", "metadata": {"namespace": "default", "name": "export"}, "spec": {"path": "/export"}}
    ],
}


def empty_server(root: Path, *, shares: int = 0) -> Server:
    """What a server has that was started once."""
    server = Server(root)
    for folder in (server.control_plane, server.metadata, server.payload):
        folder.mkdir(parents=True)
    with closing(sqlite3.connect(server.control_plane / "controlplane.db")) as database:
        # It need not outlast a loss of power.
        database.execute("PRAGMA synchronous=OFF")
        database.executescript(TABLES)
        database.execute("INSERT INTO users VALUES ('admin', 'old hash', 'old nt', 1)")
        database.executemany("INSERT INTO shares VALUES (?)", [(f"/{number}",) for number in range(shares)])
        database.commit()
    return server


def server_with_files(root: Path) -> Server:
    """What a server has that serves a share."""
    server = empty_server(root, shares=1)
    random = Random(1)
    store, share = server.metadata / "export", server.payload / "shares" / "export"
    for folder in (store, share / "journal", share / "snapshots", share / "gc-state"):
        folder.mkdir(parents=True)
    (store / "MANIFEST").write_bytes(random.randbytes(100))
    (store / "LOCK").write_text("1")
    with (store / "000001.vlog").open("wb") as sparse:
        sparse.seek(1 << 20)
        sparse.write(random.randbytes(5000))
        sparse.truncate(3 << 20)
    (share / "journal" / "000001").write_bytes(random.randbytes(30_000))
    (share / "journal" / "empty").touch(mode=0o600)
    (share / "gc-state" / "last-run.json").write_text("{}")
    os.utime(share / "journal" / "000001", ns=(1, 1_700_000_000_123_456_789))
    return server


def order(
    sources: Sources, *, key: bytes | None = None, compression: Compression = Compression.ZSTD, frame: int = FRAME
) -> Order:
    """An archive of frames so small that there are some."""
    return Order(ID, DESCRIPTION, sources, compression, key, NOW, "test", frame_bytes=frame, part_bytes=2 * frame)


def archive(server: Server, target: Target, scratch: Path, *, key: bytes | None = None, frame: int = FRAME) -> Archived:
    return create(order(server.sources(scratch), key=key, frame=frame), target)


def reader(root: Path, manifest_sha256: str = "") -> ArchiveReader:
    return ArchiveReader(FolderTarget(root, ID), archive=ID, manifest_sha256=manifest_sha256)
