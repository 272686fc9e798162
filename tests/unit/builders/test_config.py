"""The server's settings: what rolls the pod, and that the real server takes the file."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

from reconcilers.api.dittofs import DittoFS
from reconcilers.builders.config import config_file, config_hash
from reconcilers.builders.shares_file import MAX_BYTES, shares_file
from reconcilers.share.declared import DeclaredShare

DFS = os.environ.get("DITTOFS_DFS_BINARY", "")
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
            enabled=True,
            read_only=False,
            default_permission="none",
            quota="1Gi",
            squash="",
        )
        for n in range(3000)
    ]

    text = shares_file(instance(), shares)

    assert len(text.encode()) < MAX_BYTES
    document = yaml.load(text, Loader=yaml.CSafeLoader)
    assert document["truncated"] is True
    assert len(document["names"]) == 3000


@pytest.mark.skipif(not DFS, reason="DITTOFS_DFS_BINARY is not set")
@pytest.mark.parametrize(
    "spec",
    [
        {},
        {
            "logging": {"level": "WARN", "format": "text"},
            "shutdownTimeout": "1h0.5m",
            "auth": {"accessTokenDuration": "1500ms", "refreshTokenDuration": "8760h"},
            "metadata": {"type": "sqlite", "badger": {"blockCacheMB": 1048576, "indexCacheMB": 1}},
        },
    ],
)
def test_the_real_server_takes_the_file(spec: dict[str, Any], tmp_path: Path) -> None:
    file = tmp_path / "config.yaml"
    file.write_text(config_file(instance(**spec)))

    result = subprocess.run(
        [DFS, "config", "validate", "--config", str(file)],
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
        env={"DITTOFS_CONTROLPLANE_SECRET": "x" * 40, "HOME": str(tmp_path)},
    )

    output = result.stdout + result.stderr
    assert result.returncode == 0, output
    assert "Validation: OK" in output
    # An unknown key is no error to the server, only a warning that nobody reads.
    assert "arning" not in output
