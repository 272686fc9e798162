"""What the DittoFS reconciler reads and writes through, and the indexes and mappers that its wiring needs."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass

from informers.event import Event, Updated, states
from informers.mapper import BEYOND_STATUS, Mapper, own_key, when_changed
from informers.resource import ObjectKey, Resource, View
from reconcilers import names
from reconcilers.access import Cache, OptionalCache
from reconcilers.api.resources import (
    CONFIG_MAP,
    NETWORK_POLICY,
    PERSISTENT_VOLUME_CLAIM,
    POD,
    SECRET,
    SERVICE,
    SERVICE_ACCOUNT,
    SERVICE_MONITOR,
    STATEFUL_SET,
)

#: Index that the informer of DittoFS must have: see `DITTOFS_INDEXERS`.
BY_SECRET = "secret"  # noqa: S105 - the name of an index
BY_POSTGRES_CLUSTER = "postgres-cluster"
BY_BUCKET = "bucket"


@dataclass(frozen=True, slots=True)
class DittoFSCaches:
    """The caches that the reconciler reads.

    `dittofs` has DITTOFS_INDEXERS, `shares` SHARE_INDEXERS of `reconcilers.share.caches`. `secrets` holds the metadata
    of every Secret (users' own ones are referenced); the other children's caches may hold those with
    `names.MANAGED_SELECTOR` only. Children must keep their managedFields of `names.FIELD_MANAGER`.
    """

    dittofs: Cache
    shares: Cache
    backups: Cache
    config_maps: Cache
    secrets: Cache
    service_accounts: Cache
    claims: Cache
    stateful_sets: Cache
    services: Cache
    network_policies: Cache
    pods: Cache
    postgres_clusters: OptionalCache
    service_monitors: OptionalCache

    def of(self, resource: Resource) -> Cache:
        """The cache of the children of type `resource`."""
        return {
            CONFIG_MAP: self.config_maps,
            NETWORK_POLICY: self.network_policies,
            PERSISTENT_VOLUME_CLAIM: self.claims,
            POD: self.pods,
            SECRET: self.secrets,
            SERVICE: self.services,
            SERVICE_ACCOUNT: self.service_accounts,
            SERVICE_MONITOR: self.service_monitors,
            STATEFUL_SET: self.stateful_sets,
        }[resource]


def referenced_secrets(instance: View) -> tuple[str, ...]:
    """The Secrets, as `namespace/name`, that the specification of `instance` names."""
    spec = instance.get("spec") or {}
    auth, metrics, pod, database, payload = (
        spec.get(part) or {} for part in ("auth", "metrics", "pod", "database", "payload")
    )
    references = (
        database.get("postgresSecretRef"),
        *_cluster_secrets(database.get("postgresRef")),
        auth.get("adminSecretRef"),
        auth.get("jwtSecretRef"),
        metrics.get("tokenSecretRef"),
        *((payload.get("s3") or {}).get(field) for field in ("credentialsSecretRef", "caSecretRef")),
        *_tls_secrets(((spec.get("adapters") or {}).get("api") or {}).get("tls")),
        *(user.get("passwordSecretRef") for user in spec.get("users") or ()),
        *((variable.get("valueFrom") or {}).get("secretKeyRef") for variable in pod.get("extraEnv") or ()),
    )
    namespace = str(instance["metadata"].get("namespace") or "")
    found = (reference["name"] for reference in references if reference and reference.get("name"))
    return tuple(dict.fromkeys(str(ObjectKey(namespace, name)) for name in found))


def _tls_secrets(tls: View | None) -> Iterable[View]:
    for field in ("secretName", "clientCASecretName", "clientSecretName"):
        yield {"name": (tls or {}).get(field)}


def _cluster_secrets(reference: View | None) -> Iterable[View]:
    """The Secrets that Percona Operator makes for a cluster, unless the cluster names others itself."""
    if reference and reference.get("name"):
        yield {"name": f"{reference['name']}-pguser-{reference.get('user')}"}
        yield {"name": f"{reference['name']}-cluster-cert"}


def postgres_cluster(instance: View) -> tuple[str, ...]:
    """The PerconaPGCluster, as `namespace/name`, that the specification of `instance` names."""
    reference = ((instance.get("spec") or {}).get("database") or {}).get("postgresRef") or {}
    namespace = str(instance["metadata"].get("namespace") or "")
    return (str(ObjectKey(namespace, reference["name"])),) if reference.get("name") else ()


def bucket(instance: View) -> tuple[str, ...]:
    """The bucket, with the address of its service, that the specification of `instance` names."""
    s3 = ((instance.get("spec") or {}).get("payload") or {}).get("s3") or {}
    endpoint = str(s3.get("endpoint") or "").lower().rstrip("/")
    return (f"{endpoint} {s3['bucket']}",) if s3.get("bucket") else ()


DITTOFS_INDEXERS: Mapping[str, Callable[[View], Iterable[str]]] = {
    BY_SECRET: referenced_secrets,
    BY_POSTGRES_CLUSTER: postgres_cluster,
    BY_BUCKET: bucket,
}


def instance_of_child(event: Event) -> tuple[ObjectKey, ...]:
    """From an event of a child (a claim, Secret or pod has no owner of our kind) to its instance, by its labels."""
    return tuple(dict.fromkeys(key for view in states(event) for key in _instance_by_labels(view)))


def instances_of_secret(instances: Cache) -> Mapper:
    """From an event of a Secret to the instance it is a child of and to those whose specification names it."""

    def mapper(event: Event) -> tuple[ObjectKey, ...]:
        secret = str(ObjectKey.of(states(event)[-1]))
        users = (ObjectKey.of(instance) for instance in instances.by_index(BY_SECRET, secret))
        return tuple(dict.fromkeys((*instance_of_child(event), *users)))

    return mapper


def instances_of_postgres_cluster(instances: Cache) -> Mapper:
    """From an event of a PerconaPGCluster to the instances that use it."""

    def mapper(event: Event) -> tuple[ObjectKey, ...]:
        cluster = str(ObjectKey.of(states(event)[-1]))
        return tuple(ObjectKey.of(instance) for instance in instances.by_index(BY_POSTGRES_CLUSTER, cluster))

    return mapper


def instances_of_same_bucket(instances: Cache) -> Mapper:
    """From a DittoFS that comes or goes to the others that have its bucket: none may delete another's objects."""

    def mapper(event: Event) -> tuple[ObjectKey, ...]:
        if isinstance(event, Updated):
            return ()  # Neither the bucket nor the prefix can change.
        one = states(event)[-1]
        others = (ObjectKey.of(other) for value in bucket(one) for other in instances.by_index(BY_BUCKET, value))
        return tuple(key for key in others if key != ObjectKey.of(one))

    return mapper


#: From an event of a DittoFS to itself, unless nothing but its status changed, which the reconciler wrote.
changed_instance: Mapper = when_changed(own_key, *BEYOND_STATUS)


def _instance_by_labels(view: View) -> Iterable[ObjectKey]:
    metadata = view["metadata"]
    labels = metadata.get("labels") or {}
    if labels.get(names.MANAGED_BY_LABEL) == names.MANAGED_BY and labels.get(names.INSTANCE_LABEL):
        yield ObjectKey(str(metadata.get("namespace") or ""), str(labels[names.INSTANCE_LABEL]))
