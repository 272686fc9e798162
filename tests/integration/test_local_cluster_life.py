"""Start and end of a local cluster."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from hack.localcluster.cluster import LocalCluster
from hack.localcluster.resources import NAMESPACE
from informers import configuration
from informers.client import Client
from tests.support.eventually import eventually
from tests.support.objects import Objects
from tests.support.real_server import dfs_or_skip

pytestmark = [pytest.mark.integration, pytest.mark.places("local", reason="it starts local clusters of its own")]

ROOT = Path(__file__).parents[2]

#: Run in a process of its own, where no other test's threads are: what is left after a stop, one a line.
START_AND_STOP = """
import sys, threading
from pathlib import Path
from hack.localcluster.cluster import LocalCluster

cluster = LocalCluster(Path(sys.argv[1]))
try:
    cluster.start()
except OSError as error:
    print(f"failed: {error}")
cluster.stop()
others = [thread for thread in threading.enumerate() if thread is not threading.main_thread()]
for thread in others:
    thread.join(5)  # the API server's are on their way out
left = [thread.name for thread in others if thread.is_alive()]
print("\\n".join([*left, *cluster.leftovers()]))
"""

#: Prints the kubeconfig and stays until it is killed.
STAY = """
import sys, threading
from pathlib import Path
from hack.localcluster.cluster import LocalCluster

with LocalCluster(Path(sys.argv[1]), dfs_binary=Path(sys.argv[2])) as cluster:
    print(cluster.kubeconfig, flush=True)
    threading.Event().wait()
"""


def start_and_stop(directory: Path) -> list[str]:
    command = [sys.executable, "-c", START_AND_STOP, str(directory)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=30, check=True)
    assert done.stderr == ""
    return done.stdout.split("\n")[:-1]


def connect(kubeconfig: Path) -> Client:
    return Client(configuration.load(str(kubeconfig)).configuration, user_agent="tests")


def processes_with(words: str) -> list[str]:
    found = subprocess.run(["pgrep", "-f", words], capture_output=True, text=True, check=False)
    return found.stdout.split()


def test_a_cluster_starts_within_three_seconds_and_leaves_nothing_behind(tmp_path: Path) -> None:
    began = time.monotonic()
    with LocalCluster(tmp_path / "cluster") as cluster:
        assert time.monotonic() - began < 3
        assert cluster.kubeconfig.stat().st_mode & 0o777 == 0o600
        api = connect(cluster.kubeconfig)
        objects = Objects(api, "default")
        objects.server()
        eventually(lambda: objects.ready_pod("demo-0"), what="a ready pod")
        api.close()
    assert cluster.leftovers() == []
    assert list((tmp_path / "cluster").iterdir()) == []


def test_a_stopped_cluster_has_no_threads_left(tmp_path: Path) -> None:
    assert start_and_stop(tmp_path) == [""]


def test_a_cluster_that_cannot_start_leaves_nothing_behind(tmp_path: Path) -> None:
    (tmp_path / "data").write_text("in the way")
    failed, *left = start_and_stop(tmp_path)
    assert failed.startswith("failed: ")
    assert left == [str(tmp_path / "data")]


def test_no_server_outlives_a_cluster_that_is_killed(tmp_path: Path) -> None:
    command = [sys.executable, "-c", STAY, str(tmp_path), str(dfs_or_skip())]
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True) as cluster:
        assert cluster.stdout is not None
        api = connect(Path(cluster.stdout.readline().strip()))
        objects = Objects(api, "default")
        objects.server()
        eventually(lambda: objects.ready_pod("demo-0"), what="a ready pod")
        api.close()
        assert len(processes_with(str(tmp_path))) > 1
        os.kill(cluster.pid, signal.SIGKILL)
    eventually(lambda: not processes_with(str(tmp_path)), what="the end of the server")


def test_without_simulation_there_is_only_the_api_server(tmp_path: Path) -> None:
    with LocalCluster(tmp_path, simulate=False) as cluster:
        api = connect(cluster.kubeconfig)
        assert {item["metadata"]["name"] for item in api.list(NAMESPACE).items} >= {"default"}
        api.close()
    assert not (tmp_path / "data").exists()


def test_two_clusters_run_side_by_side(tmp_path: Path) -> None:
    with LocalCluster(tmp_path / "a", seed=1) as one, LocalCluster(tmp_path / "b", seed=2) as other:
        assert one.url != other.url
        assert one.token != other.token


def test_a_binary_that_is_not_there_is_refused_at_once(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match="there is no dfs binary"):
        LocalCluster(tmp_path, dfs_binary=tmp_path / "dfs")
