"""How many requests the operator costs a kube-apiserver, counted from its audit log: few for an instance, then none."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

import pytest

from hack.controlplane.node import SimulatedNode
from reconcilers.api.resources import DITTOFS
from tests.support.acceptance import World, world_of_its_own
from tests.support.audited_plane import AuditedPlane, Call, audited_plane
from tests.support.eventually import eventually
from tests.support.operator_process import OperatorProcess, operator_process
from tests.support.operators import NAMESPACE

pytestmark = [
    pytest.mark.integration,
    pytest.mark.places("controlplane", reason="it reads an audit log"),
    pytest.mark.timeout(180),
]

OPERATOR = "counted"
#: For one instance without shares, Events and the Lease not counted.
WRITES_TO_READY = 18
#: How often each instance is looked at while the requests are counted.
PASSES_AT_REST = 20
REST_S = 60.0


@dataclass(frozen=True)
class Counted:
    """A running operator, and an instance that it made."""

    plane: AuditedPlane
    process: OperatorProcess
    world: World

    def calls(self) -> list[Call]:
        return self.plane.calls(OPERATOR)

    def until_looked_at(self, times: int) -> None:
        before = self.process.metrics().passes("dittofs")
        eventually(lambda: self.process.metrics().passes("dittofs") >= before + times, REST_S, what=f"{times} passes")


@pytest.fixture(scope="module")
def counted(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Counted]:
    """Its pods run on a simulated node."""
    directory = tmp_path_factory.mktemp("counted")
    with audited_plane(directory) as plane:
        of_plane = plane.plane
        node = SimulatedNode(
            of_plane.kubeconfig, data_dir=of_plane.data_dir, load_balancer_network=of_plane.load_balancer_network
        )
        process = operator_process(plane.kubeconfig_of(OPERATOR), directory / "operator.log", lease_namespace=NAMESPACE)
        with node, process as running, world_of_its_own(plane.client) as world:
            running.until_ready()
            running.until_leading()
            yield Counted(plane, running, world)


def about_objects(calls: Iterable[Call]) -> Counter[str]:
    """How often which verb was sent for which type, but for the Lease and Events."""
    return Counter(f"{call.verb} {call.resource}" for call in calls if call.resource not in ("leases", "events"))


def test_an_instance_is_ready_after_few_writes_and_costs_nothing_from_then_on(counted: Counted) -> None:
    before = len(counted.calls())
    counted.world.instance()
    counted.world.until_told(DITTOFS, "demo", "Ready", "True", "Ready")
    counted.world.until_phase(DITTOFS, "demo", "Running")
    counted.until_looked_at(2)

    calls = counted.calls()
    writes = about_objects(call for call in calls[before:] if call.writes)
    assert 10 < writes.total() <= WRITES_TO_READY, writes

    counted.until_looked_at(PASSES_AT_REST)

    # A watch that the server ends is opened anew; all else would be a read or a write of its own.
    at_rest = about_objects(call for call in counted.calls()[len(calls) :] if call.verb != "watch")
    assert at_rest == Counter()
