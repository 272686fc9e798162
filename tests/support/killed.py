"""A process that is killed just before it changes a file, whichever."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable

#: Audit events of Python that change files.
CHANGES = ("os.mkdir", "os.rename", "os.remove", "os.rmdir", "os.chmod", "os.utime", "os.truncate", "sqlite3.connect")


def killed_at(change: int, run: Callable[[], None]) -> bool:
    """Whether a process that does `run` came to its change number `change`, where it is killed like by SIGKILL."""
    child = os.fork()
    if not child:
        seen = 0

        def count(event: str, arguments: tuple[object, ...]) -> None:
            nonlocal seen
            writes = event == "open" and isinstance(arguments[2], int) and arguments[2] & (os.O_WRONLY | os.O_RDWR)
            if event in CHANGES or writes:
                seen += 1
                if seen == change:
                    os._exit(9)

        sys.addaudithook(count)
        try:
            run()
        except BaseException:  # noqa: BLE001 - nothing may come back into this process's tests
            os._exit(1)
        os._exit(0)
    _, status = os.waitpid(child, 0)
    code = os.waitstatus_to_exitcode(status)
    assert code in (0, 9)
    return code == 9
