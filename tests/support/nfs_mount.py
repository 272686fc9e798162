"""A share as an NFS client has it: libnfs' programs, which need no mount."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from subprocess import PIPE

from reconcilers.api.resources import DITTOFS_SHARE, SERVICE
from tests.support.acceptance import World

#: Of every kind of user the client of a cluster's node is the one that matters most.
ROOT, USER_1000 = "uid=0&gid=0", "uid=1000&gid=1000"


class NfsFailed(Exception):
    """The NFS client said no."""


@dataclass(frozen=True)
class Mount:
    """One share through the Service of NFS, with libnfs. Version 3 asks for all ports, since there is no portmapper."""

    address: str
    port: int
    path: str
    scratch: Path

    def list(self, *, version: int = 3, user: str = ROOT) -> set[str]:
        """The names in the share's root directory."""
        return {line.split()[-1] for line in self._run("nfs-ls", self._url("", version, user)).splitlines()}

    def write(self, name: str, content: str, *, user: str = ROOT) -> None:
        source = self.scratch / "source"
        source.write_text(content)
        self._run("nfs-cp", str(source), self._url(name, 3, user))

    def read(self, name: str, *, user: str = ROOT) -> str:
        return self._run("nfs-cat", self._url(name, 3, user))

    def remove(self, name: str, *, user: str = ROOT) -> None:
        program = Path(__file__).with_name("nfs_remove.py")
        self._run(sys.executable, str(program), self._url(name, 3, user))

    @contextmanager
    def opened(self, name: str, *, user: str = ROOT) -> Iterator[Callable[[str], str]]:
        """A file that stays open: a function that writes over its start, and gives `ok` or what the server said."""
        program = Path(__file__).with_name("nfs_overwrite.py")
        command = [sys.executable, str(program), self._url(name, 3, user)]
        with subprocess.Popen(command, stdin=PIPE, stdout=PIPE, stderr=PIPE, text=True) as process:
            assert process.stdin is not None
            assert process.stdout is not None
            assert process.stderr is not None
            into, out = process.stdin, process.stdout
            if out.readline() != "open\n":
                raise NfsFailed(process.stderr.read())

            def write(content: str) -> str:
                print(content, file=into, flush=True)
                return out.readline().strip()

            try:
                yield write
            finally:
                process.kill()

    def _url(self, name: str, version: int, user: str) -> str:
        ports = f"nfsport={self.port}" + (f"&mountport={self.port}" if version == 3 else "")
        return f"nfs://{self.address}{self.path}{name and f'/{name}'}?version={version}&{ports}&{user}"

    def _run(self, *command: str) -> str:
        done = subprocess.run(command, capture_output=True, text=True, timeout=20, check=False)
        if done.returncode:
            raise NfsFailed(f"{' '.join(command)}: {done.stderr.strip()}")
        return done.stdout


def mount(world: World, share: str, scratch: Path, *, instance: str = "demo") -> Mount:
    """The DittoFSShare `share` by the Service of its instance; `scratch` takes what is to be written."""
    service = world.get(SERVICE, f"{instance}-nfs")["spec"]
    path = world.status(DITTOFS_SHARE, share)["path"]
    return Mount(service["clusterIP"], service["ports"][0]["port"], path, scratch)
