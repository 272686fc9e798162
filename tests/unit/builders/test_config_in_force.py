"""What the operator renders is what the real server has in force, setting by setting, by its own word."""

from __future__ import annotations

import re
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
import yaml

from reconcilers.api.dittofs import DittoFS
from reconcilers.api.scalars import parse_duration
from reconcilers.builders.config import config_file
from reconcilers.builders.consumed import POSTGRES_VARIABLES
from reconcilers.builders.inputs import PostgresSource
from tests.support.real_server import dfs_or_skip

_DURATION = re.compile(r"([\d.]+(h|m|s|ms))+")
#: What the pod gets beside the file.
VARIABLES = {
    "DITTOFS_CONTROLPLANE_SECRET": "x" * 40,
    **dict.fromkeys(POSTGRES_VARIABLES.values(), "postgres"),
    POSTGRES_VARIABLES["port"]: "5432",
}


@dataclass(frozen=True)
class Rendered:
    """A specification, the facts that its file depends on, and the settings that must stand in it."""

    spec: dict[str, Any] = field(default_factory=dict)
    postgres: PostgresSource | None = None
    holds: dict[str, Any] = field(default_factory=dict)


#: The values that matter stand here once more: a file that says nothing of them would be in force, too.
CASES = {
    "default": Rendered(
        holds={
            "logging.output": "stdout",
            "controlplane.host": "0.0.0.0",
            "controlplane.port": 8080,
            "controlplane.require_initial_password_change": False,
            "database.type": "sqlite",
            "database.sqlite.path": "/data/controlplane/controlplane.db",
            "controlplane.write_timeout": "35m0s",
            "snapshot.restore_http_timeout": "30m0s",
        }
    ),
    "everything": Rendered(
        {
            "logging": {"level": "WARN", "format": "text"},
            "shutdownTimeout": "1h0.5m",
            "auth": {"accessTokenDuration": "1500ms", "refreshTokenDuration": "8760h"},
            "metadata": {"type": "sqlite", "badger": {"blockCacheMB": 1048576, "indexCacheMB": 1}},
            "metrics": {"enabled": True, "path": "/measured"},
        },
        holds={
            "logging.level": "WARN",
            "logging.format": "text",
            "shutdown_timeout": "1h0m30s",
            "controlplane.jwt.access_token_duration": "1.5s",
            "controlplane.jwt.refresh_token_duration": "8760h0m0s",
            "metadata.badger.block_cache_mb": 1048576,
            "metadata.badger.index_cache_mb": 1,
            "metrics.enabled": True,
            "metrics.port": 9090,
            "metrics.path": "/measured",
        },
    ),
    "postgres": Rendered(
        {"database": {"postgresRef": {"name": "pg"}}},
        PostgresSource("pg-pguser-dittofs", "pg-cluster-cert"),
        {"database.type": "postgres", "database.postgres.sslmode": "verify-full", "database.postgres.host": "postgres"},
    ),
}


@pytest.fixture(params=CASES)
def case(request: pytest.FixtureRequest) -> Rendered:
    return CASES[request.param]


@pytest.fixture
def file(case: Rendered, tmp_path: Path) -> Path:
    metadata = {"name": "demo", "namespace": "default", "uid": "u"}
    instance = DittoFS.from_view(
        {"apiVersion": "dittofs.dittofs.io/v1alpha1", "kind": "DittoFS", "metadata": metadata, "spec": case.spec}
    )
    path = tmp_path / "config.yaml"
    path.write_text(config_file(instance, case.postgres))
    return path


def test_every_rendered_setting_is_in_force(case: Rendered, file: Path) -> None:
    in_force = dict(_settings(yaml.safe_load(_dfs("show", file))))

    rendered = dict(_settings(yaml.safe_load(file.read_text())))
    assert {name: in_force.get(name) for name in rendered} == rendered
    held = {name: _comparable(value) for name, value in case.holds.items()}
    assert {name: in_force.get(name) for name in held} == held


def test_the_server_finds_the_file_valid_and_warns_of_nothing(file: Path) -> None:
    output = _dfs("validate", file)

    assert "Validation: OK" in output
    assert "arning" not in output


def _dfs(command: str, file: Path) -> str:
    done = subprocess.run(
        [dfs_or_skip(in_a_sandbox=False), "config", command, "--config", str(file)],
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
        env={**VARIABLES, "HOME": str(file.parent)},
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout + done.stderr


def _settings(value: Any, path: str = "") -> Iterator[tuple[str, Any]]:
    """Each setting by its dotted name, durations in seconds."""
    if isinstance(value, dict):
        for key, below in value.items():
            yield from _settings(below, f"{path}.{key}" if path else str(key))
    else:
        yield path, _comparable(value)


def _comparable(value: Any) -> Any:
    return parse_duration(value) if isinstance(value, str) and _DURATION.fullmatch(value) else value
