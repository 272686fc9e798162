"""Validation refuses what the API server refuses, in its words."""

from __future__ import annotations

from typing import Any

import pytest

from hack.localcluster.apiserver.schema.errors import Reason
from hack.localcluster.apiserver.schema.structural import prepare


def said(field: dict[str, Any], value: Any, **spec: Any) -> list[str]:
    """What is said of spec.f with this schema and value."""
    schema = prepare({"type": "object", "properties": {"spec": {"type": "object", "properties": {"f": field}, **spec}}})
    return [str(error) for error in schema.validate({"spec": {"f": value}})]


CASES: list[tuple[dict[str, Any], Any, str]] = [
    ({"type": "integer", "maximum": 1}, 5, "Invalid value: 5: spec.f in body should be less than or equal to 1"),
    ({"type": "integer", "minimum": 1}, 0, "Invalid value: 0: spec.f in body should be greater than or equal to 1"),
    (
        {"type": "number", "maximum": 1.5, "exclusiveMaximum": True},
        1.5,
        "Invalid value: 1.5: spec.f in body should be less than 1.5",
    ),
    (
        {"type": "integer", "minimum": 0, "exclusiveMinimum": True},
        0,
        "Invalid value: 0: spec.f in body should be greater than 0",
    ),
    ({"type": "integer", "multipleOf": 5}, 7, "Invalid value: 7: spec.f in body should be a multiple of 5"),
    (
        {"type": "integer"},
        "5",
        'Invalid value: "string": spec.f in body must be of type integer: "string"',
    ),
    ({"type": "string"}, 5, 'Invalid value: "integer": spec.f in body must be of type string: "integer"'),
    ({"type": "boolean"}, "x", 'Invalid value: "string": spec.f in body must be of type boolean: "string"'),
    ({"type": "integer"}, True, 'Invalid value: "boolean": spec.f in body must be of type integer: "boolean"'),
    ({"type": "integer"}, 1.5, 'Invalid value: "number": spec.f in body must be of type integer: "number"'),
    (
        {"type": "object"},
        [],
        'Invalid value: "array": spec.f in body must be of type object: "array"',
    ),
    ({"type": "string"}, None, 'Invalid value: "null": spec.f in body must be of type string: "null"'),
    (
        {"x-kubernetes-int-or-string": True},
        True,
        'Invalid value: "boolean": spec.f in body must be of type integer,string: "boolean"',
    ),
    ({"type": "string", "enum": ["a", "b"]}, "x", 'Unsupported value: "x": supported values: "a", "b"'),
    ({"type": "string", "maxLength": 2}, "abc", "Too long: may not be more than 2 bytes"),
    ({"type": "string", "minLength": 1}, "", 'Invalid value: "": spec.f in body should be at least 1 chars long'),
    ({"type": "string", "pattern": "^a+$"}, "b", "Invalid value: \"b\": spec.f in body should match '^a+$'"),
    (
        {"type": "string", "format": "date-time"},
        "yesterday",
        'Invalid value: "yesterday": spec.f in body must be of type date-time: "yesterday"',
    ),
    (
        {"type": "array", "items": {"type": "string"}, "maxItems": 1},
        ["a", "b"],
        "Too many: 2: must have at most 1 item",
    ),
    (
        {"type": "array", "items": {"type": "string"}, "minItems": 1},
        [],
        "Invalid value: 0: spec.f in body should have at least 1 items",
    ),
    (
        {"type": "object", "additionalProperties": {"type": "string"}, "maxProperties": 1},
        {"a": "", "b": ""},
        "Too many: 2: must have at most 1 item",
    ),
    (
        {"type": "object", "additionalProperties": {"type": "string"}, "minProperties": 1},
        {},
        "Invalid value: 0: spec.f in body should have at least 1 properties",
    ),
    (
        {"type": "string", "not": {"enum": ["a"]}},
        "a",
        'Invalid value: "": "spec.f" must not validate the schema (not)',
    ),
]


@pytest.mark.parametrize(("field", "value", "message"), CASES)
def test_a_wrong_value_is_refused_in_the_servers_words(field: dict[str, Any], value: Any, message: str) -> None:
    assert said(field, value) == [f"spec.f: {message}"]


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ({"type": "string", "maxLength": 2}, "éé"),
        ({"type": "string", "nullable": True}, None),
        ({"type": "number"}, 5),
        ({"type": "integer"}, 5.0),
        ({"type": "string", "pattern": "b"}, "abc"),
        ({"type": "string", "enum": ["a"]}, "a"),
        ({"type": "string", "format": "something-new"}, "x"),
        ({"type": "string", "format": "date-time"}, "2026-01-02T03:04:05.6Z"),
        ({"type": "string", "format": "ipv4"}, "10.0.0.1"),
        ({"x-kubernetes-int-or-string": True, "maxLength": 3}, "5Gi"),
        ({"x-kubernetes-preserve-unknown-fields": True}, [1, "a", None]),
        ({"type": "string", "anyOf": [{"pattern": "^a"}, {"pattern": "^b"}]}, "b"),
    ],
)
def test_a_right_value_is_accepted(field: dict[str, Any], value: Any) -> None:
    assert said(field, value) == []


