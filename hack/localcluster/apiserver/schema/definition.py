"""Is a schema structural? The checks that the API server makes when a CustomResourceDefinition is written."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from enum import StrEnum
from typing import Any, Final

from .errors import FieldError, forbidden, invalid, not_supported, required
from .patterns import compile_pattern

TYPES: Final = ("array", "boolean", "integer", "number", "object", "string")
LIST_TYPES: Final = ("atomic", "map", "set")
MAP_TYPES: Final = ("atomic", "granular")
REASONS: Final = ("FieldValueDuplicate", "FieldValueForbidden", "FieldValueInvalid", "FieldValueRequired")
#: Keywords of JSON schema that the API does not have.
_UNSUPPORTED: Final = ("$ref", "definitions", "dependencies", "patternProperties", "additionalItems")
_NESTED_FORBIDDEN: Final = (
    "type", "default", "title", "description", "nullable", "additionalProperties",
    "x-kubernetes-preserve-unknown-fields", "x-kubernetes-embedded-resource", "x-kubernetes-int-or-string",
    "x-kubernetes-list-type", "x-kubernetes-list-map-keys", "x-kubernetes-map-type", "x-kubernetes-validations",
)  # fmt: skip
_INT_OR_STRING: Final = [{"type": "integer"}, {"type": "string"}]


class _Level(StrEnum):
    ROOT = "at the root"
    ITEM = "for specified array items"
    FIELD = "for specified object fields"


def check_definition(schema: Mapping[str, Any], path: str = "openAPIV3Schema") -> list[FieldError]:
    """Every place where `schema` is not structural; `path` is put before the places' names."""
    return sorted(_node(schema, path, _Level.ROOT), key=str)


def _node(schema: Mapping[str, Any], path: str, level: _Level) -> Iterator[FieldError]:
    yield from _keywords(schema, path)
    yield from _type(schema, path, level)
    yield from _object(schema, path, level)
    yield from _list(schema, path)
    yield from _pattern(schema, path)
    yield from _rules(schema, path)
    for keyword in ("allOf", "anyOf", "oneOf"):
        if schema.get("x-kubernetes-int-or-string") and schema.get(keyword) == _INT_OR_STRING:
            continue
        for index, part in enumerate(schema.get(keyword) or ()):
            if keyword == "allOf" and index == 0 and part.get("anyOf") == _INT_OR_STRING:
                continue
            yield from _nested(part, f"{path}.{keyword}[{index}]")
    if schema.get("not") is not None:
        yield from _nested(schema["not"], f"{path}.not")


def _keywords(schema: Mapping[str, Any], path: str) -> Iterator[FieldError]:
    for keyword in _UNSUPPORTED:
        if keyword in schema:
            yield forbidden(f"{path}.{keyword}", f"{keyword} is not supported")
    if schema.get("uniqueItems"):
        yield forbidden(
            f"{path}.uniqueItems", "uniqueItems cannot be set to true since the runtime complexity becomes quadratic"
        )


def _type(schema: Mapping[str, Any], path: str, level: _Level) -> Iterator[FieldError]:
    kind = schema.get("type", "")
    free = schema.get("x-kubernetes-int-or-string") or schema.get("x-kubernetes-preserve-unknown-fields")
    if kind and schema.get("x-kubernetes-int-or-string"):
        yield invalid(f"{path}.type", kind, "must be empty if x-kubernetes-int-or-string is true")
    elif kind and kind not in TYPES:
        yield not_supported(f"{path}.type", kind, TYPES)
    elif not kind and schema.get("x-kubernetes-embedded-resource"):
        yield required(f"{path}.type", "must be object if x-kubernetes-embedded-resource is true")
    elif not kind and (not free or level is _Level.ROOT):
        yield required(f"{path}.type", f"must not be empty {level.value}")
    if level is _Level.ROOT and kind not in ("", "object"):
        yield invalid(f"{path}.type", kind, "must be object at the root")


def _object(schema: Mapping[str, Any], path: str, level: _Level) -> Iterator[FieldError]:
    additional = schema.get("additionalProperties")
    properties = schema.get("properties") or {}
    if additional is False:
        yield forbidden(f"{path}.additionalProperties", "additionalProperties cannot be set to false")
    if additional is not None and properties:
        yield forbidden(f"{path}.additionalProperties", "additionalProperties and properties are mutual exclusive")
    if additional is not None and level is _Level.ROOT:
        yield forbidden(f"{path}.additionalProperties", "must not be used at the root")
    if isinstance(additional, Mapping):
        if "default" in additional:
            yield forbidden(f"{path}.additionalProperties.default", "must not be set")
        yield from _node(additional, f"{path}.additionalProperties", _Level.FIELD)
    if schema.get("x-kubernetes-map-type", "granular") not in MAP_TYPES:
        yield not_supported(f"{path}.x-kubernetes-map-type", schema["x-kubernetes-map-type"], MAP_TYPES)
    for name, child in properties.items():
        below = f"{path}.properties[{name}]"
        if level is _Level.ROOT and name == "metadata":
            if set(child) - {"type", "description", "properties"} or set(child.get("properties") or {}) - {
                "name",
                "generateName",
            }:
                yield forbidden(
                    below,
                    "must not specify anything other than name and generateName, but metadata is implicitly specified",
                )
            continue
        yield from _node(child, below, _Level.FIELD)


