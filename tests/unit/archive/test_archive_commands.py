"""`dittofs-operator backup | verify | restore`: outcomes as exit codes, lines for people, and JSON for the Job."""

from __future__ import annotations

import ast
import base64
import gzip
import json
import os
import resource
import shutil
import signal
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import pytest

from dittofs_operator.archive.errors import EXIT_CODES, Reason
from dittofs_operator.archive.folder import FolderTarget
from dittofs_operator.archive.report import MAX_BYTES, failed, write
from dittofs_operator.cli import main
from reconcilers.backup.archive.comeback import unpacked
from tests.support.archived import DESCRIPTION, ID, KEY, OBJECTS, Server, empty_server, server_with_files

PASSWORD = "of-this-cluster"


@dataclass
class Outcome:
    code: int
    result: dict[str, object]
    out: str
    told: str


@dataclass
class Pod:
    """What a Job's container has mounted, with a command to run in it."""

    folder: Path
    capture: pytest.CaptureFixture[str]

    def run(self, command: str, server: Server | None = None, *more: str) -> Outcome:
        result = self.folder / "termination-log"
        result.write_text("")
        claims: tuple[str, ...] = ()
        if server is not None:
            mounts = (
                ("control-plane", server.control_plane),
                ("metadata", server.metadata),
                ("payload", server.payload),
            )
            described = (("description", self.folder / "description"), ("scratch", self.folder / "scratch"))
            claims = tuple(f"--{name}={path}" for name, path in (*mounts, *described))
        code = main(
            [command, f"--archive={ID}", f"--folder={self.folder / 'target'}", f"--result={result}", *claims, *more]
        )
        printed = self.capture.readouterr()
        assert len(result.read_bytes()) <= MAX_BYTES
        return Outcome(code, json.loads(result.read_text() or "{}"), printed.out, printed.err)

    def backup(self, server: Server, *more: str) -> Outcome:
        return self.run("backup", server, f"--objects={self.folder / 'objects'}", *more)

    def restore(self, server: Server, *more: str) -> Outcome:
        return self.run("restore", server, "--uid=1", f"--admin-password={self.folder / 'password'}", *more)

    def secret(self, name: str, content: str) -> str:
        (self.folder / name).write_text(content)
        return str(self.folder / name)


