"""What a machine adds to an API server, through the API alone: kubelet, Service network, and some controllers."""

from __future__ import annotations

import contextlib
import logging
import shutil
from pathlib import Path
from random import Random
from typing import Any, Protocol

import structlog
from prometheus_client import CollectorRegistry

from hack.apparatus import Apparatus
from hack.localcluster.controllers.manager import ControllerSet
from hack.localcluster.kubelet.api import KubeletClient
from hack.localcluster.kubelet.container import Pace
from hack.localcluster.kubelet.kubelet import NODE_NAME, Kubelet
from hack.localcluster.kubelet.processes import Launcher
from hack.localcluster.kubelet.worker import Recorder
from hack.localcluster.network import ServiceNetwork
from hack.localcluster.pod_network import AddressPool, PodNetwork
from hack.localcluster.resources import STORAGE_CLASS
from hack.localcluster.storage import DEFAULT_STORAGE_CLASS
from informers.client import Client
from informers.clock import Clock, SystemClock
from informers.configuration import load
from informers.events import EventRecorder
from informers.metrics import Metrics
from informers.resource import View
from reconcilers.api.resources import POD, SERVICE

#: The folders below the data directory that are the simulation's to remove.
_OWN_FOLDERS = ("volumes", "pods", "logs")
_STOP_TIMEOUT_S = 2.0


class MakeControllers(Protocol):
    """Makes the controllers that stand for what the cluster doesn't have."""

    def __call__(
        self,
        client: Client,
        *,
        data_dir: Path,
        service_addresses: AddressPool,
        clock: Clock,
        random: Random,
        metrics: Metrics,
        logger: Any,
        events: EventRecorder,
    ) -> ControllerSet:
        """All of them, not started."""


class Simulation(Apparatus):
    """One node for the API server of `kubeconfig`. Started once, stopped once; nothing of it runs after `stop`.

    `data_dir` gets the claims' folders (`volumes/`), the pods' and their logs. Services listen on their ClusterIPs,
    and on addresses of `service_addresses` as load balancers; all of them must be loopback addresses.
    """

    def __init__(
        self,
        kubeconfig: Path,
        *,
        controllers: MakeControllers,
        data_dir: Path,
        launcher: Launcher,
        pace: Pace,
        service_addresses: AddressPool,
        pod_network: PodNetwork,
        random: Random,
        binds_pods: bool = False,
    ) -> None:
        """With `binds_pods` the controllers have a scheduler, and a pod runs once it is bound."""
        super().__init__()
        self._kubeconfig = kubeconfig
        self._make_controllers = controllers
        self._data_dir = data_dir
        self._launcher = launcher
        self._pace = pace
        self._service_addresses = service_addresses
        self._pod_network = pod_network
        self._random = random
        self._binds_pods = binds_pods

    def _start(self) -> None:
        for name in _OWN_FOLDERS:
            (self._data_dir / name).mkdir(parents=True, exist_ok=True)
        self._undo.append(self._remove_folders)
        clock, random, logger = SystemClock(), self._random, self._open_log()
        client = KubeletClient(load(str(self._kubeconfig)).configuration, user_agent="local-cluster")
        self._undo.append(client.close)
        client.create(STORAGE_CLASS, DEFAULT_STORAGE_CLASS, field_manager="local-cluster")
        metrics = Metrics(CollectorRegistry())

        def recorder(component: str) -> EventRecorder:
            events = EventRecorder(
                client, component=component, instance=NODE_NAME, clock=clock, logger=logger, metrics=metrics
            )
            events.start()
            self._undo.append(lambda: events.stop(_STOP_TIMEOUT_S))
            return events

        controllers = self._make_controllers(
            client,
            data_dir=self._data_dir,
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
            data_dir=self._data_dir,
            clock=clock,
            random=random,
            logger=logger,
            record=_record(of_kubelet),
            pace=self._pace,
            bound_only=self._binds_pods,
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
        file = (self._data_dir / "logs" / "cluster.log").open("a")
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

    def _remove_folders(self) -> None:
        for name in _OWN_FOLDERS:
            shutil.rmtree(self._data_dir / name, ignore_errors=True)
        with contextlib.suppress(OSError):
            self._data_dir.rmdir()


def _record(events: EventRecorder) -> Recorder:
    def record(pod: View, kind: str, reason: str, note: str) -> None:
        tell = events.warning if kind == "Warning" else events.normal
        tell(pod, reason, note, action="Run")

    return record
