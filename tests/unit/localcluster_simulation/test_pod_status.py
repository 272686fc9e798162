"""A pod's phase and conditions out of its containers' states."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from hack.localcluster.kubelet.status import pod_status
from tests.unit.localcluster_simulation.pods import pod

NOW = datetime(2026, 1, 1, tzinfo=UTC)
RUNNING = {"running": {"startedAt": "2026-01-01T00:00:00Z"}}
WAITING = {"waiting": {"reason": "ContainerCreating"}}


def ended(code: int) -> dict[str, Any]:
    return {"terminated": {"exitCode": code}}


def container(state: dict[str, Any], *, ready: bool = False, last: dict[str, Any] | None = None) -> dict[str, Any]:
    return {"name": "c", "ready": ready, "state": state, "lastState": last or {}}


def status(*containers: dict[str, Any], policy: str = "Always", **facts: Any) -> dict[str, Any]:
    given: dict[str, Any] = {
        "init_containers": [],
        "initialized": True,
        "unschedulable": "",
        "address": "127.0.0.9",
        "previous": {},
        "now": NOW,
        **facts,
    }
    return pod_status(pod(restartPolicy=policy), containers=containers, **given)


def conditions(result: dict[str, Any]) -> dict[str, str]:
    return {entry["type"]: entry["status"] for entry in result["conditions"]}


@pytest.mark.parametrize(
    ("containers", "policy", "phase"),
    [
        ([container(WAITING)], "Always", "Pending"),
        ([container(RUNNING)], "Always", "Running"),
        ([container(WAITING, last=ended(1))], "Always", "Running"),
        ([container(ended(0))], "Never", "Succeeded"),
        ([container(ended(1))], "Never", "Failed"),
        ([container(RUNNING), container(ended(0))], "OnFailure", "Running"),
    ],
)
def test_the_phase_follows_the_containers(containers: list[dict[str, Any]], policy: str, phase: str) -> None:
    assert status(*containers, policy=policy)["phase"] == phase


def test_a_failed_init_container_fails_the_pod() -> None:
    assert status(container(WAITING), init_containers=[container(ended(1))], initialized=False)["phase"] == "Failed"


def test_a_pod_is_ready_when_all_of_its_containers_are() -> None:
    assert conditions(status(container(RUNNING, ready=True)))["Ready"] == "True"
    one_short = status(container(RUNNING, ready=True), container(RUNNING))
    assert conditions(one_short)["Ready"] == conditions(one_short)["ContainersReady"] == "False"
    assert one_short["conditions"][-1]["message"] == "containers with unready status: [c]"


def test_a_pod_without_its_claims_is_unschedulable_and_has_no_address() -> None:
    result = status(container(WAITING), unschedulable="claim x", address="")
    assert conditions(result) == {"PodScheduled": "False"}
    assert "podIP" not in result


def test_the_time_of_a_condition_moves_only_with_its_status() -> None:
    first = status(container(RUNNING, ready=True))
    later = status(container(RUNNING), previous=first, now=NOW + timedelta(minutes=1))
    times = {entry["type"]: entry["lastTransitionTime"] for entry in later["conditions"]}
    assert times["PodScheduled"] == "2026-01-01T00:00:00Z"
    assert times["Ready"] == "2026-01-01T00:01:00Z"
    assert later["startTime"] == "2026-01-01T00:00:00Z"
