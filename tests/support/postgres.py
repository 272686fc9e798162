"""A real PostgreSQL from Debian's package, which admits password logins over TLS alone."""

from __future__ import annotations

import os
import pwd
import shutil
import socket
import subprocess
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from hack.controlplane.process import TiedProcess
from tests.support.eventually import eventually
from tests.support.real_server import give_up

_INSTALLED = Path("/usr/lib/postgresql")
#: The user that Debian's package makes: the server refuses to run as root.
_USER = "postgres"
_START_S = 30.0
_STOP_S = 10.0
_HBA = """\
local   all all              trust
hostssl all all 127.0.0.1/32 scram-sha-256
"""


@dataclass(frozen=True, slots=True)
class Postgres:
    """A running server: its port of 127.0.0.1, and its superuser through a socket that only tests can reach."""

    programs: Path
    folder: Path
    port: int

    def query(self, text: str, *, database: str = "postgres") -> str:
        """What the superuser is answered, one row a line; AssertionError with the server's words when it refuses."""
        done = subprocess.run(
            [
                *(str(self.programs / "psql"), "-X", "-q", "-A", "-t", "-v", "ON_ERROR_STOP=1"),
                *("-h", str(self.folder), "-p", str(self.port), "-U", _USER, "-d", database),
            ],
            input=text,
            capture_output=True,
            text=True,
            timeout=20,
            check=False,
        )
        assert done.returncode == 0, done.stderr
        return done.stdout.strip()

    def tables(self, database: str) -> set[str]:
        """The tables of every user in `database`."""
        system = "('pg_catalog', 'information_schema')"
        names = f"SELECT tablename FROM pg_tables WHERE schemaname NOT IN {system}"
        return set(self.query(names, database=database).splitlines())


@contextmanager
def postgres_server(certificate: Mapping[str, str]) -> Iterator[Postgres]:
    """A server with `certificate` (tls.crt, tls.key); skips the test where none is installed, or fails, as real_server.

    In a folder of its own below the machine's temporary one: the server's user can't enter those of tests.
    """
    programs = _programs()
    with tempfile.TemporaryDirectory(prefix="postgres-") as made:
        folder = Path(made)
        for key, text in certificate.items():
            (folder / key).touch(mode=0o600)
            (folder / key).write_text(text)
        (folder / "hba").write_text(_HBA)
        _give_to_user(folder)
        port = _free_port()
        initdb = [str(programs / "initdb"), "-D", str(folder / "data"), "-U", _USER, "-A", "trust", "--no-sync"]
        subprocess.run(_as_user(initdb), check=True, capture_output=True, timeout=60, cwd=folder)
        options = {
            "listen_addresses": "127.0.0.1",
            "port": str(port),
            "unix_socket_directories": str(folder),
            "hba_file": str(folder / "hba"),
            "ssl": "on",
            "ssl_cert_file": str(folder / "tls.crt"),
            "ssl_key_file": str(folder / "tls.key"),
            "fsync": "off",
        }
        arguments = [part for name, value in options.items() for part in ("-c", f"{name}={value}")]
        command = [str(programs / "postgres"), "-D", str(folder / "data"), *arguments]
        process = TiedProcess("postgres", _as_user(command), folder=folder, log=folder / "log")
        try:
            server = Postgres(programs, folder, port)
            eventually(lambda: _answers(server, process), _START_S, what="an answer of PostgreSQL")
            yield server
        finally:
            process.stop(_STOP_S)


def _programs() -> Path:
    found = sorted(_INSTALLED.glob("*/bin/initdb"))
    if not found:
        give_up(f"no initdb below {_INSTALLED}: install Debian's postgresql")
    return found[-1].parent


def _answers(server: Postgres, process: TiedProcess) -> bool:
    if not process.running:
        raise RuntimeError(f"PostgreSQL ended: {process.last_words()}")
    return server.query("SELECT 1") == "1"


def _as_user(command: Sequence[str]) -> list[str]:
    if os.geteuid() != 0:
        return list(command)
    setpriv = shutil.which("setpriv") or give_up("no setpriv (util-linux)")
    # What ties it to this process is lost with the change of user, hence once more.
    return [setpriv, f"--reuid={_USER}", f"--regid={_USER}", "--clear-groups", "--pdeathsig=KILL", "--", *command]


def _give_to_user(folder: Path) -> None:
    if os.geteuid() == 0:
        entry = pwd.getpwnam(_USER)
        for path in (folder, *folder.iterdir()):
            os.chown(path, entry.pw_uid, entry.pw_gid)


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
