"""Discovery: which groups, versions and resources there are, in the old form and the aggregated one."""

from __future__ import annotations

from typing import Any

from hack.localcluster.apiserver.builtin import ResourceType
from hack.localcluster.apiserver.registry import Registry

Object = dict[str, Any]

VERSION: Object = {
    "major": "1",
    "minor": "36",
    "gitVersion": "v1.36.2+local",
    "gitCommit": "",
    "gitTreeState": "clean",
    "buildDate": "1970-01-01T00:00:00Z",
    "goVersion": "",
    "compiler": "",
    "platform": "python",
}
AGGREGATED = "application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList"

_VERBS = ["create", "delete", "deletecollection", "get", "list", "patch", "update", "watch"]
#: The same of custom resources, in the order in which the real server tells them.
_CUSTOM_VERBS = ["delete", "deletecollection", "get", "list", "patch", "create", "update", "watch"]
_STATUS_VERBS = ["get", "patch", "update"]
_REVIEW: Object = {
    "name": "selfsubjectaccessreviews",
    "singularName": "selfsubjectaccessreview",
    "namespaced": False,
    "kind": "SelfSubjectAccessReview",
    "verbs": ["create"],
}
REVIEW_GROUP, REVIEW_VERSION = "authorization.k8s.io", "v1"


def wants_aggregated(accept: str) -> bool:
    """Whether the client asks for aggregated discovery before anything else."""
    first = accept.split(",", maxsplit=1)[0].replace(" ", "")
    return "as=APIGroupDiscoveryList" in first and "g=apidiscovery.k8s.io" in first and "v=v2" in first.split(";")


def legacy_versions(host: str) -> Object:
    """The answer to /api."""
    return {
        "kind": "APIVersions",
        "versions": ["v1"],
        "serverAddressByClientCIDRs": [{"clientCIDR": "0.0.0.0/0", "serverAddress": host}],
    }


def group_list(registry: Registry) -> Object:
    """The answer to /apis."""
    groups = [_group(group, registry.versions(group)) for group in registry.groups()]
    groups.append(_group(REVIEW_GROUP, [REVIEW_VERSION]))
    return {"kind": "APIGroupList", "apiVersion": "v1", "groups": groups}


def group(registry: Registry, name: str) -> Object | None:
    """The answer to /apis/`name`; None when there is no such group."""
    versions = [REVIEW_VERSION] if name == REVIEW_GROUP else registry.versions(name)
    return {"kind": "APIGroup", "apiVersion": "v1"} | _group(name, versions) if versions else None


def resource_list(registry: Registry, group_name: str, version: str) -> Object | None:
    """The answer to /api/v1 or /apis/`group`/`version`; None when there is no such version."""
    group_version = f"{group_name}/{version}" if group_name else version
    if (group_name, version) == (REVIEW_GROUP, REVIEW_VERSION):
        resources = [_REVIEW]
    else:
        types = registry.of_version(group_name, version)
        if not types:
            return None
        resources = [entry for resource in types for entry in _resources(resource)]
    listed: Object = {"kind": "APIResourceList", "groupVersion": group_version, "resources": resources}
    return listed | {"apiVersion": "v1"} if group_name else listed


def aggregated(registry: Registry, *, legacy: bool) -> Object:
    """The aggregated answer to /api or /apis."""
    items = [_aggregated_group(registry, name) for name in ([""] if legacy else registry.groups())]
    if not legacy:
        items.append(_aggregated_review())
    return {"kind": "APIGroupDiscoveryList", "apiVersion": "apidiscovery.k8s.io/v2", "metadata": {}, "items": items}


def _group(name: str, versions: list[str]) -> Object:
    entries = [{"groupVersion": f"{name}/{version}", "version": version} for version in versions]
    return {"name": name, "versions": entries, "preferredVersion": entries[0]}


def _resources(resource: ResourceType) -> list[Object]:
    main: Object = {
        "name": resource.plural,
        "singularName": resource.singular,
        "namespaced": resource.namespaced,
        "kind": resource.kind,
        "verbs": _verbs(resource),
    }
    if resource.short_names:
        main["shortNames"] = list(resource.short_names)
    if resource.categories:
        main["categories"] = list(resource.categories)
    common = {"singularName": "", "namespaced": resource.namespaced, "verbs": _STATUS_VERBS}
    entries = [main]
    if resource.status:
        entries.append({"name": f"{resource.plural}/status", "kind": resource.kind} | common)
    if resource.scale:
        scale = {"name": f"{resource.plural}/scale", "kind": "Scale", "group": "autoscaling", "version": "v1"}
        entries.append(scale | common)
    return entries


def _aggregated_group(registry: Registry, name: str) -> Object:
    return {
        "metadata": _group_metadata(registry, name),
        "versions": [
            {
                "version": version,
                "freshness": "Current",
                "resources": [_aggregated_resource(resource) for resource in registry.of_version(name, version)],
            }
            for version in registry.versions(name)
        ],
    }


def _group_metadata(registry: Registry, name: str) -> Object:
    if not registry.is_builtin(name):
        return {"name": name}
    return {"name": name, "creationTimestamp": None} if name else {"creationTimestamp": None}


def _verbs(resource: ResourceType) -> list[str]:
    if resource.custom:
        return _CUSTOM_VERBS
    return [verb for verb in _VERBS if verb != "deletecollection" or resource.table != ("", "namespaces")]


def _aggregated_resource(resource: ResourceType) -> Object:
    scope = "Namespaced" if resource.namespaced else "Cluster"
    # the real server names group and version of a built-in kind only where they are not the list's own
    own = _kind(resource.group, resource.version, resource.kind) if resource.custom else _kind("", "", resource.kind)
    entry: Object = {
        "resource": resource.plural,
        "responseKind": own,
        "scope": scope,
        "singularResource": resource.singular,
        "verbs": _verbs(resource),
    }
    if resource.short_names:
        entry["shortNames"] = list(resource.short_names)
    if resource.categories:
        entry["categories"] = list(resource.categories)
    kinds = {
        "status": own,
        "scale": _kind("autoscaling", "v1", "Scale"),
    }
    if resource.subresources:
        names = resource.subresources if resource.custom else sorted(resource.subresources)
        entry["subresources"] = [
            {"subresource": name, "responseKind": kinds[name], "verbs": _STATUS_VERBS} for name in names
        ]
    return entry


def _aggregated_review() -> Object:
    resource = {
        "resource": _REVIEW["name"],
        "responseKind": _kind(REVIEW_GROUP, REVIEW_VERSION, _REVIEW["kind"]),
        "scope": "Cluster",
        "singularResource": _REVIEW["singularName"],
        "verbs": _REVIEW["verbs"],
    }
    version = {"version": REVIEW_VERSION, "freshness": "Current", "resources": [resource]}
    return {"metadata": {"name": REVIEW_GROUP, "creationTimestamp": None}, "versions": [version]}


def _kind(group_name: str, version: str, kind: str) -> Object:
    return {"group": group_name, "version": version, "kind": kind}
