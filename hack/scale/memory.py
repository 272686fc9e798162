"""`python -m hack.scale.memory`: what memory the real server takes for its shares, by the kind of their metadata."""

from __future__ import annotations

import contextlib
import itertools
import shutil
import socket
import subprocess
import sys
import tempfile
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated

import typer
import yaml

from hack.localcluster.binary import BinaryMissing, find_dfs
from hack.scale.files import make_files
from informers.clock import SystemClock
from reconcilers.server.errors import ServerError
from reconcilers.server.http import HttpTransport
from reconcilers.server.session import Credentials, ServerSession

_PASSWORD = "correct-horse"
#: What the operator sets for badger unless it is told otherwise.
_BADGER = {"block_cache_mb": 64, "index_cache_mb": 32}
_START_S = 60.0
_SETTLE_S = 3.0


def main(
    shares: Annotated[str, typer.Option(help="Numbers of shares.")] = "1,4,16",
    kinds: Annotated[str, typer.Option(help="Kinds of metadata.")] = "badger,sqlite",
    files: Annotated[int, typer.Option(help="Files to make in each share; 0: none, which needs no libnfs.")] = 1000,
) -> None:
    """Print the server's resident memory and open files as Markdown: with shares, with files in them, restarted."""
    try:
        binary = find_dfs()
    except BinaryMissing as error:
        raise typer.BadParameter(str(error)) from error
    if binary is None:
        raise typer.BadParameter("no dfs binary: run `make dfs`")
    print("| Metadata | Shares | MiB, empty | MiB, with files | MiB, restarted | Open files |")
    print("| --- | ---: | ---: | ---: | ---: | ---: |")
    for kind, number in itertools.product(kinds.split(","), (int(text) for text in shares.split(","))):
        directory = Path(tempfile.mkdtemp(prefix="dittofs-memory-"))
        try:
            with _server(binary, directory) as (session, pid):
                _make_shares(session, directory, kind, number)
                empty = _resident_mib(pid)
                _fill(session, number, files)
                filled, opened = _resident_mib(pid), len(list(Path(f"/proc/{pid}/fd").iterdir()))
            with _server(binary, directory) as (session, pid):
                loaded = sum(share.loaded for share in session.shares())
                if loaded != number:
                    raise RuntimeError(f"{loaded} of {number} shares came back")
                restarted = _resident_mib(pid)
            print(f"| {kind} | {number} | {empty:.0f} | {filled:.0f} | {restarted:.0f} | {opened} |", flush=True)
        finally:
            shutil.rmtree(directory, ignore_errors=True)


def _make_shares(session: ServerSession, directory: Path, kind: str, number: int) -> None:
    session.create_local_store("op-payload", store_type="fs", config={"path": str(directory / "payload")})
    for index in range(number):
        store, ending = f"op-{index}", ".db" if kind == "sqlite" else ""
        path = directory / "metadata" / f"{index}{ending}"
        session.create_metadata_store(store, store_type=kind, config={"path": str(path)})
        fields = {"default_permission": "read-write"}
        session.create_share(f"/{index}", metadata_store=store, local_store="op-payload", fields=fields)
        session.patch_share_nfs_config(f"/{index}", {"squash": "none"})


def _fill(session: ServerSession, shares: int, files: int) -> None:
    if not files:
        return
    port = _free_port()
    session.put_adapter("nfs", enabled=True, port=port)
    for index in range(shares):
        make_files(port, f"/{index}", files)


@contextlib.contextmanager
def _server(binary: Path, directory: Path) -> Iterator[tuple[ServerSession, int]]:
    port = _free_port()
    for folder in ("metadata", "payload"):
        (directory / folder).mkdir(exist_ok=True)
    config = {
        "logging": {"level": "WARN", "output": "stdout"},
        "shutdown_timeout": "10s",
        "database": {"type": "sqlite", "sqlite": {"path": str(directory / "controlplane.db")}},
        "controlplane": {"host": "127.0.0.1", "port": port},
        "metadata": {"badger": _BADGER},
    }
    (directory / "config.yaml").write_text(yaml.safe_dump(config))
    environment = {
        "HOME": str(directory),
        "DITTOFS_CONTROLPLANE_SECRET": "0123456789abcdef" * 2,
        "DITTOFS_ADMIN_INITIAL_PASSWORD": _PASSWORD,
    }
    command = [str(binary), "start", "--foreground", "--config", str(directory / "config.yaml")]
    with (directory / "log").open("ab") as log:
        process = subprocess.Popen(command, env=environment, stdout=log, stderr=log)
    clock = SystemClock()
    transport = HttpTransport(f"http://127.0.0.1:{port}", clock=clock)
    session = ServerSession(transport, Credentials("admin", _PASSWORD), clock=clock)
    try:
        _await(session, process, clock)
        yield session, process.pid
    finally:
        session.close()
        process.terminate()
        try:
            process.wait(60)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def _await(session: ServerSession, process: subprocess.Popen[bytes], clock: SystemClock) -> None:
    deadline = clock.monotonic() + _START_S
    while clock.monotonic() < deadline and process.poll() is None:
        with contextlib.suppress(ServerError):
            if session.health().healthy:
                return
        threading.Event().wait(0.1)
    raise RuntimeError("the server did not start")


def _resident_mib(pid: int) -> float:
    threading.Event().wait(_SETTLE_S)
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("VmRSS:")) / 1024


def _free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as probe:
        return int(probe.getsockname()[1])


if __name__ == "__main__":
    sys.exit(typer.run(main))
