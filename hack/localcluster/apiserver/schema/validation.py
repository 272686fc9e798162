"""Value validation of one object against its schema, with the API server's wording and order."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final

from .errors import (
    FieldError,
    Reason,
    child,
    compact,
    duplicate,
    invalid,
    not_supported,
    number,
    required,
    too_long,
    too_many,
)
from .formats import FORMATS
from .node import Node

_INTEGER_RANGES: Final = {
    "int32": (-(2**31), 2**31 - 1),
    "int64": (-(2**63), 2**63 - 1),
}


def validate_value(value: Any, node: Node, path: str) -> Iterator[FieldError]:
    """Everything wrong with `value` and below."""
    wrong_type = _check_type(value, node, path)
    if wrong_type is not None:
        yield wrong_type
    if value is None:
        if node.bounds.enum and not node.nullable:
            yield not_supported(path, value, node.bounds.enum)
        return
    yield from _junctors(value, node, path)
    if isinstance(value, str):
        yield from _string(value, node, path)
    elif _is_number(value):
        yield from _number(value, node, path)
    elif isinstance(value, list):
        yield from _items(value, node, path)
    if node.bounds.enum and not any(_equal(value, allowed) for allowed in node.bounds.enum):
        yield not_supported(path, value, node.bounds.enum)
    if isinstance(value, dict):
        yield from _fields(value, node, path)


def validate_lists(value: Any, node: Node, path: str) -> Iterator[FieldError]:
    """Double entries in lists of the types set and map."""
    if isinstance(value, list):
        yield from _double_entries(value, node, path)
        if node.items is not None:
            for index, item in enumerate(value):
                yield from validate_lists(item, node.items, f"{path}[{index}]")
    elif isinstance(value, dict):
        for name, below in value.items():
            schema = node.child(name)
            if schema is not None:
                at = child(path, name) if name in node.properties else f"{path}[{name}]"
                yield from validate_lists(below, schema, at)


def json_type(value: Any) -> str:
    """The JSON type of `value`, in the schema's words."""
    if value is None:
        return "null"
    if isinstance(value, bool):
        return "boolean"
    if isinstance(value, int):
        return "integer"
    return {float: "number", str: "string", list: "array", dict: "object"}[type(value)]


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _check_type(value: Any, node: Node, path: str) -> FieldError | None:
    expected = node.types
    actual = json_type(value)
    if not expected or actual in expected or (value is None and node.nullable):
        return None
    if actual == "integer" and "number" in expected:
        return None
    if actual == "number" and "integer" in expected and float(value).is_integer():
        return None
    detail = f'{path} in body must be of type {",".join(expected)}: "{actual}"'
    return invalid(path, actual, detail, reason=Reason.TYPE_INVALID)


def _string(value: str, node: Node, path: str) -> Iterator[FieldError]:
    bounds = node.bounds
    if bounds.max_length is not None and len(value) > bounds.max_length:
        yield too_long(path, bounds.max_length)
    elif bounds.min_length is not None and len(value) < bounds.min_length:
        yield invalid(path, value, f"{path} in body should be at least {bounds.min_length} chars long")
    elif bounds.compiled_pattern is not None and bounds.compiled_pattern.search(value) is None:
        yield invalid(path, value, f"{path} in body should match '{bounds.pattern}'")
    known_format = FORMATS.get(bounds.format)
    if known_format is not None and not known_format(value):
        detail = f"{path} in body must be of type {bounds.format}: {compact(value)}"
        yield invalid(path, value, detail, reason=Reason.TYPE_INVALID)


