"""The one node of a control plane: what a scheduler, a kubelet, a provisioner and a load balancer do, simulated."""

from __future__ import annotations

import ipaddress
from pathlib import Path
from random import Random
from typing import Any

from hack.apparatus import Apparatus
from hack.controlplane.provisioner import ClaimReconciler, VolumeReconciler, claim_of_volume
from hack.controlplane.resources import NODE, PERSISTENT_VOLUME
from hack.controlplane.scheduler import PodReconciler
from hack.localcluster.controllers.load_balancers import LoadBalancerReconciler
from hack.localcluster.controllers.manager import ControllerSet
from hack.localcluster.kubelet.api import KubeletClient
from hack.localcluster.kubelet.container import Pace
from hack.localcluster.kubelet.kubelet import NODE_NAME
from hack.localcluster.kubelet.processes import Launcher, ServerKind
from hack.localcluster.pod_network import AddressPool, PodNetwork
from hack.localcluster.simulation import Simulation
from informers.client import Client
from informers.clock import Clock
from informers.configuration import load
from informers.events import EventRecorder
from informers.mapper import own_key
from informers.metrics import Metrics
from informers.resource import Manifest, ObjectKey
from reconcilers.api.resources import PERSISTENT_VOLUME_CLAIM, POD, SERVICE

FIELD_MANAGER = "kubelet"
#: Never seen outside of the pods: endpoints refuse loopback addresses, which the local cluster has.
_POD_NETWORK = ipaddress.IPv4Network("10.244.0.0/24")


class SimulatedNode(Apparatus):
    """A node for the API server of `kubeconfig`, whose user must be an administrator. Started once, stopped once.

    `data_dir` gets the claims' folders, the pods' and their logs; `load_balancer_network` must be of loopback
    addresses, and so must the API server's ClusterIPs.
    """

    def __init__(
        self,
        kubeconfig: Path,
        *,
        data_dir: Path,
        load_balancer_network: ipaddress.IPv4Network,
        dfs_binary: Path | None = None,
        pace: Pace | None = None,
    ) -> None:
        super().__init__()
        self._kubeconfig = kubeconfig
        self._launcher = Launcher(dfs_binary)
        self._simulation = Simulation(
            kubeconfig,
            controllers=NodeControllers,
            data_dir=data_dir,
            launcher=self._launcher,
            pace=pace or Pace(),
            service_addresses=AddressPool(load_balancer_network),
            pod_network=PodNetwork(AddressPool(_POD_NETWORK)),
            random=Random(),
            binds_pods=True,
        )

    @property
    def server_kind(self) -> ServerKind:
        """Whether pods get the real DittoFS server or the double, and why."""
        return self._launcher.server_kind

    def _start(self) -> None:
        client = Client(load(str(self._kubeconfig)).configuration, user_agent=FIELD_MANAGER)
        self._undo.append(client.close)
        client.create(NODE, _node(), field_manager=FIELD_MANAGER)
        self._undo.append(lambda: client.delete(NODE, ObjectKey("", NODE_NAME)))
        client.merge_patch(NODE, ObjectKey("", NODE_NAME), _READY, field_manager=FIELD_MANAGER, subresource="status")
        self._undo.append(self._simulation.stop)
        self._simulation.start()


class NodeControllers(ControllerSet):
    """What a controller manager doesn't do."""

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
        assert isinstance(client, KubeletClient)
        around, add = self.around, self.add
        scheduler = PodReconciler(around, client, node=NODE_NAME)
        add("scheduler", scheduler, ((POD, own_key), (PERSISTENT_VOLUME_CLAIM, scheduler.pods_of_claim)))
        add(
            "provisioner",
            ClaimReconciler(around, folder=data_dir / "volumes"),
            ((PERSISTENT_VOLUME_CLAIM, own_key), (PERSISTENT_VOLUME, claim_of_volume)),
        )
        add("volume", VolumeReconciler(around), ((PERSISTENT_VOLUME, own_key),))
        add("loadbalancer", LoadBalancerReconciler(around, pool=service_addresses), ((SERVICE, own_key),))


def _node() -> Manifest:
    return {
        "apiVersion": NODE.api_version,
        "kind": NODE.kind,
        "metadata": {"name": NODE_NAME, "labels": {"kubernetes.io/hostname": NODE_NAME, "kubernetes.io/os": "linux"}},
    }


_READY: dict[str, Any] = {
    "status": {
        "conditions": [
            {
                "type": "Ready",
                "status": "True",
                "reason": "KubeletReady",
                "message": "simulated",
                "lastTransitionTime": "2000-01-01T00:00:00Z",
                "lastHeartbeatTime": "2000-01-01T00:00:00Z",
            }
        ],
        "addresses": [{"type": "InternalIP", "address": "127.0.0.1"}, {"type": "Hostname", "address": NODE_NAME}],
        "allocatable": {"cpu": "64", "memory": "64Gi", "pods": "250"},
        "capacity": {"cpu": "64", "memory": "64Gi", "pods": "250"},
    }
}
