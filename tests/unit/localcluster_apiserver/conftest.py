"""A local API server and its clients, fresh for each test."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from hack.localcluster.apiserver.server import ApiServer
from tests.unit.localcluster_apiserver.world import CRDS, TOKEN, WIDGETS, Api, Kubectl, widget_definition


@pytest.fixture
def server() -> Iterator[ApiServer]:
    with ApiServer(token=TOKEN, watch_window=10, bookmark_interval_s=0.1) as running:
        yield running


@pytest.fixture
def api(server: ApiServer) -> Iterator[Api]:
    client = Api(server)
    yield client
    client.close()


@pytest.fixture
def widgets(api: Api) -> str:
    """The path of a served custom collection."""
    api.ok("POST", CRDS, widget_definition())
    return WIDGETS


@pytest.fixture
def kubectl(server: ApiServer, tmp_path: Path) -> Kubectl:
    return Kubectl(server, tmp_path)
