"""One cluster and one running operator for the whole integration suite; a namespace of its own for each test.

`--place`, else the variable DITTOFS_TEST_PLACE, says which cluster: local (the default), controlplane, existing.
`--server`, else DITTOFS_TEST_SERVER, says what pods run where the node is ours: double (the default), real.
`--operator`, else DITTOFS_TEST_OPERATOR, says whose operator the scenarios are told with: process (the default), the
suite's own, or installed, the one that the existing cluster has.
"""

from __future__ import annotations

import itertools
import os
import sys
import threading
from collections.abc import Generator, Iterator
from contextlib import closing
from enum import StrEnum
from pathlib import Path
from random import Random

import pytest

from dittofs_operator import logs
from dittofs_operator.program import Program
from dittofs_operator.settings import LogFormat, LogLevel, Settings
from hack.endtoend.collecting import collect
from hack.endtoend.commands import run as run_command
from hack.localcluster.resources import NAMESPACE
from informers import configuration
from informers.client import Client
from informers.resource import Manifest, ObjectKey
from tests.support.eventually import eventually
from tests.support.operators import OperatorName, Operators, installed, is_installed, processes
from tests.support.place import Place, PlaceName, ServerName, open_place
from tests.support.real_server import dfs_or_skip

PLACE_VARIABLE = "DITTOFS_TEST_PLACE"
SERVER_VARIABLE = "DITTOFS_TEST_SERVER"
OPERATOR_VARIABLE = "DITTOFS_TEST_OPERATOR"
#: A folder for what explains the failure of a scenario.
TRACES_VARIABLE = "DITTOFS_TEST_TRACES"
#: Short, since a repair of what can't be watched waits for the next look.
POLL_INTERVAL = "1s"
OPERATOR_IMAGE = "example.com/dittofs-operator:v1"
STOP_S = 20

