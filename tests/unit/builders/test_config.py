"""The server's settings: what rolls the pod, and what does not."""

from __future__ import annotations

import json
from typing import Any

import pytest
import yaml

from reconcilers.api.dittofs import DittoFS
from reconcilers.builders.config import config_file, config_hash
from reconcilers.builders.shares_file import MAX_BYTES, shares_file
from reconcilers.share.declared import DeclaredShare

DIGEST = b"d" * 32


def instance(**spec: Any) -> DittoFS:
    metadata = {"name": "demo", "namespace": "default", "uid": "u"}
    return DittoFS.from_view(
        {"apiVersion": "dittofs.dittofs.io/v1alpha1", "kind": "DittoFS", "metadata": metadata, "spec": spec}
    )


@pytest.mark.parametrize(
    "spec",
    [
        {"logging": {"level": "DEBUG"}},
        {"shutdownTimeout": "31s"},
        {"auth": {"accessTokenDuration": "16m"}},
        {"metadata": {"badger": {"blockCacheMB": 65}}},
    ],
)
def test_a_process_setting_changes_the_hash(spec: dict[str, Any]) -> None:
    assert config_hash(config_file(instance(**spec)), DIGEST) != config_hash(config_file(instance()), DIGEST)


@pytest.mark.parametrize(
    "spec",
    [
        {"adapters": {"smb": {"enabled": True}}},
        {"adapters": {"nfs": {"port": 20490}}},
        {"payload": {"storage": {"size": "500Gi"}}},
        {"auth": {"adminSecretRef": {"name": "own"}}},
        {"volumeRetention": "Delete"},
        {"replicas": 0},
    ],
)
def test_what_a_running_server_takes_up_leaves_the_hash_alone(spec: dict[str, Any]) -> None:
    """C14: the adapters, Services, volumes and the admin password are out."""
    assert config_hash(config_file(instance(**spec)), DIGEST) == config_hash(config_file(instance()), DIGEST)


def test_another_signing_key_changes_the_hash() -> None:
    text = config_file(instance())

    assert config_hash(text, b"e" * 32) != config_hash(text, DIGEST)


def test_the_file_lists_only_names_when_the_shares_would_burst_the_config_map() -> None:
    shares = [
        DeclaredShare(
            path=f"/{n:05}" + "x" * 70,
            name=f"share-{n:05}",
            settings=json.dumps({"readOnly": False, "defaultPermission": "none", "quota": {"size": "1Gi"}}),
        )
        for n in range(3000)
    ]

    text = shares_file(instance(), shares)

    assert len(text.encode()) < MAX_BYTES
    document = yaml.load(text, Loader=yaml.CSafeLoader)
    assert document["truncated"] is True
    assert len(document["names"]) == 3000
