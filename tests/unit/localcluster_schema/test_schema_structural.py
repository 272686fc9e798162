"""Defaulting and pruning."""

from __future__ import annotations

import copy
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hack.localcluster.apiserver.schema.errors import SchemaError
from hack.localcluster.apiserver.schema.structural import StructuralSchema, prepare


def schema_of(**properties: Any) -> StructuralSchema:
    """The schema of an object whose spec has these properties."""
    return prepare({"type": "object", "properties": {"spec": {"type": "object", "properties": properties}}})


def defaulted(schema: StructuralSchema, spec: Any) -> Any:
    obj = {"spec": spec}
    schema.default(obj)
    return obj["spec"]


PORT = {"type": "integer", "default": 80}


def test_a_missing_field_gets_its_default() -> None:
    assert defaulted(schema_of(port=PORT), {}) == {"port": 80}


def test_a_given_value_keeps_its_place() -> None:
    assert defaulted(schema_of(port=PORT), {"port": 0}) == {"port": 0}


def test_a_default_below_a_missing_object_needs_a_default_of_that_object() -> None:
    without = {"type": "object", "properties": {"port": PORT}}
    assert defaulted(schema_of(nfs=without), {}) == {}
    assert defaulted(schema_of(nfs={**without, "default": {}}), {}) == {"nfs": {"port": 80}}


def test_defaults_reach_into_items_and_additional_properties() -> None:
    entry = {"type": "object", "properties": {"port": PORT}}
    schema = schema_of(items={"type": "array", "items": entry}, named={"type": "object", "additionalProperties": entry})

    result = defaulted(schema, {"items": [{}, {"port": 1}], "named": {"a": {}}})

    assert result == {"items": [{"port": 80}, {"port": 1}], "named": {"a": {"port": 80}}}


def test_a_null_that_is_not_allowed_is_replaced_by_the_default_or_dropped() -> None:
    schema = schema_of(port=PORT, name={"type": "string"})

    assert defaulted(schema, {"port": None, "name": None}) == {"port": 80}


def test_an_allowed_null_stays_even_where_a_default_is() -> None:
    assert defaulted(schema_of(port={**PORT, "nullable": True}), {"port": None}) == {"port": None}


def test_a_default_is_copied_for_every_object() -> None:
    schema = schema_of(labels={"type": "object", "additionalProperties": {"type": "string"}, "default": {}})
    first = defaulted(schema, {})
    first["labels"]["a"] = "b"

    assert defaulted(schema, {}) == {"labels": {}}


def test_unknown_fields_are_dropped_and_named() -> None:
    schema = schema_of(port=PORT, items={"type": "array", "items": {"type": "object", "properties": {"a": PORT}}})
    obj = {"spec": {"port": 1, "prot": 2, "items": [{"a": 1, "b": {"c": 1}}]}, "extra": 1}

    assert schema.prune(obj) == ["extra", "spec.items[0].b", "spec.prot"]
    assert obj == {"spec": {"port": 1, "items": [{"a": 1}]}}


def test_the_metadata_of_an_object_is_no_unknown_field() -> None:
    obj = {"apiVersion": "v1", "kind": "X", "metadata": {"name": "a", "labels": {"b": "c"}}}

    assert schema_of().prune(obj) == []
    assert obj["metadata"] == {"name": "a", "labels": {"b": "c"}}


def test_a_free_form_object_keeps_unknown_fields_but_declared_ones_are_pruned_below() -> None:
    free = {
        "type": "object",
        "x-kubernetes-preserve-unknown-fields": True,
        "properties": {"known": {"type": "object", "properties": {"a": PORT}}},
    }
    obj = {"spec": {"free": {"any": {"thing": 1}, "known": {"a": 1, "b": 2}}}}

    assert schema_of(free=free).prune(obj) == ["spec.free.known.b"]
    assert obj == {"spec": {"free": {"any": {"thing": 1}, "known": {"a": 1}}}}


