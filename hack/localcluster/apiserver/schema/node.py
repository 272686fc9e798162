"""The parsed form of a structural schema: one frozen node for each place of the document."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from .patterns import compile_pattern


class _Absent:
    """The type of ABSENT."""

    def __repr__(self) -> str:
        return "ABSENT"


#: Stands where a schema says nothing; None would be a value of its own (`default: null`).
ABSENT: Final = _Absent()


@dataclass(frozen=True, slots=True)
class Rule:
    """One entry of x-kubernetes-validations."""

    rule: str
    message: str = ""
    message_expression: str = ""
    reason: str = ""
    field_path: str = ""
    optional_old_self: bool = False


@dataclass(frozen=True, slots=True)
class Bounds:
    """The value validations of a node; None and empty mean: not restricted."""

    enum: tuple[Any, ...] = ()
    minimum: float | None = None
    maximum: float | None = None
    exclusive_minimum: bool = False
    exclusive_maximum: bool = False
    multiple_of: float | None = None
    min_length: int | None = None
    max_length: int | None = None
    pattern: str = ""
    compiled_pattern: re.Pattern[str] | None = None
    format: str = ""
    required: tuple[str, ...] = ()
    min_items: int | None = None
    max_items: int | None = None
    unique_items: bool = False
    min_properties: int | None = None
    max_properties: int | None = None
    all_of: tuple[Node, ...] = ()
    any_of: tuple[Node, ...] = ()
    one_of: tuple[Node, ...] = ()
    negated: Node | None = None


@dataclass(frozen=True, slots=True)
class Node:
    """One place of a schema.

    `additional` is a node for `additionalProperties: {…}`, True for `additionalProperties: true`, and None where the
    keyword is absent, so that undeclared fields are unknown.
    """

    type: str = ""
    nullable: bool = False
    default: Any = ABSENT
    properties: Mapping[str, Node] = field(default_factory=dict)
    additional: Node | bool | None = None
    items: Node | None = None
    preserve_unknown_fields: bool = False
    embedded_resource: bool = False
    int_or_string: bool = False
    list_type: str = ""
    list_map_keys: tuple[str, ...] = ()
    map_type: str = ""
    rules: tuple[Rule, ...] = ()
    bounds: Bounds = field(default_factory=Bounds)

    @property
    def types(self) -> tuple[str, ...]:
        """The JSON types that a value may have; empty for any."""
        if self.int_or_string:
            return ("integer", "string")
        return (self.type,) if self.type else ()

    @property
    def additional_node(self) -> Node | None:
        """The schema of undeclared fields, if they have one."""
        return self.additional if isinstance(self.additional, Node) else None

    def child(self, name: str) -> Node | None:
        """The schema of the field `name`, declared or additional."""
        declared = self.properties.get(name)
        return declared if declared is not None else self.additional_node


def parse(schema: Mapping[str, Any]) -> Node:
    """The node of `schema`; raises ValueError for a pattern that is no regular expression."""
    additional = schema.get("additionalProperties")
    items = schema.get("items")
    return Node(
        type=schema.get("type", ""),
        nullable=schema.get("nullable", False),
        default=ABSENT if schema.get("default") is None else schema["default"],
        properties={name: parse(value) for name, value in (schema.get("properties") or {}).items()},
        additional=parse(additional) if isinstance(additional, Mapping) else additional,
        items=parse(items) if isinstance(items, Mapping) else None,
        preserve_unknown_fields=schema.get("x-kubernetes-preserve-unknown-fields", False),
        embedded_resource=schema.get("x-kubernetes-embedded-resource", False),
        int_or_string=schema.get("x-kubernetes-int-or-string", False),
        list_type=schema.get("x-kubernetes-list-type", ""),
        list_map_keys=tuple(schema.get("x-kubernetes-list-map-keys") or ()),
        map_type=schema.get("x-kubernetes-map-type", ""),
        rules=tuple(_rule(entry) for entry in schema.get("x-kubernetes-validations") or ()),
        bounds=_bounds(schema),
    )


def _rule(entry: Mapping[str, Any]) -> Rule:
    return Rule(
        rule=entry.get("rule", ""),
        message=entry.get("message", ""),
        message_expression=entry.get("messageExpression", ""),
        reason=entry.get("reason", ""),
        field_path=entry.get("fieldPath", ""),
        optional_old_self=bool(entry.get("optionalOldSelf")),
    )


def _bounds(schema: Mapping[str, Any]) -> Bounds:
    pattern = schema.get("pattern", "")
    return Bounds(
        enum=tuple(schema.get("enum") or ()),
        minimum=schema.get("minimum"),
        maximum=schema.get("maximum"),
        exclusive_minimum=schema.get("exclusiveMinimum", False),
        exclusive_maximum=schema.get("exclusiveMaximum", False),
        multiple_of=schema.get("multipleOf"),
        min_length=schema.get("minLength"),
        max_length=schema.get("maxLength"),
        pattern=pattern,
        compiled_pattern=compile_pattern(pattern) if pattern else None,
        format=schema.get("format", ""),
        required=tuple(schema.get("required") or ()),
        min_items=schema.get("minItems"),
        max_items=schema.get("maxItems"),
        unique_items=schema.get("uniqueItems", False),
        min_properties=schema.get("minProperties"),
        max_properties=schema.get("maxProperties"),
        all_of=tuple(parse(part) for part in schema.get("allOf") or ()),
        any_of=tuple(parse(part) for part in schema.get("anyOf") or ()),
        one_of=tuple(parse(part) for part in schema.get("oneOf") or ()),
        negated=parse(schema["not"]) if schema.get("not") is not None else None,
    )
