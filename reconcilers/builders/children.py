"""The children of an instance: which there are, and which there must not be.

The two Secrets are not among them: they are generated once (`reconcilers.builders.secrets`), not built.
"""

from __future__ import annotations

from dataclasses import dataclass

from informers.resource import Manifest, ObjectKey, Resource
from reconcilers import names
from reconcilers.api.dittofs import DittoFS
from reconcilers.api.resources import (
    CONFIG_MAP,
    NETWORK_POLICY,
    PERSISTENT_VOLUME_CLAIM,
    SERVICE,
    SERVICE_ACCOUNT,
    SERVICE_MONITOR,
    STATEFUL_SET,
)
from reconcilers.builders.claims import claims, is_cache_lost
from reconcilers.builders.config import config_map
from reconcilers.builders.inputs import BuildFacts
from reconcilers.builders.network_policy import network_policy
from reconcilers.builders.service_account import service_account
from reconcilers.builders.service_monitor import is_monitored, service_monitor
from reconcilers.builders.services import parts, services
from reconcilers.builders.stateful_set import stateful_set


@dataclass(frozen=True, slots=True)
class Child:
    """A child as it is wanted."""

    resource: Resource
    manifest: Manifest

    @property
    def key(self) -> ObjectKey:
        """Its namespace and name."""
        return ObjectKey.of(self.manifest)

    def __str__(self) -> str:
        return f"{self.resource.kind} {self.key.name}"


def wanted_children(instance: DittoFS, facts: BuildFacts) -> list[Child]:
    """The children in the order in which they are applied: the pod comes after all that it needs."""
    children = [
        *([] if instance.spec.pod.service_account_name else [Child(SERVICE_ACCOUNT, service_account(instance))]),
        Child(CONFIG_MAP, config_map(instance, facts)),
        # Services first: a cache that was lost is made anew only where no client comes to it.
        *(Child(SERVICE, service) for service in services(instance, closed=is_cache_lost(instance, facts.claims))),
        *(Child(PERSISTENT_VOLUME_CLAIM, claim) for claim in claims(instance, facts)),
    ]
    if instance.spec.network_policy.enabled:
        policy = network_policy(instance, operator_namespace=facts.operator_namespace)
        children.append(Child(NETWORK_POLICY, policy))
    if facts.service_monitors and is_monitored(instance):
        children.append(Child(SERVICE_MONITOR, service_monitor(instance)))
    if facts.pod is not None:
        children.append(Child(STATEFUL_SET, stateful_set(instance, facts.pod)))
    return children


def unwanted_children(instance: DittoFS) -> list[tuple[Resource, ObjectKey]]:
    """The children that must not be there: a disabled part has no object."""
    namespace, name = instance.metadata.namespace, instance.metadata.name
    unwanted = [(SERVICE, part.service_name) for part in parts(instance) if not part.enabled]
    if not instance.spec.network_policy.enabled:
        unwanted.append((NETWORK_POLICY, names.network_policy(name)))
    if not is_monitored(instance):
        unwanted.append((SERVICE_MONITOR, names.service_monitor(name)))
    if instance.spec.pod.service_account_name:
        unwanted.append((SERVICE_ACCOUNT, names.service_account(name)))
    return [(resource, ObjectKey(namespace, child)) for resource, child in unwanted]
