"""A restore fills empty claims of a like instance, touches nothing else, and killed anywhere the next run does it."""

from __future__ import annotations

import json
import shutil
import sqlite3
import tarfile
from collections.abc import Callable
from contextlib import closing
from dataclasses import replace
from hashlib import sha256
from pathlib import Path

import bcrypt
import pytest

from dittofs_operator.archive import restore as restoring
from dittofs_operator.archive.control_plane_edit import Edit
from dittofs_operator.archive.create import create
from dittofs_operator.archive.entries import entries
from dittofs_operator.archive.errors import ArchiveError, Reason
from dittofs_operator.archive.folder import FolderTarget
from dittofs_operator.archive.manifest import Bucket, ControlPlane, Coverage, Metadata
from dittofs_operator.archive.nt_hash import md4, nt_hash
from dittofs_operator.archive.restore import Claims, Restore, restore
from reconcilers.remote_store import S3Keys
from tests.support.archived import DESCRIPTION, FRAME, ID, KEY, Server, archive, empty_server, reader, server_with_files
from tests.support.archived import order as ordered
from tests.support.killed import killed_at

UID, PASSWORD = "5e7a", "of this cluster"
EDIT = Edit(PASSWORD, S3Keys("AKNEW", "new-secret"))


@pytest.fixture
def server(tmp_path: Path) -> Server:
    made = server_with_files(tmp_path / "server")
    rows = [
        (name, "remote", "s3", json.dumps({"bucket": "b", "secret_access_key": "old"}))
        for name in ("op-export", "my-own")
    ]
    with closing(sqlite3.connect(made.control_plane / "controlplane.db")) as database, database:
        database.executemany("INSERT INTO block_store_configs VALUES (?, ?, ?, ?)", rows)
        database.execute("INSERT INTO restore_markers VALUES ('/0')")
    return made


@pytest.fixture
def target(server: Server, tmp_path: Path) -> Path:
    (target := tmp_path / "target").mkdir()
    archive(server, FolderTarget(target, ID), tmp_path / "scratch", frame=8 * FRAME)
    return target


def order(server: Server, scratch: Path, uid: str = UID) -> Restore:
    scratch.mkdir(exist_ok=True)
    return Restore(uid, DESCRIPTION, Claims(server.control_plane, server.metadata, server.payload, None), EDIT, scratch)


def state(server: Server) -> dict[str, str]:
    """Every file and folder of the claims."""
    return {
        str(path.relative_to(server.root)): sha256(path.read_bytes()).hexdigest() if path.is_file() else "folder"
        for path in server.root.rglob("*")
    }


def assert_restored(server: Server, original: Server) -> None:
    kept = {
        name: content for name, content in original.files().items() if "gc-state" not in name and "LOCK" not in name
    }
    assert server.files() == kept
    assert {path.name for path in server.control_plane.iterdir()} == {"controlplane.db", f".restored-{UID}"}
    assert {path.name for path in server.metadata.iterdir()} == {"export"}
    assert {path.name for path in server.payload.iterdir()} == {"shares"}
    with closing(sqlite3.connect(server.control_plane / "controlplane.db")) as database:
        hashed, nt, must_change = database.execute(
            "SELECT password_hash, nt_hash, must_change_password FROM users WHERE username = 'admin'"
        ).fetchone()
        stores = {
            name: json.loads(config)
            for name, config in database.execute("SELECT name, config FROM block_store_configs")
        }
        assert database.execute("SELECT count(*) FROM restore_markers").fetchone() == (0,)
        assert database.execute("SELECT count(*) FROM shares").fetchone() == (1,)
    assert bcrypt.checkpw(PASSWORD.encode(), hashed.encode())
    assert (nt, must_change) == (nt_hash(PASSWORD), 0)
    assert EDIT.s3_keys is not None
    assert stores["op-export"] == {
        "bucket": "b",
        "access_key_id": "AKNEW",
        "secret_access_key": "new-secret",
        "operator_fingerprint": EDIT.s3_keys.fingerprint,
    }
    assert stores["my-own"] == {"bucket": "b", "secret_access_key": "old"}


