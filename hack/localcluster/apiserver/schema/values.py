"""JSON values as CEL sees them, guided by the schema."""

from __future__ import annotations

from typing import Any

from .node import Node


def convert(value: Any, node: Node) -> Any:
    """`value` as CEL sees it: only declared fields, no nulls in objects, numbers as doubles."""
    if isinstance(value, dict):
        if node.additional is not None:
            below = node.additional_node
            return {name: convert(v, below) if below else v for name, v in value.items()}
        return {
            name: convert(value[name], schema)
            for name, schema in node.properties.items()
            if value.get(name) is not None
        }
    if isinstance(value, list):
        return [convert(item, node.items) if node.items else item for item in value]
    if node.type == "number" and isinstance(value, int) and not isinstance(value, bool):
        return float(value)
    return value


def convert_root(value: dict[str, Any], node: Node) -> dict[str, Any]:
    """A whole object: of metadata only name and generateName can be seen."""
    converted: dict[str, Any] = convert(value, node)
    metadata = value.get("metadata") or {}
    converted["metadata"] = {name: metadata[name] for name in ("name", "generateName") if name in metadata}
    for name in ("apiVersion", "kind"):
        if name in value:
            converted[name] = value[name]
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
