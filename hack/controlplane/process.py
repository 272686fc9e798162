"""A program that never outlives this process, however this process ends."""

from __future__ import annotations

import ctypes
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Sequence
from pathlib import Path

_PR_SET_PDEATHSIG = 1
#: A program of its own between us and the real one: code after a fork of a process with threads could hang.
_TIE = Path(__file__)


class TiedProcess:
    """A running program whose output goes to a file; killed by the kernel when this process dies, by SIGKILL too.

    The kernel ties a child to the thread that made it, hence a thread that lives as long as the child.
    """

    def __init__(self, name: str, command: Sequence[str], *, folder: Path, log: Path) -> None:
        """Start it in `folder`; raises OSError."""
        self.name = name
        self.log = log
        self._command = [sys.executable, "-I", str(_TIE), str(os.getpid()), *command]
        self._folder = folder
        self._process: subprocess.Popen[bytes] | None = None
        self._problem: OSError | None = None
        self._started = threading.Event()
        self._keeper = threading.Thread(target=self._keep, name=f"{name} keeper", daemon=True)
        self._keeper.start()
        self._started.wait()
        if self._problem is not None:
            raise self._problem

    @property
    def running(self) -> bool:
        """Whether it has not ended yet."""
        return self._keeper.is_alive()

    def stop(self, timeout_s: float) -> None:
        """Ask it to end, kill it after `timeout_s`; it is gone when this returns."""
        if self._process is not None and self._keeper.is_alive():
            self._process.terminate()
            self._keeper.join(timeout_s)
            if self._keeper.is_alive():
                self._process.kill()
        self._keeper.join()

    def last_words(self) -> str:
        """The end of its log, for a message."""
        lines = self.log.read_text(errors="replace").strip().splitlines()
        return lines[-1] if lines else "it said nothing"

    def _keep(self) -> None:
        try:
            with self.log.open("ab") as log:
                self._process = subprocess.Popen(
                    self._command,
                    cwd=self._folder,
                    stdin=subprocess.DEVNULL,
                    stdout=log,
                    stderr=log,
                    start_new_session=True,
                )
        except OSError as error:
            self._problem = error
        finally:
            self._started.set()
        if self._process is not None:
            self._process.wait()


def _become(parent: int, command: Sequence[str]) -> None:
    """Be killed with the parent, and turn into `command`."""
    ctypes.CDLL(None, use_errno=True).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
    if os.getppid() != parent:
        sys.exit("the parent is gone")
    os.execv(command[0], list(command))


if __name__ == "__main__":
    _become(int(sys.argv[1]), sys.argv[2:])
