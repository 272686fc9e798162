"""A share as an SMB client has it: Samba's smbclient, which needs no mount."""

from __future__ import annotations

import subprocess
from dataclasses import dataclass
from pathlib import Path

from reconcilers.api.resources import SERVICE
from tests.support.acceptance import World


class SmbFailed(Exception):
    """The SMB client said no; its words."""


@dataclass(frozen=True)
class SmbShare:
    """One share through the Service of SMB, as one user."""

    address: str
    port: int
    name: str
    user: str
    password: str
    scratch: Path

    def list(self) -> set[str]:
        """The names in the share's root directory."""
        lines = self._run("ls").splitlines()
        names = {line.split()[0] for line in lines if line.startswith("  ")}
        return names - {".", ".."}

    def write(self, name: str, content: str) -> None:
        source = self.scratch / "source"
        source.write_text(content)
        self._run(f"put {source} {name}")

    def read(self, name: str) -> str:
        target = self.scratch / "target"
        target.unlink(missing_ok=True)
        self._run(f"get {name} {target}")
        return target.read_text()

    def remove(self, name: str) -> None:
        self._run(f"rm {name}")

    def _run(self, command: str) -> str:
        # A file, since every process of the machine may read a command line.
        login = self.scratch / "login"
        login.touch(mode=0o600)
        login.write_text(f"username = {self.user}\npassword = {self.password}\n")
        program = ["smbclient", f"//{self.address}/{self.name}", "-p", str(self.port), "-A", str(login)]
        settings = ["--option=client min protocol=SMB2", "--configfile=/dev/null"]
        done = subprocess.run(
            [*program, *settings, "-c", command], capture_output=True, text=True, timeout=20, check=False
        )
        words = f"{done.stdout}{done.stderr}"
        # It ends well after some refusals.
        if done.returncode or "NT_STATUS_" in words:
            raise SmbFailed(words.strip())
        return done.stdout


def smb_share(world: World, name: str, scratch: Path, *, user: str, password: str, instance: str = "demo") -> SmbShare:
    """The share `name` by the Service of its instance; `scratch` takes what is written and read."""
    service = world.get(SERVICE, f"{instance}-smb")["spec"]
    return SmbShare(service["clusterIP"], service["ports"][0]["port"], name, user, password, scratch)
