"""The static types of expressions, and which type each place of a schema has."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final, TypeAlias

from hack.localcluster.apiserver.schema.node import Node

from .tokens import RESERVED


@dataclass(frozen=True, slots=True)
class Simple:
    """A type without parts, such as string, or `dyn` for any."""

    name: str

    def __str__(self) -> str:
        return self.name


@dataclass(frozen=True, slots=True)
class Variable:
    """A type that a function's signature leaves open."""

    name: str

    def __str__(self) -> str:
        return self.name


@dataclass(frozen=True, slots=True)
class ListType:
    """A list."""

    element: Type

    def __str__(self) -> str:
        return f"list({self.element})"


@dataclass(frozen=True, slots=True)
class MapType:
    """A map."""

    key: Type
    value: Type

    def __str__(self) -> str:
        return f"map({self.key}, {self.value})"


@dataclass(frozen=True, slots=True)
class OptionalType:
    """A value that may be absent."""

    inner: Type

    def __str__(self) -> str:
        return f"optional_type({self.inner})"


@dataclass(frozen=True, slots=True, eq=False)
class ObjectType:
    """An object of a schema; `fields` by their names in expressions, `names` back to the names in objects."""

    fields: Mapping[str, Type]
    names: Mapping[str, str] = field(default_factory=dict)

    def __str__(self) -> str:
        return "object"


Type: TypeAlias = Simple | Variable | ListType | MapType | OptionalType | ObjectType

DYN: Final = Simple("dyn")
BOOL: Final = Simple("bool")
INT: Final = Simple("int")
UINT: Final = Simple("uint")
DOUBLE: Final = Simple("double")
STRING: Final = Simple("string")
BYTES: Final = Simple("bytes")
NULL: Final = Simple("null")
DURATION: Final = Simple("google.protobuf.Duration")
TIMESTAMP: Final = Simple("google.protobuf.Timestamp")
QUANTITY: Final = Simple("kubernetes.Quantity")
TYPE: Final = Simple("type")

_SCALARS: Final = {"boolean": BOOL, "integer": INT, "number": DOUBLE, "string": STRING}
_STRING_FORMATS: Final = {"byte": BYTES, "duration": DURATION, "date": TIMESTAMP, "date-time": TIMESTAMP}
_ESCAPES: Final = {"__": "__underscores__", ".": "__dot__", "-": "__dash__", "/": "__slash__"}
_ESCAPED: Final = re.compile(r"__|[-./]")
_ESCAPABLE: Final = re.compile(r"[A-Za-z_./-][A-Za-z0-9_./-]*")


def escape(name: str) -> str | None:
    """The name of a property in expressions; None for one that can't be written there."""
    if name in RESERVED or name in ("true", "false", "null", "in"):
        return f"__{name}__"
    if _ESCAPABLE.fullmatch(name) is None:
        return None
    return _ESCAPED.sub(lambda match: _ESCAPES[match[0]], name)


def type_of(node: Node, *, is_root: bool = False) -> Type | None:
    """The type of a place of a schema; None for one that expressions can't see."""
    if node.int_or_string:
        return DYN
    if node.type == "array":
        element = type_of(node.items, is_root=node.items.embedded_resource) if node.items is not None else None
        return ListType(element) if element is not None else None
    if node.type == "object" and node.additional_node is not None:
        value = type_of(node.additional_node, is_root=node.additional_node.embedded_resource)
        return MapType(STRING, value) if value is not None else None
    if node.type == "object":
        return _object(node, is_root=is_root)
    if node.type == "string":
        return _STRING_FORMATS.get(node.bounds.format, STRING)
    return _SCALARS.get(node.type)


def _object(node: Node, *, is_root: bool) -> ObjectType:
    declared = {name: type_of(child, is_root=child.embedded_resource) for name, child in node.properties.items()}
    if is_root:
        declared |= {"apiVersion": STRING, "kind": STRING, "metadata": _METADATA}
    fields: dict[str, Type] = {}
    names: dict[str, str] = {}
    for name, kind in declared.items():
        escaped = escape(name)
        if escaped is not None and kind is not None:
            fields[escaped] = kind
            names[escaped] = name
    return ObjectType(fields, names)


_METADATA: Final = ObjectType(
    {"name": STRING, "generateName": STRING}, {"name": "name", "generateName": "generateName"}
)


class Bindings:
    """What the open types of one call turned out to be."""

    def __init__(self) -> None:
        self._bound: dict[str, Type] = {}

    def accepts(self, wanted: Type, given: Type) -> bool:
        """May a value of type `given` stand where `wanted` is asked for? Binds the open types of `wanted`."""
        if isinstance(wanted, Variable):
            return self._binds(wanted, given)
        if DYN in (wanted, given) or isinstance(given, Variable):
            return True
        match wanted, given:
            case ListType(), ListType():
                return self.accepts(wanted.element, given.element)
            case MapType(), MapType():
                return self.accepts(wanted.key, given.key) and self.accepts(wanted.value, given.value)
            case OptionalType(), OptionalType():
                return self.accepts(wanted.inner, given.inner)
            case ObjectType(), ObjectType():
                return wanted is given
            case _:
                return wanted == given or _is_nullable_pair(wanted, given)

    def resolve(self, kind: Type) -> Type:
        """`kind` with its open types filled in; those that nothing fixed are dyn."""
        match kind:
            case Variable():
                return self._bound.get(kind.name, DYN)
            case ListType():
                return ListType(self.resolve(kind.element))
            case MapType():
                return MapType(self.resolve(kind.key), self.resolve(kind.value))
            case OptionalType():
                return OptionalType(self.resolve(kind.inner))
            case _:
                return kind

    def _binds(self, wanted: Variable, given: Type) -> bool:
        bound = self._bound.get(wanted.name)
        if bound is None or (bound == NULL and _is_nullable_pair(bound, given)):
            self._bound[wanted.name] = given
            return True
        if self.accepts(bound, given):
            # the more general of the two: a list of anything and a list of strings are a list of anything
            if given == DYN:
                self._bound[wanted.name] = DYN
            return True
        return False


def _is_nullable_pair(one: Type, other: Type) -> bool:
    return any(
        first == NULL and (isinstance(second, ObjectType) or second in (DURATION, TIMESTAMP))
        for first, second in ((one, other), (other, one))
    )
