"""The fields of built-in kinds that are always there, as values and not as pointers: nobody owns their existence."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from typing import Any

from hack.localcluster.apiserver.definitions import definitions, reference

_TEMPLATE = "template"
#: Below the kinds themselves, by definition. From the types in k8s.io/api; OpenAPI doesn't tell them from pointers.
_STRUCTS: Mapping[str, tuple[str, ...]] = {
    "io.k8s.api.apps.v1.DaemonSetSpec": (_TEMPLATE, "updateStrategy"),
    "io.k8s.api.apps.v1.DeploymentSpec": (_TEMPLATE, "strategy"),
    "io.k8s.api.apps.v1.ReplicaSetSpec": (_TEMPLATE,),
    "io.k8s.api.apps.v1.StatefulSetSpec": (_TEMPLATE, "updateStrategy"),
    "io.k8s.api.batch.v1.CronJobSpec": ("jobTemplate",),
    "io.k8s.api.batch.v1.JobSpec": (_TEMPLATE,),
    "io.k8s.api.batch.v1.JobTemplateSpec": ("metadata", "spec"),
    "io.k8s.api.core.v1.PersistentVolumeClaimSpec": ("resources",),
    "io.k8s.api.core.v1.PodTemplateSpec": ("metadata", "spec"),
    "io.k8s.api.networking.v1.NetworkPolicySpec": ("podSelector",),
}
#: Lists that are written even when they are empty.
_LISTS: Mapping[str, tuple[str, ...]] = {"io.k8s.api.core.v1.PodSpec": ("containers",)}
_OF_KINDS = ("metadata", "spec", "status")
#: Empty values that a kind always shows.
SHOWN: Mapping[str, Mapping[str, Any]] = {
    "io.k8s.api.core.v1.Event": {
        "source": {},
        "firstTimestamp": None,
        "lastTimestamp": None,
        "eventTime": None,
        "reportingComponent": "",
        "reportingInstance": "",
    },
    "io.k8s.api.events.v1.Event": {
        "deprecatedSource": {},
        "deprecatedFirstTimestamp": None,
        "deprecatedLastTimestamp": None,
        "eventTime": None,
    },
}


@cache
def blank(definition: str) -> dict[str, Any]:
    """An object of a kind in which nothing is set; nobody may change it."""
    properties = definitions()[definition]["properties"]
    structs = {
        field: _blank(reference(properties[field]))
        for field in _OF_KINDS
        if field in properties and reference(properties[field])
    }
    return structs | dict(SHOWN.get(definition, {}))


def _blank(definition: str) -> dict[str, Any]:
    properties = definitions()[definition].get("properties", {})
    structs = {field: _blank(reference(properties[field])) for field in _STRUCTS.get(definition, ())}
    return structs | {field: [] for field in _LISTS.get(definition, ())}
