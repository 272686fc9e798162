"""A structural schema at work: defaulting, pruning and validation of one object.

The API server's order for a write is `prune`, then `default`, then `validate`, then the rules of `cel`.
"""

from __future__ import annotations

import copy
from collections.abc import Mapping
from typing import Any, Final

from .definition import check_definition
from .errors import FieldError, SchemaError
from .node import ABSENT, Node, parse
from .validation import validate_lists, validate_value

#: The fields of every object, known without being declared.
META_FIELDS: Final = frozenset({"apiVersion", "kind", "metadata"})


class StructuralSchema:
    """One version's openAPIV3Schema, prepared once and used for every object; immutable and safe to share."""

    __slots__ = ("root",)

    def __init__(self, root: Node) -> None:
        self.root = root

    def default(self, obj: dict[str, Any]) -> None:
        """Fill in defaults, in place.

        A null that the schema does not allow is dropped, or replaced by the default where there is one.
        """
        _drop_nulls(obj, self.root)
        _default(obj, self.root)

    def prune(self, obj: dict[str, Any]) -> list[str]:
        """Drop what the schema does not know, in place; returns the paths of the dropped fields, sorted."""
        dropped: list[str] = []
        _prune(obj, self.root, "", dropped, keep_meta=True)
        return sorted(dropped)

    def validate(self, obj: dict[str, Any]) -> list[FieldError]:
        """What is wrong with `obj`, except for the rules in CEL."""
        return [*validate_value(obj, self.root, ""), *validate_lists(obj, self.root, "")]


def prepare(schema: Mapping[str, Any]) -> StructuralSchema:
    """The schema ready for use; raises SchemaError where it is not structural."""
    errors = check_definition(schema)
    if errors:
        raise SchemaError(errors)
    return StructuralSchema(parse(schema))


def default_value(value: Any, node: Node) -> None:
    """Fill in the defaults of `node` below `value`, in place."""
    _default(value, node)


def pruned(value: Any, node: Node) -> Any:
    """A copy of `value` without what `node` does not know."""
    clone = copy.deepcopy(value)
    _prune(clone, node, "", [], keep_meta=node.embedded_resource)
    return clone


def _drop_nulls(value: Any, node: Node | None) -> None:
    if isinstance(value, dict):
        for name in list(value):
            child = node.child(name) if node is not None else None
            if value[name] is None and child is not None and not child.nullable and child.default is ABSENT:
                del value[name]
            else:
                _drop_nulls(value[name], child)
    elif isinstance(value, list):
        for item in value:
            _drop_nulls(item, node.items if node is not None else None)


def _default(value: Any, node: Node | None) -> None:
    if node is None:
        return
    if isinstance(value, dict):
        for name, child in node.properties.items():
            if child.default is not ABSENT and _is_missing(value.get(name, ABSENT), child):
                value[name] = copy.deepcopy(child.default)
        for name in value:
            below = node.child(name)
            if name not in node.properties:
                value[name] = _without_null(value[name], below)
            _default(value[name], below)
    elif isinstance(value, list):
        for index, item in enumerate(value):
            value[index] = _without_null(item, node.items)
            _default(value[index], node.items)


def _is_missing(value: Any, node: Node) -> bool:
    return value is ABSENT or (value is None and not node.nullable)


def _without_null(value: Any, node: Node | None) -> Any:
    if value is None and node is not None and not node.nullable and node.default is not ABSENT:
        return copy.deepcopy(node.default)
    return value


def _prune(value: Any, node: Node | None, path: str, dropped: list[str], *, keep_meta: bool = False) -> None:
    if isinstance(value, dict):
        preserve = node is not None and node.preserve_unknown_fields
        keep_meta = keep_meta or (node is not None and node.embedded_resource)
        for name in list(value):
            below = f"{path}.{name}" if path else name
            if keep_meta and name in META_FIELDS:
                continue
            if node is not None and (name in node.properties or node.additional):
                _prune(value[name], node.child(name), below, dropped)
            elif not preserve:
                dropped.append(below)
                del value[name]
    elif isinstance(value, list):
        preserve = node is not None and node.preserve_unknown_fields
        for index, item in enumerate(value):
            items = node.items if node is not None else None
            if preserve and items is None:
                continue
            _prune(item, items, f"{path}[{index}]", dropped)
