"""What a field of the API can say to the API server, as data on the models: CEL rules, list types, columns.

Everything lands in pydantic's JSON schema, from which the CRD is generated.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Literal

from pydantic import JsonValue


@dataclass(frozen=True, slots=True)
class Rule:
    """A CEL rule that the API server checks on each write; `message` names the field and the remedy."""

    rule: str
    message: str
    field_path: str = ""

    def manifest(self) -> dict[str, JsonValue]:
        """The rule as an entry of `x-kubernetes-validations`."""
        entry: dict[str, JsonValue] = {"rule": self.rule, "message": self.message}
        if self.field_path:
            entry["fieldPath"] = self.field_path
        return entry


@dataclass(frozen=True, slots=True)
class Column:
    """A column of `kubectl get`; those of a priority above 0 are shown with `-o wide` only."""

    name: str
    type: Literal["string", "integer", "boolean", "date"]
    json_path: str
    description: str
    priority: int = 0


@dataclass(frozen=True, slots=True)
class Scale:
    """Where `kubectl scale` finds the wanted and the observed number of replicas."""

    spec_replicas_path: str
    status_replicas_path: str


@dataclass(frozen=True, slots=True)
class Definition:
    """What a CustomResourceDefinition says about a kind beside its schema."""

    short_names: tuple[str, ...]
    columns: tuple[Column, ...]
    rules: tuple[Rule, ...] = ()
    scale: Scale | None = None
    categories: tuple[str, ...] = field(default=("ditto",))  # never equal to a plural: kubectl expands categories first


def validated(*rules: Rule) -> dict[str, JsonValue]:
    """The `json_schema_extra` of a field or model that `rules` hold for."""
    return {"x-kubernetes-validations": [rule.manifest() for rule in rules]}


def atomic_list(*, max_items: int) -> dict[str, JsonValue]:
    """The `json_schema_extra` of a list that one writer owns as a whole."""
    return {"x-kubernetes-list-type": "atomic", "maxItems": max_items}


def list_map(key: str, *, max_items: int) -> dict[str, JsonValue]:
    """The `json_schema_extra` of a list whose entries are told apart by their field `key`."""
    return {"x-kubernetes-list-type": "map", "x-kubernetes-list-map-keys": [key], "maxItems": max_items}


def without_empty(value: Any) -> Any:  # noqa: ANN401 - JSON of any shape
    """The JSON `value` without nulls and without empty objects and lists, at any depth: absent means the same."""
    if isinstance(value, dict):
        kept = {key: without_empty(item) for key, item in value.items()}
        return {key: item for key, item in kept.items() if item is not None and item != {} and item != []}
    if isinstance(value, list):
        return [without_empty(item) for item in value]
    return value
