"""The OpenAPI definitions of the built-in kinds, as `kubernetes-validate` ships them, read once."""

from __future__ import annotations

from functools import cache
from importlib import resources
from typing import Any

import orjson

RELEASE = "v1.36.0"
PREFIX = "#/$defs/"

QUANTITY = "io.k8s.apimachinery.pkg.api.resource.Quantity"
INT_OR_STRING = "io.k8s.apimachinery.pkg.util.intstr.IntOrString"
OBJECT_META = "io.k8s.apimachinery.pkg.apis.meta.v1.ObjectMeta"


@cache
def definitions() -> dict[str, Any]:
    """All definitions by name, such as `io.k8s.api.apps.v1.StatefulSet`; nobody may change them."""
    folder = resources.files("kubernetes_validate") / "kubernetes-json-schema" / f"{RELEASE}-local"
    loaded: dict[str, Any] = orjson.loads((folder / "_definitions.json").read_bytes())["$defs"]
    return loaded


def description(definition: str, field: str) -> str:
    """What a definition says about one of its fields."""
    return str(definitions()[definition]["properties"][field].get("description", ""))


def reference(schema: dict[str, Any]) -> str:
    """The name of the definition that `schema` refers to; empty when it is written in place."""
    return str(schema.get("$ref", "")).removeprefix(PREFIX)


def resolve(schema: dict[str, Any]) -> dict[str, Any]:
    """What `schema` says, with its reference followed; keys beside the reference win."""
    name = reference(schema)
    return definitions()[name] | {key: value for key, value in schema.items() if key != "$ref"} if name else schema


def type_of(schema: dict[str, Any]) -> str:
    """The JSON type of a resolved schema, without the null that the data set adds; empty for anything."""
    kind = schema.get("type", "")
    if isinstance(kind, list):
        kind = next((entry for entry in kind if entry != "null"), "")
    return str(kind)
