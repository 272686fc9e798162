"""One local cluster and one running operator for the whole integration suite; a namespace of its own for each test."""

from __future__ import annotations

import itertools
import threading
from collections.abc import Iterator
from pathlib import Path
from random import Random

import pytest
import yaml

from dittofs_operator import logs
from dittofs_operator.program import Program
from dittofs_operator.settings import LogFormat, LogLevel, Settings
from hack.localcluster.cluster import LocalCluster
from informers import configuration
from informers.client import Client
from informers.resource import ObjectKey, Resource
from tests.support.eventually import eventually

CRDS = Path(__file__).parents[2] / "manifests" / "crds"
DEFINITION = Resource(
    "apiextensions.k8s.io", "v1", "customresourcedefinitions", "CustomResourceDefinition", namespaced=False
)
NAMESPACE = Resource("", "v1", "namespaces", "Namespace", namespaced=False)
#: Short, since a repair of what can't be watched waits for the next look.
POLL_INTERVAL = "1s"
STOP_S = 20

_numbers = itertools.count(Random().randrange(1_000_000))


@pytest.fixture(scope="session")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LocalCluster]:
    """A running local cluster whose pods run the double of the server, with our CRDs installed."""
    with LocalCluster(tmp_path_factory.mktemp("cluster")) as running:
        with_client = Client(configuration.load(str(running.kubeconfig)).configuration, user_agent="integration-tests")
        for file in sorted(CRDS.glob("dittofs*.yaml")):
            for definition in yaml.safe_load_all(file.read_text()):
                with_client.create(DEFINITION, definition, field_manager="integration-tests")
        with_client.close()
        yield running


@pytest.fixture(scope="session")
def client(cluster: LocalCluster) -> Iterator[Client]:
    """A client of the cluster, as an administrator has."""
    made = Client(configuration.load(str(cluster.kubeconfig)).configuration, user_agent="integration-tests")
    yield made
    made.close()


@pytest.fixture(scope="session")
def operator(cluster: LocalCluster) -> Iterator[Program]:
    """The whole operator with leader election, running in this process against the cluster."""
    logs.configure(level=LogLevel.WARNING, form=LogFormat.CONSOLE)
    settings = Settings(
        kubeconfig=str(cluster.kubeconfig),
        metrics_address="127.0.0.1:0",
        health_address="127.0.0.1:0",
        poll_interval=POLL_INTERVAL,
    )
    program = Program(settings, configuration.load(settings.kubeconfig))
    stop = threading.Event()
    failures: list[BaseException] = []

    def run() -> None:
        try:
            program.run(stop)
        except BaseException as error:  # noqa: BLE001 - told to the test session when the operator ends
            failures.append(error)

    thread = threading.Thread(target=run, name="operator")
    thread.start()
    yield program
    stop.set()
    thread.join(STOP_S)
    assert not thread.is_alive(), "the operator did not stop"
    assert failures == []


@pytest.fixture
def namespace(client: Client) -> Iterator[str]:
    """A new namespace, deleted with all that is in it after the test."""
    name = f"test-{next(_numbers)}"
    client.create(
        NAMESPACE,
        {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}},
        field_manager="integration-tests",
    )
    eventually(lambda: client.get(NAMESPACE, ObjectKey("", name))["status"]["phase"] == "Active", timeout_s=5)
    yield name
    client.delete(NAMESPACE, ObjectKey("", name))
