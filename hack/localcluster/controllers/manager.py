"""All simulated controllers together, on shared informers."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from random import Random
from typing import Any

from hack.localcluster.controllers.claims import ClaimReconciler, claims_of_event
from hack.localcluster.controllers.garbage import GarbageCollector
from hack.localcluster.controllers.jobs import JobReconciler
from hack.localcluster.controllers.load_balancers import LoadBalancerReconciler
from hack.localcluster.controllers.stateful_sets import StatefulSetReconciler
from hack.localcluster.controllers.surroundings import Surroundings
from hack.localcluster.pod_network import AddressPool
from hack.localcluster.resources import CONTROLLER_REVISION, JOB, PERSISTENT_VOLUME_CLAIM, POD, SERVICE, STATEFUL_SET
from informers.client import Client
from informers.clock import Clock
from informers.controller import Controller, Reconciler
from informers.events import EventRecorder
from informers.informer import SharedInformer
from informers.mapper import Mapper, own_key, owner_key
from informers.metrics import Metrics
from informers.resource import Resource

_STOP_TIMEOUT_S = 5.0
_WORKERS = 2

Watches = tuple[tuple[Resource, Mapper], ...]


class SimulatedControllers:
    """Start and stop of the simulated controller manager; its informers are there for others to share."""

    def __init__(
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
    ) -> None:
        self._informers: dict[Resource, SharedInformer] = {}

        def informer(resource: Resource) -> SharedInformer:
            if resource not in self._informers:
                self._informers[resource] = SharedInformer(client, resource, clock=clock, random=random, logger=logger)
            return self._informers[resource]

        self.informer: Callable[[Resource], SharedInformer] = informer
        around = Surroundings(client, informer, clock, random, metrics, logger, events)
        self._garbage = GarbageCollector(around)
        self._controllers: list[Controller] = []

        def add(name: str, reconciler: Reconciler, watches: Watches) -> None:
            controller = Controller(
                name=name, reconciler=reconciler, clock=clock, metrics=metrics, logger=logger, workers=_WORKERS
            )
            for resource, mapper in watches:
                controller.watch(informer(resource), mapper)
            self._controllers.append(controller)

        of_set, of_job = owner_key("StatefulSet", "apps"), owner_key("Job", "batch")
        add(
            "statefulset",
            StatefulSetReconciler(around),
            ((STATEFUL_SET, own_key), (POD, of_set), (CONTROLLER_REVISION, of_set)),
        )
        add("job", JobReconciler(around), ((JOB, own_key), (POD, of_job)))
        add(
            "persistentvolumeclaim",
            ClaimReconciler(around, folder=data_dir / "volumes"),
            ((PERSISTENT_VOLUME_CLAIM, own_key), (POD, claims_of_event)),
        )
        add("loadbalancer", LoadBalancerReconciler(around, pool=service_addresses), ((SERVICE, own_key),))

    def start(self) -> None:
        """Start everything; returns when the controllers work."""
        self._garbage.start()
        for informer in self._informers.values():
            informer.start()
        for controller in self._controllers:
            controller.start()

    def stop(self) -> None:
        """Stop everything; all threads are gone when this returns."""
        for controller in self._controllers:
            controller.stop(_STOP_TIMEOUT_S)
        self._garbage.stop()
        for informer in self._informers.values():
            informer.stop(_STOP_TIMEOUT_S)
