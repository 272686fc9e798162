"""JSON values as rules see them, guided by the schema."""

from __future__ import annotations

import base64
import binascii
from datetime import UTC, datetime
from typing import Any

from .expressions.errors import EvaluationError
from .expressions.values import Duration, MapList, SetList
from .node import Node


def convert(value: Any, node: Node) -> Any:
    """`value` as rules see it: nulls are absent in objects, numbers have the schema's type, times are times."""
    if isinstance(value, dict):
        return _converted_fields(value, node)
    if isinstance(value, list):
        items = [convert(item, node.items) for item in value] if node.items is not None else value
        if node.list_type == "map":
            return MapList(items, node.list_map_keys)
        return SetList(items) if node.list_type == "set" else items
    if isinstance(value, str) and node.type == "string" and node.bounds.format:
        return _converted_text(value, node.bounds.format)
    if node.type == "number" and type(value) is int:
        return float(value)
    if node.type == "integer" and isinstance(value, float):
        return int(value)
    return value


def convert_root(value: dict[str, Any], node: Node) -> dict[str, Any]:
    """A whole object: of metadata only name and generateName can be seen."""
    converted: dict[str, Any] = convert({name: value[name] for name in value if name != "metadata"}, node)
    metadata = value.get("metadata") or {}
    converted["metadata"] = {name: metadata[name] for name in ("name", "generateName") if metadata.get(name)}
    converted |= {name: value[name] for name in ("apiVersion", "kind") if name in value}
    return converted


class ListIndex:
    """The items of an old list by their keys; empty for lists whose items can't be told apart."""

    def __init__(self, value: Any, node: Node) -> None:
        self._keys = node.list_map_keys if node.list_type == "map" else ()
        self._items: dict[tuple[Any, ...], Any] = {}
        if self._keys and isinstance(value, list):
            for item in value:
                if isinstance(item, dict):
                    self._items.setdefault(self._key(item), item)

    def get(self, item: Any) -> Any:
        """The old counterpart of `item`, or None."""
        return self._items.get(self._key(item)) if self._keys and isinstance(item, dict) else None

    def _key(self, item: dict[str, Any]) -> tuple[Any, ...]:
        return tuple(item.get(key) for key in self._keys)


def _converted_fields(value: dict[str, Any], node: Node) -> dict[str, Any]:
    result = {}
    for name, part in value.items():
        schema = node.child(name)
        if part is None and node.additional_node is None:
            continue
        result[name] = convert(part, schema) if schema is not None else part
    return result


def _converted_text(value: str, text_format: str) -> Any:
    try:
        match text_format:
            case "duration":
                return Duration.parse(value)
            case "date":
                return datetime.fromisoformat(value).replace(tzinfo=UTC)
            case "date-time":
                return datetime.fromisoformat(value)
            case "byte":
                return base64.b64decode(value, validate=True)
            case _:
                return value
    except (ValueError, binascii.Error, EvaluationError):
        # validation by format has refused it already
        return value
