"""The Services: one for each enabled part, and the headless one that gives the pod its name."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from informers.resource import Manifest
from reconcilers import names
from reconcilers.api.adapters import Service, ServiceType
from reconcilers.api.dittofs import DittoFS
from reconcilers.api.resources import SERVICE
from reconcilers.builders.metadata import child
from reconcilers.names import PortName


@dataclass(frozen=True, slots=True)
class Part:
    """One way into the server."""

    port_name: PortName
    service_name: str
    port: int
    service: Service
    container_port: int
    enabled: bool = True


def adapter_parts(instance: DittoFS) -> tuple[Part, ...]:
    """The ways in for clients, of which the status tells the addresses."""
    name, adapters = instance.metadata.name, instance.spec.adapters
    nfs, smb, api = adapters.nfs, adapters.smb, adapters.api
    return (
        Part(PortName.NFS, names.nfs_service(name), nfs.port, nfs.service, names.NFS_CONTAINER_PORT, nfs.enabled),
        Part(PortName.SMB, names.smb_service(name), smb.port, smb.service, names.SMB_CONTAINER_PORT, smb.enabled),
        Part(PortName.API, names.api_service(name), api.port, api.service, names.API_CONTAINER_PORT),
    )


def parts(instance: DittoFS) -> tuple[Part, ...]:
    """Every way into the server of `instance`, the disabled ones too."""
    metrics, service = instance.spec.metrics, names.metrics_service(instance.metadata.name)
    return (
        *adapter_parts(instance),
        Part(PortName.METRICS, service, metrics.port, Service(), names.METRICS_CONTAINER_PORT, metrics.enabled),
    )


def services(instance: DittoFS, *, closed: bool = False) -> list[Manifest]:
    """The headless Service, and one for each enabled part; a disabled part has none.

    `closed`: those that file clients come by lead nowhere; their addresses stay.
    """
    found = [_headless(instance), *(_service(instance, part) for part in parts(instance) if part.enabled)]
    if closed:
        name = instance.metadata.name
        for service in found:
            if service["metadata"]["name"] not in (names.api_service(name), names.metrics_service(name)):
                service["spec"]["selector"][names.CLOSED_LABEL] = names.CACHE_LOST
    return found


def _headless(instance: DittoFS) -> Manifest:
    # It publishes the container's ports: their names and numbers never clash, whatever the specification says (C6).
    manifest = child(instance, SERVICE, names.headless_service(instance.metadata.name))
    manifest["spec"] = {
        "clusterIP": "None",
        "selector": names.selector_labels(instance.metadata.name),
        "ports": [_port(part, part.container_port) for part in adapter_parts(instance) if part.enabled],
    }
    return manifest


def _service(instance: DittoFS, part: Part) -> Manifest:
    wanted = part.service
    manifest = child(instance, SERVICE, part.service_name, annotations=wanted.annotations)
    port = _port(part, part.port)
    spec: Manifest = {
        "type": wanted.type.value,
        "selector": names.selector_labels(instance.metadata.name),
        "ports": [port],
    }
    if wanted.type is not ServiceType.CLUSTER_IP:
        if wanted.node_port is not None:
            port["nodePort"] = wanted.node_port
        if wanted.external_traffic_policy is not None:
            spec["externalTrafficPolicy"] = wanted.external_traffic_policy.value
    if wanted.type is ServiceType.LOAD_BALANCER:
        if wanted.load_balancer_class is not None:
            spec["loadBalancerClass"] = wanted.load_balancer_class
        if wanted.load_balancer_source_ranges:
            spec["loadBalancerSourceRanges"] = list(wanted.load_balancer_source_ranges)
    manifest["spec"] = spec
    return manifest


def _port(part: Part, port: int) -> dict[str, Any]:
    return {"name": part.port_name.value, "port": port, "protocol": "TCP", "targetPort": part.port_name.value}
