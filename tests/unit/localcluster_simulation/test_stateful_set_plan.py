"""What the simulated StatefulSet controller decides, without an API server."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

from hack.localcluster.controllers.stateful_set_plan import NewPod, Plan, plan

NOW = datetime(2026, 1, 1, tzinfo=UTC)
OLD, NEW = "demo-old", "demo-new"


def stateful_set(**spec: Any) -> dict[str, Any]:
    current = spec.pop("current", NEW)
    return {
        "metadata": {"name": "demo", "namespace": "default", "uid": "1", "generation": 3},
        "spec": {"replicas": 1, "podManagementPolicy": "OrderedReady", **spec},
        "status": {"currentRevision": current},
    }


def pod(ordinal: int = 0, *, revision: str = NEW, ready: bool = True, leaving: bool = False, **more: Any) -> Any:
    metadata = {"name": f"demo-{ordinal}", "labels": {"controller-revision-hash": revision}}
    if leaving:
        metadata["deletionTimestamp"] = "2026-01-01T00:00:00Z"
    since = more.get("since", NOW - timedelta(hours=1)).isoformat()
    condition = {"type": "Ready", "status": "True" if ready else "False", "lastTransitionTime": since}
    return {"metadata": metadata, "status": {"phase": more.get("phase", "Running"), "conditions": [condition]}}


def steps(desired: Mapping[str, Any], *pods: Any) -> Plan:
    return plan(desired, list(pods), update_revision=NEW, now=NOW)


def deleted(result: Plan) -> list[str]:
    return [pod["metadata"]["name"] for pod in result.delete]


def test_a_missing_pod_is_made_from_the_newest_revision() -> None:
    assert steps(stateful_set()).create == [NewPod(0, NEW)]


def test_ordered_sets_make_the_next_pod_only_when_the_one_before_is_ready() -> None:
    assert steps(stateful_set(replicas=3)).create == [NewPod(0, NEW)]
    assert steps(stateful_set(replicas=3), pod(0, ready=False)).create == []
    assert steps(stateful_set(replicas=3), pod(0)).create == [NewPod(1, NEW)]


def test_parallel_sets_make_all_pods_at_once() -> None:
    created = steps(stateful_set(replicas=3, podManagementPolicy="Parallel")).create
    assert created == [NewPod(0, NEW), NewPod(1, NEW), NewPod(2, NEW)]


def test_a_pod_that_is_leaving_is_not_replaced_before_it_is_gone() -> None:
    for policy in ("OrderedReady", "Parallel"):
        result = steps(stateful_set(podManagementPolicy=policy), pod(leaving=True, revision=OLD))
        assert (result.create, result.delete) == ([], [])


def test_an_update_deletes_the_topmost_old_pod_first() -> None:
    result = steps(stateful_set(replicas=2, current=OLD), pod(0, revision=OLD), pod(1, revision=OLD))
    assert deleted(result) == ["demo-1"]


def test_an_update_waits_until_the_pods_above_are_ready() -> None:
    desired = stateful_set(replicas=2, current=OLD, podManagementPolicy="Parallel")
    assert deleted(steps(desired, pod(0, revision=OLD), pod(1, ready=False))) == []
    assert deleted(steps(desired, pod(0, revision=OLD), pod(1))) == ["demo-0"]


def test_under_ordered_ready_a_pod_that_never_gets_ready_blocks_its_own_repair() -> None:
    """kubernetes#67250: the reason for podManagementPolicy Parallel."""
    assert deleted(steps(stateful_set(), pod(revision=OLD, ready=False))) == []


def test_under_parallel_a_bad_pod_is_replaced_at_once() -> None:
    assert deleted(steps(stateful_set(podManagementPolicy="Parallel"), pod(revision=OLD, ready=False))) == ["demo-0"]


def test_a_partition_keeps_the_pods_below_it_at_their_revision() -> None:
    strategy = {"type": "RollingUpdate", "rollingUpdate": {"partition": 1}}
    desired = stateful_set(replicas=2, current=OLD, updateStrategy=strategy)
    assert deleted(steps(desired, pod(0, revision=OLD), pod(1))) == []
    assert steps(desired, pod(1)).create == [NewPod(0, OLD)]


def test_on_delete_sets_replace_nothing_by_themselves() -> None:
    desired = stateful_set(current=OLD, updateStrategy={"type": "OnDelete"})
    assert deleted(steps(desired, pod(revision=OLD))) == []


def test_scaling_down_deletes_from_the_top_one_by_one() -> None:
    result = steps(stateful_set(replicas=0), pod(0), pod(1))
    assert deleted(result) == ["demo-1"]
    assert deleted(steps(stateful_set(replicas=0), pod(0), pod(1, leaving=True))) == []


def test_a_finished_pod_is_deleted_to_be_made_again() -> None:
    assert deleted(steps(stateful_set(), pod(phase="Failed", ready=False))) == ["demo-0"]


def test_a_set_that_is_being_deleted_makes_nothing() -> None:
    desired = stateful_set()
    desired["metadata"]["deletionTimestamp"] = "2026-01-01T00:00:00Z"
    assert steps(desired).create == []


def test_the_status_counts_pods_by_revision_and_readiness() -> None:
    status = steps(stateful_set(replicas=2, current=OLD), pod(0, revision=OLD), pod(1, ready=False)).status
    assert status["replicas"] == 2
    assert status["readyReplicas"] == status["availableReplicas"] == 1
    assert status["currentReplicas"] == status["updatedReplicas"] == 1
    assert (status["currentRevision"], status["updateRevision"]) == (OLD, NEW)
    assert status["observedGeneration"] == 3


def test_the_update_is_complete_when_all_pods_are_new_and_ready() -> None:
    assert steps(stateful_set(current=OLD), pod(ready=False)).status["currentRevision"] == OLD
    assert steps(stateful_set(current=OLD), pod()).status["currentRevision"] == NEW


def test_a_pod_counts_as_available_only_after_min_ready_seconds_and_the_plan_says_when() -> None:
    result = steps(stateful_set(minReadySeconds=10), pod(since=NOW - timedelta(seconds=4)))
    assert result.status["readyReplicas"] == 1
    assert result.status["availableReplicas"] == 0
    assert result.again_s == 6
