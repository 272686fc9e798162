"""What the operator may do in a cluster, as one table, and the roles made of it.

No wildcards, and no verb without a reason: what is not needed is not asked for.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from informers.access import Rule
from informers.resource import Manifest, Resource
from reconcilers import names
from reconcilers.api import resources

NAME = "dittofs-operator"
#: The Lease by which replicas of the operator agree on who works.
LEASE = NAME

READ = ("get", "list", "watch")
_OWN = (*READ, "create", "patch", "delete")


@dataclass(frozen=True, slots=True)
class Permission(Rule):
    """A rule, and why the operator needs it."""

    reason: str


def _to(resource: Resource, verbs: tuple[str, ...], reason: str, *, part: str = "", name: str = "") -> Permission:
    plural = f"{resource.plural}/{part}" if part else resource.plural
    return Permission(resource.group, plural, verbs, reason, name=name)


#: What the operator needs wherever it manages instances.
PERMISSIONS: tuple[Permission, ...] = (
    _to(
        resources.DITTOFS,
        (*READ, "patch"),
        "reconciled; patched for the finalizer, the hash of its shares, the hold of a backup",
    ),
    _to(resources.DITTOFS, ("patch",), "reports what was found", part="status"),
    _to(
        resources.DITTOFS,
        ("update",),
        "children block the deletion of their owner (admission OwnerReferencesPermissionEnforcement asks for it)",
        part="finalizers",
    ),
    _to(
        resources.DITTOFS_SHARE,
        (*READ, "create", "patch"),
        "reconciled; patched for the finalizer; made anew from an archive",
    ),
    _to(resources.DITTOFS_SHARE, ("patch",), "reports what was found", part="status"),
    _to(
        resources.DITTOFS_BACKUP,
        _OWN,
        "reconciled; patched for the finalizer; a schedule makes its backups, and deletes what it needn't keep",
    ),
    _to(resources.DITTOFS_BACKUP, ("patch",), "reports what became of it", part="status"),
    _to(resources.CONFIG_MAP, _OWN, "a child: the server's configuration and its declared shares"),
    _to(
        resources.SECRET,
        _OWN,
        "children: the admin password and the signing key; read: the ones a DittoFS names. Watched as metadata only, "
        "which still takes the right to read all",
    ),
    _to(resources.SERVICE_ACCOUNT, _OWN, "the identity of the server's pod and of Jobs, which has no rights"),
    _to(resources.PERSISTENT_VOLUME_CLAIM, _OWN, "children: the volumes, which outlive the DittoFS unless told not to"),
    _to(resources.STATEFUL_SET, _OWN, "a child: runs the server"),
    _to(resources.SERVICE, _OWN, "children: how clients and the operator reach the server"),
    _to(resources.NETWORK_POLICY, _OWN, "a child: which connections the server's pod admits"),
    _to(resources.POSTGRES_CLUSTER, READ, "whether a database is ready; where Percona's operator is installed"),
    _to(resources.SERVICE_MONITOR, _OWN, "a child, where prometheus-operator is installed: scrapes the server"),
    _to(
        resources.JOB,
        (*READ, "create", "delete"),
        "runs the operator's image beside claims and buckets, as for the objects of a deleted share",
    ),
    _to(resources.POD, READ, "why a server does not start, which image it runs, and what became of a Job"),
    _to(resources.EVENT, ("create", "patch"), "tells people what changed"),
    Permission("", "events", ("create", "patch"), "the same events for tools that know the older API only"),
)

#: What the operator needs in its own namespace only.
LEADER_PERMISSIONS: tuple[Permission, ...] = (
    _to(resources.LEASE, ("create",), "the first replica makes the Lease; a name can't restrict a creation"),
    _to(
        resources.LEASE,
        ("get", "update", "watch"),
        "takes, renews and releases the Lease; a replica that waits sees at once that it is free",
        name=LEASE,
    ),
)

_KINDS = (resources.DITTOFS, resources.DITTOFS_SHARE, resources.DITTOFS_BACKUP)

#: What users get through the cluster's own role `view`, and with it `edit` and `admin`.
VIEW_PERMISSIONS: tuple[Permission, ...] = (
    *(_to(kind, READ, "looks at the objects") for kind in _KINDS),
    *(_to(kind, ("get",), "looks at their status", part="status") for kind in _KINDS),
    _to(resources.DITTOFS, ("get",), "looks at the number of replicas", part="scale"),
)
#: What users get on top through the cluster's own role `edit`, and with it `admin`.
EDIT_PERMISSIONS: tuple[Permission, ...] = (
    *(_to(kind, ("create", "update", "patch", "delete", "deletecollection"), "manages the objects") for kind in _KINDS),
    _to(resources.DITTOFS, ("update", "patch"), "kubectl scale", part="scale"),
)


def operator_role() -> Manifest:
    """The ClusterRole of the operator."""
    return _role("ClusterRole", {"name": NAME}, PERMISSIONS)


def operator_binding(namespace: str) -> Manifest:
    """What gives the operator's ServiceAccount in `namespace` its ClusterRole."""
    return _binding("ClusterRoleBinding", {"name": NAME}, role_kind="ClusterRole", role=NAME, namespace=namespace)


def leader_role(namespace: str) -> Manifest:
    """The Role of the operator in its own `namespace`."""
    return _role("Role", {"name": NAME, "namespace": namespace}, LEADER_PERMISSIONS)


def leader_binding(namespace: str) -> Manifest:
    """What gives the operator's ServiceAccount the Role in its own `namespace`."""
    metadata = {"name": NAME, "namespace": namespace}
    return _binding("RoleBinding", metadata, role_kind="Role", role=NAME, namespace=namespace)


def view_role() -> Manifest:
    """The ClusterRole that lets everybody with the cluster's role `view` see our kinds."""
    return _role("ClusterRole", {"name": "dittofs-view"}, VIEW_PERMISSIONS, aggregate_to="view")


def edit_role() -> Manifest:
    """The ClusterRole that lets everybody with the cluster's role `edit` change our kinds."""
    return _role("ClusterRole", {"name": "dittofs-edit"}, EDIT_PERMISSIONS, aggregate_to="edit")


def operator_labels() -> dict[str, str]:
    """The labels of everything that belongs to the operator itself."""
    return {names.NAME_LABEL: NAME, names.COMPONENT_LABEL: "operator", names.PART_OF_LABEL: names.APPLICATION}


def _role(kind: str, metadata: dict[str, str], permissions: Iterable[Permission], aggregate_to: str = "") -> Manifest:
    labels = operator_labels()
    if aggregate_to:
        labels[f"rbac.authorization.k8s.io/aggregate-to-{aggregate_to}"] = "true"
    return {
        "apiVersion": "rbac.authorization.k8s.io/v1",
        "kind": kind,
        "metadata": {**metadata, "labels": labels},
        "rules": [permission.manifest() for permission in permissions],
    }


def _binding(kind: str, metadata: dict[str, str], *, role_kind: str, role: str, namespace: str) -> Manifest:
    return {
        "apiVersion": "rbac.authorization.k8s.io/v1",
        "kind": kind,
        "metadata": {**metadata, "labels": operator_labels()},
        "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": role_kind, "name": role},
        "subjects": [{"kind": "ServiceAccount", "name": NAME, "namespace": namespace}],
    }