_numbers = itertools.count(Random().randrange(1_000_000))


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--place", choices=[str(name) for name in PlaceName], help="the cluster of the integration tests")
    parser.addoption("--server", choices=[str(name) for name in ServerName], help="what pods of our own node run")
    parser.addoption("--operator", choices=[str(name) for name in OperatorName], help="how the operator runs")


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Skip what a `places` marker keeps out of this run's place; scenarios come first, when no operator runs yet."""
    items.sort(key=lambda item: item.get_closest_marker("scenario") is None)
    place = place_name(config)
    for item in items:
        for marker in item.iter_markers("places"):
            unknown = set(marker.args) - set(PlaceName)
            reason = marker.kwargs.get("reason")
            if unknown or not marker.args or not reason:
                raise pytest.UsageError(f"{item.nodeid}: places(*names, reason=...) with names of {list(PlaceName)}")
            if place not in marker.args:
                item.add_marker(pytest.mark.skip(reason=f"only on {', '.join(marker.args)}: {reason}"))


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item, call: pytest.CallInfo[None]
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Of a scenario that fails, write down what the cluster holds before the fixtures remove it."""
    report = yield
    traces, kubeconfig = os.environ.get(TRACES_VARIABLE), os.environ.get("KUBECONFIG")
    if traces and kubeconfig and report.failed and item.get_closest_marker("scenario"):
        kubectl = str(Path(sys.executable).with_name("kubectl"))
        collect(run_command, (kubectl, f"--kubeconfig={kubeconfig}"), Path(traces) / f"{item.name}-{report.when}")
    return report


def place_name(config: pytest.Config) -> PlaceName:
    """The place of this run."""
    return PlaceName(_chosen(config, "--place", PLACE_VARIABLE, PlaceName.LOCAL))


def server_name(config: pytest.Config) -> ServerName:
    """What pods run in this run."""
    return ServerName(_chosen(config, "--server", SERVER_VARIABLE, ServerName.DOUBLE))


def operator_name(config: pytest.Config) -> OperatorName:
    """How the operator runs in this run."""
    return OperatorName(_chosen(config, "--operator", OPERATOR_VARIABLE, OperatorName.PROCESS))


def _chosen(config: pytest.Config, option: str, variable: str, default: StrEnum) -> str:
    # Without a path below this folder, pytest reads this file too late to know the option.
    chosen = config.getoption(option, None) or os.environ.get(variable) or default
    if chosen not in list(type(default)):
        raise pytest.UsageError(f"{variable}={chosen}: must be one of {', '.join(type(default))}")
    return str(chosen)


@pytest.fixture(scope="session")
def cluster(pytestconfig: pytest.Config, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Place]:
    """The running cluster, with our CRDs installed; pods of a node of ours run what `--server` says."""
    name, given = place_name(pytestconfig), os.environ.get("KUBECONFIG")
    if name is PlaceName.EXISTING and not given:
        raise pytest.UsageError("--place=existing needs KUBECONFIG")
    binary = dfs_or_skip() if server_name(pytestconfig) is ServerName.REAL else None
    kubeconfig = Path(given) if given else None
    with open_place(name, tmp_path_factory.mktemp("cluster"), existing=kubeconfig, dfs_binary=binary) as place:
        _refuse_two_operators(place, operator_name(pytestconfig))
        yield place


def _refuse_two_operators(place: Place, name: OperatorName) -> None:
    if place.name is not PlaceName.EXISTING:
        return
    with closing(_client_of(place)) as client:
        there = is_installed(client)
    if there and name is OperatorName.PROCESS:
        pytest.exit(
            "an operator is installed in this cluster: test it with --operator=installed, or remove it first", 4
        )
    if not there and name is OperatorName.INSTALLED:
        pytest.exit("no operator is installed in this cluster: install it, or leave --operator out", 4)


@pytest.fixture(scope="session")
def dfs_binary() -> Path:
    """The real DittoFS server; without it the test is skipped, or fails under REQUIRE_REAL=1."""
    return dfs_or_skip()


@pytest.fixture
def real_server(pytestconfig: pytest.Config) -> None:
    """Skips the test unless pods run the real DittoFS server."""
    if server_name(pytestconfig) is not ServerName.REAL:
        pytest.skip("the double has no files to archive: --server=real")


@pytest.fixture(scope="session")
def client(cluster: Place) -> Iterator[Client]:
    """A client of the cluster, as an administrator has."""
    with closing(_client_of(cluster)) as made:
        yield made


def _client_of(place: Place) -> Client:
    return Client(configuration.load(str(place.kubeconfig)).configuration, user_agent="integration-tests")


@pytest.fixture(scope="module")
def operators(
    cluster: Place, client: Client, pytestconfig: pytest.Config, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Operators]:
    """Two replicas of the operator for the scenarios: processes of this machine, or those that are installed."""
    match operator_name(pytestconfig):
        case OperatorName.INSTALLED:
            yield installed(client, cluster)
        case OperatorName.PROCESS:
            with processes(client, cluster, tmp_path_factory.mktemp("operators")) as running:
                yield running
                if cluster.name is PlaceName.EXISTING:
                    _until_test_namespaces_are_gone(client)


@pytest.fixture(scope="session")
def operator(cluster: Place, client: Client, pytestconfig: pytest.Config) -> Iterator[Program]:
    """The whole operator with leader election and its own identity, running in this process against the cluster."""
    if operator_name(pytestconfig) is OperatorName.INSTALLED:
        pytest.skip("it needs an operator of this process, and another one is installed")
    logs.configure(level=LogLevel.WARNING, form=LogFormat.CONSOLE)
    settings = Settings(
        kubeconfig=str(cluster.operator_kubeconfig),
        metrics_address="127.0.0.1:0",
        health_address="127.0.0.1:0",
        poll_interval=POLL_INTERVAL,
        # What the simulated node runs this source for.
        image=OPERATOR_IMAGE if cluster.name is not PlaceName.EXISTING else None,
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
    if cluster.name is PlaceName.EXISTING:
        # Nobody else takes the finalizers from what is left of the tests, in a cluster that stays.
        _until_test_namespaces_are_gone(client)
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
    eventually(lambda: client.get(NAMESPACE, ObjectKey("", name))["status"]["phase"] == "Active", timeout_s=30)
    yield name
    client.delete(NAMESPACE, ObjectKey("", name))


@pytest.fixture
def nothing_else_goes_on(client: Client) -> None:
    """Wait until the namespaces of earlier tests are gone: for tests that count all that the operator does.

    A real control plane takes up to half a minute for a namespace with pods.
    """
    _until_test_namespaces_are_gone(client)


def _until_test_namespaces_are_gone(client: Client) -> None:
    def gone() -> bool:
        leaving = [item["metadata"]["name"] for item in client.list(NAMESPACE).items if _is_leaving(item)]
        assert leaving == []
        return True

    eventually(gone, timeout_s=45, what="the end of the namespaces of earlier tests")


def _is_leaving(item: Manifest) -> bool:
    return "deletionTimestamp" in item["metadata"]
