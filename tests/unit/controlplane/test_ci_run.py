"""What `.ci/run` starts, with other programs in the place of the real ones."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[3]
ALL = [
    "make dfs s3 control-plane|1",
    "make --jobs=3 --output-sync=target lint unit integration envtest SUITES=tests/integration SERVER=real|1",
]
#: Writes down how it was called, and under which REQUIRE_REAL.
RECORDER = '#!/bin/sh\necho "$(basename "$0") $*|$REQUIRE_REAL" >> "{log}"\n'


class Machine:
    """A machine with bash, make and what else is put there."""

    def __init__(self, folder: Path) -> None:
        self._log = folder / "log"
        self._programs = folder / "bin"
        self._script = folder / ".ci" / "run"
        self._script.parent.mkdir()
        self._programs.mkdir()
        shutil.copy(ROOT / ".ci" / "run", self._script)
        for name in ("env", "bash", "dirname", "basename"):
            (self._programs / name).symlink_to(str(shutil.which(name)))
        self.put("make")
        self.put("id", "#!/bin/sh\necho 1000\n")

    def put(self, name: str, text: str = RECORDER) -> None:
        program = self._programs / name
        program.write_text(text.replace("{log}", str(self._log)))
        program.chmod(0o755)

    def run(self) -> tuple[int, str, list[str]]:
        """The exit status, standard error, and what was called."""
        done = subprocess.run(
            [self._script],
            env={"PATH": str(self._programs)},
            capture_output=True,
            text=True,
            timeout=20,
            check=False,
        )
        return done.returncode, done.stderr, self._log.read_text().splitlines() if self._log.exists() else []


@pytest.fixture
def machine(tmp_path: Path) -> Machine:
    return Machine(tmp_path)


def test_without_go_it_is_make_test(machine: Machine) -> None:
    assert machine.run() == (0, "", ["make test|"])


def test_with_go_real_counterparts_are_brought_and_required(machine: Machine) -> None:
    machine.put("go")
    for program in ("nfs-ls", "smbclient", "pg_ctlcluster"):
        machine.put(program)
    assert machine.run() == (0, "", ALL)


def test_what_is_missing_is_installed_by_root(machine: Machine) -> None:
    machine.put("go")
    machine.put("id", "#!/bin/sh\necho 0\n")
    machine.put("apt-get")
    code, _, called = machine.run()
    assert code == 0
    assert called[0].startswith("apt-get -qq")
    assert called[0].endswith("update|")
    assert called[1].endswith("install -y libnfs-utils|")
    assert called[3].endswith("install -y smbclient|")
    assert called[5].endswith("install -y postgresql|")
    assert called[6:] == ALL


@pytest.mark.parametrize("user", ["0", "1000"])
def test_an_nfs_client_that_can_t_be_had_is_one_line_and_a_failure(machine: Machine, user: str) -> None:
    machine.put("go")
    machine.put("id", f"#!/bin/sh\necho {user}\n")
    machine.put("apt-get", "#!/bin/sh\nexit 100\n")
    code, words, called = machine.run()
    assert (code, called) == (2, [])
    assert words == (
        "error: nfs-ls is missing and can't be installed here: install Debian's libnfs-utils, and run this again\n"
    )
