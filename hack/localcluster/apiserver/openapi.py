"""OpenAPI v3: one document for each group and version, enough for kubectl's validation, apply and explain."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from functools import lru_cache
from typing import Any

import orjson

from hack.localcluster.apiserver.builtin import ResourceType
from hack.localcluster.apiserver.definitions import OBJECT_META, PREFIX, definitions, description
from hack.localcluster.apiserver.registry import Registry

Object = dict[str, Any]

_SCHEMAS = "#/components/schemas/"
_GROUP_VERSION_KIND = "x-kubernetes-group-version-kind"
#: Every kind says the same of its apiVersion, kind and metadata.
_ANY_KIND = "io.k8s.api.core.v1.ConfigMap"
_WRITE_PARAMETERS = [
    {"name": name, "in": "query", "schema": {"type": "string", "uniqueItems": True}}
    for name in ("dryRun", "fieldManager", "fieldValidation")
]
_PATCH_TYPES = (
    "application/json-patch+json",
    "application/merge-patch+json",
    "application/strategic-merge-patch+json",
    "application/apply-patch+yaml",
)


def index(registry: Registry) -> Object:
    """The answer to /openapi/v3: where each document is."""
    paths = {}
    for resource in registry.types:
        path = _path(resource.group, resource.version)
        if path not in paths:
            digest = hashlib.sha256(document(registry, resource.group, resource.version)).hexdigest()
            paths[path] = {"serverRelativeURL": f"/openapi/v3/{path}?hash={digest[:32].upper()}"}
    return {"paths": paths}


def document(registry: Registry, group: str, version: str) -> bytes:
    """The document of one group and version, as JSON; empty when there is no such version."""
    types = registry.of_version(group, version)
    return _document(tuple(types)) if types else b""


def _path(group: str, version: str) -> str:
    return f"apis/{group}/{version}" if group else f"api/{version}"


@lru_cache(maxsize=128)
def _document(types: tuple[ResourceType, ...]) -> bytes:
    schemas: Object = {}
    paths: Object = {}
    for resource in types:
        if resource.custom is None:
            name = resource.definition
            _collect([name], schemas)
        else:
            name = ".".join([*reversed(resource.group.split(".")), resource.version, resource.kind])
            schemas[name] = _custom_schema(resource)
            _collect([OBJECT_META], schemas)
        paths |= _paths(resource, name)
    return orjson.dumps(
        {
            "openapi": "3.0.0",
            "info": {"title": "Kubernetes", "version": "v1.36.2+local"},
            "paths": paths,
            "components": {"schemas": schemas},
        }
    )


def _collect(names: Iterable[str], schemas: Object) -> None:
    todo = [name for name in names if name not in schemas]
    while todo:
        name = todo.pop()
        if name in schemas:
            continue
        references: list[str] = []
        schemas[name] = _without_added_enums(_translated(definitions()[name], references))
        todo += references


def _translated(value: Any, references: list[str]) -> Any:
    """A definition in the words of OpenAPI: other references, and no null among the types."""
    if isinstance(value, list):
        return [_translated(item, references) for item in value]
    if not isinstance(value, dict):
        return value
    result: Object = {}
    for key, item in value.items():
        if key == "$ref" and isinstance(item, str):
            name = item.removeprefix(PREFIX)
            references.append(name)
            reference = {key: _SCHEMAS + name}
            # OpenAPI 3.0 has no word for what stands beside a reference.
            result |= {"allOf": [reference]} if len(value) > 1 else reference
        elif key == "type" and isinstance(item, list):
            result[key] = next(entry for entry in item if entry != "null")
        else:
            result[key] = _translated(item, references)
    return result


def _without_added_enums(schema: Object) -> Object:
    """The schema of a kind as the real server has it: the data set's apiVersion and kind allow one value alone."""
    if _GROUP_VERSION_KIND in schema:
        for name in ("apiVersion", "kind"):
            schema["properties"].get(name, {}).pop("enum", None)
    return schema


def _custom_schema(resource: ResourceType) -> Object:
    schema: Object = orjson.loads(orjson.dumps(resource.custom.definition))
    properties = schema.setdefault("properties", {})
    for name in ("apiVersion", "kind"):
        properties[name] = {"type": "string", "description": description(_ANY_KIND, name)}
    properties["metadata"] = {
        "allOf": [{"$ref": _SCHEMAS + OBJECT_META}],
        "description": description(_ANY_KIND, "metadata"),
    }
    schema[_GROUP_VERSION_KIND] = [_kind(resource)]
    return schema


def _paths(resource: ResourceType, schema: str) -> Object:
    scope = "/namespaces/{namespace}" if resource.namespaced else ""
    collection = f"/{_path(resource.group, resource.version)}{scope}/{resource.plural}"
    content = {"application/json": {"schema": {"$ref": _SCHEMAS + schema}}}
    responses = {"200": {"description": "OK", "content": content}}
    common = {_GROUP_VERSION_KIND: _kind(resource), "responses": responses}
    write = common | {"parameters": _WRITE_PARAMETERS, "requestBody": {"content": content}}
    patch = common | {
        "parameters": [*_WRITE_PARAMETERS, {"name": "force", "in": "query", "schema": {"type": "boolean"}}],
        "requestBody": {
            "content": {
                media_type: {"schema": {"type": "object"}}
                for media_type in _PATCH_TYPES
                if not (resource.custom and "strategic" in media_type)
            }
        },
    }
    return {
        collection: {
            "get": common | {"x-kubernetes-action": "list"},
            "post": write | {"x-kubernetes-action": "post"},
        },
        f"{collection}/{{name}}": {
            "get": common | {"x-kubernetes-action": "get"},
            "put": write | {"x-kubernetes-action": "put"},
            "patch": patch | {"x-kubernetes-action": "patch"},
        },
    }


def _kind(resource: ResourceType) -> Object:
    return {"group": resource.group, "version": resource.version, "kind": resource.kind}
