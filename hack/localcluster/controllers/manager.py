"""Controllers together, on shared informers: a set of them, and the set that stands for a controller manager."""

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
from hack.localcluster.resources import CONTROLLER_REVISION
from informers.client import Client
from informers.clock import Clock
from informers.controller import Controller
from informers.events import EventRecorder
from informers.informer import SharedInformer
from informers.mapper import Mapper, own_key, owner_key
from informers.metrics import Metrics
from informers.passes import Reconciler
from informers.resource import Resource
from reconcilers.api.resources import JOB, PERSISTENT_VOLUME_CLAIM, POD, SERVICE, STATEFUL_SET

_STOP_TIMEOUT_S = 5.0
_WORKERS = 2

Watches = tuple[tuple[Resource, Mapper], ...]


class ControllerSet:
    """Start and stop of some controllers; their informers are there for others to share."""

    def __init__(
        self, client: Client, *, clock: Clock, random: Random, metrics: Metrics, logger: Any, events: EventRecorder
    ) -> None:
        self._informers: dict[Resource, SharedInformer] = {}

        def informer(resource: Resource) -> SharedInformer:
            if resource not in self._informers:
                self._informers[resource] = SharedInformer(client, resource, clock=clock, random=random, logger=logger)
            return self._informers[resource]

        self.informer: Callable[[Resource], SharedInformer] = informer
        self.around = Surroundings(client, informer, clock, random, metrics, logger, events)
        self._controllers: list[Controller] = []

    def add(self, name: str, reconciler: Reconciler, watches: Watches) -> None:
        """Have `reconciler` see to what the watches say; before the start only."""
        around = self.around
        controller = Controller(
            name=name,
            reconciler=reconciler,
            clock=around.clock,
            metrics=around.metrics,
            logger=around.logger,
            workers=_WORKERS,
        )
        for resource, mapper in watches:
            controller.watch(self.informer(resource), mapper)
        self._controllers.append(controller)

    def start(self) -> None:
        """Start everything; returns when the controllers work."""
        for informer in self._informers.values():
            informer.start()
        for controller in self._controllers:
            controller.start()

    def stop(self) -> None:
        """Stop everything; all threads are gone when this returns."""
        for controller in self._controllers:
            controller.stop(_STOP_TIMEOUT_S)
        for informer in self._informers.values():
            informer.stop(_STOP_TIMEOUT_S)


class SimulatedControllers(ControllerSet):
    """What a controller manager, a provisioner of volumes and a load balancer do."""

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
        super().__init__(client, clock=clock, random=random, metrics=metrics, logger=logger, events=events)
        around, add = self.around, self.add
        self._garbage = GarbageCollector(around)
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
        super().start()

    def stop(self) -> None:
        """Stop everything; all threads are gone when this returns."""
        super().stop()
        self._garbage.stop()
