"""What a cluster adds to an API server, without threads: StatefulSets, claims, pods with their servers, the garbage.

It is the simulated controllers of the local cluster, given the present state of the API server instead of a cache, and
a kubelet whose containers are doubles of the DittoFS server.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from pathlib import Path
from random import Random
from typing import Any

from prometheus_client import CollectorRegistry

from hack.localcluster.controllers.claims import ClaimReconciler
from hack.localcluster.controllers.stateful_sets import StatefulSetReconciler
from hack.localcluster.controllers.surroundings import Surroundings
from hack.localcluster.resources import CONTROLLER_REVISION
from hack.simulation.kubelet import Kubelet, Present
from hack.simulation.network import Connection, Server
from hack.simulation.operator import Reconciles
from hack.simulation.scheduler import Scheduler
from hack.simulation.servers import DirectClient
from informers.clock import SystemClock
from informers.errors import Conflict, NotFound
from informers.metrics import Metrics
from informers.resource import ObjectKey, Resource
from informers.result import Done
from reconcilers.api.resources import (
    CHILDREN,
    DITTOFS,
    DITTOFS_SHARE,
    PERSISTENT_VOLUME_CLAIM,
    POD,
    SERVICE,
    STATEFUL_SET,
)

#: What the garbage collector looks at.
_COLLECTED = (*CHILDREN, CONTROLLER_REVISION, POD)
_OWNERS = (DITTOFS, DITTOFS_SHARE, STATEFUL_SET)

#: How long the controllers take to notice something.
_STEP_S = (0.01, 0.4)


class _NoEvents:
    def normal(self, *_: Any, **__: Any) -> None:
        """Nobody reads them."""

    warning = normal


class Cluster:
    """See the module. `break_connections` ends those to a server that is gone."""

    def __init__(
        self,
        scheduler: Scheduler,
        client: DirectClient,
        *,
        directory: Path,
        random: Random,
        logger: Any,
        trace: Callable[[str, str], None],
        break_connections: Callable[[Callable[[Connection], bool]], None],
    ) -> None:
        self._scheduler = scheduler
        self._client = client
        self._random = random
        self._stores = {resource: Present(client, resource) for resource in (*_COLLECTED, *_OWNERS)}
        around = Surroundings(
            client,
            self._stores.__getitem__,  # type: ignore[arg-type]
            SystemClock(),
            random,
            Metrics(CollectorRegistry()),
            logger,
            _NoEvents(),  # type: ignore[arg-type]
        )
        self._controllers: dict[Resource, Reconciles] = {
            PERSISTENT_VOLUME_CLAIM: ClaimReconciler(around, folder=directory / "volumes"),
            STATEFUL_SET: StatefulSetReconciler(around),
        }
        self.kubelet = Kubelet(
            scheduler,
            client,
            self._stores,
            directory=directory,
            random=random,
            trace=trace,
            break_connections=break_connections,
        )
        self._due = False

    def wake(self) -> None:
        """Something was written: look at it soon."""
        if not self._due:
            self._due = True
            self._scheduler.at(self._random.uniform(*_STEP_S), self._step)

    def find(self, host: str, port: int) -> Server | None:
        """The server behind the Service at this address."""
        for service in self._stores[SERVICE].list():
            spec = service["spec"]
            if spec.get("clusterIP") == host and any(entry["port"] == port for entry in spec.get("ports") or ()):
                return self.kubelet.behind(service)
        return None

    def close(self) -> None:
        """End all servers."""
        self.kubelet.close()

    def _step(self) -> None:
        self._due = False
        for resource, controller in self._controllers.items():
            keys = {ObjectKey.of(obj): None for obj in self._stores[resource].list()}
            for key in keys:
                result = controller.reconcile(key)
                if not isinstance(result, Done):
                    self._scheduler.at(1.0, self.wake)
        self.kubelet.run_pods()
        self._collect_garbage()

    def _collect_garbage(self) -> None:
        objects = {resource: store.list() for resource, store in self._stores.items()}
        alive = {obj["metadata"]["uid"] for resource in _OWNERS for obj in objects[resource]}
        for resource in _COLLECTED:
            for obj in objects[resource]:
                owners = obj["metadata"].get("ownerReferences") or ()
                if owners and not any(owner["uid"] in alive for owner in owners):
                    with contextlib.suppress(NotFound, Conflict):
                        self._client.delete(resource, ObjectKey.of(obj), uid=obj["metadata"]["uid"])
