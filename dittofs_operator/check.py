"""`dittofs-operator check`: can this identity do all that the operator does, on this cluster, with these definitions?

Changes nothing. What is asked for is what `rbac` lists; what is missing is told with its remedy, rights as a role.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Protocol

from dittofs_operator import crds, rbac
from informers import access
from informers.errors import NotFound
from informers.resource import Manifest, Resource
from reconcilers import names
from reconcilers.api.common import CustomResource
from reconcilers.api.resources import GROUP, VERSION

#: The rules of the definitions compare quantities, which CEL in the API server can do since Kubernetes 1.29.
OLDEST_SERVER = (1, 29)

#: Of a definition that differs, so many places are named.
PLACES_SHOWN = 3

#: What the API server writes itself into the schemas that it publishes.
_NOT_OURS = frozenset(("apiVersion", "kind", "metadata"))
_REMEDY = "install the definitions of this version: dittofs-operator crds | kubectl apply --server-side -f -"


class CheckClient(Protocol):
    """The part of `informers.client.Client` that a check uses."""

    def raw_get(self, path: str) -> Manifest:
        """The JSON at a path of the API server."""

    def create(self, resource: Resource, manifest: Manifest, *, field_manager: str) -> Manifest:
        """Send a review."""


@dataclass(frozen=True, slots=True)
class Verdict:
    """What a check found."""

    #: The cluster in a few words.
    server: str
    #: What is wrong, each in one line with its remedy; nothing when all is well.
    problems: tuple[str, ...]
    #: What an administrator applies to give the missing rights.
    grants: tuple[Manifest, ...]


def check(client: CheckClient, *, lease_namespace: str | None, namespaces: Iterable[str] = ()) -> Verdict:
    """Ask the API server whether the operator can manage `namespaces` (none: all of them).

    `lease_namespace` is where the Lease will be, None without leader election. Raises the `ClientError` of a question
    that was not answered.
    """
    version = client.raw_get("/version")
    problems = [*_server_problems(version), *_definition_problems(client)]
    #: By namespace, the empty one standing for all.
    needed = dict.fromkeys(tuple(namespaces) or ("",), rbac.PERMISSIONS)
    if lease_namespace is not None:
        needed[lease_namespace] = needed.get(lease_namespace, ()) + rbac.LEADER_PERMISSIONS
    missing = {
        namespace: access.missing(client, rules, field_manager=names.FIELD_MANAGER, namespace=namespace)
        for namespace, rules in needed.items()
    }
    grants: list[Manifest] = []
    if any(missing.values()):
        user = access.own_name(client, field_manager=names.FIELD_MANAGER)
        for namespace, rules in missing.items():
            if rules:
                grants += access.grant(f"{rbac.NAME}-missing", rules, user=user, namespace=namespace)
            where = f"in namespace {namespace}" if namespace else "everywhere"
            problems += [_refusal(rule, user, where) for rule in rules]
    return Verdict(f"Kubernetes {_number(version)}", tuple(problems), tuple(grants))


def _server_problems(version: Manifest) -> Iterator[str]:
    parts = [re.match(r"\d+", str(version.get(part) or "")) for part in ("major", "minor")]
    found = tuple(int(part.group()) for part in parts if part is not None)
    if found < OLDEST_SERVER:
        oldest = ".".join(map(str, OLDEST_SERVER))
        yield f"the API server is of Kubernetes {_number(version)}, the definitions need {oldest} or newer: upgrade it"


def _number(version: Manifest) -> str:
    return f"{version.get('major')}.{version.get('minor')}"


def _definition_problems(client: CheckClient) -> Iterator[str]:
    try:
        document = client.raw_get(f"/openapi/v3/apis/{GROUP}/{VERSION}")
    except NotFound:
        document = {}
    published = list(((document.get("components") or {}).get("schemas") or {}).values())
    for kind in crds.KINDS:
        name = f"CustomResourceDefinition {kind.resource.plural}.{kind.resource.group}"
        found = next((schema for schema in published if _is_of(schema, kind)), None)
        if found is None:
            yield f"{name} is not served in version {kind.resource.version}: {_REMEDY}"
            continue
        places = [place for place in _differences(crds.schema(kind), found, "") if place]
        if places:
            more = f" and {len(places) - PLACES_SHOWN} more" if len(places) > PLACES_SHOWN else ""
            listed = ", ".join(places[:PLACES_SHOWN]) + more
            yield f"{name} is of another version of the operator (other in {listed}): {_REMEDY}"


def _is_of(schema: Mapping[str, Any], kind: type[CustomResource]) -> bool:
    resource = kind.resource
    group_version_kind = {"group": resource.group, "version": resource.version, "kind": resource.kind}
    return group_version_kind in (schema.get("x-kubernetes-group-version-kind") or ())


def _differences(wanted: Mapping[str, Any], found: Mapping[str, Any], place: str) -> Iterator[str]:
    """Where `found` lacks something of `wanted` or says it in another way; texts for people don't count."""
    for keyword, value in wanted.items():
        if keyword == "properties":
            present = found.get("properties") or {}
            for name, part in value.items():
                if place or name not in _NOT_OURS:
                    yield from _differences(part, present.get(name) or {}, f"{place}.{name}".lstrip("."))
        elif isinstance(value, Mapping) and keyword in ("items", "additionalProperties"):
            yield from _differences(value, found.get(keyword) or {}, f"{place}[]")
        elif keyword != "description" and found.get(keyword) != value:
            yield place or "the whole"
            return


def _refusal(permission: rbac.Permission, user: str, where: str) -> str:
    what = f"{permission.resource}.{permission.group}" if permission.group else permission.resource
    if permission.name:
        what = f"{what} {permission.name}"
    return f"{user or 'this identity'} may not {', '.join(permission.verbs)} {what} {where} ({permission.reason})"
