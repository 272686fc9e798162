"""The resource types that the operator reads or writes, by the names of the API."""

from __future__ import annotations

from informers.resource import Resource

GROUP = "dittofs.dittofs.io"
VERSION = "v1alpha1"

DITTOFS = Resource(GROUP, VERSION, "dittofs", "DittoFS")
DITTOFS_SHARE = Resource(GROUP, VERSION, "dittofsshares", "DittoFSShare")
DITTOFS_BACKUP = Resource(GROUP, VERSION, "dittofsbackups", "DittoFSBackup")

CONFIG_MAP = Resource("", "v1", "configmaps", "ConfigMap")
JOB = Resource("batch", "v1", "jobs", "Job")
NETWORK_POLICY = Resource("networking.k8s.io", "v1", "networkpolicies", "NetworkPolicy")
PERSISTENT_VOLUME_CLAIM = Resource("", "v1", "persistentvolumeclaims", "PersistentVolumeClaim")
POD = Resource("", "v1", "pods", "Pod")
SECRET = Resource("", "v1", "secrets", "Secret")
SERVICE = Resource("", "v1", "services", "Service")
SERVICE_ACCOUNT = Resource("", "v1", "serviceaccounts", "ServiceAccount")
STATEFUL_SET = Resource("apps", "v1", "statefulsets", "StatefulSet")

#: Percona Operator for PostgreSQL; there only where that is installed.
POSTGRES_CLUSTER = Resource("pgv2.percona.com", "v2", "perconapgclusters", "PerconaPGCluster")
#: Of prometheus-operator; there only where that is installed.
SERVICE_MONITOR = Resource("monitoring.coreos.com", "v1", "servicemonitors", "ServiceMonitor")

#: The types of a DittoFS' children, as far as the operator itself makes them.
CHILDREN = (CONFIG_MAP, SECRET, SERVICE_ACCOUNT, PERSISTENT_VOLUME_CLAIM, STATEFUL_SET, SERVICE, NETWORK_POLICY)

EVENT = Resource("events.k8s.io", "v1", "events", "Event")
LEASE = Resource("coordination.k8s.io", "v1", "leases", "Lease")
