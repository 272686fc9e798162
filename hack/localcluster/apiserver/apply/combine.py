"""The objects that apply makes: a configuration laid over a live object, and an object without some fields."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from .compare import ABSENT
from .fieldset import EMPTY, FieldSet, below, by_element, item_element
from .types import DEDUCED, FieldType, Relation


def merged(live: Any, applied: Any, field_type: FieldType) -> Any:
    """`applied` laid over `live`. Shares unchanged parts with both; null stays where the schema allows it."""
    if applied is ABSENT:
        return live
    decisive = live if applied is None else applied
    relation = field_type.relation(decisive)
    if isinstance(decisive, dict) and decisive and relation is Relation.MAP:
        return _merged_fields(live if isinstance(live, dict) else {}, applied or {}, field_type)
    if isinstance(decisive, list) and decisive and relation in (Relation.KEYED_LIST, Relation.SET):
        return _merged_items(live if isinstance(live, list) else [], applied or [], field_type, relation)
    if decisive in ({}, []) and type(live) is type(decisive) and relation not in (Relation.ATOMIC, Relation.SCALAR):
        return live
    return applied


def _merged_fields(live: dict[str, Any], applied: dict[str, Any], field_type: FieldType) -> dict[str, Any]:
    result = {}
    for name in live | applied:
        below_type = field_type.field(name) or DEDUCED
        value = merged(live.get(name, ABSENT), applied.get(name, ABSENT), below_type)
        if value is None and not below_type.nullable:
            continue
        result[name] = value
    return result


def _merged_items(live: list[Any], applied: list[Any], field_type: FieldType, relation: Relation) -> list[Any]:
    ours, theirs = by_element(live, field_type, relation), by_element(applied, field_type, relation)
    result: list[Any] = []
    placed: set[str] = set()
    for element, item in _in_order(live, applied, field_type, relation):
        if element in theirs:
            if element in placed:
                continue
            placed.add(element)
            # which of several live items is meant can't be told: the applied one replaces them
            counterpart = ours[element][0] if len(ours.get(element, ())) == 1 else ABSENT
            result.append(merged(counterpart, theirs[element][0], field_type.element))
        else:
            result.append(item)
    return result


def _in_order(
    live: list[Any], applied: list[Any], field_type: FieldType, relation: Relation
) -> Iterator[tuple[str, Any]]:
    """Applied items in their order; live ones stay where they stand between those that both have."""
    wanted = [(item_element(item, field_type, relation), item) for item in applied]
    standing = [(item_element(item, field_type, relation), item) for item in live]
    names, shared = {name for name, _ in wanted}, {name for name, _ in standing}
    right = 0
    for name, item in standing:
        if name not in names:
            yield name, item
            continue
        ahead = next((at for at in range(right, len(wanted)) if wanted[at][0] in shared), None)
        if ahead is not None and wanted[ahead][0] == name:
            yield from wanted[right : ahead + 1]
            right = ahead + 1
    yield from wanted[right:]


def without(value: Any, paths: FieldSet, field_type: FieldType) -> Any:
    """`value` without the fields `paths`. A map or list of which nothing is left becomes null, which is no field less.

    See `settled` for getting rid of those nulls.
    """
    if not paths:
        return value
    relation = field_type.relation(value)
    if isinstance(value, dict) and relation is Relation.MAP:
        return _fields_without(value, below(paths), field_type) or (None if value else value)
    if isinstance(value, list) and relation in (Relation.KEYED_LIST, Relation.SET):
        return _items_without(value, below(paths), field_type, relation) or (None if value else value)
    return value


def _fields_without(value: dict[str, Any], dropped: dict[str, FieldSet], field_type: FieldType) -> dict[str, Any]:
    result = {}
    for name, part in value.items():
        paths = dropped.get(f"f:{name}", EMPTY)
        if () not in paths:
            result[name] = without(part, paths, field_type.field(name) or DEDUCED)
    return result


def _items_without(
    value: list[Any], dropped: dict[str, FieldSet], field_type: FieldType, relation: Relation
) -> list[Any]:
    result = []
    for item in value:
        paths = dropped.get(item_element(item, field_type, relation), EMPTY)
        if () not in paths:
            result.append(without(item, paths, field_type.element))
    return [item for item in result if item is not None]


def settled(value: Any, field_type: FieldType) -> Any:
    """`value` without nulls in fields that can't be null."""
    relation = field_type.relation(value)
    if isinstance(value, dict) and relation is Relation.MAP:
        types = {name: field_type.field(name) or DEDUCED for name in value}
        return {
            name: settled(part, types[name]) for name, part in value.items() if part is not None or types[name].nullable
        }
    if isinstance(value, list) and relation is Relation.KEYED_LIST:
        return [settled(item, field_type.element) for item in value]
    return value
