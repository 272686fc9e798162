"""Which handler a method and a path lead to."""

from __future__ import annotations

from urllib.parse import unquote

from hack.localcluster.apiserver.builtin import ResourceType
from hack.localcluster.apiserver.registry import Registry
from hack.localcluster.apiserver.status import PageNotFound, no_such_path, not_found, not_implemented
from hack.localcluster.apiserver.target import Target

#: Subresources of the real server that this one leaves out.
_LEFT_OUT = frozenset(
    (
        "attach",
        "binding",
        "ephemeralcontainers",
        "eviction",
        "exec",
        "finalize",
        "log",
        "portforward",
        "proxy",
        "resize",
        "token",
    )
)


def target_of(registry: Registry, path: str) -> Target:
    """What a path below /api or /apis is about; 404 when nothing is served there."""
    parts = [unquote(part) for part in path.strip("/").split("/")]
    if parts[0] == "api":
        group, rest = "", parts[1:]
    else:
        group, rest = parts[1], parts[2:]
    if len(rest) < 2:
        raise no_such_path()
    version, *rest = rest
    if rest[0] == "watch":
        raise not_implemented("the deprecated /watch/ paths: use the watch parameter")
    namespace = ""
    if rest[0] == "namespaces" and len(rest) >= 3 and not _is_namespace_subresource(rest):
        namespace, rest = rest[1], rest[2:]
    resource = registry.find(group, version, rest[0])
    if resource is None or (namespace and not resource.namespaced) or len(rest) > 3:
        raise no_such_path() if registry.is_builtin(group) else PageNotFound
    target = Target(resource, namespace, *rest[1:])
    if target.name and resource.namespaced and not namespace:
        raise no_such_path()
    _check_subresource(resource, target.name, target.subresource)
    return target


def _is_namespace_subresource(rest: list[str]) -> bool:
    return len(rest) == 3 and rest[2] in ("status", "finalize")


def _check_subresource(resource: ResourceType, name: str, subresource: str) -> None:
    if not subresource or subresource in resource.subresources:
        return
    if subresource in _LEFT_OUT and resource.custom is None:
        raise not_implemented(f"the subresource {subresource} of {resource}")
    raise not_found(resource, name) if resource.custom else no_such_path()


def is_resource_path(path: str) -> bool:
    """Whether the path leads to objects, and not to discovery."""
    parts = path.strip("/").split("/")
    return (parts[0] == "api" and len(parts) > 2) or (parts[0] == "apis" and len(parts) > 3)
