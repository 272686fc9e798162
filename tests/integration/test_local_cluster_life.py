"""Start and end of a local cluster."""

from __future__ import annotations

import threading
import time
from pathlib import Path

import pytest

from hack.localcluster.cluster import LocalCluster
from hack.localcluster.resources import NAMESPACE
from informers import configuration
from informers.client import Client
from tests.support.eventually import eventually
from tests.support.objects import Objects

pytestmark = pytest.mark.integration


def client(cluster: LocalCluster) -> Client:
    return Client(configuration.load(str(cluster.kubeconfig)).configuration, user_agent="tests")


def test_a_cluster_starts_within_three_seconds_and_leaves_nothing_behind(tmp_path: Path) -> None:
    before = set(threading.enumerate())
    began = time.monotonic()
    with LocalCluster(tmp_path / "cluster") as cluster:
        assert time.monotonic() - began < 3
        assert cluster.kubeconfig.stat().st_mode & 0o777 == 0o600
        api = client(cluster)
        objects = Objects(api, "default")
        objects.server()
        eventually(lambda: objects.ready_pod("demo-0"), what="a ready pod")
        api.close()
    assert cluster.leftovers() == []
    assert list((tmp_path / "cluster").iterdir()) == []
    eventually(lambda: not set(threading.enumerate()) - before, what="the end of its threads")


def test_without_simulation_there_is_only_the_api_server(tmp_path: Path) -> None:
    with LocalCluster(tmp_path, simulate=False) as cluster:
        api = client(cluster)
        assert {item["metadata"]["name"] for item in api.list(NAMESPACE).items} >= {"default"}
        api.close()
    assert not (tmp_path / "data").exists()


def test_two_clusters_run_side_by_side(tmp_path: Path) -> None:
    with LocalCluster(tmp_path / "a", seed=1) as one, LocalCluster(tmp_path / "b", seed=2) as other:
        assert one.url != other.url
        assert one.token != other.token


def test_a_cluster_that_cannot_start_leaves_nothing_behind(tmp_path: Path) -> None:
    (tmp_path / "data").write_text("in the way")
    before = set(threading.enumerate())
    cluster = LocalCluster(tmp_path)
    with pytest.raises(OSError, match="data"):
        cluster.start()
    assert not cluster.kubeconfig.exists()
    eventually(lambda: not set(threading.enumerate()) - before, what="the end of its threads")


def test_a_binary_that_is_not_there_is_refused_at_once(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match="there is no dfs binary"):
        LocalCluster(tmp_path, dfs_binary=tmp_path / "dfs")
