"""Does an applied configuration fit its type? Apply is stricter than other writes: it refuses unknown fields."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final

from .fieldset import BadList, Path, by_element, compact, notation
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
            yield _said(path, f"expected {_name(field_type)}, got &{{{compact(value)}}}")
            return
        yield from _fields(value, field_type, path)
    elif isinstance(value, list):
        if expected in (Relation.MAP, Relation.SCALAR):
            yield _said(path, f"expected {_name(field_type)}, got &{{{compact(value)}}}")
            return
        yield from _items(value, field_type, path)
    elif (
        expected in (Relation.MAP, Relation.KEYED_LIST, Relation.SET) or type(value) not in _ALLOWED[field_type.scalar]
    ):
        yield _said(path, f"expected {_name(field_type)}, got &{{{compact(value)}}}")


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
