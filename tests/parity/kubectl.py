"""The real kubectl as the suite runs it: what it prints is what a server told it."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

from tests.parity.endpoint import Answer

_PROGRAM = Path(sys.executable).with_name("kubectl")
_TIMEOUT_S = 30.0


class Kubectl:
    """kubectl with the `kubeconfig` of one server; what it caches goes to `home`."""

    def __init__(self, kubeconfig: Path, *, home: Path) -> None:
        self._environment = {"KUBECONFIG": str(kubeconfig), "HOME": str(home), "PATH": os.environ["PATH"]}

    def __call__(self, arguments: str) -> Answer:
        """Run it. The answer's code is the exit status; its body has the lines of both outputs, `out` and `err`."""
        done = subprocess.run(
            [_PROGRAM, *arguments.split()],
            env=self._environment,
            capture_output=True,
            text=True,
            timeout=_TIMEOUT_S,
            check=False,
        )
        body = {"out": done.stdout.splitlines(), "err": done.stderr.splitlines()}
        return Answer(code=done.returncode, content_type="text", warnings=(), body=body)
