"""The models are read-only pictures of objects, with the CRD's defaults."""

from __future__ import annotations

from types import MappingProxyType
from typing import Any

import pytest
from pydantic import ValidationError

from informers.resource import ObjectKey
from informers.view import freeze
from reconcilers.api.common import CustomResource, InvalidObject
from reconcilers.api.dittofs import DittoFS, VolumeRetention
from reconcilers.api.share import DefaultPermission, DittoFSShare
from reconcilers.api.share_access import NfsOptions, Squash
from reconcilers.api.share_options import SmbOptions
from reconcilers.api.storage import MetadataType
from tests.support.crd_admission import admit, manifest


def test_a_read_only_view_becomes_a_model() -> None:
    obj = manifest(
        DittoFS, {"metadata": {"type": "sqlite", "storage": {"size": 5 * 1024**3}}, "volumeRetention": "Delete"}
    )
    obj["metadata"] |= {
        "uid": "u-1",
        "generation": 3,
        "finalizers": ["a/b"],
        "annotations": {"k": "v"},
        "deletionTimestamp": "2026-01-02T03:04:05Z",
    }

    instance = DittoFS.from_view(freeze(obj))

    assert instance.key == ObjectKey("default", "demo")
    assert instance.deleting
    assert (instance.metadata.uid, instance.metadata.generation) == ("u-1", 3)
    assert instance.metadata.finalizers == ("a/b",)
    assert instance.metadata.annotations == {"k": "v"}
    assert instance.spec.metadata.type is MetadataType.SQLITE
    assert instance.spec.metadata.storage.size == "5368709120"
    assert instance.spec.volume_retention is VolumeRetention.DELETE


def test_an_object_that_nobody_deletes_is_not_deleting() -> None:
    assert not DittoFS.from_view(manifest(DittoFS, {})).deleting


@pytest.mark.parametrize(("kind", "spec"), [(DittoFS, {}), (DittoFSShare, {"instanceRef": {"name": "demo"}})])
def test_a_model_has_the_defaults_that_the_api_server_fills_in(
    kind: type[CustomResource], spec: dict[str, Any]
) -> None:
    bare = manifest(kind, spec)

    assert kind.from_view(bare) == kind.from_view(admit(kind, bare))


def test_fields_of_a_newer_version_are_ignored() -> None:
    instance = DittoFS.from_view(manifest(DittoFS, {"fromTomorrow": True, "payload": {"fromTomorrow": {}}}))

    assert instance == DittoFS.from_view(manifest(DittoFS, {}))


def test_a_status_of_a_newer_version_can_be_read() -> None:
    obj = manifest(DittoFS, {}) | {"status": {"phase": "Levitating", "database": "postgres"}}

    assert DittoFS.from_view(obj).status.phase == "Levitating"


def test_a_model_cannot_be_changed() -> None:
    instance = DittoFS.from_view(manifest(DittoFS, {}))

    with pytest.raises(ValidationError, match="frozen"):
        instance.spec.replicas = 0  # type: ignore[misc]


def test_an_object_that_fits_no_model_is_named_with_its_fields() -> None:
    spec = {"replicas": "many", "payload": {"type": "tape"}, "shutdownTimeout": "1d"}

    with pytest.raises(InvalidObject) as caught:
        DittoFS.from_view(MappingProxyType(manifest(DittoFS, spec)))

    assert str(caught.value).startswith("DittoFS default/demo: ")
    assert [field for field, _ in caught.value.problems] == [
        "spec.replicas",
        "spec.payload.type",
        "spec.shutdownTimeout",
    ]


def test_a_manifest_is_in_the_words_of_the_api_and_without_what_is_not_set() -> None:
    share = DittoFSShare.from_view(manifest(DittoFSShare, {"instanceRef": {"name": "demo"}, "readOnly": True}))

    assert share.spec.manifest() == {
        "instanceRef": {"name": "demo"},
        "suspend": False,
        "enabled": True,
        "readOnly": True,
        "owner": "",
        "defaultPermission": "none",
        "deletionPolicy": "Retain",
        "nfs": NfsOptions().manifest(),
        "smb": SmbOptions().manifest(),
        "retention": {"policy": "lru", "ttl": ""},
        "cache": {"localSize": "", "readBuffer": ""},
    }


def test_a_share_without_a_path_is_named_after_its_object() -> None:
    spec = {"instanceRef": {"name": "demo"}}

    assert DittoFSShare.from_view(manifest(DittoFSShare, spec, name="export")).path == "/export"
    assert DittoFSShare.from_view(manifest(DittoFSShare, spec | {"path": "/a/b"}, name="export")).path == "/a/b"


def test_the_words_for_squash_and_permissions_are_the_servers() -> None:
    assert set(Squash) == {"none", "root_to_admin", "root_to_guest", "all_to_admin", "all_to_guest"}
    assert set(DefaultPermission) == {"none", "read", "read-write", "admin"}
