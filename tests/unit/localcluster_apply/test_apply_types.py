"""How values merge is told by the kind."""

from __future__ import annotations

from typing import Any

import pytest

from hack.localcluster.apiserver.apply.types import FieldType, Relation, TypeResolver

RESOLVER = TypeResolver()


def at(root: FieldType, *names: str) -> FieldType:
    """The type below `root`; `[]` steps into the items of a list."""
    for name in names:
        found = root.element if name == "[]" else root.field(name)
        assert found is not None, name
        root = found
    return root


@pytest.mark.parametrize(
    ("api_version", "kind", "path", "relation", "keys"),
    [
        ("v1", "Service", "spec.ports", Relation.KEYED_LIST, ("port", "protocol")),
        ("v1", "Pod", "spec.containers", Relation.KEYED_LIST, ("name",)),
        ("v1", "Pod", "spec.containers.[].env", Relation.KEYED_LIST, ("name",)),
        ("v1", "Pod", "spec.containers.[].ports", Relation.KEYED_LIST, ("containerPort", "protocol")),
        ("v1", "Pod", "spec.containers.[].args", Relation.ATOMIC, ()),
        ("apps/v1", "StatefulSet", "spec.template.spec.volumes", Relation.KEYED_LIST, ("name",)),
        ("v1", "ConfigMap", "metadata.ownerReferences", Relation.KEYED_LIST, ("uid",)),
        ("v1", "ConfigMap", "metadata.finalizers", Relation.SET, ()),
    ],
)
def test_lists_of_built_in_kinds(
    api_version: str, kind: str, path: str, relation: Relation, keys: tuple[str, ...]
) -> None:
    found = at(RESOLVER.builtin(api_version, kind), *path.split("."))

    assert (found.relation([]), found.keys) == (relation, keys)


def test_selectors_are_one_value_and_labels_are_not() -> None:
    service = RESOLVER.builtin("v1", "Service")

    assert at(service, "spec", "selector").relation({}) is Relation.ATOMIC
    assert at(service, "metadata", "labels").relation({}) is Relation.MAP


def test_an_unknown_field_of_a_known_kind_has_no_type() -> None:
    assert at(RESOLVER.builtin("v1", "Service"), "spec").field("typo") is None


def test_the_default_of_a_missing_key_is_known() -> None:
    ports = at(RESOLVER.builtin("v1", "Service"), "spec", "ports")

    assert ports.element.key_default("protocol") == "TCP"
    assert ports.element.key_default("port") is None


CUSTOM: dict[str, Any] = {
    "type": "object",
    "properties": {
        "spec": {
            "type": "object",
            "properties": {
                "plain": {"type": "array", "items": {"type": "string"}},
                "named": {
                    "type": "array",
                    "x-kubernetes-list-type": "map",
                    "x-kubernetes-list-map-keys": ["name"],
                    "items": {
                        "type": "object",
                        "properties": {"name": {"type": "string", "default": "main"}, "port": {"type": "integer"}},
                    },
                },
                "whole": {"type": "object", "x-kubernetes-map-type": "atomic"},
                "free": {"type": "object", "x-kubernetes-preserve-unknown-fields": True},
                "size": {"x-kubernetes-int-or-string": True},
            },
        }
    },
}


def test_a_custom_kind_follows_its_schema() -> None:
    root = RESOLVER.custom(CUSTOM)
    spec = at(root, "spec")

    assert at(spec, "plain").relation([]) is Relation.ATOMIC
    assert at(spec, "named").relation([]) is Relation.KEYED_LIST
    assert at(spec, "named", "[]").key_default("name") == "main"
    assert at(spec, "whole").relation({}) is Relation.ATOMIC
    assert at(spec, "free", "any", "thing").relation({}) is Relation.MAP
    assert at(spec, "free", "any").relation([]) is Relation.ATOMIC
    assert at(spec, "size").relation("1Gi") is Relation.SCALAR
    assert spec.field("typo") is None


def test_a_custom_kind_has_the_metadata_of_all_objects() -> None:
    root = RESOLVER.custom(CUSTOM)

    assert at(root, "metadata", "finalizers").relation([]) is Relation.SET
    assert root.field("kind") is not None


def test_of_an_unknown_kind_everything_is_deduced() -> None:
    root = RESOLVER.builtin("example.com/v1", "Nobody")

    assert at(root, "spec", "a").relation({}) is Relation.MAP
    assert at(root, "spec", "a").relation([]) is Relation.ATOMIC
    assert at(root, "metadata", "ownerReferences").relation([]) is Relation.KEYED_LIST
