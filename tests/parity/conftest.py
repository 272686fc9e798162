"""The two API servers that the cases run against, and the table of what was compared."""

from __future__ import annotations

import contextlib
import os
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml

from hack.controlplane.binaries import find_binaries
from hack.controlplane.control_plane import ControlPlane
from hack.controlplane.tools import ToolMissing
from hack.localcluster.apiserver.server import ApiServer
from tests.parity.endpoint import Endpoint
from tests.parity.kubectl import Kubectl
from tests.parity.side import Side

_TOKEN = "parity-token"
#: The kubeconfig of a running API server to compare with, instead of a control plane of the suite's own.
_KUBECONFIG = "PARITY_KUBECONFIG"
#: Where the integration tests run (see tests/integration/conftest.py): `controlplane` starts one here, too.
_PLACE = "DITTOFS_TEST_PLACE"

_tally: Counter[tuple[str, str]] = Counter()


@pytest.fixture(scope="session")
def ours(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Side]:
    """The API server of the local cluster, alone: no controllers."""
    with ApiServer(token=_TOKEN, bookmark_interval_s=1.0) as server:
        endpoint = Endpoint(server.url, token=_TOKEN)
        home = tmp_path_factory.mktemp("ours")
        kubeconfig = home / "kubeconfig"
        kubeconfig.write_text(yaml.safe_dump(server.kubeconfig))
        side = Side(endpoint, Kubectl(kubeconfig, home=home))
        side.setting.install()
        yield side
        endpoint.close()


@pytest.fixture(scope="session")
def real(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Side]:
    """A kube-apiserver with its controllers: the one of a kubeconfig, or one that is started here."""
    with contextlib.ExitStack() as stack:
        kubeconfig = os.environ.get(_KUBECONFIG)
        if not kubeconfig:
            place = request.config.getoption("--place", None) or os.environ.get(_PLACE)
            if place != "controlplane" and os.environ.get("REQUIRE_REAL") != "1":
                pytest.skip(f"no kube-apiserver to compare with: set {_PLACE}=controlplane, or {_KUBECONFIG}")
            kubeconfig = str(_start(stack, tmp_path_factory.mktemp("control-plane")))
        endpoint = Endpoint.of_kubeconfig(kubeconfig)
        stack.callback(endpoint.close)
        side = Side(endpoint, Kubectl(Path(kubeconfig), home=tmp_path_factory.mktemp("real")))
        side.setting.install()
        stack.callback(side.setting.remove)
        yield side


def _start(stack: contextlib.ExitStack, directory: Path) -> Path:
    try:
        binaries = find_binaries(tell=print)
    except ToolMissing as error:
        pytest.fail(str(error), pytrace=False)
    return stack.enter_context(ControlPlane(directory, binaries=binaries)).kubeconfig


@pytest.fixture
def tally() -> Counter[tuple[str, str]]:
    """What the summary counts: by topic and outcome."""
    return _tally


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Print how many cases of each topic were run, compared, and found the same."""
    if not _tally:
        return
    terminalreporter.section("API server parity")
    outcomes = ("cases", "as expected", "compared", "same", "listed", "differing")
    terminalreporter.line(f"{'topic':24}" + "".join(f"{name:>13}" for name in outcomes))
    topics = sorted({topic for topic, _ in _tally})
    for topic in topics:
        terminalreporter.line(f"{topic:24}" + "".join(f"{_tally[topic, name]:13}" for name in outcomes))
    total = (sum(_tally[topic, name] for topic in topics) for name in outcomes)
    terminalreporter.line(f"{'all':24}" + "".join(f"{count:13}" for count in total))
