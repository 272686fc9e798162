"""What /metrics tells of backups is what their objects say."""

from __future__ import annotations

from typing import Any

from prometheus_client import CollectorRegistry

from dittofs_operator.backup_metrics import GAUGES, BackupMetrics
from informers.resource import View
from informers.view import freeze

CREATED = "2030-01-01T00:00:00Z"
CREATED_S = 1893456000.0
ENDED: dict[str, Any] = {
    "phase": "Completed",
    "startTime": "2030-01-02T03:00:01Z",
    "completionTime": "2030-01-02T03:00:11Z",
    "artifacts": [{"bytes": 1000}, {"bytes": 24}, {}],
}
ENDED_S = 1893553211.0
OF_NIGHTLY = {
    "labels": {"dittofs.dittofs.io/schedule": "nightly"},
    "annotations": {"dittofs.dittofs.io/schedule-uid": "uid-nightly"},
}


def backup(name: str, status: dict[str, Any] | None = None, *, metadata: Any = None, **spec: Any) -> View:
    known = {"name": name, "namespace": "files", "uid": f"uid-{name}", "creationTimestamp": CREATED}
    return freeze(
        {
            "metadata": {**known, **(metadata or {})},
            "spec": {"instanceRef": {"name": "demo"}, **spec},
            **({} if status is None else {"status": status}),
        }
    )


def told(*backups: View) -> dict[tuple[str, str], float]:
    registry = CollectorRegistry()
    BackupMetrics(registry, lambda: backups)
    return {
        (sample.name.removeprefix("dittofs_operator_backup_"), sample.labels["backup"]): sample.value
        for family in registry.collect()
        for sample in family.samples
        if sample.name in GAUGES
    }


def test_a_completed_backup_tells_when_it_ended_how_long_it_took_and_what_it_takes() -> None:
    assert told(backup("by-hand", ENDED)) == {
        ("created_timestamp_seconds", "by-hand"): CREATED_S,
        ("last_success_timestamp_seconds", "by-hand"): ENDED_S,
        ("size_bytes", "by-hand"): 1024.0,
        ("duration_seconds", "by-hand"): 10.0,
    }


def test_an_archive_takes_what_is_stored_of_it_not_what_its_snapshots_take() -> None:
    archived = {**ENDED, "archiveID": "weekly-1", "size": "20Ki"}

    assert told(backup("weekly", archived, method="Archive"))["size_bytes", "weekly"] == 20_480.0


def test_a_restore_is_no_backup() -> None:
    assert told(backup("back", ENDED, operation="Restore")) == {}


def test_one_that_is_not_completed_tells_of_no_success() -> None:
    waiting, broken = backup("waiting"), backup("broken", {**ENDED, "phase": "Failed"})

    assert set(told(waiting, broken)) == {
        ("created_timestamp_seconds", "waiting"),
        ("created_timestamp_seconds", "broken"),
    }


def test_a_schedule_tells_of_its_last_completed_backup_and_its_interval() -> None:
    first = backup("nightly-20300101-030000", {**ENDED, "artifacts": [{"bytes": 1}]}, metadata=OF_NIGHTLY)
    last = backup("nightly-20300102-030000", ENDED, metadata=OF_NIGHTLY)
    running = backup("nightly-20300103-030000", {"phase": "Running"}, metadata=OF_NIGHTLY)
    nightly = backup(
        "nightly", {"phase": "Scheduled", "lastSuccessfulTime": ENDED["completionTime"]}, schedule="0 3 * * *"
    )

    assert told(last, first, running, nightly) == {
        ("created_timestamp_seconds", "nightly"): CREATED_S,
        ("schedule_interval_seconds", "nightly"): 86400.0,
        ("last_success_timestamp_seconds", "nightly"): ENDED_S,
        ("size_bytes", "nightly"): 1024.0,
        ("duration_seconds", "nightly"): 10.0,
    }


def test_a_suspended_or_meaningless_schedule_has_no_interval_to_be_late_by() -> None:
    suspended = backup("suspended", schedule="@daily", suspend=True)
    wrong = backup("wrong", schedule="61 * * * *")

    assert set(told(suspended, wrong)) == {
        ("created_timestamp_seconds", "suspended"),
        ("created_timestamp_seconds", "wrong"),
    }


def test_a_failed_restore_counts_as_such_alone() -> None:
    registry = CollectorRegistry()
    metrics = BackupMetrics(registry, lambda: ())

    metrics.failed(backup("again", operation="Restore"))

    labels = {"namespace": "files", "dittofs": "demo"}
    assert registry.get_sample_value("dittofs_operator_restore_failures_total", labels) == 1
    assert registry.get_sample_value("dittofs_operator_backup_failures_total", {**labels, "schedule": ""}) is None


def test_failures_are_counted_by_schedule() -> None:
    registry = CollectorRegistry()
    metrics = BackupMetrics(registry, lambda: ())

    metrics.failed(backup("nightly-20300101-030000", metadata=OF_NIGHTLY))
    metrics.failed(backup("by-hand"))
    metrics.failed(backup("by-hand-too"))

    labels = {"namespace": "files", "dittofs": "demo"}
    name = "dittofs_operator_backup_failures_total"
    assert registry.get_sample_value(name, {**labels, "schedule": "nightly"}) == 1
    assert registry.get_sample_value(name, {**labels, "schedule": ""}) == 2
