"""Servers for the REST client: one that answers what a test scripts, and the real `dfs` when there is a binary."""

from __future__ import annotations

import os
from collections.abc import Iterator

import pytest

from tests.support.dittofs_server import RealServer, ScriptedServer, real_dittofs_server, scripted_server


@pytest.fixture
def scripted() -> Iterator[ScriptedServer]:
    with scripted_server() as server:
        yield server


@pytest.fixture(scope="module")
def real_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RealServer]:
    """The real `dfs` of DITTOFS_DFS_BINARY in an empty directory."""
    binary = os.environ.get("DITTOFS_DFS_BINARY")
    if not binary:
        pytest.skip("needs the real server: set DITTOFS_DFS_BINARY")
    with real_dittofs_server(binary, tmp_path_factory.mktemp("dfs")) as server:
        yield server
