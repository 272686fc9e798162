"""The ServiceMonitor, by which prometheus-operator makes Prometheus scrape the server."""

from __future__ import annotations

from typing import Any

from informers.resource import Manifest
from reconcilers import names
from reconcilers.api.dittofs import DittoFS
from reconcilers.api.resources import SERVICE_MONITOR
from reconcilers.builders.metadata import child
from reconcilers.names import PortName


def is_monitored(instance: DittoFS) -> bool:
    """Whether `instance` is to have a ServiceMonitor."""
    return instance.spec.metrics.enabled and instance.spec.metrics.service_monitor.enabled


def service_monitor(instance: DittoFS) -> Manifest:
    """The ServiceMonitor of `instance`; of its Services only the one of the metrics has a port of that name."""
    name, metrics = instance.metadata.name, instance.spec.metrics
    manifest = child(instance, SERVICE_MONITOR, names.service_monitor(name))
    manifest["metadata"]["labels"] = {**metrics.service_monitor.labels, **manifest["metadata"]["labels"]}
    endpoint: dict[str, Any] = {
        "port": PortName.METRICS.value,
        "path": metrics.path,
        "interval": metrics.service_monitor.interval,
    }
    token = metrics.token_secret_ref
    if token is not None:
        endpoint["authorization"] = {"type": "Bearer", "credentials": {"name": token.name, "key": token.key}}
    manifest["spec"] = {"selector": {"matchLabels": names.selector_labels(name)}, "endpoints": [endpoint]}
    return manifest