def _number(value: float, node: Node, path: str) -> Iterator[FieldError]:
    bounds = node.bounds
    limits = _INTEGER_RANGES.get(bounds.format) if node.type == "integer" else None
    if limits is not None and not limits[0] <= value <= limits[1]:
        detail = f"Checked value must be of type integer with format {bounds.format} in {path}"
        yield invalid(path, value, detail)
    if bounds.multiple_of is not None and value % bounds.multiple_of:
        yield invalid(path, value, f"{path} in body should be a multiple of {number(bounds.multiple_of)}")
    if bounds.minimum is not None and (value <= bounds.minimum if bounds.exclusive_minimum else value < bounds.minimum):
        words = "greater than" if bounds.exclusive_minimum else "greater than or equal to"
        yield invalid(path, value, f"{path} in body should be {words} {number(bounds.minimum)}")
    if bounds.maximum is not None and (value >= bounds.maximum if bounds.exclusive_maximum else value > bounds.maximum):
        words = "less than" if bounds.exclusive_maximum else "less than or equal to"
        yield invalid(path, value, f"{path} in body should be {words} {number(bounds.maximum)}")


def _items(value: list[Any], node: Node, path: str) -> Iterator[FieldError]:
    bounds = node.bounds
    if node.items is not None:
        for index, item in enumerate(value):
            yield from validate_value(item, node.items, f"{path}[{index}]")
    if bounds.min_items is not None and len(value) < bounds.min_items:
        yield invalid(path, len(value), f"{path} in body should have at least {bounds.min_items} items")
    if bounds.max_items is not None and len(value) > bounds.max_items:
        yield too_many(path, len(value), bounds.max_items)
    if bounds.unique_items and any(_equal(item, other) for at, item in enumerate(value) for other in value[:at]):
        yield invalid(path, "", f"{path} in body shouldn't contain duplicates")


def _fields(value: dict[str, Any], node: Node, path: str) -> Iterator[FieldError]:
    bounds = node.bounds
    if bounds.min_properties is not None and len(value) < bounds.min_properties:
        yield invalid(path, len(value), f"{path} in body should have at least {bounds.min_properties} properties")
    if bounds.max_properties is not None and len(value) > bounds.max_properties:
        yield too_many(path, len(value), bounds.max_properties)
    for name, below in value.items():
        schema = node.child(name)
        if schema is not None:
            yield from validate_value(below, schema, child(path, name))
    for name in bounds.required:
        if name not in value:
            yield required(child(path, name))


def _junctors(value: Any, node: Node, path: str) -> Iterator[FieldError]:
    bounds = node.bounds
    for part in bounds.all_of:
        yield from validate_value(value, part, path)
    if bounds.any_of:
        failures = [list(validate_value(value, part, path)) for part in bounds.any_of]
        if all(failures):
            yield invalid(path, "", f'"{path}" must validate at least one schema (anyOf)')
            yield from min(failures, key=len)
    if bounds.one_of:
        failures = [list(validate_value(value, part, path)) for part in bounds.one_of]
        valid = sum(not failure for failure in failures)
        if valid != 1:
            found = "Found none valid" if valid == 0 else f"Found {valid} valid alternatives"
            yield invalid(path, "", f'"{path}" must validate one and only one schema (oneOf). {found}')
            if valid == 0:
                yield from min(failures, key=len)
    if bounds.negated is not None and not list(validate_value(value, bounds.negated, path)):
        yield invalid(path, "", f'"{path}" must not validate the schema (not)')


def _double_entries(value: list[Any], node: Node, path: str) -> Iterator[FieldError]:
    entries: list[Any]
    if node.list_type == "set":
        entries = value
    elif node.list_type == "map":
        for index, item in enumerate(value):
            if item is not None and not isinstance(item, dict):
                yield invalid(f"{path}[{index}]", item, "must be an object for an array of list-type map")
                return
        entries = [{key: item[key] for key in node.list_map_keys if key in item} if item else {} for item in value]
    else:
        return
    times: dict[str, int] = {}
    for index, entry in enumerate(entries):
        name = compact(entry)
        times[name] = times.get(name, 0) + 1
        if times[name] == 2:
            yield duplicate(f"{path}[{index}]", entry)


def _equal(one: Any, other: Any) -> bool:
    return bool(one == other) and isinstance(one, bool) == isinstance(other, bool)
