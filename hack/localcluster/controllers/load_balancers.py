"""Services of type LoadBalancer get an address of this run."""

from __future__ import annotations

from hack.localcluster.controllers.surroundings import Surroundings
from hack.localcluster.pod_network import AddressPool
from informers.resource import ObjectKey
from informers.result import Done, Result
from reconcilers.api.resources import SERVICE


class LoadBalancerReconciler:
    """One pass for a Service. One that asks for a class of load balancer is another controller's, as in real clusters.

    The addresses that were given are remembered here: they go back to the pool with their Service.
    """

    def __init__(self, around: Surroundings, *, pool: AddressPool) -> None:
        self._around = around
        self._pool = pool
        self._services = around.informer(SERVICE)
        self._given: dict[ObjectKey, str] = {}

    def reconcile(self, key: ObjectKey) -> Result:
        """Give the Service its address, or take it back."""
        service = self._services.store.get(key)
        spec = service["spec"] if service is not None else {}
        wanted = spec.get("type") == "LoadBalancer" and not spec.get("loadBalancerClass")
        if wanted and service is not None and not service["metadata"].get("deletionTimestamp"):
            if key not in self._given:
                self._given[key] = self._pool.take()
            ingress = [{"ip": self._given[key], "ipMode": "VIP"}]
            self._around.write_status(SERVICE, service, {"loadBalancer": {"ingress": ingress}})
            return Done()
        if key in self._given:
            if service is not None:
                self._around.client.merge_patch(
                    SERVICE,
                    key,
                    {"status": {"loadBalancer": {"ingress": None}}},
                    field_manager="kube-controller-manager",
                    subresource="status",
                )
            self._pool.release(self._given.pop(key))
        return Done()
