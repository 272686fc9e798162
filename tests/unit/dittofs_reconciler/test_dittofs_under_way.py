"""What goes on around a server that runs: load balancers without an address, clients that reclaim their files."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest

from hack.localcluster.double import accounts
from reconcilers.api.resources import SERVICE
from reconcilers.dittofs.awaited import LOAD_BALANCER_PATIENCE
from tests.support.dittofs_world import World

BALANCED = {"adapters": {"nfs": {"service": {"type": "LoadBalancer"}}}}


def run_in_the_present(world: World) -> None:
    """A DittoFS that serves behind a load balancer; its children get the time of this machine."""
    world.clock.jump_wall((datetime.now(UTC) - world.clock.now()).total_seconds())
    world.run(**BALANCED)


def give_address(world: World, *ingress: dict[str, Any]) -> None:
    world.change(SERVICE, "demo-nfs", {"status": {"loadBalancer": {"ingress": list(ingress)}}}, subresource="status")


def test_a_load_balancer_without_an_address_is_told_with_its_service_until_it_has_one(world: World) -> None:
    run_in_the_present(world)
    assert world.condition("Progressing") == ("True", "LoadBalancerPending")
    assert world.message("Progressing") == "Service demo-nfs has no address yet"
    assert world.condition("Ready") == ("True", "Ready")
    cluster_ip = world.get(SERVICE, "demo-nfs")["spec"]["clusterIP"]
    assert world.status["endpoints"]["nfs"]["address"] == cluster_ip

    give_address(world, {"ip": "192.0.2.7"})
    world.reconcile()
    assert world.condition("Progressing") == ("False", "Settled")
    assert world.status["endpoints"]["nfs"]["address"] == "192.0.2.7"

    give_address(world, {"hostname": "nfs.example.com"})
    world.reconcile()
    assert world.status["endpoints"]["nfs"]["address"] == "nfs.example.com"
    assert world.status["endpoint"] == "demo-nfs.storage.svc:2049"


def test_a_load_balancer_that_never_comes_is_a_defect_with_a_remedy(world: World) -> None:
    """Upstream issue 1120: on clusters without load balancers nothing said why there is no address."""
    run_in_the_present(world)
    world.clock.jump_wall(LOAD_BALANCER_PATIENCE.total_seconds())

    world.reconcile()

    assert world.condition("Degraded") == ("True", "LoadBalancerPending")
    assert "Service demo-nfs" in world.message("Degraded")
    assert "service.type" in world.message("Degraded")
    assert world.condition("Progressing") == ("False", "Settled")
    assert world.condition("Ready") == ("True", "Ready")


def test_the_grace_period_after_a_start_is_told_and_costs_one_call_a_poll_while_it_lasts(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in {"active": True, "expected_clients": 2, "reclaimed_clients": 1}.items():
        monkeypatch.setitem(accounts.GRACE_PERIOD, name, value)
    world.run()
    calls = world.count_calls()

    world.reconcile()

    assert world.condition("Progressing") == ("True", "GracePeriod")
    assert "1 of 2" in world.message("Progressing")
    assert world.condition("Ready") == ("True", "Ready")
    assert world.status["phase"] == "Running"
    assert calls.count("GET /health/ready") == 1

    monkeypatch.setitem(accounts.GRACE_PERIOD, "active", False)
    world.reconcile()
    assert world.condition("Progressing") == ("False", "Settled")
    calls.clear()
    world.reconcile()
    assert "GET /health/ready" not in calls