@pytest.mark.parametrize(
    ("text_format", "right", "wrong"),
    [
        ("date", "2026-02-28", "2026-02-30"),
        ("duration", "1h30m", "1d"),
        ("byte", "YQ==", "Y"),
        ("ipv6", "::1", "1.2.3.4"),
        ("cidr", "10.0.0.0/8", "10.0.0.0"),
        ("hostname", "a.example", "a_b"),
        ("uri", "https://a/b", "a b"),
        ("email", "a@b", "a"),
        ("mac", "00:11:22:33:44:55", "00:11"),
        ("uuid", "123e4567-e89b-12d3-a456-426614174000", "123"),
    ],
)
def test_formats_are_checked(text_format: str, right: str, wrong: str) -> None:
    field = {"type": "string", "format": text_format}

    assert said(field, right) == []
    assert said(field, wrong) == [
        f'spec.f: Invalid value: "{wrong}": spec.f in body must be of type {text_format}: "{wrong}"'
    ]


def test_a_required_field_is_named_with_its_whole_path() -> None:
    assert said({"type": "string"}, "a", required=["instanceRef"]) == ["spec.instanceRef: Required value"]


def test_a_required_field_at_the_root_has_no_leading_dot() -> None:
    schema = prepare({"type": "object", "required": ["spec"], "properties": {"spec": {"type": "object"}}})

    assert [str(error) for error in schema.validate({})] == ["spec: Required value"]


def test_a_wrong_item_is_named_with_its_index_and_a_wrong_entry_with_its_key() -> None:
    assert said({"type": "array", "items": {"type": "string"}}, ["a", 1]) == [
        'spec.f[1]: Invalid value: "integer": spec.f[1] in body must be of type string: "integer"'
    ]
    assert said({"type": "object", "additionalProperties": {"type": "string"}}, {"k": 1}) == [
        'spec.f.k: Invalid value: "integer": spec.f.k in body must be of type string: "integer"'
    ]


LIST_MAP = {
    "type": "array",
    "x-kubernetes-list-type": "map",
    "x-kubernetes-list-map-keys": ["port", "protocol"],
    "items": {
        "type": "object",
        "required": ["port", "protocol"],
        "properties": {"port": {"type": "integer"}, "protocol": {"type": "string"}},
    },
}


def test_double_entries_are_refused_once_each() -> None:
    tcp, udp = {"port": 1, "protocol": "TCP"}, {"port": 1, "protocol": "UDP"}

    assert said(LIST_MAP, [tcp, udp]) == []
    assert said(LIST_MAP, [tcp, udp, tcp, tcp]) == ['spec.f[2]: Duplicate value: {"port":1,"protocol":"TCP"}']
    assert said({"type": "array", "x-kubernetes-list-type": "set", "items": {"type": "string"}}, ["a", "b", "a"]) == [
        'spec.f[2]: Duplicate value: "a"'
    ]


def test_exactly_one_schema_of_one_of_must_hold() -> None:
    field = {"type": "string", "oneOf": [{"pattern": "^a"}, {"pattern": "b$"}]}

    assert said(field, "ax") == []
    assert said(field, "ab") == [
        'spec.f: Invalid value: "": "spec.f" must validate one and only one schema (oneOf). Found 2 valid alternatives'
    ]


@pytest.mark.parametrize(
    ("field", "value", "reason"),
    [
        ({"type": "string"}, 1, Reason.TYPE_INVALID),
        ({"type": "string", "enum": ["a"]}, "b", Reason.NOT_SUPPORTED),
        ({"type": "string", "maxLength": 1}, "ab", Reason.TOO_LONG),
        ({"type": "integer", "maximum": 1}, 2, Reason.INVALID),
    ],
)
def test_every_error_carries_the_reason_of_the_status_cause(field: dict[str, Any], value: Any, reason: Reason) -> None:
    schema = prepare({"type": "object", "properties": {"f": field}})

    (error,) = schema.validate({"f": value})

    assert (error.field, error.reason) == ("f", reason)
    assert not error.message.startswith("f:")
