"""The local cluster: API server, simulated controllers, kubelet and network, in this process, below one folder."""

from __future__ import annotations

import contextlib
import logging
import secrets
import shutil
from collections.abc import Callable
from pathlib import Path
from random import Random
from typing import Any, Self

import structlog
import yaml
from prometheus_client import CollectorRegistry

from hack.localcluster.apiserver.server import ApiServer
from hack.localcluster.controllers.manager import SimulatedControllers
from hack.localcluster.kubelet.api import KubeletClient
from hack.localcluster.kubelet.container import Pace
from hack.localcluster.kubelet.kubelet import NODE_NAME, Kubelet
from hack.localcluster.kubelet.processes import Launcher, ServerKind
from hack.localcluster.kubelet.worker import Recorder
from hack.localcluster.network import ServiceNetwork
from hack.localcluster.pod_network import AddressPool, PodNetwork, random_networks
from hack.localcluster.resources import POD, SERVICE, STORAGE_CLASS
from informers.clock import SystemClock
from informers.configuration import load
from informers.events import EventRecorder
from informers.metrics import Metrics
from informers.resource import Manifest, View

#: The folders below the cluster's own that are its to remove.
_OWN_FOLDERS = ("volumes", "pods", "logs")
_STOP_TIMEOUT_S = 2.0

_DEFAULT_STORAGE_CLASS: Manifest = {
    "apiVersion": STORAGE_CLASS.api_version,
    "kind": STORAGE_CLASS.kind,
    "metadata": {"name": "local", "annotations": {"storageclass.kubernetes.io/is-default-class": "true"}},
    "provisioner": "local-cluster.invalid/folder",
    "allowVolumeExpansion": True,
}


