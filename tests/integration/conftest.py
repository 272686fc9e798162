"""The cluster that the integration tests run against, and a namespace of its own for each test."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from pathlib import Path

import pytest

from hack.localcluster.cluster import LocalCluster
from hack.localcluster.kubelet.container import Pace
from hack.localcluster.resources import NAMESPACE
from informers import configuration
from informers.client import Client
from informers.resource import ObjectKey

_numbers = itertools.count(1)


@pytest.fixture(scope="session")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LocalCluster]:
    """A local cluster whose pods run the double of the DittoFS server; restarts and probes are quick."""
    pace = Pace(restart_backoff_initial_s=0.05, restart_backoff_max_s=0.2, retry_s=0.05, eager_probe_s=0.02)
    with LocalCluster(tmp_path_factory.mktemp("cluster"), pace=pace) as running:
        yield running
    assert running.leftovers() == []


@pytest.fixture(scope="session")
def api(cluster: LocalCluster) -> Iterator[Client]:
    """A client of the cluster."""
    client = Client(configuration.load(str(cluster.kubeconfig)).configuration, user_agent="tests")
    yield client
    client.close()


@pytest.fixture
def namespace(api: Client) -> Iterator[str]:
    """A new namespace, deleted after the test."""
    name = f"test-{next(_numbers)}"
    manifest = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}}
    api.create(NAMESPACE, manifest, field_manager="tests")
    yield name
    api.delete(NAMESPACE, ObjectKey("", name))


@pytest.fixture
def dfs_binary() -> Path:
    """The real DittoFS server; the test is skipped when it can't run here."""
    from hack.localcluster.binary import find_dfs
    from hack.localcluster.kubelet.sandbox import support

    binary = find_dfs()
    if binary is None:
        pytest.skip("no dfs binary: set DITTOFS_DFS_BINARY, or put dfs on the path")
    if not support().possible:
        pytest.skip(f"no namespaces on this machine: {support().reason}")
    return binary
