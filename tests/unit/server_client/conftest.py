"""Servers for the REST client: one that answers what a test scripts, the double, and the real `dfs`."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.support.authority import Authority
from tests.support.dittofs_server import (
    LiveServer,
    ScriptedServer,
    double_dittofs_server,
    real_dittofs_server,
    scripted_server,
)
from tests.support.real_server import dfs_or_skip


@pytest.fixture
def scripted() -> Iterator[ScriptedServer]:
    with scripted_server() as server:
        yield server


@pytest.fixture(scope="module", params=["double", "real"])
def server(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[LiveServer]:
    """An empty server: the double, and the real one where there is a `dfs`."""
    directory = tmp_path_factory.mktemp("dfs")
    if request.param == "double":
        with double_dittofs_server(directory) as double:
            yield double
        return
    with real_dittofs_server(str(dfs_or_skip(in_a_sandbox=False)), directory) as real:
        yield real


@pytest.fixture(scope="session")
def authority() -> Authority:
    """Who signs the certificates of these tests."""
    return Authority()
