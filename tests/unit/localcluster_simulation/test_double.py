"""The double of the DittoFS server: how it starts, what it keeps. Its answers are compared with the real server's in
tests/integration/test_dittofs_double.py."""

from __future__ import annotations

import json
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from hack.localcluster.double import DoubleServer, StartFailed, sizes

SECRET = "0123456789" * 4
ARGUMENTS = ("start", "--foreground", "--config", "/config/config.yaml")
CONFIG = "controlplane: {host: 0.0.0.0}\ndatabase: {type: sqlite, sqlite: {path: /data/controlplane/cp.db}}\n"
ENVIRONMENT = {"DITTOFS_CONTROLPLANE_SECRET": SECRET, "DITTOFS_ADMIN_INITIAL_PASSWORD": "correct-horse"}


@contextmanager
def server(
    folder: Path, *, config: str = CONFIG, arguments: tuple[str, ...] = ARGUMENTS, **variables: str
) -> Iterator[DoubleServer]:
    (folder / "config").mkdir(exist_ok=True)
    (folder / "config" / "config.yaml").write_text(config)
    double = DoubleServer(arguments, {**ENVIRONMENT, **variables}, resolve=lambda path: folder / path.lstrip("/"))
    try:
        yield double
    finally:
        double.stop()


def call(double: DoubleServer, method: str, path: str, body: Any = None, token: str = "") -> tuple[int, Any]:
    content = json.dumps(body).encode() if body is not None else b""
    answer = double.answer(method, path, f"Bearer {token}" if token else None, content)
    is_json = "json" in answer.headers.get("Content-Type", "")
    return answer.status, json.loads(answer.body) if is_json else answer.body.decode()


def login(double: DoubleServer, password: str = "correct-horse") -> tuple[int, Any]:
    return call(double, "POST", "/api/v1/auth/login", {"username": "admin", "password": password})


@pytest.mark.parametrize(
    ("changes", "words", "code"),
    [
        ({"DITTOFS_CONTROLPLANE_SECRET": "short"}, "JWT secret must be at least 32 characters", 1),
        ({"DITTOFS_ADMIN_INITIAL_PASSWORD": "short"}, "password must be 8 to 72 bytes", 1),
        ({"DITTOFS_ADMIN_INITIAL_PASSWORD": "x" * 73}, "password must be 8 to 72 bytes", 1),
        ({"arguments": ("start", "--config", "/config/config.yaml")}, "background", 0),
        ({"arguments": ("start", "--foreground", "--config", "/nope.yaml")}, "not found: /nope.yaml", 1),
        ({"config": "database: sqlite\n"}, "expected a map", 1),
    ],
)
def test_it_refuses_to_start_as_the_server_does(tmp_path: Path, changes: dict[str, Any], words: str, code: int) -> None:
    with pytest.raises(StartFailed, match=words) as failure, server(tmp_path, **changes):
        pass
    assert failure.value.exit_code == code


def test_by_default_it_can_only_be_reached_from_within_its_pod(tmp_path: Path) -> None:
    with server(tmp_path, config="{}") as double:
        assert double.ports == {}
    with server(tmp_path) as double:
        assert double.ports == {8080: double.port}


def test_the_environment_wins_over_the_file(tmp_path: Path) -> None:
    with server(tmp_path, DITTOFS_CONTROLPLANE_PORT="9000") as double:
        assert set(double.ports) == {9000}


def test_the_initial_password_counts_at_the_first_start_only(tmp_path: Path) -> None:
    with server(tmp_path) as double:
        assert login(double)[0] == 200
    with server(tmp_path, DITTOFS_ADMIN_INITIAL_PASSWORD="another-horse") as double:
        assert login(double)[0] == 200
        assert login(double, "another-horse")[0] == 401


def test_a_bad_secret_at_the_first_start_leaves_the_administrator_with_the_password(tmp_path: Path) -> None:
    with pytest.raises(StartFailed), server(tmp_path, DITTOFS_CONTROLPLANE_SECRET="short"):
        pass
    with server(tmp_path, DITTOFS_ADMIN_INITIAL_PASSWORD="another-horse") as double:
        assert login(double)[0] == 200


def test_rows_survive_a_restart_and_so_do_tokens(tmp_path: Path) -> None:
    with server(tmp_path) as double:
        token = login(double)[1]["access_token"]
        made = call(double, "POST", "/api/v1/store/metadata", {"name": "m", "type": "memory"}, token)
        assert made[0] == 201
    with server(tmp_path) as double:
        assert call(double, "GET", "/api/v1/store/metadata/m", token=token)[1]["id"] == made[1]["id"]
    with server(tmp_path, DITTOFS_CONTROLPLANE_SECRET=SECRET[::-1]) as double:
        assert call(double, "GET", "/api/v1/store/metadata/m", token=token)[0] == 401


def test_a_badger_store_is_locked_while_a_server_has_it_and_lost_with_its_folder(tmp_path: Path) -> None:
    store = {"name": "m", "type": "badger", "config": json.dumps({"path": "/data/metadata/m"})}
    with server(tmp_path) as double:
        token = login(double)[1]["access_token"]
        assert call(double, "POST", "/api/v1/store/metadata", store, token)[0] == 201
        status, problem = call(double, "POST", "/api/v1/store/metadata", {**store, "name": "n"}, token)
        assert (status, "is locked by another process" in problem["detail"]) == (400, True)
        with pytest.raises(StartFailed, match="is locked by another process"), server(tmp_path):
            pass


def test_nothing_answers_after_its_end(tmp_path: Path) -> None:
    with server(tmp_path) as double:
        kept_open = socket.create_connection(("127.0.0.1", double.port), timeout=5)
        kept_open.sendall(b"GET /health HTTP/1.1\r\nHost: x\r\n\r\n")
        assert kept_open.recv(8) == b"HTTP/1.1"
    with kept_open:
        while kept_open.recv(1000):
            pass
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection(("127.0.0.1", double.port), timeout=5)


@pytest.mark.parametrize(
    ("text", "size", "shown"),
    [
        ("10GiB", 10 * 2**30, "10.00GiB"),
        ("1.5Gi", 3 * 2**29, "1.50GiB"),
        ("1234567890", 1234567890, "1.15GiB"),
        ("5MB", 5_000_000, "4.77MiB"),
    ],
)
def test_sizes_are_read_exactly_and_shown_rounded(text: str, size: int, shown: str) -> None:
    assert sizes.parse(text) == size
    assert sizes.render(size) == shown


def test_a_size_that_is_none_is_named() -> None:
    with pytest.raises(ValueError, match='invalid byte size format: "abc"'):
        sizes.parse("abc")