def test_an_embedded_resource_keeps_its_metadata() -> None:
    embedded = {"type": "object", "x-kubernetes-embedded-resource": True, "properties": {"spec": {"type": "object"}}}
    obj = {"spec": {"template": {"apiVersion": "v1", "kind": "Pod", "metadata": {"labels": {}}, "other": 1}}}

    assert schema_of(template=embedded).prune(obj) == ["spec.template.other"]
    assert obj["spec"]["template"] == {"apiVersion": "v1", "kind": "Pod", "metadata": {"labels": {}}}


JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-5, 5) | st.text("ab", max_size=2),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(["port", "items", "x"]), inner, max_size=3)
    ),
    max_leaves=8,
)


@given(spec=st.dictionaries(st.sampled_from(["port", "items", "free", "x"]), JSON, max_size=4))
def test_a_second_pass_of_pruning_and_defaulting_changes_nothing(spec: dict[str, Any]) -> None:
    schema = schema_of(
        port=PORT,
        items={"type": "array", "items": {"type": "object", "properties": {"port": PORT}}},
        free={"type": "object", "x-kubernetes-preserve-unknown-fields": True},
    )
    obj = {"spec": spec}
    schema.prune(obj)
    schema.default(obj)
    once = copy.deepcopy(obj)

    assert schema.prune(obj) == []
    schema.default(obj)
    assert obj == once


@pytest.mark.parametrize(
    ("schema", "problem"),
    [
        ({}, "openAPIV3Schema.type: Required value: must not be empty at the root"),
        ({"type": "string"}, 'openAPIV3Schema.type: Invalid value: "string": must be object at the root'),
        (
            {"type": "object", "properties": {"a": {}}},
            "openAPIV3Schema.properties[a].type: Required value: must not be empty for specified object fields",
        ),
        (
            {"type": "object", "properties": {"a": {"type": "array"}}},
            "openAPIV3Schema.properties[a].items: Required value: must be specified",
        ),
        (
            {"type": "object", "properties": {"a": {"type": "text"}}},
            'openAPIV3Schema.properties[a].type: Unsupported value: "text"',
        ),
        (
            {"type": "object", "properties": {"a": {"type": "string", "x-kubernetes-int-or-string": True}}},
            "must be empty if x-kubernetes-int-or-string is true",
        ),
        (
            {"type": "object", "properties": {"a": {"type": "string", "pattern": "(?=a)"}}},
            "must be a valid regular expression, but isn't",
        ),
        (
            {"type": "object", "properties": {"a": {"type": "object", "additionalProperties": False}}},
            "additionalProperties cannot be set to false",
        ),
        (
            {"type": "object", "properties": {"metadata": {"type": "object", "properties": {"labels": {}}}}},
            "must not specify anything other than name and generateName",
        ),
        (
            {
                "type": "object",
                "properties": {
                    "a": {
                        "type": "array",
                        "x-kubernetes-list-type": "map",
                        "x-kubernetes-list-map-keys": ["name"],
                        "items": {"type": "object", "properties": {"name": {"type": "string"}}},
                    }
                },
            },
            "must have a default or be a required property",
        ),
        (
            {
                "type": "object",
                "properties": {"a": {"type": "array", "uniqueItems": True, "items": {"type": "string"}}},
            },
            "uniqueItems cannot be set to true",
        ),
        (
            {"type": "object", "properties": {"a": {"type": "string", "anyOf": [{"type": "string"}]}}},
            "must be undefined to be structural",
        ),
    ],
)
def test_a_schema_that_is_not_structural_is_refused(schema: dict[str, Any], problem: str) -> None:
    with pytest.raises(SchemaError) as caught:
        prepare(schema)

    assert problem in str(caught.value)


def test_the_usual_form_of_int_or_string_is_structural() -> None:
    size = {"x-kubernetes-int-or-string": True, "anyOf": [{"type": "integer"}, {"type": "string"}]}

    assert schema_of(size=size).validate({"spec": {"size": 5}}) == []
