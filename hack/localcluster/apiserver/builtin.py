"""The built-in resource types that are served, with what no data set of a Python package says about them.

Fields, list keys and descriptions come from the definitions of `kubernetes-validate` (see `definitions`).
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True, slots=True)
class Column:
    """A printer column: its name, type, where its value is, and whether only `-o wide` shows it (priority > 0)."""

    name: str
    type: str
    path: str
    priority: int = 0
    description: str = ""
    format: str = ""


@dataclass(frozen=True, slots=True, eq=False)
class ResourceType:
    """A served group, version and resource; `custom` is the served version of the CRD for a custom one."""

    group: str
    version: str
    plural: str
    kind: str
    namespaced: bool = True
    short_names: tuple[str, ...] = ()
    categories: tuple[str, ...] = ()
    status: bool = False
    scale: bool = False
    generation: bool = False
    definition: str = ""
    field_labels: tuple[str, ...] = ()
    storage_group: str | None = None
    singular: str = ""
    list_kind: str = ""
    custom: Any = field(default=None, repr=False)

    def __str__(self) -> str:
        return f"{self.plural}.{self.group}" if self.group else self.plural

    @property
    def api_version(self) -> str:
        """The `apiVersion` of its objects."""
        return f"{self.group}/{self.version}" if self.group else self.version

    @property
    def table(self) -> tuple[str, str]:
        """Where its objects are stored; the versions of a resource share one place."""
        return (self.group if self.storage_group is None else self.storage_group, self.plural)

    @property
    def subresources(self) -> tuple[str, ...]:
        """The subresources it serves."""
        return tuple(name for name, served in (("status", self.status), ("scale", self.scale)) if served)


_EVENT_LABELS = (
    "involvedObject.kind",
    "involvedObject.namespace",
    "involvedObject.name",
    "involvedObject.uid",
    "involvedObject.apiVersion",
    "involvedObject.resourceVersion",
    "involvedObject.fieldPath",
    "reason",
    "reportingComponent",
    "source",
    "type",
)
_POD_LABELS = (
    "spec.nodeName",
    "spec.restartPolicy",
    "spec.schedulerName",
    "spec.serviceAccountName",
    "spec.hostNetwork",
    "status.phase",
    "status.podIP",
    "status.nominatedNodeName",
)


def _types(group: str, version: str, package: str, rows: tuple[dict[str, Any], ...]) -> Iterator[ResourceType]:
    for row in rows:
        kind = row["kind"]
        yield ResourceType(
            **{
                "group": group,
                "version": version,
                "definition": f"{package}.{version}.{kind}",
                "singular": kind.lower(),
                "list_kind": f"{kind}List",
            }
            | row
        )


def _row(plural: str, kind: str, short: str = "", **more: Any) -> dict[str, Any]:
    return {"plural": plural, "kind": kind, "short_names": tuple(short.split())} | more


_ALL = ("all",)
_WORKLOAD: dict[str, Any] = {"status": True, "generation": True, "categories": _ALL}
_CLUSTER: dict[str, Any] = {"namespaced": False}

BUILTIN_TYPES: tuple[ResourceType, ...] = (
    *_types(
        "",
        "v1",
        "io.k8s.api.core",
        (
            _row("configmaps", "ConfigMap", "cm"),
            _row("endpoints", "Endpoints", "ep"),
            _row("events", "Event", "ev", field_labels=_EVENT_LABELS),
            _row("namespaces", "Namespace", "ns", status=True, field_labels=("status.phase",), **_CLUSTER),
            _row("nodes", "Node", "no", status=True, field_labels=("spec.unschedulable",), **_CLUSTER),
            _row("persistentvolumeclaims", "PersistentVolumeClaim", "pvc", status=True),
            _row("persistentvolumes", "PersistentVolume", "pv", status=True, **_CLUSTER),
            _row("pods", "Pod", "po", field_labels=_POD_LABELS, **_WORKLOAD),
            _row("secrets", "Secret", field_labels=("type",)),
            _row("serviceaccounts", "ServiceAccount", "sa"),
            _row(
                "services",
                "Service",
                "svc",
                status=True,
                categories=_ALL,
                field_labels=("spec.clusterIP", "spec.type"),
            ),
        ),
    ),
    *_types(
        "apps",
        "v1",
        "io.k8s.api.apps",
        (
            _row("controllerrevisions", "ControllerRevision"),
            _row("daemonsets", "DaemonSet", "ds", **_WORKLOAD),
            _row("deployments", "Deployment", "deploy", scale=True, **_WORKLOAD),
            _row("replicasets", "ReplicaSet", "rs", scale=True, field_labels=("status.replicas",), **_WORKLOAD),
            _row("statefulsets", "StatefulSet", "sts", scale=True, **_WORKLOAD),
        ),
    ),
    *_types(
        "batch",
        "v1",
        "io.k8s.api.batch",
        (
            _row("cronjobs", "CronJob", "cj", **_WORKLOAD),
            _row("jobs", "Job", field_labels=("status.successful",), **_WORKLOAD),
        ),
    ),
    *_types("coordination.k8s.io", "v1", "io.k8s.api.coordination", (_row("leases", "Lease"),)),
    *_types("discovery.k8s.io", "v1", "io.k8s.api.discovery", (_row("endpointslices", "EndpointSlice"),)),
    *_types(
        "events.k8s.io",
        "v1",
        "io.k8s.api.events",
        (
            _row(
                "events",
                "Event",
                "ev",
                storage_group="",
                field_labels=("regarding.kind", "regarding.namespace", "regarding.name", "regarding.uid", "reason"),
            ),
        ),
    ),
    *_types(
        "networking.k8s.io",
        "v1",
        "io.k8s.api.networking",
        (_row("networkpolicies", "NetworkPolicy", "netpol", singular="networkpolicy", generation=True),),
    ),
    *_types(
        "policy",
        "v1",
        "io.k8s.api.policy",
        (_row("poddisruptionbudgets", "PodDisruptionBudget", "pdb", status=True, generation=True),),
    ),
    *_types(
        "rbac.authorization.k8s.io",
        "v1",
        "io.k8s.api.rbac",
        (
            _row("clusterrolebindings", "ClusterRoleBinding", **_CLUSTER),
            _row("clusterroles", "ClusterRole", **_CLUSTER),
            _row("rolebindings", "RoleBinding"),
            _row("roles", "Role"),
        ),
    ),
    *_types("storage.k8s.io", "v1", "io.k8s.api.storage", (_row("storageclasses", "StorageClass", "sc", **_CLUSTER),)),
    *_types(
        "apiextensions.k8s.io",
        "v1",
        "io.k8s.apiextensions-apiserver.pkg.apis.apiextensions",
        (
            _row(
                "customresourcedefinitions",
                "CustomResourceDefinition",
                "crd crds",
                status=True,
                generation=True,
                categories=("api-extensions",),
                **_CLUSTER,
            ),
        ),
    ),
)
