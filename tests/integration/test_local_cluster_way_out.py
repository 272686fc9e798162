"""What a sandbox reaches beyond itself: the servers that it was given, by their names, and nothing else."""

from __future__ import annotations

import socket
import sys
import threading
from pathlib import Path

import pytest

from hack.localcluster.kubelet.outside import OutsideServer
from hack.localcluster.kubelet.sandbox import Mount, Sandbox, SandboxPlan, support
from tests.support.real_server import give_up

pytestmark = [pytest.mark.integration, pytest.mark.places("local", reason="it needs no cluster")]

#: Says over each connection who it is, and tells what it reads, or that nobody listens.
CALLS = """
import socket, sys
for target in sys.argv[1:]:
    host, port = target.split(":")
    try:
        with socket.create_connection((host, int(port)), timeout=5) as connection:
            connection.sendall(b"hello")
            connection.shutdown(socket.SHUT_WR)
            print(target, connection.makefile().read())
    except OSError as error:
        print(target, type(error).__name__)
"""


def test_a_sandbox_reaches_the_servers_it_was_given_and_nothing_else(tmp_path: Path) -> None:
    if not support().possible:
        give_up(f"no namespaces on this machine: {support().reason}")
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        threading.Thread(target=_answer_twice, args=(server,), daemon=True).start()
        outside = [
            OutsideServer("storage.example", 443, port),
            OutsideServer("10.1.2.3", 9000, port),
            OutsideServer("silent.example", 80, _closed_port()),
        ]

        told = _run(tmp_path, outside, ["storage.example:443", "10.1.2.3:9000", "silent.example:80"])
        told_of_others = _run(tmp_path, outside, [f"127.0.0.1:{port}", "storage.example:444"])

    assert told[:2] == ["storage.example:443 HELLO", "10.1.2.3:9000 HELLO"]
    assert told[2].startswith("silent.example:80")
    assert "HELLO" not in told[2]
    assert told_of_others == [f"127.0.0.1:{port} ConnectionRefusedError", "storage.example:444 ConnectionRefusedError"]


def _run(directory: Path, outside: list[OutsideServer], targets: list[str]) -> list[str]:
    """The lines that the script prints in a sandbox."""
    python = str(Path(sys.executable).resolve())
    plan = SandboxPlan(
        arguments=[python, "-I", "-c", CALLS, *targets],
        environment={},
        mounts=[Mount(Path(sys.base_prefix), sys.base_prefix, read_only=True)],
        address="127.1.2.3",
        hostname="pod",
        outside=outside,
        working_directory="/",
    )
    ended = threading.Event()
    log = directory / "log"
    with log.open("wb") as output:
        sandbox = Sandbox(plan, root=directory / "root", log=output, on_exit=ended.set)
    try:
        assert ended.wait(30)
    finally:
        sandbox.kill()
    lines = log.read_text().splitlines()
    log.unlink()
    return [line.strip() for line in lines]


def _answer_twice(server: socket.socket) -> None:
    for _ in range(2):
        connection, _ = server.accept()
        with connection:
            connection.sendall(connection.makefile("rb").read().upper())


def _closed_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as server:
        return int(server.getsockname()[1])
