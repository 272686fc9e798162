"""An unchanged world is left in peace: the operator looks at it again and again, and writes nothing."""

from __future__ import annotations

import pytest

from dittofs_operator.program import Program
from informers.client import Client
from reconcilers.api.resources import (
    CONFIG_MAP,
    DITTOFS,
    DITTOFS_SHARE,
)
from tests.support.acceptance import EVERYTHING, PATIENCE_S, Metrics, World
from tests.support.eventually import eventually

pytestmark = pytest.mark.integration

SHARES = ("a", "b", "c")


@pytest.mark.usefixtures("nothing_else_goes_on")
def test_steady_passes_over_instance_and_shares_write_nothing(
    client: Client, operator: Program, namespace: str
) -> None:
    world = World(client, namespace)
    world.instance()
    for name in SHARES:
        world.share(name, quota={"size": "3Gi"})
    for name in SHARES:
        world.until_phase(DITTOFS_SHARE, name, "Ready")
    world.until_phase(DITTOFS, "demo", "Running")
    # The list of shares is announced in the ConfigMap some time after they are served.
    eventually(
        lambda: world.get(CONFIG_MAP, "demo-dittofs-config")["data"]["shares.yaml"].count("path:") == len(SHARES),
        PATIENCE_S,
        what="the shares in shares.yaml",
    )
    _until_looked_at(operator, world)

    versions, writes = world.versions(*EVERYTHING), _metrics(operator).writes()
    _until_looked_at(operator, world)

    assert world.versions(*EVERYTHING) == versions
    assert _metrics(operator).writes() == writes


def _metrics(operator: Program) -> Metrics:
    server = operator.manager.metrics_server
    assert server is not None
    return Metrics.read(f"{server.host}:{server.port}")


def _until_looked_at(operator: Program, world: World, *, intervals: int = 2) -> None:
    """Wait until every object of the cluster has been looked at that many times, by the poll interval alone."""
    before = _metrics(operator)

    def looked_at() -> bool:
        now = _metrics(operator)
        return all(
            now.passes(controller) - before.passes(controller) >= intervals * len(world.client.list(resource).items) + 1
            for controller, resource in (("dittofs", DITTOFS), ("dittofsshare", DITTOFS_SHARE))
        )

    eventually(looked_at, PATIENCE_S, what=f"{intervals} poll intervals")