@pytest.fixture
def pod(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Pod:
    for name in ("target", "scratch"):
        (tmp_path / name).mkdir()
    (tmp_path / "description").write_text(DESCRIPTION.model_dump_json(by_alias=True))
    (tmp_path / "objects").write_text(json.dumps(OBJECTS))
    (tmp_path / "password").write_text(PASSWORD)
    return Pod(tmp_path, capsys)


@pytest.fixture
def server(tmp_path: Path) -> Server:
    return server_with_files(tmp_path / "server")


def test_a_backup_is_verified_by_its_hash_and_restored_elsewhere(pod: Pod, server: Server, tmp_path: Path) -> None:
    key = f"--key={pod.secret('key', base64.b64encode(KEY).decode() + chr(10))}"

    made = pod.backup(server, key)
    assert (made.code, made.result["result"], made.result["files"], made.out) == (0, "Completed", 5, "")
    known = f"--manifest-sha256={made.result['manifestSHA256']}"
    assert pod.run("verify", None, known).result == {**made.result, "opened": False}
    assert pod.run("verify", None, known, key).result == {**made.result, "opened": True}

    empty = empty_server(tmp_path / "empty")
    restored = pod.restore(empty, known, key)
    assert (restored.code, restored.result) == (0, made.result)
    assert json.loads(restored.out)["items"] == OBJECTS["items"]
    assert "metadata/export/MANIFEST" in empty.files()
    assert list((tmp_path / "scratch").iterdir()) == []


def test_the_objects_may_come_packed_and_go_back_in_pages(pod: Pod, server: Server, tmp_path: Path) -> None:
    (tmp_path / "objects.json.gz").write_bytes(gzip.compress((tmp_path / "objects").read_bytes()))
    made = pod.run("backup", server, f"--objects={tmp_path / 'objects.json.gz'}")
    empty = empty_server(tmp_path / "empty")

    restored = pod.restore(empty, "--page=0")
    assert restored.result | made.result == restored.result
    assert unpacked([str(restored.result["objects"])]).shares[0].name == "export"
    assert json.loads(restored.out)["items"] == OBJECTS["items"]
    assert pod.restore(empty, "--page=0").result == restored.result
    assert pod.restore(empty, "--page=7").result["reason"] == "WrongInput"

    (tmp_path / "objects.json.gz").write_bytes(b"no gzip")
    assert pod.run("backup", server, f"--objects={tmp_path / 'objects.json.gz'}").result["reason"] == "WrongInput"


def test_a_backup_that_is_asked_to_stop_leaves_nothing_and_says_so(
    pod: Pod, server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    put = FolderTarget.put

    def asked_meanwhile(target: FolderTarget, name: str, pieces: Sequence[bytes]) -> None:
        put(target, name, pieces)
        os.kill(os.getpid(), signal.SIGTERM)

    monkeypatch.setattr(FolderTarget, "put", asked_meanwhile)
    before = signal.getsignal(signal.SIGTERM)

    stopped = pod.backup(server)

    assert (stopped.code, stopped.result["reason"]) == (19, "Stopped")
    assert list((tmp_path / "target").iterdir()) == []
    assert signal.getsignal(signal.SIGTERM) is before


def test_secrets_of_the_archive_are_printed_nowhere(pod: Pod, server: Server, tmp_path: Path) -> None:
    key = f"--key={pod.secret('key', base64.b64encode(KEY).decode())}"
    secret = {"kind": "Secret", "metadata": {"name": "keys"}, "data": {"k": "c2VjcmV0"}}
    (tmp_path / "objects").write_text(json.dumps({"items": [secret, *OBJECTS["items"]]}))

    told = [pod.backup(server, key), pod.run("verify", None, key), pod.restore(empty_server(tmp_path / "empty"), key)]

    assert [outcome.code for outcome in told] == [0, 0, 0]
    for secret_text in ("c2VjcmV0", PASSWORD, base64.b64encode(KEY).decode()):
        assert secret_text not in str(told)


def test_a_removed_archive_is_gone_and_nothing_else(pod: Pod, server: Server, tmp_path: Path) -> None:
    pod.backup(server)
    (other := tmp_path / "target" / "another").mkdir()
    (tmp_path / "target" / f".partial-{ID}").mkdir()

    assert [pod.run("remove").code, pod.run("remove").code] == [0, 0]

    assert list((tmp_path / "target").iterdir()) == [other]
    assert pod.run("verify").result["reason"] == Reason.ARCHIVE_MISSING


def test_a_folder_that_is_no_archive_is_not_removed(pod: Pod, tmp_path: Path) -> None:
    (tmp_path / "target" / ID).mkdir()
    assert pod.run("remove").code == 0
    assert (tmp_path / "target" / ID).exists()


def assert_refused(outcome: Outcome, reason: Reason, remedy: str) -> None:
    assert (outcome.result["result"], outcome.result["reason"]) == ("Failed", reason)
    assert outcome.code == EXIT_CODES[reason]
    assert remedy in outcome.told
    assert outcome.told.count("\n") == 1
    assert outcome.result["message"] in outcome.told


def test_what_can_be_wrong_is_told_in_one_line_with_its_remedy(pod: Pod, server: Server, tmp_path: Path) -> None:
    other = f"--key={pod.secret('other', base64.b64encode(bytes(32)).decode())}"
    key = f"--key={pod.secret('key', base64.b64encode(KEY).decode())}"
    assert_refused(pod.run("verify"), Reason.ARCHIVE_MISSING, "look up its name")
    assert_refused(pod.backup(server, "--key=/nonexistent"), Reason.KEY_MISSING, "openssl rand -base64 32")
    assert_refused(pod.backup(server, f"--key={pod.secret('short', 'abc')}"), Reason.KEY_UNUSABLE, "openssl rand")
    pod.backup(server, key)
    assert_refused(pod.run("verify", None, other), Reason.KEY_WRONG, "give the one")
    assert_refused(pod.run("verify", None, f"--manifest-sha256={'0' * 64}"), Reason.ARCHIVE_OTHER, "use another")
    assert_refused(pod.restore(server, key), Reason.NOT_EMPTY, "make a DittoFS without shares")
    shutil.rmtree(tmp_path / "target")
    assert_refused(pod.backup(server), Reason.TARGET_MISSING, "mount the claim there")


def test_a_target_without_room_says_so_and_is_left_as_it_was(pod: Pod, server: Server, tmp_path: Path) -> None:
    """Where no file can grow beyond a limit that only the copy of the database fits in, as on a full volume."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (32_000, hard))
    try:
        outcome = pod.backup(server)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))

    assert_refused(outcome, Reason.TARGET_FULL, "larger files")
    assert list((tmp_path / "target").iterdir()) == []


@pytest.mark.parametrize(
    ("command", "flags", "said"),
    [
        ("verify", ["--archive=../x", "--folder=/f"], "must be 1 to 128 of"),
        ("verify", ["--archive=x"], "one of the arguments --folder --bucket is required"),
        ("verify", ["--archive=x", "--folder=/f", "--manifest-sha256=12"], "64 hexadecimal digits"),
        ("backup", ["--archive=x", "--folder=/f"], "--description"),
    ],
)
def test_wrong_flags_end_with_2(command: str, flags: list[str], said: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        main([command, *flags])
    assert ended.value.code == 2
    told = capsys.readouterr().err
    assert said in told
    assert told.count("\n") == 1


def test_claims_that_do_not_fit_the_description_are_wrong_usage(pod: Pod, server: Server) -> None:
    outcome = pod.backup(server, "--cache=/c")
    assert (outcome.code, outcome.result["reason"]) == (2, "WrongInput")
    assert "--cache is too much" in outcome.told
    assert pod.run("verify", None, "--prefix=x").code == EXIT_CODES[Reason.ARCHIVE_MISSING]
    unlit = pod.run("restore", server, "--uid=1")
    assert (unlit.code, "--admin-password" in unlit.told) == (2, True)


def test_every_reason_has_an_exit_code_that_says_neither_done_nor_wrong_usage() -> None:
    assert set(EXIT_CODES) == set(Reason)
    assert not set(EXIT_CODES.values()) & {0, 1, 2, 3}


def test_the_longest_message_fits_a_termination_message(tmp_path: Path) -> None:
    for character in ("x", "\0", "ü", "\udcff", "\U0001f600", '"'):
        write(tmp_path / "result", failed(Reason.ARCHIVE_DAMAGED, character * 5000))
        content = (tmp_path / "result").read_bytes()
        assert len(content) <= MAX_BYTES
        assert json.loads(content)["result"] == "Failed"


def test_the_operator_itself_loads_neither_s3_nor_ciphers() -> None:
    """They would be memory of every operator; the command line imports no more of archives than their flags."""
    root = Path(__file__).parents[3]
    files = (root / "dittofs_operator").glob("*.py")
    imported = {name for path in files for name in imports_at_load(path) if name.startswith("dittofs_operator.archive")}
    assert imported == {"dittofs_operator.archive.flags"}
    loaded = {
        name for file in ("flags", "names") for name in imports_at_load(root / f"dittofs_operator/archive/{file}.py")
    }
    assert {name for name in loaded if name.partition(".")[0] not in sys.stdlib_module_names} == {
        "dittofs_operator.archive.names.ARCHIVE_ID"
    }


def imports_at_load(file: Path) -> set[str]:
    """The modules that `file` imports when it is imported itself."""
    found = set()
    for node in ast.parse(file.read_text()).body:
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            found |= {f"{node.module}.{alias.name}" for alias in node.names}
    return found
