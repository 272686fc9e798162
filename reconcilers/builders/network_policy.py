"""The NetworkPolicy: the pod admits connections to the ports that its Services publish, and no others."""

from __future__ import annotations

from informers.resource import Manifest
from reconcilers import names
from reconcilers.api.dittofs import DittoFS
from reconcilers.api.resources import NETWORK_POLICY
from reconcilers.builders.metadata import child
from reconcilers.builders.services import parts

#: The label that every namespace has, with its name.
NAMESPACE_NAME_LABEL = "kubernetes.io/metadata.name"


def network_policy(instance: DittoFS, *, operator_namespace: str) -> Manifest:
    """The NetworkPolicy of `instance`; `operator_namespace` is where the operator runs, empty when outside."""
    name, peers = instance.metadata.name, list(instance.spec.network_policy.from_)
    # Policies see the connection as it arrives at the pod: the container's port, whatever the Service's is.
    published = [_port(part.container_port) for part in parts(instance) if part.enabled]
    ingress: list[Manifest] = [{"from": peers, "ports": published} if peers else {"ports": published}]
    if peers and operator_namespace:
        operator = {
            "namespaceSelector": {"matchLabels": {NAMESPACE_NAME_LABEL: operator_namespace}},
            "podSelector": {"matchLabels": {names.NAME_LABEL: names.OPERATOR}},
        }
        ingress.append({"from": [operator], "ports": [_port(names.API_CONTAINER_PORT)]})
    manifest = child(instance, NETWORK_POLICY, names.network_policy(name))
    manifest["spec"] = {
        "podSelector": {"matchLabels": names.selector_labels(name)},
        "policyTypes": ["Ingress"],
        "ingress": ingress,
    }
    return manifest


def _port(number: int) -> Manifest:
    return {"port": number, "protocol": "TCP"}
