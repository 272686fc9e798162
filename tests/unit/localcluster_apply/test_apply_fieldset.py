"""Sets of fields and their form on the wire."""

from __future__ import annotations

from typing import Any

import pytest

from hack.localcluster.apiserver.apply.fieldset import (
    BadList,
    decode,
    encode,
    item_element,
    notation,
    of_object,
    with_named_parents,
)
from hack.localcluster.apiserver.apply.types import TypeResolver

WIRE = {
    "f:metadata": {"f:finalizers": {".": {}, 'v:"a/b"': {}}, "f:labels": {"f:x": {}}},
    "f:spec": {
        "f:ports": {
            'k:{"port":53,"protocol":"TCP"}': {".": {}, "f:port": {}},
            'k:{"port":53,"protocol":"UDP"}': {".": {}, "f:name": {}, "f:port": {}},
        },
        "f:selector": {},
    },
}


def test_what_is_read_is_written_the_same() -> None:
    assert encode(decode(WIRE)) == WIRE


def test_the_keys_of_an_item_may_stand_in_any_order() -> None:
    shuffled: dict[str, Any] = {"f:spec": {"f:ports": {'k:{"protocol": "TCP", "port": 53}': {"f:port": {}}}}}

    assert encode(decode(shuffled)) == {"f:spec": {"f:ports": {'k:{"port":53,"protocol":"TCP"}': {"f:port": {}}}}}


def test_the_written_form_is_sorted_fields_before_items() -> None:
    written = encode([("f:z",), ("f:a", 'v:"x"'), ("f:a", "f:b")])

    assert list(written) == ["f:a", "f:z"]
    assert list(written["f:a"]) == ["f:b", 'v:"x"']


@pytest.mark.parametrize(
    ("path", "shown"),
    [
        (("f:spec", "f:replicas"), ".spec.replicas"),
        (("f:spec", "f:containers", 'k:{"name":"x"}', "f:image"), '.spec.containers[name="x"].image'),
        (("f:ports", 'k:{"port":53,"protocol":"TCP"}'), '.ports[port=53,protocol="TCP"]'),
        (("f:metadata", "f:finalizers", 'v:"a"'), '.metadata.finalizers[="a"]'),
    ],
)
def test_a_path_is_shown_as_kubectl_shows_it(path: tuple[str, ...], shown: str) -> None:
    assert notation(path) == shown


def test_the_fields_of_an_object_follow_its_type() -> None:
    service = {
        "metadata": {"name": "a", "labels": {"x": "1"}, "finalizers": ["f"]},
        "spec": {"ports": [{"port": 53}], "selector": {"a": "b", "c": "d"}, "externalIPs": ["1.1.1.1"]},
    }

    assert encode(of_object(service, TypeResolver().builtin("v1", "Service"))) == {
        "f:metadata": {"f:name": {}, "f:labels": {"f:x": {}}, "f:finalizers": {'v:"f"': {}}},
        "f:spec": {
            "f:ports": {'k:{"port":53,"protocol":"TCP"}': {".": {}, "f:port": {}}},
            "f:selector": {},
            "f:externalIPs": {},
        },
    }


def test_empty_maps_and_nulls_are_fields_of_their_own() -> None:
    config_map = {"metadata": {"labels": {}}, "data": {"a": None}}

    assert encode(of_object(config_map, TypeResolver().builtin("v1", "ConfigMap"))) == {
        "f:metadata": {"f:labels": {}},
        "f:data": {"f:a": {}},
    }


def test_items_with_the_same_key_are_one_field() -> None:
    pod = {"spec": {"containers": [{"name": "x", "image": "1"}, {"name": "x", "image": "2"}]}}

    assert encode(of_object(pod, TypeResolver().builtin("v1", "Pod"))) == {
        "f:spec": {"f:containers": {'k:{"name":"x"}': {}}}
    }


def test_the_declared_fields_above_a_path_are_named_but_no_entries_of_maps() -> None:
    pods = TypeResolver().builtin("v1", "Pod")
    paths = frozenset({("f:metadata", "f:labels", "f:x"), ("f:spec", "f:containers", 'k:{"name":"a"}', "f:image")})

    added = with_named_parents(paths, pods) - paths

    assert added == {
        ("f:metadata",),
        ("f:metadata", "f:labels"),
        ("f:spec",),
        ("f:spec", "f:containers"),
    }


def test_an_entry_of_a_map_is_no_declared_field() -> None:
    unknown = TypeResolver().deduced()
    path = ("f:spec", "f:any", "f:thing")

    assert with_named_parents(frozenset({path}), unknown) == {path}


@pytest.mark.parametrize(
    ("item", "problem"),
    [
        (None, "may not have a null element"),
        ("text", "may not have non-map elements"),
        ({"value": "x"}, 'omits all key fields ["name"]'),
    ],
)
def test_an_item_without_its_keys_has_no_name(item: Any, problem: str) -> None:
    pod_spec = TypeResolver().builtin("v1", "Pod").field("spec")
    assert pod_spec is not None
    containers = pod_spec.field("containers")
    assert containers is not None

    with pytest.raises(BadList) as caught:
        item_element(item, containers, containers.relation([]))

    assert problem in str(caught.value)