def test_everything_comes_to_a_server_without_shares(server: Server, target: Path, tmp_path: Path) -> None:
    empty = empty_server(tmp_path / "empty")
    (empty.payload / "shares").mkdir()
    (empty.payload / "lost+found").mkdir()
    (empty.control_plane / "controlplane.db-wal").write_bytes(b"of the fresh database")
    (empty.payload / "lost+found").rmdir()

    restore(order(empty, tmp_path / "s"), reader(target), None)

    assert_restored(empty, server)


def test_a_restore_happens_once(server: Server, target: Path, tmp_path: Path) -> None:
    empty = empty_server(tmp_path / "empty")
    restore(order(empty, tmp_path / "s"), reader(target), None)
    (empty.metadata / "export" / "MANIFEST").write_text("written since")

    restore(order(empty, tmp_path / "s"), reader(target), None)

    assert (empty.metadata / "export" / "MANIFEST").read_text() == "written since"


def test_with_a_database_elsewhere_the_rest_comes_back(server: Server, tmp_path: Path) -> None:
    described = DESCRIPTION.model_copy(update={"control_plane": ControlPlane.POSTGRES})
    sources = replace(server.sources(tmp_path / "scratch"), control_plane=None)
    made = create(replace(ordered(sources), description=described), FolderTarget(tmp_path, ID))
    empty = empty_server(tmp_path / "empty")
    before = state(Server(empty.control_plane))
    (tmp_path / "s").mkdir()

    wanted = Restore(UID, described, Claims(None, empty.metadata, empty.payload, None), None, tmp_path / "s")
    restore(wanted, reader(tmp_path), None)

    assert made.manifest.covered.control_plane is Coverage.EXTERNAL
    assert "metadata/export/MANIFEST" in empty.files()
    assert (empty.metadata / f".restored-{UID}").exists()
    assert state(Server(empty.control_plane)) == before


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        ("../outside", tarfile.REGTYPE),
        ("metadata/../../outside", tarfile.REGTYPE),
        ("/etc/outside", tarfile.REGTYPE),
        ("elsewhere/file", tarfile.REGTYPE),
        ("metadata", tarfile.REGTYPE),
        ("metadata/link", tarfile.SYMTYPE),
        ("metadata/hard", tarfile.LNKTYPE),
        ("metadata/device", tarfile.CHRTYPE),
    ],
)
def test_an_entry_that_no_backup_makes_is_refused(name: str, kind: bytes) -> None:
    """Who can write where archives are, and has their key or needs none, could have made one."""
    entry = tarfile.TarInfo(name)
    entry.type, entry.linkname = kind, "/etc/passwd"
    with pytest.raises(ArchiveError, match="that no backup makes") as found:
        list(entries(iter([entry.tobuf(tarfile.PAX_FORMAT) + bytes(1024)])))
    assert found.value.reason is Reason.ARCHIVE_DAMAGED


def refused(
    server: Server, target: Path, tmp_path: Path, change: Callable[[Restore], Restore] = lambda it: it
) -> Reason:
    """Why nothing is restored; nothing is changed either."""
    before = state(server)
    with pytest.raises(ArchiveError) as problem:
        restore(change(order(server, tmp_path / "s")), reader(target), None)
    assert state(server) == before
    assert "\n" not in str(problem.value)
    return problem.value.reason


def test_what_is_not_empty_is_never_touched(server: Server, target: Path, tmp_path: Path) -> None:
    assert refused(server, target, tmp_path) is Reason.NOT_EMPTY
    assert refused(empty_server(tmp_path / "one-share", shares=1), target, tmp_path) is Reason.NOT_EMPTY
    for number, name in enumerate(("metadata/export", "payload/shares/export", "payload/.restore-other")):
        other = empty_server(tmp_path / str(number))
        (other.root / name).mkdir(parents=True)
        assert refused(other, target, tmp_path) is Reason.NOT_EMPTY