class LocalCluster:
    """A cluster of one node. Started once, stopped once; nothing of it is left after `stop`.

    `directory` gets the kubeconfig, and in `data_dir` the claims' folders (`volumes/`), the pods' and their logs.
    Without `dfs_binary` (or where namespaces can't be made) a double stands for the DittoFS server: `server_kind`
    says which. With `simulate=False` there is only the API server.
    """

    def __init__(
        self,
        directory: Path,
        *,
        dfs_binary: Path | None = None,
        simulate: bool = True,
        watch_window: int = 1000,
        bookmark_interval_s: float = 5.0,
        pace: Pace | None = None,
        seed: int | None = None,
    ) -> None:
        self.directory = directory
        self.data_dir = directory / "data"
        self.token = secrets.token_urlsafe(24)
        self.kubeconfig = directory / "kubeconfig"
        self._random = Random(seed)
        service_network, pod_network = random_networks(self._random)
        self._service_addresses = AddressPool(service_network)
        self._pod_network = PodNetwork(AddressPool(pod_network))
        self._launcher = Launcher(dfs_binary)
        self._watch_window = watch_window
        self._bookmark_interval_s = bookmark_interval_s
        self._url = ""
        self._pace = pace or Pace()
        self._simulate = simulate
        self._undo: list[Callable[[], object]] = []

    @property
    def url(self) -> str:
        """The API server's address; empty before the start."""
        return self._url

    @property
    def server_kind(self) -> ServerKind:
        """Whether pods get the real DittoFS server or the double, and why."""
        return self._launcher.server_kind

    def start(self) -> None:
        """Start everything; the cluster works when this returns. Raises when something can't start, with none left."""
        try:
            self._start()
        except BaseException:
            self.stop()
            raise

    def stop(self) -> None:
        """Kill the pods, stop the threads, remove the folders and the kubeconfig. May be called again."""
        while self._undo:
            self._undo.pop()()

    def leftovers(self) -> list[str]:
        """What is left of a stopped cluster, in words: processes, folders; empty as it should be."""
        folder = str(self.data_dir)
        left = [str(path) for path in (self.data_dir, self.kubeconfig) if path.exists()]
        for process in Path("/proc").glob("[0-9]*"):
            with contextlib.suppress(OSError):
                if folder.encode() in (process / "cmdline").read_bytes():
                    left.append(f"process {process.name}")
        return left

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def _start(self) -> None:
        api = ApiServer(
            token=self.token,
            watch_window=self._watch_window,
            bookmark_interval_s=self._bookmark_interval_s,
            service_address_allocator=self._service_addresses.take,
        )
        self._undo.append(api.stop)
        api.start()
        self._url = api.url
        self._write_kubeconfig(api.kubeconfig)
        self._undo.append(lambda: self.kubeconfig.unlink(missing_ok=True))
        if self._simulate:
            self._start_simulation()

    def _start_simulation(self) -> None:
        for name in _OWN_FOLDERS:
            (self.data_dir / name).mkdir(parents=True, exist_ok=True)
        self._undo.append(self._remove_folders)
        clock, random, logger = SystemClock(), self._random, self._open_log()
        client = KubeletClient(load(str(self.kubeconfig)).configuration, user_agent="local-cluster")
        self._undo.append(client.close)
        client.create(STORAGE_CLASS, _DEFAULT_STORAGE_CLASS, field_manager="local-cluster")
        metrics = Metrics(CollectorRegistry())

        def recorder(component: str) -> EventRecorder:
            events = EventRecorder(
                client, component=component, instance=NODE_NAME, clock=clock, logger=logger, metrics=metrics
            )
            events.start()
            self._undo.append(lambda: events.stop(_STOP_TIMEOUT_S))
            return events

        controllers = SimulatedControllers(
            client,
            data_dir=self.data_dir,
            service_addresses=self._service_addresses,
            clock=clock,
            random=random,
            metrics=metrics,
            logger=logger,
            events=recorder("simulated-controllers"),
        )
        pods, services = controllers.informer(POD), controllers.informer(SERVICE)
        of_kubelet, of_network = recorder("kubelet"), recorder("service-network")
        kubelet = Kubelet(
            client=client,
            pods=pods,
            launcher=self._launcher,
            network=self._pod_network,
            data_dir=self.data_dir,
            clock=clock,
            random=random,
            logger=logger,
            record=_record(of_kubelet),
            pace=self._pace,
        )
        network = ServiceNetwork(
            services=services,
            pods=pods,
            pod_network=self._pod_network,
            addresses=self._service_addresses,
            random=random,
            logger=logger,
            complain=lambda service, why: of_network.warning(service, "PortUnavailable", why, action="Listen"),
        )
        for part in (controllers, network, kubelet):
            self._undo.append(part.stop)
            part.start()

    def _open_log(self) -> Any:
        """A logger of the cluster's own: its words must not mix with those of what runs against it."""
        file = (self.data_dir / "logs" / "cluster.log").open("a")
        self._undo.append(file.close)
        return structlog.wrap_logger(
            structlog.WriteLogger(file),
            wrapper_class=structlog.make_filtering_bound_logger(logging.INFO),
            processors=[
                structlog.contextvars.merge_contextvars,
                structlog.processors.add_log_level,
                structlog.processors.TimeStamper(fmt="iso"),
                structlog.processors.format_exc_info,
                structlog.processors.JSONRenderer(),
            ],
        )

    def _write_kubeconfig(self, content: dict[str, Any]) -> None:
        self.directory.mkdir(parents=True, exist_ok=True)
        self.kubeconfig.unlink(missing_ok=True)
        self.kubeconfig.touch(mode=0o600)
        self.kubeconfig.write_text(yaml.safe_dump(content, sort_keys=False))

    def _remove_folders(self) -> None:
        for name in _OWN_FOLDERS:
            shutil.rmtree(self.data_dir / name, ignore_errors=True)
        with contextlib.suppress(OSError):
            self.data_dir.rmdir()


def _record(events: EventRecorder) -> Recorder:
    def record(pod: View, kind: str, reason: str, note: str) -> None:
        tell = events.warning if kind == "Warning" else events.normal
        tell(pod, reason, note, action="Run")

    return record
