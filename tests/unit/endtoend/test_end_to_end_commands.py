"""One function runs all programs of the harness: output, failures in a line, interruption."""

from __future__ import annotations

import signal
import subprocess
import sys
from pathlib import Path

import pytest

from hack.endtoend.commands import CommandFailed, run

ROOT = Path(__file__).parents[3]

#: Runs a program that tells how it was ended. Where the tests run in the background, interruptions are ignored: undone.
INTERRUPTED = """
import signal, sys
signal.signal(signal.SIGINT, signal.default_int_handler)
from hack.endtoend.commands import run
try:
    run(sys.executable, "-c", sys.argv[1], show=True)
except KeyboardInterrupt:
    print("interrupted", flush=True)
"""
CHILD = """
import sys, time
print("up", flush=True)
try:
    time.sleep(60)
except KeyboardInterrupt:
    print("cleaned up", flush=True)
"""


def test_it_returns_what_was_printed_and_adds_to_the_environment() -> None:
    assert run("sh", "-c", "echo $GREETING", more={"GREETING": "hello"}) == "hello\n"


@pytest.mark.parametrize(
    ("command", "words"),
    [
        (("sh", "-c", "echo one >&2; echo two >&2; exit 3"), "failed: two"),
        (("sh", "-c", "exit 3"), "failed: exit code 3"),
        (("no-such-program",), "can't be started: No such file or directory"),
    ],
)
def test_a_failure_is_one_line_with_the_last_words(command: tuple[str, ...], words: str) -> None:
    with pytest.raises(CommandFailed, match=words) as raised:
        run(*command)
    assert "\n" not in str(raised.value)


def test_a_program_that_does_not_end_is_killed() -> None:
    with pytest.raises(CommandFailed, match=r"did not end in 0.1 s"):
        run("sleep", "60", timeout_s=0.1)


def test_an_interruption_reaches_the_program_and_waits_for_its_end() -> None:
    with subprocess.Popen(
        [sys.executable, "-c", INTERRUPTED, CHILD], cwd=ROOT, stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "up\n"
        process.send_signal(signal.SIGINT)
        assert process.stdout.read() == "cleaned up\ninterrupted\n"


def test_a_program_has_a_session_of_its_own_so_that_ctrl_c_reaches_it_once() -> None:
    assert run(sys.executable, "-c", "import os; print(os.getsid(0) == os.getpid())") == "True\n"
