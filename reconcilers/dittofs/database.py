"""Whether the control-plane database can be used, and where its login is.

A PerconaPGCluster is read and never changed. One that was used goes on being used while it says that it is not ready:
a rolling update or a restart of its backup host says so too, while the primary serves on.
"""

from __future__ import annotations

from informers.resource import ObjectKey, View
from reconcilers import names
from reconcilers.access import OptionalCache
from reconcilers.api.database import PostgresReference, PostgresSecretReference
from reconcilers.api.dittofs import DittoFS
from reconcilers.builders.consumed import POSTGRES_VARIABLES
from reconcilers.builders.inputs import PostgresSource
from reconcilers.dittofs.facts import EMBEDDED, DatabaseFacts
from reconcilers.dittofs.secret_reader import SecretReader
from reconcilers.secret_data import SecretProblem

CLUSTER_READY = "ready"


class Databases:
    """Looks at the databases of instances. Safe for many threads."""

    def __init__(self, *, clusters: OptionalCache, reader: SecretReader) -> None:
        self._clusters = clusters
        self._reader = reader

    def look(self, instance: DittoFS, *, in_use: bool) -> DatabaseFacts:
        """What is known of the database of `instance`; `in_use`: a server runs with it already.

        Raises the `ClientError` of a live read.
        """
        database = instance.spec.database
        if database.postgres_ref is not None:
            return self._cluster(instance, database.postgres_ref, in_use=in_use)
        if database.postgres_secret_ref is not None:
            return self._login(instance, database.postgres_secret_ref)
        return EMBEDDED

    def _cluster(self, instance: DittoFS, reference: PostgresReference, *, in_use: bool) -> DatabaseFacts:
        what = f'PerconaPGCluster "{reference.name}"'
        if self._clusters.absent:
            return _waiting(
                "PerconaNotInstalled",
                "this cluster has no PerconaPGCluster: install Percona Operator for PostgreSQL (2.2 or later)",
            )
        cluster = self._clusters.get(ObjectKey(instance.metadata.namespace, reference.name))
        if cluster is None:
            return _waiting("ClusterNotFound", f"{what} does not exist in this namespace: create it")
        state = _state(cluster)
        if state != CLUSTER_READY and not in_use:
            return _waiting("ClusterNotReady", f"{what} is {state}")
        ca_secret = f"{reference.name}-cluster-cert" if instance.spec.database.verifies else ""
        source = PostgresSource(_user_secret(cluster, reference), ca_secret)
        try:
            self._check(instance, source)
        except SecretProblem as problem:
            return _waiting("UserSecretNotReady", f"{what}: {problem}")
        if state != CLUSTER_READY:
            return DatabaseFacts(ready=True, reason="InUse", message=f"{what} is {state}, and in use", source=source)
        return DatabaseFacts(ready=True, reason="ClusterReady", message=f"{what} is ready", source=source)

    def _login(self, instance: DittoFS, reference: PostgresSecretReference) -> DatabaseFacts:
        source = PostgresSource(reference.name)
        try:
            self._check(instance, source)
            if instance.spec.database.verifies and self._has_authority(instance, reference.name):
                source = PostgresSource(reference.name, reference.name)
        except SecretProblem as problem:
            return _waiting("LoginSecretInvalid", str(problem))
        message = f'Secret "{reference.name}" names the PostgreSQL'
        return DatabaseFacts(ready=True, reason="LoginSecretPresent", message=message, source=source)

    def _check(self, instance: DittoFS, source: PostgresSource) -> None:
        """Raises SecretProblem unless everything is there that the server needs."""
        namespace = instance.metadata.namespace
        for key in POSTGRES_VARIABLES:
            if self._reader.look(ObjectKey(namespace, source.secret), key).length_bytes == 0:
                raise SecretProblem(f'Secret "{source.secret}" is empty under "{key}": put a value there')
        if source.ca_secret:
            self._reader.look(ObjectKey(namespace, source.ca_secret), names.CA_KEY)

    def _has_authority(self, instance: DittoFS, secret: str) -> bool:
        try:
            self._reader.look(ObjectKey(instance.metadata.namespace, secret), names.CA_KEY)
        except SecretProblem:
            return False
        return True


def _waiting(reason: str, message: str) -> DatabaseFacts:
    return DatabaseFacts(ready=False, reason=reason, message=message)


def _state(cluster: View) -> str:
    """The cluster's own word, such as ready or initializing, as far as it is about its present specification."""
    status = cluster.get("status") or {}
    observed = status.get("observedGeneration")
    if observed is not None and int(observed) < int(cluster["metadata"].get("generation") or 0):
        return "not up to date yet"
    return str(status.get("state") or "not started yet")


def _user_secret(cluster: View, reference: PostgresReference) -> str:
    for user in (cluster.get("spec") or {}).get("users") or ():
        if user.get("name") == reference.user and user.get("secretName"):
            return str(user["secretName"])
    return f"{reference.name}-pguser-{reference.user}"
