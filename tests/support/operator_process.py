"""The operator as its own process, through its real command line."""

from __future__ import annotations

import contextlib
import json
import socket
import subprocess
import sysconfig
import urllib.error
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from hack.controlplane.resources import ROLE, ROLE_BINDING
from informers.client import Client
from tests.support.acceptance import USER, Metrics
from tests.support.eventually import eventually
from tests.support.installation import MANIFESTS
from tests.support.place import Place, PlaceName

PROGRAM = Path(sysconfig.get_path("scripts")) / "dittofs-operator"
START_S = 40.0
STOP_S = 20.0


@dataclass(frozen=True)
class OperatorProcess:
    """A running operator, and where it can be looked at."""

    process: subprocess.Popen[bytes]
    metrics_address: str
    health_address: str
    log: Path

    def signal(self, number: int) -> None:
        self.process.send_signal(number)

    def wait(self, timeout_s: float = STOP_S) -> int:
        return self.process.wait(timeout_s)

    def metrics(self) -> Metrics:
        """One look at /metrics; AssertionError when the process does not answer."""
        try:
            return Metrics.read(self.metrics_address)
        except (urllib.error.URLError, ConnectionError) as error:
            raise AssertionError(f"no metrics: {error}; log: {self.log_tail()}") from error

    def health(self, path: str) -> tuple[int, str]:
        """Status and text of a health endpoint; 0 while nothing listens."""
        try:
            with urllib.request.urlopen(f"http://{self.health_address}{path}", timeout=10) as answer:
                return answer.status, answer.read().decode()
        except urllib.error.HTTPError as error:
            with error:
                return error.code, error.read().decode()
        except (urllib.error.URLError, ConnectionError) as error:
            return 0, str(error)

    def leads(self) -> bool:
        return self.metrics().total("leader_election_master_status") == 1

    def until_ready(self) -> None:
        def ready() -> bool:
            assert self.process.poll() is None, self.log_tail()
            return self.health("/readyz")[0] == 200

        eventually(ready, START_S, what="a ready operator")

    def until_leading(self, timeout_s: float = START_S) -> None:
        eventually(self.leads, timeout_s, what="an operator that leads")

    def log_lines(self) -> list[dict[str, Any]]:
        return [json.loads(line) for line in self.log.read_text().splitlines()]

    def log_tail(self) -> str:
        return self.log.read_text()[-2000:]


def may_lead_in(namespace: str, place: Place, client: Client) -> None:
    """Let the operator's identity have its Lease in `namespace`, as its Role lets it in the operator's own."""
    if place.name is PlaceName.LOCAL:
        return  # everybody may do everything there
    for file, resource in (("leader-role", ROLE), ("leader-binding", ROLE_BINDING)):
        manifest = yaml.safe_load((MANIFESTS / "rbac" / f"{file}.yaml").read_text())
        manifest["metadata"]["namespace"] = namespace
        client.create(resource, manifest, field_manager=USER)


@contextlib.contextmanager
def operator_process(
    kubeconfig: Path, log: Path, *, lease_namespace: str, poll_interval: str = "1s", flags: tuple[str, ...] = ()
) -> Iterator[OperatorProcess]:
    """Run the operator, with a Lease in `lease_namespace`; killed at the end if it still runs."""
    metrics, health = (f"127.0.0.1:{port}" for port in _free_ports(2))
    command = [
        str(PROGRAM),
        "run",
        f"--kubeconfig={kubeconfig}",
        f"--namespace={lease_namespace}",
        f"--poll-interval={poll_interval}",
        f"--metrics-address={metrics}",
        f"--health-address={health}",
        *flags,
    ]
    with log.open("wb") as output:
        process = subprocess.Popen(command, stdout=output, stderr=output)
    try:
        yield OperatorProcess(process, metrics, health, log)
    finally:
        if process.poll() is None:
            process.kill()
        process.wait()


def _free_ports(count: int) -> list[int]:
    with contextlib.ExitStack() as stack:
        sockets = [stack.enter_context(socket.create_server(("127.0.0.1", 0))) for _ in range(count)]
        return [int(one.getsockname()[1]) for one in sockets]