def test_another_kind_of_instance_is_refused(target: Path, tmp_path: Path) -> None:
    empty = empty_server(tmp_path / "empty")
    for change in ({"metadata": Metadata.SQLITE}, {"bucket": Bucket(bucket="b", prefix="p")}):
        other = DESCRIPTION.model_copy(update=change)
        reason = refused(empty, target, tmp_path, lambda it, other=other: replace(it, description=other))  # type: ignore[misc]
        assert reason is Reason.DIFFERENT_INSTANCE


def test_a_damaged_archive_is_found_before_anything_is_touched(target: Path, tmp_path: Path) -> None:
    empty = empty_server(tmp_path / "empty")
    last = sorted((target / ID / "parts").iterdir())[-1]
    content = last.read_bytes()
    last.write_bytes(content[:-1] + bytes([content[-1] ^ 1]))
    assert refused(empty, target, tmp_path) is Reason.ARCHIVE_DAMAGED


def test_without_the_key_nothing_is_touched(server: Server, tmp_path: Path) -> None:
    empty = empty_server(tmp_path / "empty")
    archive(server, FolderTarget(tmp_path, ID), tmp_path / "scratch", key=KEY)
    assert refused(empty, tmp_path, tmp_path) is Reason.KEY_MISSING


def test_killed_before_any_change_of_a_file_the_next_run_does_it_all(
    server: Server, target: Path, tmp_path: Path
) -> None:
    change = 0
    while True:
        change += 1
        empty = empty_server(tmp_path / f"empty-{change}")
        (empty.control_plane / "controlplane.db-wal").touch()
        (tmp_path / f"s-{change}").mkdir()

        died = killed_at(change, lambda: restore(order(empty, tmp_path / f"s-{change}"), reader(target), None))  # noqa: B023
        (tmp_path / f"s-{change}-again").mkdir()
        restore(order(empty, tmp_path / f"s-{change}-again"), reader(target), None)

        assert_restored(empty, server)
        if not died:
            break
    assert change > 60, change


def test_everything_lasts_before_the_server_could_see_it(
    target: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    empty = empty_server(tmp_path / "empty")
    done: list[str] = []
    rename = Path.rename

    def renamed(path: Path, to: Path) -> Path:
        done.append("rename")
        return rename(path, to)

    rmtree = shutil.rmtree

    def removed(path: Path) -> None:
        if path.name.startswith(".restore-"):
            done.append(f"{path.parent.name} is free")
        rmtree(path)

    monkeypatch.setattr(restoring, "sync_file_system", lambda folder: done.append(folder.name))
    monkeypatch.setattr(shutil, "rmtree", removed)
    monkeypatch.setattr(Path, "rename", renamed)
    restore(order(empty, tmp_path / "s"), reader(target), None)

    free = [f"{claim} is free" for claim in ("payload", "metadata", "controlplane")]
    assert done == ["controlplane", "metadata", "payload", "rename", "rename", "rename", *free]


def test_a_half_done_restore_is_nobody_elses(server: Server, target: Path, tmp_path: Path) -> None:
    empty = empty_server(tmp_path / "empty")
    assert killed_at(12, lambda: restore(order(empty, tmp_path / "s"), reader(target), None))
    assert refused(empty, target, tmp_path, lambda it: replace(it, uid="another")) is Reason.NOT_EMPTY


def test_md4_is_that_of_rfc_1320_and_the_nt_hash_that_of_windows() -> None:
    letters = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789"
    assert md4(b"").hex() == "31d6cfe0d16ae931b73c59d7e0c089c0"
    assert md4(b"message digest").hex() == "d9130a8164549fe818874806e1c7014b"
    assert md4(letters).hex() == "043f8582f241db351ce627e153e7f0e4"
    assert md4(b"1234567890" * 8).hex() == "e33b4ddc9c38f2199c3e7b164fcc0536"
    assert nt_hash("password") == "8846f7eaee8fb117ad06bdd830b7586c"
