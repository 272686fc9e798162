"""A pod's status out of the states of its containers; pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from informers.resource import View


def pod_status(
    pod: View,
    *,
    containers: Sequence[Mapping[str, Any]],
    init_containers: Sequence[Mapping[str, Any]],
    initialized: bool,
    unschedulable: str,
    address: str,
    previous: Mapping[str, Any],
    now: datetime,
) -> dict[str, Any]:
    """The status of `pod`; `unschedulable` says why it has no place, empty when it has one.

    `previous` is what was reported last: times in it stay while what they tell of does.
    """
    stamp = now.strftime("%Y-%m-%dT%H:%M:%SZ")
    phase = _phase(pod, containers, init_containers)
    unready = [status["name"] for status in containers if not status["ready"]]
    finished = phase in {"Succeeded", "Failed"}
    waits = "PodCompleted" if phase == "Succeeded" else "ContainersNotReady"
    words = "" if finished else f"containers with unready status: [{' '.join(unready)}]"
    not_ready = (waits, words) if unready else None
    facts: dict[str, tuple[str, str] | None] = {
        "PodScheduled": ("Unschedulable", unschedulable) if unschedulable else None
    }
    if not unschedulable:
        waiting = "containers with incomplete status"
        facts["Initialized"] = None if initialized else ("ContainersNotInitialized", waiting)
        facts["ContainersReady"] = not_ready
        facts["Ready"] = not_ready
    status: dict[str, Any] = {
        "phase": phase,
        "conditions": [_condition(previous, kind, problem, stamp) for kind, problem in facts.items()],
    }
    if unschedulable:
        return status
    status["startTime"] = previous.get("startTime") or stamp
    status["hostIP"] = "127.0.0.1"
    if address:
        status["podIP"] = address
        status["podIPs"] = [{"ip": address}]
    status["containerStatuses"] = list(containers)
    if init_containers:
        status["initContainerStatuses"] = list(init_containers)
    return status


def _phase(pod: View, containers: Sequence[Mapping[str, Any]], init_containers: Sequence[Mapping[str, Any]]) -> str:
    policy = pod["spec"].get("restartPolicy", "Always")
    ends = [status["state"].get("terminated") for status in containers]
    init_ends = [status["state"].get("terminated") for status in init_containers]
    if any(end is not None and end["exitCode"] != 0 for end in init_ends):
        return "Failed"
    if containers and all(end is not None for end in ends) and policy != "Always":
        return "Succeeded" if all(end["exitCode"] == 0 for end in ends if end) else "Failed"
    never_ran = [s for s in containers if "waiting" in s["state"] and not s["lastState"]]
    return "Pending" if never_ran or not containers else "Running"


def _condition(previous: Mapping[str, Any], kind: str, problem: tuple[str, str] | None, stamp: str) -> dict[str, Any]:
    value = "False" if problem else "True"
    conditions: list[dict[str, Any]] = previous.get("conditions") or []
    old = next((entry for entry in conditions if entry["type"] == kind), {})
    since = old["lastTransitionTime"] if old.get("status") == value and old.get("lastTransitionTime") else stamp
    condition: dict[str, Any] = {"type": kind, "status": value, "lastTransitionTime": since}
    if problem:
        reason, message = problem
        condition |= {"reason": reason, **({"message": message} if message else {})}
    return condition
