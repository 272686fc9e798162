"""JSON values as rules see them, guided by the schema."""

from __future__ import annotations

import base64
import binascii
import re
from datetime import UTC, datetime
from typing import Any, Final

from .functions import duration, timestamp
from .node import Node

_RESERVED: Final = frozenset(
    {
        "as", "break", "const", "continue", "else", "false", "for", "function", "if", "import", "in", "let", "loop",
        "namespace", "null", "package", "return", "true", "var", "void", "while",
    }
)  # fmt: skip
_ESCAPES: Final = {"__": "__underscores__", ".": "__dot__", "-": "__dash__", "/": "__slash__"}
_ESCAPED: Final = re.compile(r"__|[-./]")
_TEXT: Final = Node(type="string")
_ROOT_FIELDS: Final = {
    "apiVersion": _TEXT,
    "kind": _TEXT,
    "metadata": Node(type="object", properties={"name": _TEXT, "generateName": _TEXT}),
}


def is_visible(node: Node | None) -> bool:
    """Can rules see this place? Not where the schema leaves the type open."""
    if node is None:
        return False
    if node.type == "array":
        return is_visible(node.items)
    if node.type == "object" and node.additional_node is not None:
        return is_visible(node.additional_node)
    return node.int_or_string or node.type != ""


def visible_fields(node: Node, *, is_root: bool) -> dict[str, tuple[str, Node]]:
    """The declared fields of an object by their names in rules; of a whole object's metadata only its names."""
    declared = {**node.properties, **_ROOT_FIELDS} if is_root else node.properties
    return {_escaped(name): (name, child) for name, child in declared.items() if is_visible(child)}


def convert(value: Any, node: Node, *, is_root: bool = False) -> Any:
    """`value` as rules see it: no undeclared fields, no nulls in objects, numbers of the schema's type, real times."""
    if isinstance(value, dict):
        return _converted_fields(value, node, is_root=is_root or node.embedded_resource)
    if isinstance(value, list):
        return [convert(item, node.items) for item in value] if node.items is not None else value
    if isinstance(value, str) and node.type == "string" and node.bounds.format:
        return _converted_text(value, node.bounds.format)
    if node.type == "number" and type(value) is int:
        return float(value)
    if node.type == "integer" and isinstance(value, float):
        return int(value)
    return value


def aligned(old: Any, value: Any, node: Node | None) -> Any:
    """`old`, its lists of the types set and map in the order of `value`: there, order makes no difference."""
    if node is None or type(old) is not type(value):
        return old
    if isinstance(old, dict):
        return {name: aligned(part, value.get(name), node.child(name)) for name, part in old.items()}
    if isinstance(old, list) and node.list_type == "set":
        return sorted(old, key=lambda item: value.index(item) if item in value else len(value))
    if isinstance(old, list) and node.list_type == "map":
        found = ListIndex(old, node)
        kept = [(counterpart, item) for item in value if (counterpart := found.get(item)) is not None]
        gone = [item for item in old if all(item is not counterpart for counterpart, _ in kept)]
        return [*(aligned(counterpart, item, node.items) for counterpart, item in kept), *gone]
    return old


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


def _converted_fields(value: dict[str, Any], node: Node, *, is_root: bool) -> dict[str, Any]:
    below = node.additional_node
    if below is not None:
        return {name: convert(part, below) for name, part in value.items()}
    return {
        seen: convert(value[name], child)
        for seen, (name, child) in visible_fields(node, is_root=is_root).items()
        if value.get(name) is not None
    }


def _escaped(name: str) -> str:
    return f"__{name}__" if name in _RESERVED else _ESCAPED.sub(lambda match: _ESCAPES[match[0]], name)


def _converted_text(value: str, text_format: str) -> Any:
    try:
        match text_format:
            case "duration":
                return duration(value)
            case "date":
                return datetime.fromisoformat(value).replace(tzinfo=UTC)
            case "date-time":
                return timestamp(value)
            case "byte":
                return base64.b64decode(value, validate=True)
            case _:
                return value
    except (ValueError, binascii.Error):
        # validation by format has refused it already
        return value
