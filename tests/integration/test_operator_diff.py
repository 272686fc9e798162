"""`dittofs-operator diff` against the operator that runs: what it made needs no change, and stays as it is."""

from __future__ import annotations

import subprocess
import sys

import pytest

from dittofs_operator.program import Program
from informers import configuration
from informers.client import Client
from reconcilers.api.resources import CHILDREN, DITTOFS
from tests.support.acceptance import world_of_its_own
from tests.support.place import Place

pytestmark = pytest.mark.integration


def diff(cluster: Place, namespace: str) -> subprocess.CompletedProcess[str]:
    own = configuration.load(str(cluster.operator_kubeconfig), None).namespace
    command = [sys.executable, "-m", "dittofs_operator", "diff", f"--kubeconfig={cluster.kubeconfig}"]
    return subprocess.run(
        [*command, f"--namespace={own}", f"--namespaces={namespace}"],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def test_what_the_running_operator_made_needs_no_change(cluster: Place, client: Client, operator: Program) -> None:
    with world_of_its_own(client) as world:
        world.instance(metrics={"enabled": True}, networkPolicy={"from": [{"ipBlock": {"cidr": "10.0.0.0/8"}}]})
        world.until_phase(DITTOFS, "demo", "Running")
        before = world.versions(*CHILDREN)

        ended = diff(cluster, world.namespace)

        assert (ended.returncode, ended.stdout) == (0, ""), ended.stderr
        assert ended.stderr == "dittofs-operator: nothing would change\n"
        assert world.versions(*CHILDREN) == before
