"""The alerts on backups, told by promtool when they fire. Skipped where it is not on the path."""

from __future__ import annotations

import json
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

from dittofs_operator import backup_metrics

PROMTOOL = shutil.which("promtool")
MANIFEST = Path(__file__).parents[3] / "manifests" / "monitoring" / "backup-alerts.yaml"
NIGHTLY = 'namespace="a",dittofs="demo",backup="nightly"'
COUNTERS = {"dittofs_operator_backup_failures_total", "dittofs_operator_restore_failures_total"}
#: A schedule of every five hours that was made at 0 h, had its one success at 10 h, and a failure at 3 h.
SERIES = {
    f"dittofs_operator_backup_created_timestamp_seconds{{{NIGHTLY}}}": "0x60",
    f"dittofs_operator_backup_last_success_timestamp_seconds{{{NIGHTLY}}}": "_x9 36000x50",
    f"dittofs_operator_backup_schedule_interval_seconds{{{NIGHTLY}}}": "18000x60",
    'dittofs_operator_backup_failures_total{namespace="a",dittofs="demo",schedule="nightly"}': "_x3 1x60",
    'dittofs_operator_restore_failures_total{namespace="a",dittofs="demo"}': "_x3 1x60",
}
OVERDUE = {
    "exp_labels": {"severity": "critical", "namespace": "a", "dittofs": "demo", "backup": "nightly"},
    "exp_annotations": {"summary": "a/nightly had no success in two intervals"},
}
FAILED = {
    "exp_labels": {"severity": "warning", "namespace": "a", "dittofs": "demo", "schedule": "nightly"},
    "exp_annotations": {"summary": "a backup of a/demo failed"},
}
RESTORE_FAILED = {
    "exp_labels": {"severity": "warning", "namespace": "a", "dittofs": "demo"},
    "exp_annotations": {"summary": "a restore of a/demo failed"},
}
#: By alert and hour, whether it is to be told.
EXPECTED: dict[tuple[str, int], dict[str, Any] | None] = {
    ("DittoFSBackupOverdue", 9): None,
    ("DittoFSBackupOverdue", 20): None,
    ("DittoFSBackupOverdue", 21): OVERDUE,
    ("DittoFSBackupFailed", 2): None,
    ("DittoFSBackupFailed", 9): FAILED,
    ("DittoFSBackupFailed", 29): None,
    ("DittoFSRestoreFailed", 2): None,
    ("DittoFSRestoreFailed", 9): RESTORE_FAILED,
    ("DittoFSRestoreFailed", 29): None,
}


def test_its_series_are_those_that_there_are() -> None:
    names = {series.partition("{")[0] for series in SERIES}
    assert names - COUNTERS < set(backup_metrics.GAUGES)


@pytest.mark.skipif(PROMTOOL is None, reason="no promtool: install Debian's prometheus, or put it on the path")
def test_they_fire_after_two_intervals_without_success_and_for_a_day_after_a_failure(tmp_path: Path) -> None:
    assert PROMTOOL is not None
    # JSON is YAML, too.
    (tmp_path / "rules").write_text(json.dumps(yaml.safe_load(MANIFEST.read_text())["spec"]))
    cases = [
        {"eval_time": f"{hour}h", "alertname": alert, **({} if told is None else {"exp_alerts": [told]})}
        for (alert, hour), told in EXPECTED.items()
    ]
    series = [{"series": name, "values": values} for name, values in SERIES.items()]
    tests = [{"interval": "1h", "input_series": series, "alert_rule_test": cases}]
    (tmp_path / "tests").write_text(json.dumps({"rule_files": [str(tmp_path / "rules")], "tests": tests}))

    for command in (("check", "rules", "rules"), ("test", "rules", "tests")):
        ended = subprocess.run(
            (PROMTOOL, *command), cwd=tmp_path, capture_output=True, text=True, timeout=30, check=False
        )
        assert ended.returncode == 0, ended.stdout + ended.stderr
