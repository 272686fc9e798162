"""How the values of a kind merge: which lists have keys, which maps are one value, which fields exist.

Built-in kinds are described by the OpenAPI definitions, custom ones by their own schema; everything else is deduced
from the values: maps merge field by field, lists are one value.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from enum import Enum
from functools import cache
from typing import Any, Final

from hack.localcluster.apiserver.definitions import OBJECT_META, definitions, reference, type_of

#: Defaults of list keys that the OpenAPI definitions don't carry, by definition and property. The server merges
#: {port: 53} with {port: 53, protocol: TCP}. From the `default` markers of the Kubernetes types.
KEY_DEFAULTS: Final[Mapping[tuple[str, str], Any]] = {
    ("io.k8s.api.core.v1.ContainerPort", "protocol"): "TCP",
    ("io.k8s.api.core.v1.ServicePort", "protocol"): "TCP",
    ("io.k8s.api.core.v1.LocalObjectReference", "name"): "",
}
_SCALARS: Final = {"string": "string", "integer": "numeric", "number": "numeric", "boolean": "boolean"}


class Relation(Enum):
    """What a value is to its parts."""

    SCALAR = "scalar"
    ATOMIC = "atomic"
    MAP = "map"
    KEYED_LIST = "keyed list"
    SET = "set"


_LISTS: Final = {"map": Relation.KEYED_LIST, "set": Relation.SET}


class FieldType:
    """The type of one place. Immutable in meaning; parts are resolved when they are first asked for."""

    __slots__ = ("_definition", "_element", "_fields", "_is_root", "_kind", "_preserve", "_schema", "nullable")

    def __init__(
        self, schema: dict[str, Any], *, definition: str = "", preserve: bool = False, is_root: bool = False
    ) -> None:
        self._schema = schema
        self._kind = type_of(schema)
        self._definition = definition
        self._preserve = preserve or bool(schema.get("x-kubernetes-preserve-unknown-fields"))
        self._is_root = is_root or bool(schema.get("x-kubernetes-embedded-resource"))
        self._fields: dict[str, FieldType | None] = {}
        self._element: FieldType | None = None
        self.nullable: bool = schema.get("nullable", False)

    @property
    def scalar(self) -> str:
        """`string`, `numeric`, `boolean`, or `untyped` for scalars of any type."""
        if self._schema.get("format", "") not in ("", "byte") and self._kind == "string":
            return "untyped"
        return _SCALARS.get(self._kind, "untyped")

    @property
    def expected(self) -> Relation | None:
        """The relation that the schema prescribes; None where any value is allowed."""
        if self._kind == "object":
            return self._map_relation()
        if self._kind == "array":
            return self._list_relation()
        return Relation.SCALAR if self._kind in _SCALARS else None

    def relation(self, value: Any) -> Relation:
        """How `value` merges; for a value of another type than the schema's, how it looks."""
        if isinstance(value, dict):
            return self._map_relation()
        if isinstance(value, list):
            return self._list_relation()
        if value is None:
            return self.expected or Relation.SCALAR
        return Relation.SCALAR

    @property
    def keys(self) -> tuple[str, ...]:
        """The key fields of a keyed list."""
        return tuple(self._schema.get("x-kubernetes-list-map-keys") or ())

    def declares(self, name: str) -> bool:
        """Is `name` a field of the schema, rather than an entry of a map?"""
        return name in self._properties()

    def field(self, name: str) -> FieldType | None:
        """The type of the field or entry `name`; None for an unknown field."""
        if name not in self._fields:
            self._fields[name] = self._resolve_field(name)
        return self._fields[name]

    @property
    def element(self) -> FieldType:
        """The type of a list's items."""
        if self._element is None:
            items = self._schema.get("items")
            self._element = self._part(items) if isinstance(items, dict) else DEDUCED
        return self._element

    def key_default(self, key: str) -> Any:
        """The value of the key field `key` of an item that doesn't give it, or None. Asked of the item's type."""
        declared = self._properties().get(key, {})
        default = declared.get("default")
        return KEY_DEFAULTS.get((self._definition, key)) if default is None else default

    def _resolve_field(self, name: str) -> FieldType | None:
        if self._is_root and name == "metadata":
            return _of_definition(OBJECT_META)
        declared = self._properties().get(name)
        if declared is not None:
            return self._part(declared)
        if self._is_root and name in ("apiVersion", "kind"):
            return _STRING
        additional = self._schema.get("additionalProperties")
        if isinstance(additional, dict):
            return self._part(additional)
        free = not self._properties() and additional is None and self.expected in (None, Relation.MAP, Relation.ATOMIC)
        return DEDUCED if additional or free or self._preserve else None

    def _properties(self) -> dict[str, Any]:
        properties: dict[str, Any] = self._schema.get("properties") or {}
        return properties

    def _part(self, schema: dict[str, Any]) -> FieldType:
        name = reference(schema)
        if not name:
            return FieldType(schema, preserve=self._preserve)
        if "x-kubernetes-map-type" in schema:
            merged = {**definitions()[name], "x-kubernetes-map-type": schema["x-kubernetes-map-type"]}
            return FieldType(merged, definition=name)
        return _of_definition(name)

    def _map_relation(self) -> Relation:
        return Relation.ATOMIC if self._schema.get("x-kubernetes-map-type") == "atomic" else Relation.MAP

    def _list_relation(self) -> Relation:
        return _LISTS.get(self._schema.get("x-kubernetes-list-type", ""), Relation.ATOMIC)


#: Nothing is known: judge by the value.
DEDUCED: Final = FieldType({})
_STRING: Final = FieldType({"type": "string"})


@cache
def _of_definition(name: str) -> FieldType:
    return FieldType(definitions()[name], definition=name)


@cache
def _kinds() -> Mapping[tuple[str, str], str]:
    return dict(_each_kind())


def _each_kind() -> Iterator[tuple[tuple[str, str], str]]:
    for name, schema in definitions().items():
        kinds: list[dict[str, str]] = schema.get("x-kubernetes-group-version-kind") or []
        # a definition with many kinds is a shared one such as DeleteOptions
        if len(kinds) == 1:
            group, version, kind = kinds[0]["group"], kinds[0]["version"], kinds[0]["kind"]
            yield (f"{group}/{version}" if group else version, kind), name


class TypeResolver:
    """Finds the type of a kind. Without state of its own; the data is read when it is first needed."""

    def builtin(self, api_version: str, kind: str) -> FieldType:
        """The type of a built-in kind, or a deduced one for a kind that nobody describes."""
        name = _kinds().get((api_version, kind))
        return _of_definition(name) if name else self.deduced()

    def custom(self, schema: Mapping[str, Any]) -> FieldType:
        """The type of a custom kind with this openAPIV3Schema. Keep it: it is worth preparing once a version."""
        return FieldType(dict(schema), is_root=True)

    def deduced(self) -> FieldType:
        """The type of an object of which only the metadata is known."""
        return FieldType({"x-kubernetes-preserve-unknown-fields": True, "type": "object"}, is_root=True)
