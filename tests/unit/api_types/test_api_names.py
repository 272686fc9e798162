"""Names fit where they are used, and never meet those of somebody else."""

from __future__ import annotations

import re
from collections.abc import Callable
from urllib.parse import unquote

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reconcilers import names
from reconcilers.api.common import MAX_INSTANCE_NAME

CHILDREN: tuple[Callable[[str], str], ...] = (
    names.config_map,
    names.jwt_secret,
    names.admin_secret,
    names.control_plane_claim,
    names.metadata_claim,
    names.payload_claim,
    names.headless_service,
    names.nfs_service,
    names.smb_service,
    names.api_service,
)

#: What Percona's operator names after a cluster (its internal/naming package).
PERCONA = re.compile(
    "demo-(primary|replicas|pods|ha|ha-config|config|cluster-cert|cluster-ca-cert|pguser-.*|pgbouncer.*|repo-host|instance.*)"
)


def test_the_children_of_demo_have_the_names_of_the_contract() -> None:
    assert [name("demo") for name in (names.service_account, names.stateful_set, *CHILDREN)] == [
        "demo",
        "demo",
        "demo-dittofs-config",
        "demo-jwt-secret",
        "demo-admin",
        "demo-controlplane",
        "demo-metadata",
        "demo-payload",
        "demo-headless",
        "demo-nfs",
        "demo-smb",
        "demo-api",
    ]


@pytest.mark.parametrize("name", CHILDREN)
def test_a_child_never_meets_an_object_of_a_percona_cluster_of_the_same_name(name: Callable[[str], str]) -> None:
    assert not PERCONA.fullmatch(name("demo"))


@pytest.mark.parametrize("name", CHILDREN)
def test_the_longest_instance_name_gives_children_that_are_dns_labels(name: Callable[[str], str]) -> None:
    assert len(name("x" * MAX_INSTANCE_NAME)) <= 63


@pytest.mark.parametrize(
    ("image", "version"),
    [
        ("marmos91c/dittofs:v0.29.0", "v0.29.0"),
        ("registry:5000/team/dittofs:1.2", "1.2"),
        ("registry:5000/team/dittofs", ""),
        ("dittofs", ""),
        ("dittofs@sha256:0123456789abcdef0123456789abcdef", "0123456789ab"),
        ("registry:5000/dittofs:v1@sha256:0123456789abcdef", "v1"),
        ("dittofs:" + "a" * 128, "a" * 63),
        ("dittofs:" + "a" * 62 + "-b", "a" * 62),
        ("dittofs:_hidden", ""),
    ],
)
def test_the_version_label_is_the_tag_or_the_start_of_the_digest(image: str, version: str) -> None:
    assert names.image_version(image) == version


@given(st.text(max_size=200))
def test_a_version_label_is_always_one_that_kubernetes_takes(image: str) -> None:
    version = names.image_version(image)

    assert re.fullmatch("([A-Za-z0-9]([A-Za-z0-9._-]{0,61}[A-Za-z0-9])?)?", version)


def test_labels_hold_the_selector_and_who_manages_them() -> None:
    labels = names.labels("demo", "marmos91c/dittofs:v0.29.0")

    assert labels == {
        "app.kubernetes.io/name": "dittofs",
        "app.kubernetes.io/instance": "demo",
        "app.kubernetes.io/component": "server",
        "app.kubernetes.io/part-of": "dittofs",
        "app.kubernetes.io/managed-by": "dittofs-operator",
        "app.kubernetes.io/version": "v0.29.0",
    }
    assert labels | names.selector_labels("demo") == labels


def test_a_selector_does_not_move_with_the_image() -> None:
    assert "app.kubernetes.io/version" not in names.selector_labels("demo")
    assert "app.kubernetes.io/version" not in names.labels("demo", "dittofs")


def test_stores_are_named_after_the_escaped_path() -> None:
    assert names.store_key("/a/b") == "a%2Fb"
    assert names.metadata_store("/a/b") == "op-a%2Fb"
    assert names.badger_directory("/a/b") == "/data/metadata/a%2Fb"
    assert names.sqlite_file("/export") == "/data/metadata/export.db"


@given(st.from_regex(r"(/[A-Za-z0-9_][A-Za-z0-9._-]*)+", fullmatch=True))
def test_different_paths_never_share_a_store(path: str) -> None:
    assert "/" + unquote(names.store_key(path)) == path
    assert "/" not in names.store_key(path)
