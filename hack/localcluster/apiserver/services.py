"""Addresses and ports that the API server hands to Services when they are written."""

from __future__ import annotations

import ipaddress
import itertools
from collections.abc import Callable
from typing import Any

Object = dict[str, Any]
AddressAllocator = Callable[[], str]

_NODE_PORTS = range(30000, 32768)


def sequential_addresses(network: str = "10.96.0.0/16") -> AddressAllocator:
    """Addresses of `network` one after another: for a cluster in which nobody connects to them."""
    hosts = itertools.islice(ipaddress.ip_network(network).hosts(), 9, None)
    return lambda: str(next(hosts))


class Services:
    """Allocates cluster addresses with `allocator`, and node ports in order."""

    def __init__(self, allocator: AddressAllocator) -> None:
        self._allocator = allocator
        self._node_ports = itertools.cycle(_NODE_PORTS)

    def allocate(self, service: Object, live: Object | None) -> None:
        """Complete the spec of `service`: a Service keeps what it has, and gets what its type needs."""
        spec = service.setdefault("spec", {})
        before: Object = (live or {}).get("spec", {})
        service.setdefault("status", {}).setdefault("loadBalancer", {})
        if spec.get("type") == "ExternalName":
            return
        if not spec.get("clusterIP"):
            spec["clusterIP"] = before.get("clusterIP") or self._allocator()
        spec["clusterIPs"] = [spec["clusterIP"]]
        # nobody knows the families of what a headless Service without a selector stands for
        is_any = spec["clusterIP"] == "None" and not spec.get("selector")
        spec.setdefault("ipFamilies", ["IPv4", "IPv6"] if is_any else ["IPv4"])
        spec.setdefault("ipFamilyPolicy", "RequireDualStack" if is_any else "SingleStack")
        if spec.get("type") in ("NodePort", "LoadBalancer"):
            self._assign_node_ports(spec, before)
        elif before.get("type") in ("NodePort", "LoadBalancer"):
            self._drop_node_ports(spec, before)

    def _assign_node_ports(self, spec: Object, before: Object) -> None:
        if spec.get("type") == "LoadBalancer" and spec.get("allocateLoadBalancerNodePorts") is False:
            return
        held = {_identity(port): port["nodePort"] for port in before.get("ports") or () if port.get("nodePort")}
        for port in spec.get("ports") or ():
            if not port.get("nodePort"):
                port["nodePort"] = held.get(_identity(port)) or next(self._node_ports)

    def _drop_node_ports(self, spec: Object, before: Object) -> None:
        held = {port.get("nodePort") for port in before.get("ports") or ()}
        for port in spec.get("ports") or ():
            if port.get("nodePort") in held:
                port.pop("nodePort")
        for field in ("externalTrafficPolicy", "allocateLoadBalancerNodePorts"):
            if spec.get(field) == before.get(field):
                spec.pop(field, None)


def _identity(port: Object) -> tuple[Any, Any]:
    return (port.get("port"), port.get("protocol"))
