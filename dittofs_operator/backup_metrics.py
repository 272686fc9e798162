"""What /metrics tells of backups: read from the objects at each scrape, so that a restart loses nothing.

A backup that a schedule made counts for its schedule; one made by hand has series of its own until it is deleted.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from datetime import datetime
from functools import lru_cache
from typing import Any

from prometheus_client import CollectorRegistry, Counter
from prometheus_client.core import GaugeMetricFamily
from prometheus_client.registry import Collector

from informers.resource import View
from reconcilers import names
from reconcilers.api.backup import BackupPhase, Operation
from reconcilers.api.scalars import parse_bytes
from reconcilers.backup.schedule import Schedule, ScheduleError

#: Not `instance`, which Prometheus gives to what it scrapes.
_LABELS = ["namespace", "dittofs", "backup"]
_CREATED = "dittofs_operator_backup_created_timestamp_seconds"
_LAST_SUCCESS = "dittofs_operator_backup_last_success_timestamp_seconds"
_SIZE = "dittofs_operator_backup_size_bytes"
_DURATION = "dittofs_operator_backup_duration_seconds"
_INTERVAL = "dittofs_operator_backup_schedule_interval_seconds"

#: Each gauge, and what it tells; of a schedule the last completed backup is meant.
GAUGES = {
    _CREATED: "When the backup or schedule was made.",
    _LAST_SUCCESS: "When the last completed backup ended; absent while there is none.",
    _SIZE: "What the last completed backup takes: its snapshots' metadata, or its archive.",
    _DURATION: "How long the last completed backup took.",
    _INTERVAL: "The longest time between two slots of a schedule that is not suspended.",
}


class BackupMetrics(Collector):
    """The gauges of the backups that `backups` gives, and how often one, or a restore, failed."""

    def __init__(self, registry: CollectorRegistry, backups: Callable[[], Iterable[View]]) -> None:
        self._backups = backups
        self._failures = Counter(
            "dittofs_operator_backup_failures_total",
            "Backups that failed, by the schedule that made them; of those made by hand it is empty.",
            ["namespace", "dittofs", "schedule"],
            registry=registry,
        )
        self._restore_failures = Counter(
            "dittofs_operator_restore_failures_total",
            "Restores that failed.",
            ["namespace", "dittofs"],
            registry=registry,
        )
        registry.register(self)

    def failed(self, backup: View) -> None:
        """Count a backup, or a restore, that failed."""
        namespace, instance, _ = _labels(backup)
        if not _is_backup(backup):
            self._restore_failures.labels(namespace, instance).inc()
            return
        self._failures.labels(namespace, instance, _schedule_label(backup)).inc()

    def describe(self) -> list[GaugeMetricFamily]:
        """The gauges without any series."""
        return list(_families().values())

    def collect(self) -> Iterator[GaugeMetricFamily]:
        """The gauges as the objects have them."""
        families, views = _families(), tuple(view for view in self._backups() if _is_backup(view))
        newest = _newest_completed(views)
        for view in views:
            if not _schedule_label(view):
                for name, value in _values(view, newest.get(str(view["metadata"]["uid"]))):
                    families[name].add_metric(_labels(view), value)
        yield from families.values()


def _is_backup(view: View) -> bool:
    return (view["spec"].get("operation") or Operation.BACKUP) == Operation.BACKUP


def _values(view: View, last: View | None) -> Iterator[tuple[str, float]]:
    spec, status = view["spec"], view.get("status") or {}
    yield _CREATED, _seconds(view["metadata"]["creationTimestamp"])
    if spec.get("schedule") and not spec.get("suspend"):
        interval_s = _longest_gap_s(str(spec["schedule"]), str(spec.get("timeZone") or "UTC"))
        if interval_s:
            yield _INTERVAL, interval_s
    succeeded = status.get("lastSuccessfulTime") or (last or {}).get("status", {}).get("completionTime")
    if succeeded:
        yield _LAST_SUCCESS, _seconds(succeeded)
    if last is not None:
        found = last["status"]
        yield _SIZE, _bytes_kept(found)
        yield _DURATION, _seconds(found["completionTime"]) - _seconds(found["startTime"])


def _bytes_kept(status: View) -> float:
    """What a backup takes: an archive as a whole, whatever the snapshots are that keep what it refers to."""
    if status.get("archiveID"):
        return float(parse_bytes(str(status.get("size") or "0")))
    return float(sum(artifact.get("bytes") or 0 for artifact in status.get("artifacts") or ()))


def _newest_completed(views: Iterable[View]) -> dict[str, View]:
    """By uid of a backup made by hand that backup, and by uid of a schedule the newest that it made."""
    newest: dict[str, View] = {}
    for view in sorted(views, key=lambda view: str(view["metadata"]["name"])):
        if (view.get("status") or {}).get("phase") == BackupPhase.COMPLETED:
            metadata = view["metadata"]
            schedule = (metadata.get("annotations") or {}).get(names.SCHEDULE_UID_ANNOTATION)
            newest[str(schedule or metadata["uid"])] = view
    return newest


@lru_cache(maxsize=1024)
def _longest_gap_s(schedule: str, time_zone: str) -> float:
    try:
        return Schedule.parse(schedule, time_zone).longest_gap().total_seconds()
    except ScheduleError:
        return 0.0


def _families() -> dict[str, GaugeMetricFamily]:
    return {name: GaugeMetricFamily(name, text, labels=_LABELS) for name, text in GAUGES.items()}


def _labels(backup: View) -> list[str]:
    metadata = backup["metadata"]
    return [str(metadata["namespace"]), str(backup["spec"]["instanceRef"]["name"]), str(metadata["name"])]


def _schedule_label(backup: View) -> str:
    labels: Any = backup["metadata"].get("labels") or {}
    return str(labels.get(names.SCHEDULE_LABEL) or "")


def _seconds(time: str) -> float:
    return datetime.fromisoformat(time).timestamp()
