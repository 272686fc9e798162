"""The programs that the demo runs beside itself: the operator and kubectl, both through their real command lines."""

from __future__ import annotations

import contextlib
import signal
import socket
import subprocess
import sysconfig
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

SCRIPTS = Path(sysconfig.get_path("scripts"))
KUBECTL_TIMEOUT_S = 60
OPERATOR_STOP_S = 20


class DemoFailedError(Exception):
    """A step of the demo did not end as it must; the message says which and how."""


@dataclass(frozen=True, slots=True)
class Kubectl:
    """kubectl against one kubeconfig."""

    kubeconfig: Path

    def __call__(self, *arguments: str) -> str:
        """Run kubectl with `arguments` and return what it printed.

        Raises:
            DemoFailedError: it failed or did not end.
        """
        # Its cache, too, goes where the demo's other files are, not into the home of who runs it.
        flags = [f"--kubeconfig={self.kubeconfig}", f"--cache-dir={self.kubeconfig.parent / 'kubectl-cache'}"]
        command = [str(SCRIPTS / "kubectl"), *flags, *arguments]
        try:
            done = subprocess.run(command, capture_output=True, text=True, timeout=KUBECTL_TIMEOUT_S, check=False)
        except subprocess.TimeoutExpired:
            raise DemoFailedError(f"kubectl {' '.join(arguments)} did not end in {KUBECTL_TIMEOUT_S} s") from None
        if done.returncode:
            raise DemoFailedError(f"kubectl {' '.join(arguments)} failed: {done.stderr.strip()}")
        return done.stdout


@dataclass(frozen=True, slots=True)
class Operator:
    """The operator's process and where it can be looked at."""

    process: subprocess.Popen[bytes]
    metrics_address: str
    health_address: str
    log: Path

    def check_alive(self) -> None:
        """Raise DemoFailedError with the end of the operator's log when it has ended by itself."""
        if self.process.poll() is not None:
            raise DemoFailedError(f"the operator ended by itself, code {self.process.returncode}:\n{self.log_tail()}")

    def log_tail(self) -> str:
        """The last lines of the operator's log."""
        return "\n".join(self.log.read_text().splitlines()[-15:])

    def stop(self) -> int:
        """Ask the operator to stop and return its exit code; kill it when it does not."""
        self.process.send_signal(signal.SIGTERM)
        try:
            return self.process.wait(OPERATOR_STOP_S)
        except subprocess.TimeoutExpired:
            self.process.kill()
            return self.process.wait()


@contextlib.contextmanager
def operator(kubeconfig: Path, log: Path, *, flags: Sequence[str] = ("--poll-interval=5s",)) -> Iterator[Operator]:
    """Run the operator on `kubeconfig` with `flags`, its log going to the file `log`; ends with the block."""
    metrics, health = (f"127.0.0.1:{port}" for port in _free_ports(2))
    command = [
        str(SCRIPTS / "dittofs-operator"),
        "run",
        f"--kubeconfig={kubeconfig}",
        f"--metrics-address={metrics}",
        f"--health-address={health}",
        *flags,
    ]
    with log.open("wb") as output:
        # A session of its own, so that Ctrl-C reaches the demo alone, which then stops things in order.
        process = subprocess.Popen(command, stdout=output, stderr=output, start_new_session=True)
    running = Operator(process, metrics, health, log)
    try:
        yield running
    finally:
        if process.poll() is None:
            running.stop()


def _free_ports(count: int) -> list[int]:
    with contextlib.ExitStack() as stack:
        sockets = [stack.enter_context(socket.create_server(("127.0.0.1", 0))) for _ in range(count)]
        return [int(one.getsockname()[1]) for one in sockets]
