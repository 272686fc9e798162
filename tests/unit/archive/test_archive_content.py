"""What comes out of an archive is what went in, and GNU tar and zstd get the same out of it."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import sqlite3
import subprocess
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from dittofs_operator.archive import extract as extracting
from dittofs_operator.archive import sources as archived
from dittofs_operator.archive.create import create
from dittofs_operator.archive.entries import archived_objects
from dittofs_operator.archive.errors import ArchiveError, Reason
from dittofs_operator.archive.folder import FolderTarget
from dittofs_operator.archive.sources import TREES
from tests.support.archived import ID, KEY, OBJECTS, Server, archive, order, reader, server_with_files


@pytest.fixture
def server(tmp_path: Path) -> Server:
    return server_with_files(tmp_path / "server")


def extracted(target: Path, folder: Path, key: bytes | None = None) -> Path:
    """Where everything in the archive is."""
    places = {tree: folder / tree for tree in TREES}
    for place in places.values():
        place.mkdir(parents=True)
    there = reader(target)
    extracting.extract(there.content(there.unlock(key)), there.manifest, places)
    return folder


def picture(path: Path) -> tuple[object, ...]:
    """Everything about a file or folder that is to be kept."""
    status = path.stat()
    xattrs = {name: os.getxattr(path, name) for name in os.listxattr(path) if name.startswith("user.")}
    content = path.read_bytes() if path.is_file() else None
    return status.st_mode, status.st_mtime_ns, xattrs, content


def pictures(root: Path, trees: tuple[str, ...] = ("metadata", "payload")) -> dict[str, tuple[object, ...]]:
    return {
        str(path.relative_to(root)): picture(path)
        for tree in trees
        for path in (root / tree).rglob("*")
        if path != root
    }


def wanted(server: Server) -> dict[str, tuple[object, ...]]:
    seen = pictures(server.root)
    return {name: seen[name] for name in seen if "gc-state" not in name and not name.endswith("LOCK")}


@pytest.mark.parametrize("key", [None, KEY], ids=["plain", "encrypted"])
def test_files_folders_times_modes_and_attributes_come_back(server: Server, tmp_path: Path, key: bytes | None) -> None:
    odd = server.payload / "shares" / "export" / ("journal of " + "ü" * 120)
    odd.mkdir(mode=0o750)
    (odd / os.fsdecode(b"not utf-8 \xff")).write_text("x")
    (odd / "read-only").touch(mode=0o400)
    os.utime(odd / "read-only", ns=(0, 1_234_567_890_000_000_001))
    attributes(odd / "read-only")
    os.utime(odd, ns=(0, 999_999_999))

    archive(server, FolderTarget(tmp_path, ID), tmp_path / "scratch", key=key)

    assert pictures(extracted(tmp_path, tmp_path / "out", key)) == wanted(server)


def attributes(path: Path) -> None:
    """Give `path` attributes, where the file system has them."""
    with contextlib.suppress(OSError):
        os.setxattr(path, "user.text", b"a=b\n1")
        os.setxattr(path, "user.bytes", b"\xff\x00 \n")


def test_holes_take_no_room_in_the_archive_and_none_when_they_come_back(server: Server, tmp_path: Path) -> None:
    made = archive(server, FolderTarget(tmp_path, ID), tmp_path / "scratch")

    assert made.manifest.content_bytes < 200_000
    hole = extracted(tmp_path, tmp_path / "out") / "metadata" / "export" / "000001.vlog"
    assert hole.stat().st_size == 3 << 20
    assert hole.stat().st_blocks * 512 < 100_000


def test_tar_and_zstd_read_it_by_hand(server: Server, tmp_path: Path) -> None:
    """Everything that docs/archive.md tells to do by hand."""
    if shutil.which("zstd") is None or shutil.which("tar") is None:
        pytest.skip("no tar and zstd on this machine")
    attributes(server.payload / "shares" / "export" / "journal" / "000001")
    archive(server, FolderTarget(tmp_path, ID), tmp_path / "scratch")
    (out := tmp_path / "out").mkdir()

    unpack = f"cat {ID}/parts/* | zstd -d | tar -x --xattrs --xattrs-include='user.*' -C out"
    subprocess.run(["bash", "-o", "pipefail", "-c", unpack], cwd=tmp_path, check=True, timeout=20)

    assert pictures(out) == wanted(server)
    assert json.loads((out / "objects.json").read_text()) == OBJECTS
    listed = json.loads((tmp_path / ID / "manifest.json").read_text())["parts"]
    sums = "".join(f"{part['sha256']}  {part['name']}\n" for part in listed)
    subprocess.run(["sha256sum", "--check", "--quiet"], input=sums.encode(), cwd=tmp_path / ID, check=True, timeout=20)


def test_the_control_plane_database_comes_with_what_was_only_in_its_log(server: Server, tmp_path: Path) -> None:
    with closing(sqlite3.connect(server.control_plane / "controlplane.db")) as database:
        database.execute("PRAGMA journal_mode=WAL")
        database.execute("INSERT INTO shares VALUES ('/late')")
        database.commit()
        for name in ("controlplane.db", "controlplane.db-wal"):
            shutil.copy(server.control_plane / name, tmp_path)
    for name in ("controlplane.db", "controlplane.db-wal"):
        shutil.copy(tmp_path / name, server.control_plane)
    before = {path.name: path.read_bytes() for path in server.control_plane.iterdir()}
    assert before.keys() == {"controlplane.db", "controlplane.db-wal"}

    archive(server, FolderTarget(tmp_path, ID), tmp_path / "scratch")

    assert {path.name: path.read_bytes() for path in server.control_plane.iterdir()} == before
    out = extracted(tmp_path, tmp_path / "out") / "controlplane"
    assert [path.name for path in out.iterdir()] == ["controlplane.db"]
    with closing(sqlite3.connect(out / "controlplane.db")) as database:
        assert ("/late",) in database.execute("SELECT name FROM shares").fetchall()


def test_the_manifest_says_what_is_in_the_archive(server: Server, tmp_path: Path) -> None:
    manifest = archive(server, FolderTarget(tmp_path, ID), tmp_path / "scratch").manifest

    assert [(tree.name, tree.files, tree.directories) for tree in manifest.trees] == [
        ("controlplane", 1, 0),
        ("metadata", 2, 1),
        ("payload", 2, 4),
    ]
    assert [(one.kind, one.name) for one in manifest.resources] == [("DittoFSShare", "export")]
    there = reader(tmp_path)
    assert json.loads(archived_objects(there.content(None))) == OBJECTS


def test_secrets_are_archived_encrypted_only(server: Server, tmp_path: Path) -> None:
    sources = server.sources(tmp_path / "scratch")
    secret: dict[str, Any] = {"kind": "Secret", "metadata": {"name": "keys"}, "data": {"k": "c2VjcmV0"}}
    sources.objects.write_text(json.dumps({"items": [secret]}))

    with pytest.raises(ArchiveError) as refused:
        create(order(sources), FolderTarget(tmp_path, ID))

    assert refused.value.reason is Reason.KEY_MISSING
    assert not (tmp_path / ID).exists()
    create(order(sources, key=KEY), FolderTarget(tmp_path, ID))
    assert all(b"c2VjcmV0" not in path.read_bytes() for path in (tmp_path / ID).rglob("*") if path.is_file())


def test_only_the_group_of_the_volume_may_read_an_archive(server: Server, tmp_path: Path) -> None:
    """The control-plane database holds hashes of passwords, and the keys of S3 in clear."""
    archive(server, FolderTarget(tmp_path, ID), tmp_path / "scratch")
    modes = {path.stat().st_mode & 0o777 for path in (tmp_path / ID).rglob("*") if path.is_file()}
    assert (modes, (tmp_path / ID).stat().st_mode & 0o777) == ({0o640}, 0o750)


def refusal(server: Server, tmp_path: Path) -> ArchiveError:
    with pytest.raises(ArchiveError) as refused:
        archive(server, FolderTarget(tmp_path, ID), tmp_path / "scratch")
    assert not (tmp_path / ID).exists()
    assert "\n" not in str(refused.value)
    return refused.value


def test_what_is_neither_file_nor_folder_is_refused(server: Server, tmp_path: Path) -> None:
    (server.metadata / "export" / "link").symlink_to("/etc/passwd")
    assert refusal(server, tmp_path).reason is Reason.SOURCE_UNREADABLE
    (server.metadata / "export" / "link").unlink()
    os.mkfifo(server.metadata / "export" / "pipe")
    shutil.rmtree(tmp_path / "scratch")
    assert refusal(server, tmp_path).reason is Reason.SOURCE_UNREADABLE


def test_a_damaged_control_plane_database_is_no_backup(server: Server, tmp_path: Path) -> None:
    file = server.control_plane / "controlplane.db"
    file.write_bytes(file.read_bytes()[:5000] + bytes(4000))
    assert refusal(server, tmp_path).reason is Reason.SOURCE_DAMAGED


def test_a_file_that_changes_while_it_is_read_is_found(
    server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pread = os.pread

    def growing(descriptor: int, size: int, offset: int) -> bytes:
        with (server.payload / "shares" / "export" / "journal" / "000001").open("ab") as file:
            file.write(b"more")
        return pread(descriptor, size, offset)

    monkeypatch.setattr(archived.tar.os, "pread", growing)
    assert refusal(server, tmp_path).reason is Reason.SOURCE_CHANGED
