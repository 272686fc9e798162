"""What of an object is kept."""

from __future__ import annotations

from typing import Any

from informers.projection import Projection
from informers.resource import Resource
from tests.support.scripted_server import config_map

CONFIG_MAPS = Resource("", "v1", "configmaps", "ConfigMap")
OURS = {"manager": "us", "operation": "Apply", "fieldsV1": {"f:data": {}}}
THEIRS = {"manager": "kubectl", "operation": "Update", "fieldsV1": {}}
NOBODYS = {"manager": "", "operation": "Update", "fieldsV1": {}}


def managed() -> dict[str, Any]:
    return config_map("a", 1, metadata={"managedFields": [OURS, THEIRS, NOBODYS]})


def test_managed_fields_are_dropped_unless_a_manager_is_declared() -> None:
    assert "managedFields" not in Projection(CONFIG_MAPS).view(managed())["metadata"]
    kept = Projection(CONFIG_MAPS, field_manager="us").view(managed())["metadata"]["managedFields"]
    assert kept == (OURS,)
    assert "managedFields" not in Projection(CONFIG_MAPS, field_manager="nobody").view(managed())["metadata"]


def test_the_transform_may_drop_more() -> None:
    projection = Projection(CONFIG_MAPS, transform=lambda obj: {name: obj[name] for name in ("kind", "metadata")})
    assert set(projection.view(config_map("a", 1, data={"large": "x"}))) == {"kind", "metadata"}


def test_items_of_a_list_get_the_kind_that_the_server_leaves_out() -> None:
    """kube-apiserver omits kind and apiVersion in the items of lists of built-in types."""
    bare = config_map("a", 1)
    del bare["kind"], bare["apiVersion"]
    projection = Projection(CONFIG_MAPS)
    assert projection.is_of_kind(bare)
    kept = projection.view(bare)
    assert (kept["apiVersion"], kept["kind"]) == ("v1", "ConfigMap")


def test_metadata_objects_get_their_real_kind_back() -> None:
    partial = {**config_map("a", 1), "kind": "PartialObjectMetadata", "apiVersion": "meta.k8s.io/v1"}
    projection = Projection(CONFIG_MAPS, metadata_only=True)
    assert projection.is_of_kind(partial)
    assert projection.view(partial)["kind"] == "ConfigMap"


def test_what_is_of_another_kind_or_version_is_foreign() -> None:
    projection = Projection(CONFIG_MAPS)
    assert not projection.is_of_kind({**config_map("a", 1), "kind": "Secret"})
    assert not projection.is_of_kind({**config_map("a", 1), "apiVersion": "v2"})
    assert projection.is_of_kind(config_map("a", 1))


def test_a_whole_object_is_foreign_where_only_metadata_was_asked_for() -> None:
    assert not Projection(CONFIG_MAPS, metadata_only=True).is_of_kind(config_map("a", 1))