def _list(schema: Mapping[str, Any], path: str) -> Iterator[FieldError]:
    items = schema.get("items")
    kind = schema.get("x-kubernetes-list-type")
    keys = schema.get("x-kubernetes-list-map-keys") or []
    if items is not None and not isinstance(items, Mapping):
        yield forbidden(f"{path}.items", "items must be a schema object and not an array")
        return
    if schema.get("type") == "array" and items is None:
        yield required(f"{path}.items", "must be specified")
    if items is not None:
        yield from _node(items, f"{path}.items", _Level.ITEM)
    if kind is not None and kind not in LIST_TYPES:
        yield not_supported(f"{path}.x-kubernetes-list-type", kind, LIST_TYPES)
    if kind is not None and schema.get("type") != "array":
        yield invalid(f"{path}.type", schema.get("type", ""), "must be array if x-kubernetes-list-type is specified")
    if kind != "map" and keys:
        yield invalid(f"{path}.x-kubernetes-list-type", kind, "must be map if x-kubernetes-list-map-keys is non-empty")
    if kind == "map":
        yield from _list_map(items or {}, keys, path)


def _list_map(items: Mapping[str, Any], keys: list[str], path: str) -> Iterator[FieldError]:
    if not keys:
        yield required(f"{path}.x-kubernetes-list-map-keys", "must not be empty if x-kubernetes-list-type is map")
    if items and items.get("type") != "object":
        yield invalid(
            f"{path}.items.type",
            items.get("type", ""),
            "must be object if parent array's x-kubernetes-list-type is map",
        )
        return
    for index, key in enumerate(keys):
        declared = (items.get("properties") or {}).get(key)
        if declared is None:
            yield invalid(
                f"{path}.x-kubernetes-list-map-keys[{index}]",
                key,
                "entries must all be names of item properties",
            )
        elif key not in (items.get("required") or []) and declared.get("default") is None:
            yield required(
                f"{path}.items.properties[{key}].default",
                "this property is in x-kubernetes-list-map-keys, so it must have a default or be a required property",
            )


def _pattern(schema: Mapping[str, Any], path: str) -> Iterator[FieldError]:
    pattern = schema.get("pattern")
    if pattern:
        try:
            compile_pattern(pattern)
        except ValueError as error:
            yield invalid(f"{path}.pattern", pattern, f"must be a valid regular expression, but isn't: {error}")


def _rules(schema: Mapping[str, Any], path: str) -> Iterator[FieldError]:
    for index, rule in enumerate(schema.get("x-kubernetes-validations") or ()):
        below = f"{path}.x-kubernetes-validations[{index}]"
        if not str(rule.get("rule", "")).strip():
            yield required(f"{below}.rule", "rule is not specified")
        if rule.get("reason") and rule["reason"] not in REASONS:
            yield not_supported(f"{below}.reason", rule["reason"], REASONS)
        if "message" in rule and not rule["message"].strip():
            yield invalid(f"{below}.message", rule["message"], "message must be non-empty if specified")
        elif "\n" in rule.get("message", "").strip():
            yield invalid(f"{below}.message", rule["message"], "message must not contain line breaks")
        if "\n" in str(rule.get("rule", "")).strip() and not rule.get("message"):
            yield required(f"{below}.message", "message must be specified if rule contains line breaks")


def _nested(schema: Mapping[str, Any], path: str) -> Iterator[FieldError]:
    for keyword in _NESTED_FORBIDDEN:
        if schema.get(keyword):
            yield forbidden(f"{path}.{keyword}", "must be undefined to be structural")
    yield from _pattern(schema, path)
    for name, child in (schema.get("properties") or {}).items():
        yield from _nested(child, f"{path}.properties[{name}]")
    if isinstance(schema.get("items"), Mapping):
        yield from _nested(schema["items"], f"{path}.items")
    for keyword in ("allOf", "anyOf", "oneOf"):
        for index, part in enumerate(schema.get(keyword) or ()):
            yield from _nested(part, f"{path}.{keyword}[{index}]")
    if schema.get("not") is not None:
        yield from _nested(schema["not"], f"{path}.not")
