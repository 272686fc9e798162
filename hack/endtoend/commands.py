"""The programs that the harness runs, behind one function, so that a test can stand in for all of them."""

from __future__ import annotations

import os
import signal
import subprocess
from collections.abc import Callable, Mapping
from typing import Protocol

#: Of commands that only ask.
ASK_TIMEOUT_S = 60.0
_INTERRUPTED_S = 120.0


class CommandFailed(Exception):
    """A program could not be started, did not end in time, or ended with an error; the message is one line."""


#: Tells a person, in a line.
Tell = Callable[[str], None]


class Run(Protocol):
    """Runs a command to its end."""

    def __call__(
        self, *command: str, timeout_s: float = ASK_TIMEOUT_S, show: bool = False, more: Mapping[str, str] | None = None
    ) -> str:
        """Its standard output; empty with `show`, which lets it print. `more` adds to the environment.

        Raises CommandFailed.
        """
        ...


def run(
    *command: str, timeout_s: float = ASK_TIMEOUT_S, show: bool = False, more: Mapping[str, str] | None = None
) -> str:
    """See Run."""
    words = " ".join(command)
    output = None if show else subprocess.PIPE
    try:
        process = subprocess.Popen(
            command,
            env={**os.environ, **(more or {})},
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            text=True,
            # Ctrl-C is ours to pass on, once.
            start_new_session=True,
        )
    except OSError as error:
        raise CommandFailed(f"`{words}` can't be started: {error.strerror}") from None
    with process:
        try:
            printed, complaints = process.communicate(timeout=timeout_s)
        except subprocess.TimeoutExpired:
            process.kill()
            raise CommandFailed(f"`{words}` did not end in {timeout_s:g} s") from None
        except KeyboardInterrupt:
            _interrupt(process)
            raise
    if process.returncode:
        last = (complaints or "").strip().splitlines()[-1:] or [f"exit code {process.returncode}"]
        raise CommandFailed(f"`{words}` failed: {last[0]}")
    return printed or ""


def undo(run: Run, tell: Tell, *command: str, timeout_s: float) -> None:
    """Run a command that removes something; what it can't remove is told, since more is to be removed after it."""
    try:
        run(*command, timeout_s=timeout_s)
    except CommandFailed as error:
        tell(f"left behind, remove it by hand: {error}")


def _interrupt(process: subprocess.Popen[str]) -> None:
    """Let it clean up behind itself."""
    process.send_signal(signal.SIGINT)
    try:
        process.communicate(timeout=_INTERRUPTED_S)
    except subprocess.TimeoutExpired:
        process.kill()
