"""What people read about a share, decided from what a pass found."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest

from informers.view import freeze
from reconcilers.api.dittofs import DittoFS
from reconcilers.api.share import DittoFSShare, DittoFSShareStatus
from reconcilers.server.rows import HealthReport, Share
from reconcilers.share.access import is_reachable, mount_line
from reconcilers.share.status import Findings, ShareFacts, in_sync, out_of_sync, suspended, wanted_status

T0, T1 = datetime(2030, 1, 1, tzinfo=UTC), datetime(2030, 1, 2, tzinfo=UTC)
FACTS = ShareFacts("1", False, "op-x", "op-payload", "mount …")


def share(status: dict[str, Any] | None = None) -> DittoFSShare:
    return DittoFSShare.from_view(
        freeze(
            {
                "apiVersion": "dittofs.dittofs.io/v1alpha1",
                "kind": "DittoFSShare",
                "metadata": {"name": "x", "namespace": "default", "generation": 3},
                "spec": {"instanceRef": {"name": "demo"}},
                "status": status or {},
            }
        )
    )


def row(health: str = "healthy", *, message: str = "", enabled: bool = True) -> Share:
    return Share("1", "/x", enabled, False, "none", "", "m", "l", HealthReport(health, message))


def written(findings: Findings, *, before: dict[str, Any] | None = None, now: datetime = T0) -> dict[str, Any]:
    status: dict[str, Any] = wanted_status(share(before), findings, now=now)
    return status


@pytest.mark.parametrize(
    ("found", "phase", "reason", "message"),
    [
        (row(), "Ready", "Serving", "clients can use the share"),
        (row(enabled=False), "Disabled", "Disabled", "spec.enabled is false: clients can't use the share"),
        (
            row("degraded", message="no remote"),
            "Degraded",
            "ShareUnhealthy",
            "the server reports the share as degraded: no remote",
        ),
        (row("unhealthy"), "Degraded", "ShareUnhealthy", "the server reports the share as unhealthy"),
    ],
)
def test_a_share_in_sync_is_as_ready_as_the_server_says(found: Share, phase: str, reason: str, message: str) -> None:
    status = written(in_sync(found, FACTS))

    ready = status["conditions"][0]
    assert (ready["type"], ready["reason"], ready["message"]) == ("Ready", reason, message)
    assert status["ready"] is (reason == "Serving")
    assert status["phase"] == phase


def test_all_conditions_are_there_from_the_first_pass_and_fit_the_api() -> None:
    status = written(suspended(share(), message="spec.suspend is true"))

    assert [condition["type"] for condition in status["conditions"]] == [
        "Ready",
        "InstanceReady",
        "Synced",
        "SnapshotPolicyReady",
        "RestartRequired",
    ]
    assert {condition["observedGeneration"] for condition in status["conditions"]} == {3}
    assert DittoFSShareStatus.model_validate(status).manifest() == status


def test_a_time_moves_only_with_its_condition() -> None:
    first = written(in_sync(row(), FACTS))

    assert written(in_sync(row(), FACTS), before=first, now=T1) == first
    broken = written(out_of_sync(share(first), FACTS, reason="Refused", message="no"), before=first, now=T1)
    times = {condition["type"]: condition["lastTransitionTime"] for condition in broken["conditions"]}
    assert times == {
        "Ready": "2030-01-02T00:00:00Z",
        "InstanceReady": "2030-01-01T00:00:00Z",
        "Synced": "2030-01-02T00:00:00Z",
        "RestartRequired": "2030-01-01T00:00:00Z",
        "SnapshotPolicyReady": "2030-01-01T00:00:00Z",
    }


def test_a_share_that_never_worked_is_pending_and_one_that_did_is_degraded() -> None:
    assert out_of_sync(share(), ShareFacts(), reason="Refused", message="no").phase == "Pending"
    assert out_of_sync(share({"shareID": "1"}), FACTS, reason="Refused", message="no").phase == "Degraded"


def instance(**endpoints: Any) -> DittoFS:
    return DittoFS.from_view(
        freeze(
            {
                "apiVersion": "dittofs.dittofs.io/v1alpha1",
                "kind": "DittoFS",
                "metadata": {"name": "demo", "namespace": "default"},
                "spec": {},
                "status": {"apiReachable": True, "endpoints": endpoints},
            }
        )
    )


@pytest.mark.parametrize(
    ("endpoint", "line"),
    [
        (
            {"host": "demo-nfs.default.svc", "clusterIP": "10.0.0.8", "address": "192.0.2.9", "port": 2049},
            "192.0.2.9:/a/b",
        ),
        ({"host": "demo-nfs.default.svc", "clusterIP": "10.0.0.8", "port": 2049}, "10.0.0.8:/a/b"),
        ({"host": "demo-nfs.default.svc", "port": 2049}, "demo-nfs.default.svc:/a/b"),
        ({"clusterIP": "fd00::8", "port": 2049}, "[fd00::8]:/a/b"),
    ],
)
def test_the_mount_line_names_what_a_node_can_resolve(endpoint: dict[str, Any], line: str) -> None:
    """Nodes do not use the cluster's DNS."""
    assert mount_line(instance(nfs=endpoint), "/a/b") == f"mount -t nfs -o vers=4.1,port=2049,proto=tcp {line} /mnt"


def test_without_nfs_there_is_no_mount_line() -> None:
    assert mount_line(instance(), "/a") == ""
    assert mount_line(instance(nfs={"port": 2049}), "/a") == ""


def test_a_server_is_reachable_when_the_login_works_and_it_has_an_address() -> None:
    assert is_reachable(instance(api={"host": "h", "port": 8080}))
    assert not is_reachable(instance())
    assert not is_reachable(instance(api={"port": 8080}))
