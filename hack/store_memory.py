"""`python -m hack.store_memory`: how much memory the real server takes for shares with badger and with sqlite stores.

It runs as it is, without a pod: with the cache settings that the operator renders, each count in a process of its own.
"""

from __future__ import annotations

import subprocess
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import typer
import yaml

from hack.localcluster.binary import find_dfs
from hack.nfs_files import make_files
from informers.clock import SystemClock
from reconcilers.api.dittofs import DittoFS
from reconcilers.api.resources import DITTOFS
from reconcilers.builders.config import settings
from reconcilers.server.errors import ServerError
from reconcilers.server.http import HttpTransport
from reconcilers.server.session import Credentials, ServerSession

_COUNTS = {"badger": (1, 4, 8, 16, 32), "sqlite": (1, 16, 100)}
_PASSWORD = "memory-measured"
_SETTLED_S = 60.0
_START_S = 60.0
_STOP_S = 60.0
_HEAD = ("store", "shares", "created, MiB", "at rest, MiB", "with files, MiB", "open files", "started anew, MiB")
_ROW = "| {} | {} | {} | {} | {} | {} | {} |"


@dataclass(frozen=True, slots=True)
class Running:
    """A server of this machine."""

    process: subprocess.Popen[bytes]
    session: ServerSession

    def memory_mib(self) -> float:
        """What of it is in memory now (VmRSS)."""
        status = Path(f"/proc/{self.process.pid}/status").read_text()
        return int(status.partition("VmRSS:")[2].split()[0]) / 1024

    def open_files(self) -> float:
        """How many files and sockets it has open now."""
        return len(list(Path(f"/proc/{self.process.pid}/fd").iterdir()))


def run(
    port: Annotated[int, typer.Option(help="Where the server listens on 127.0.0.1, NFS on the next.")] = 18080,
    settled: Annotated[float, typer.Option(help="Seconds between the last creation and the second look.")] = _SETTLED_S,
    files: Annotated[int, typer.Option(help="Files to make in each share over NFS; needs libnfs unless 0.")] = 0,
) -> None:
    """Print a table: the memory after the shares were created, at rest, with files, and at rest after another start."""
    binary = find_dfs()
    if binary is None:
        raise typer.BadParameter("there is no dfs binary: run `make dfs`")
    print(_ROW.format(*_HEAD))
    print(_ROW.format(*["---"] * len(_HEAD)))
    for kind, counts in _COUNTS.items():
        for count in counts:
            with tempfile.TemporaryDirectory() as folder:
                figures = _measured(binary, Path(folder), kind, count, port=port, settled_s=settled, files=files)
            print(_ROW.format(kind, count, *(f"{figure:.0f}" for figure in figures)), flush=True)


def _measured(
    binary: Path, folder: Path, kind: str, count: int, *, port: int, settled_s: float, files: int
) -> tuple[float, ...]:
    first = _started(binary, folder, kind, port)
    try:
        for number in range(count):
            _create(first.session, folder, kind, f"s{number}")
        created = first.memory_mib()
        time.sleep(settled_s)
        at_rest = first.memory_mib()
        if files:
            first.session.put_adapter("nfs", enabled=True, port=port + 1)
            for number in range(count):
                make_files(port + 1, f"/s{number}", files)
        filled, opened = first.memory_mib(), first.open_files()
    finally:
        _stop(first)
    again = _started(binary, folder, kind, port)
    try:
        time.sleep(settled_s)
        return created, at_rest, filled, opened, again.memory_mib()
    finally:
        _stop(again)


def _started(binary: Path, folder: Path, kind: str, port: int) -> Running:
    spec = {"database": {"sqlite": {}}, "metadata": {"type": kind}, "payload": {"type": "filesystem"}}
    head = {
        "apiVersion": DITTOFS.api_version,
        "kind": DITTOFS.kind,
        "metadata": {"name": "demo", "namespace": "default"},
    }
    instance = DittoFS.from_view({**head, "spec": spec})
    config = settings(instance, None)
    config["database"]["sqlite"]["path"] = str(folder / "controlplane.db")
    config["controlplane"] |= {"host": "127.0.0.1", "port": port}
    (folder / "config.yaml").write_text(yaml.safe_dump(config))
    (folder / "metadata").mkdir(exist_ok=True)
    variables = {
        "HOME": str(folder),
        "DITTOFS_CONTROLPLANE_SECRET": "0123456789abcdef0123456789abcdef",
        "DITTOFS_ADMIN_INITIAL_PASSWORD": _PASSWORD,
    }
    with (folder / "log").open("ab") as log:
        arguments = [str(binary), "start", "--foreground", "--config", str(folder / "config.yaml")]
        process = subprocess.Popen(arguments, env=variables, stdout=log, stderr=log)
    clock = SystemClock()
    transport = HttpTransport(f"http://127.0.0.1:{port}", clock=clock)
    running = Running(process, ServerSession(transport, Credentials("admin", _PASSWORD), clock=clock))
    deadline = clock.monotonic() + _START_S
    while True:
        try:
            running.session.login()
        except ServerError:
            if process.poll() is not None or clock.monotonic() > deadline:
                raise
            time.sleep(0.2)
        else:
            return running


def _create(session: ServerSession, folder: Path, kind: str, name: str) -> None:
    place = folder / "metadata" / (name if kind == "badger" else f"{name}.db")
    session.create_metadata_store(name, store_type=kind, config={"path": str(place)})
    session.create_local_store("payload", store_type="fs", config={"path": str(folder / "payload")})
    fields = {"default_permission": "read-write"}
    session.create_share(f"/{name}", metadata_store=name, local_store="payload", fields=fields)
    session.patch_share_nfs_config(f"/{name}", {"squash": "none"})


def _stop(running: Running) -> None:
    running.session.close()
    running.process.terminate()
    try:
        running.process.wait(_STOP_S)
    except subprocess.TimeoutExpired:
        running.process.kill()
        running.process.wait()


if __name__ == "__main__":
    typer.run(run)
