"""The demo, run as `make demo` runs it: what it prints, how it ends, and that nothing of it is left."""

from __future__ import annotations

import contextlib
import os
import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.support.eventually import eventually

pytestmark = [
    pytest.mark.integration,
    pytest.mark.places("local", reason="the demo brings a local cluster of its own"),
]

ROOT = Path(__file__).parents[2]
#: The issue's limit for the whole run; on a machine of its own it takes a tenth.
ONCE_S = 55
UP_S = 40
END_S = 15
#: The lines of objects that moved meanwhile, if any did.
PROGRESS = r"(?:  DittoFS.*\n)*"
SHOWN = (
    "CustomResourceDefinitions installed",
    r"operator runs as process \d+",
    r"DittoFS/demo +Running",
    r"DittoFSShare/export +Ready",
    r"DittoFSShare/projects +Ready",
    r"StatefulSet +│ demo",
    r"export +demo +/export +True",
    r"projects +demo +/team/projects +True +0 +5Gi",
    r"mount export:  mount -t nfs -o vers=4\.1,port=2049,proto=tcp 127\.\d+\.\d+\.\d+:/export /mnt",
    r"kubectl --kubeconfig \S+ get dittofs",
    r"metrics: +http://127\.0\.0\.1:\d+/metrics",
)
SHOWN_ONCE = (
    *SHOWN,
    "changed spec.adapters.nfs.port to 12049",
    rf"deleted the Service demo-nfs by hand\n{PROGRESS}  made again",
    rf"broke the ConfigMap by hand\n{PROGRESS}  repaired",
    "nothing is left",
    "all of it worked",
)


@contextmanager
def demo(directory: Path, *arguments: str) -> Iterator[subprocess.Popen[str]]:
    """The demo with `directory` for its temporary files and no dfs binary; killed at the end if it still runs."""
    with (directory.parent / "out").open("w") as output:
        process = subprocess.Popen(
            [sys.executable, "-m", "hack.demo", *arguments],
            cwd=ROOT,
            env={**os.environ, "TMPDIR": str(directory), "DITTOFS_DFS_BINARY": "", "COLUMNS": "200"},
            stdout=output,
            stderr=subprocess.STDOUT,
            text=True,
            start_new_session=True,
        )
    try:
        yield process
    finally:
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()


@pytest.fixture
def directory(tmp_path: Path) -> Path:
    made = tmp_path / "tmp"
    made.mkdir()
    return made


def printed(directory: Path) -> str:
    return (directory.parent / "out").read_text()


def processes_about(directory: Path) -> list[str]:
    """The command lines that name a file of the demo: its operator, its kubectl, its pods."""
    found = []
    for process in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):
            line = (process / "cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace")
            if str(directory) in line:
                found.append(line)
    return found


def test_once_shows_it_all_and_leaves_nothing(directory: Path) -> None:
    with demo(directory, "--once") as running:
        assert running.wait(ONCE_S) == 0, printed(directory)

    text = printed(directory)
    assert [pattern for pattern in SHOWN_ONCE if not re.search(pattern, text)] == [], text
    assert list(directory.iterdir()) == []
    assert processes_about(directory) == []


def test_it_stays_up_until_ctrl_c_and_leaves_nothing(directory: Path) -> None:
    with demo(directory) as running:
        eventually(lambda: "Ctrl-C ends it all" in printed(directory) or running.poll(), UP_S, what="a demo that is up")
        assert running.poll() is None, printed(directory)
        assert processes_about(directory) != []

        running.send_signal(signal.SIGINT)

        assert running.wait(END_S) == 0, printed(directory)
    text = printed(directory)
    assert [pattern for pattern in SHOWN if not re.search(pattern, text)] == [], text
    assert "Traceback" not in text
    assert list(directory.iterdir()) == []
    assert processes_about(directory) == []


def test_ctrl_c_in_the_middle_leaves_nothing_either(directory: Path) -> None:
    with demo(directory) as running:
        eventually(lambda: "operator runs as process" in printed(directory), UP_S, what="an operator")

        running.send_signal(signal.SIGINT)

        assert running.wait(END_S) == 130, printed(directory)
    assert "Traceback" not in printed(directory)
    assert list(directory.iterdir()) == []
    assert processes_about(directory) == []
