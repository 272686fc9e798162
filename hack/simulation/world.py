"""One run: an API server with a cluster, operators, a user, and what goes wrong, all drawn from one seed."""

from __future__ import annotations

import contextlib
import gc
import logging
import shutil
import tempfile
from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from random import Random
from typing import Any

import structlog
import yaml

from hack.localcluster.resources import CUSTOM_RESOURCE_DEFINITION, STORAGE_CLASS
from hack.localcluster.resources import NAMESPACE as NAMESPACES
from hack.localcluster.storage import DEFAULT_STORAGE_CLASS
from hack.simulation.cluster import Cluster
from hack.simulation.http import HttpRequest
from hack.simulation.invariants import ONE_PASS, changes_something, check_pace, check_writer
from hack.simulation.network import Network, Server
from hack.simulation.operator import NAMESPACE as OPERATOR_NAMESPACE
from hack.simulation.operator import OperatorProcess, Parts
from hack.simulation.scheduler import Process, Scheduler
from hack.simulation.servers import API_HOST, ApiEndpoint, DirectClient
from hack.simulation.trace import Trace, TraceLogger
from hack.simulation.virtual import Virtual, installed
from informers.resource import Manifest

USER_NAMESPACE = "storage"
_CRDS = Path(__file__).parents[2] / "manifests" / "crds"


@dataclass(frozen=True, slots=True)
class Violation:
    """An invariant that does not hold."""

    invariant: str
    text: str

    def __str__(self) -> str:
        return f"{self.invariant}: {self.text}"


class World:
    """Everything of one run, in the order in which it is built."""

    def __init__(self, seed: str, directory: Path, disturbance: Any, parts: Parts) -> None:
        self.random = Random(f"{seed}/world")
        self.scheduler = Scheduler(Random(f"{seed}/schedule"))
        self.trace = Trace(self.scheduler)
        self.parts = parts
        self.disturbance = disturbance
        self.network = Network(self.scheduler, find=self._find, disturbance=disturbance, trace=self.trace.add)
        self.virtual = Virtual(self.scheduler, self.network, Random(f"{seed}/entropy"))
        self.operators: list[OperatorProcess] = []
        self.violations: list[Violation] = []
        #: What the operators wrote, leases aside.
        self.writes: list[str] = []
        #: When each process sent its last requests.
        self.pace: dict[Process, deque[float]] = {}
        self._directory = directory

    def build(self) -> None:
        """Make the API server and the cluster; only with the virtual machine installed."""
        self.api = ApiEndpoint(self._wrote)
        self.client = DirectClient(self.api)
        self.cluster = Cluster(
            self.scheduler,
            self.client,
            directory=self._directory,
            random=Random(self.random.random()),
            logger=TraceLogger(self.trace, self.scheduler),
            trace=self.trace.add,
            break_connections=self.network.break_all,
        )
        for name in (OPERATOR_NAMESPACE, USER_NAMESPACE):
            manifest = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}}
            self.client.create(NAMESPACES, manifest, field_manager="user")
        self.client.create(STORAGE_CLASS, DEFAULT_STORAGE_CLASS, field_manager="user")
        for definition in _definitions():
            self.client.create(CUSTOM_RESOURCE_DEFINITION, definition, field_manager="user")

    def start_operator(self) -> OperatorProcess:
        """One more process of the operator."""
        operator = OperatorProcess(
            f"operator-{len(self.operators) + 1}",
            scheduler=self.scheduler,
            random=self.random,
            trace=self.trace,
            complain=lambda text: self.violate(ONE_PASS, text),
            began=lambda text: check_pace(self, self.scheduler.process, text),
            parts=self.parts,
        )
        self.operators.append(operator)
        process = operator.process
        process.at_death.append(lambda: self.network.break_all(lambda connection: connection.process is process))
        return operator

    def arrived(self, server: Server, request: HttpRequest) -> None:
        """A request is about to be handled."""
        check_writer(self, server, request)
        check_pace(self, request.process, f"{request.method} {request.path}")
        if changes_something(server, request):
            self.writes.append(f"{request.process.name} {request.method} {server.name} {request.path}")

    @property
    def running(self) -> list[OperatorProcess]:
        """The operators that neither ended nor died."""
        return [operator for operator in self.operators if operator.process.alive]

    def violate(self, invariant: str, text: str) -> None:
        """Say that an invariant does not hold."""
        self.trace.add("VIOLATION", f"{invariant}: {text}")
        self.violations.append(Violation(invariant, text))

    def _wrote(self) -> None:
        self.cluster.wake()

    def _find(self, host: str, port: int) -> Server | None:
        found = self.api if host == API_HOST else self.cluster.find(host, port)
        check_pace(self, self.scheduler.process, f"a connection to {host}:{port}")
        return found


@contextlib.contextmanager
def world(seed: str, disturbance: Any, parts: Parts | None = None) -> Iterator[World]:
    """A world that is unwound at the end, with nothing of it left."""
    directory = Path(tempfile.mkdtemp(prefix="simulation-"))
    configuration = structlog.get_config()
    was_enabled = gc.isenabled()
    gc.disable()  # what a collection would close, it would close at a time that no seed decides
    made = World(seed, directory, disturbance, parts or Parts())
    try:
        structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.CRITICAL))
        with installed(made.virtual):
            try:
                made.build()
                yield made
            finally:
                made.scheduler.end()
                made.network.end()
                made.cluster.close()
    finally:
        structlog.configure(**configuration)
        shutil.rmtree(directory, ignore_errors=True)
        if was_enabled:
            gc.enable()


@cache
def _definitions() -> tuple[Manifest, ...]:
    return tuple(yaml.load(path.read_text(), Loader=yaml.CSafeLoader) for path in sorted(_CRDS.iterdir()))
