"""The two API servers that the cases run against, and the table of what was compared."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Iterator

import pytest

from hack.localcluster.apiserver.server import ApiServer
from tests.parity.endpoint import Endpoint
from tests.parity.side import Side

_TOKEN = "parity-token"
#: The kubeconfig of a running API server to compare with, instead of a control plane of the suite's own.
_KUBECONFIG = "PARITY_KUBECONFIG"

_tally: Counter[tuple[str, str]] = Counter()


@pytest.fixture(scope="session")
def ours() -> Iterator[Side]:
    """The API server of the local cluster, alone: no controllers."""
    with ApiServer(token=_TOKEN, bookmark_interval_s=1.0) as server:
        endpoint = Endpoint(server.url, token=_TOKEN)
        side = Side(endpoint)
        side.setting.install()
        yield side
        endpoint.close()


@pytest.fixture(scope="session")
def real() -> Iterator[Side]:
    """A kube-apiserver with its controllers."""
    kubeconfig = os.environ.get(_KUBECONFIG)
    if not kubeconfig:
        reason = f"no kube-apiserver to compare with: set {_KUBECONFIG}"
        if os.environ.get("REQUIRE_REAL") == "1":
            pytest.fail(reason)
        pytest.skip(reason)
    endpoint = Endpoint.of_kubeconfig(kubeconfig)
    side = Side(endpoint)
    side.setting.install()
    yield side
    side.setting.remove()
    endpoint.close()


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
