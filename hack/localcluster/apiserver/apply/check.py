"""Does an applied configuration fit its type? Apply is stricter than other writes: it refuses unknown fields."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any, Final

from .fieldset import BadList, Path, by_element, notation
from .types import FieldType, Relation

_ALLOWED: Final[dict[str, tuple[type, ...]]] = {
    "string": (str,),
    "numeric": (int, float),
    "boolean": (bool,),
    "untyped": (str, int, float, bool),
}


def problems(value: Any, field_type: FieldType, path: Path = ()) -> Iterator[str]:
    """What the server would say of `value`, each with its path."""
    if value is None:
        return
    expected = field_type.expected
    if isinstance(value, dict):
        if expected not in (None, Relation.MAP, Relation.ATOMIC):
            yield _said(path, f"expected {_name(field_type)}, got {_got(value, field_type)}")
            return
        yield from _fields(value, field_type, path)
    elif isinstance(value, list):
        if expected in (Relation.MAP, Relation.SCALAR):
            yield _said(path, f"expected {_name(field_type)}, got {_got(value, field_type)}")
            return
        yield from _items(value, field_type, path)
    elif (
        expected in (Relation.MAP, Relation.KEYED_LIST, Relation.SET) or type(value) not in _ALLOWED[field_type.scalar]
    ):
        yield _said(path, f"expected {_name(field_type)}, got {_got(value, field_type)}")


def _fields(value: dict[str, Any], field_type: FieldType, path: Path) -> Iterator[str]:
    for name, below in value.items():
        at = (*path, f"f:{name}")
        below_type = field_type.field(name)
        if below_type is None:
            yield _said(at, "field not declared in schema")
        else:
            yield from problems(below, below_type, at)


def _items(value: list[Any], field_type: FieldType, path: Path) -> Iterator[str]:
    relation = field_type.relation(value)
    if relation is Relation.ATOMIC:
        for index, item in enumerate(value):
            yield from problems(item, field_type.element, (*path, f"i:{index}"))
        return
    try:
        named = by_element(value, field_type, relation)
    except BadList as error:
        yield _said(path, f"element {_bad_index(value, field_type, relation)}: {error}")
        return
    for element, items in named.items():
        if len(items) > 1:
            yield _said(path, f"duplicate entries for key {notation((element,))}")
        for item in items:
            yield from problems(item, field_type.element, (*path, element))


def _bad_index(value: list[Any], field_type: FieldType, relation: Relation) -> int:
    for index, item in enumerate(value):
        try:
            by_element([item], field_type, relation)
        except BadList:
            return index
    return 0


def _name(field_type: FieldType) -> str:
    if field_type.expected is Relation.MAP:
        return "map"
    if field_type.expected in (Relation.KEYED_LIST, Relation.SET):
        return "list"
    return "numeric (int or float)" if field_type.scalar == "numeric" else field_type.scalar


def _said(path: Path, problem: str) -> str:
    return f"{notation(path)}: {problem}"


def _got(value: Any, field_type: FieldType) -> str:
    """A value that doesn't fit, printed as the server's library does: in another way for each expected type."""
    match _name(field_type):
        case "string":
            return f"&value.valueUnstructured{{Value:{_literal(value)}}}"
        case name if name.startswith("numeric"):
            return _GO_TYPES.get(type(value), "float64")
        case _:
            return f"&{{{printed(value)}}}"


_GO_TYPES = {str: "string", bool: "bool", dict: "map[string]interface {}", list: "[]interface {}"}


def _literal(value: Any) -> str:
    if isinstance(value, dict):
        fields = ", ".join(f"{json.dumps(key)}:{_literal(value[key])}" for key in sorted(value))
        return f"map[string]interface {{}}{{{fields}}}"
    if isinstance(value, list):
        return f"[]interface {{}}{{{', '.join(map(_literal, value))}}}"
    return json.dumps(value)


def printed(value: Any) -> str:
    """A value as Go prints it."""
    if isinstance(value, dict):
        return f"map[{' '.join(f'{key}:{printed(value[key])}' for key in sorted(value))}]"
    if isinstance(value, list):
        return f"[{' '.join(map(printed, value))}]"
    return value if isinstance(value, str) else json.dumps(value)
