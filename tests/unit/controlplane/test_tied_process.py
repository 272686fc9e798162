"""A program that is tied to the one that started it."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from hack.controlplane.process import TiedProcess
from tests.support.eventually import eventually

ROOT = Path(__file__).parents[3]
SLEEP = ["/bin/sleep", "60"]

#: Starts a program from a thread that ends, says its process id, and stays.
PARENT = """
import sys, threading
from pathlib import Path
from hack.controlplane.process import TiedProcess

made = []
def start():
    folder = Path(sys.argv[1])
    command = ["/bin/sh", "-c", "echo $$ > pid.new; mv pid.new pid; exec sleep 60"]
    made.append(TiedProcess("sleeper", command, folder=folder, log=folder / "log"))
thread = threading.Thread(target=start)
thread.start()
thread.join()
threading.Event().wait()
"""


def is_alive(pid: int) -> bool:
    try:
        return "Z" not in Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except OSError:
        return False


def test_it_dies_with_a_parent_that_is_killed_and_not_with_the_thread_that_made_it(tmp_path: Path) -> None:
    with subprocess.Popen([sys.executable, "-c", PARENT, str(tmp_path)], cwd=ROOT) as parent:
        eventually((tmp_path / "pid").exists, what="the start")
        pid = int((tmp_path / "pid").read_text())
        assert is_alive(pid)
        os.kill(parent.pid, signal.SIGKILL)
    eventually(lambda: not is_alive(pid), what="the end of the program")


def test_it_is_asked_to_end_and_killed_when_it_does_not(tmp_path: Path) -> None:
    ignores = ["/bin/sh", "-c", "trap '' TERM; touch ready; while :; do sleep 0.05; done"]
    stubborn = TiedProcess("stubborn", ignores, folder=tmp_path, log=tmp_path / "log")
    eventually((tmp_path / "ready").exists, what="the trap")
    began = time.monotonic()
    stubborn.stop(0.2)
    assert 0.2 <= time.monotonic() - began < 5
    assert not stubborn.running


def test_stopping_again_does_nothing_and_no_thread_is_left(tmp_path: Path) -> None:
    process = TiedProcess("sleeper", SLEEP, folder=tmp_path, log=tmp_path / "log")
    assert process.running
    process.stop(5)
    process.stop(5)
    assert not process.running
    assert "sleeper keeper" not in {thread.name for thread in threading.enumerate()}


def test_its_last_words_are_the_end_of_its_log(tmp_path: Path) -> None:
    process = TiedProcess("talker", ["/bin/sh", "-c", "echo one; echo two >&2"], folder=tmp_path, log=tmp_path / "log")
    eventually(lambda: not process.running, what="the end")
    assert process.last_words() == "two"


def test_a_folder_that_is_not_there_is_an_error_at_once(tmp_path: Path) -> None:
    with pytest.raises(OSError, match="nowhere"):
        TiedProcess("lost", SLEEP, folder=tmp_path / "nowhere", log=tmp_path / "log")
