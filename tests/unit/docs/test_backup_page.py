"""The page on backups names what there is: metrics, fields, reasons, limits."""

from __future__ import annotations

import re
from pathlib import Path

import yaml
from prometheus_client import CollectorRegistry

from dittofs_operator import deployment
from dittofs_operator.backup_metrics import GAUGES, BackupMetrics
from reconcilers.api.backup import BackupPhase, DittoFSBackup
from reconcilers.backup.archive.job_stage import START_LIMIT_S as START_LIMIT_S_OF_JOBS
from reconcilers.backup.archive.limits import END_LIMIT_S, MARGIN_S, PREPARE_LIMIT_S
from reconcilers.backup.deletion import BUSY_PATIENCE_S
from reconcilers.backup.retention import KEEP_FAILED
from reconcilers.backup.run import RUN_LIMIT_S, START_LIMIT_S
from reconcilers.patience import PATIENCE_S
from tests.support.crd_admission import admit

ROOT = Path(__file__).parents[3]
PAGE = (ROOT / "docs" / "backup.md").read_text()
SOURCES = "".join(file.read_text() for file in (ROOT / "reconcilers").rglob("*.py"))


def test_its_metrics_are_those_that_there_are() -> None:
    registry = CollectorRegistry()
    BackupMetrics(registry, lambda: ())
    counters = {f"{family.name}_total" for family in registry.collect() if family.type == "counter"}

    assert set(re.findall(r"dittofs_operator_(?:backup|restore)\w+", PAGE)) == {*GAUGES, *counters}


def test_its_alerts_are_those_of_the_manifest() -> None:
    (groups,) = (yaml.safe_load(text) for text in re.findall(r"```yaml\n(groups:.*?)```", PAGE, re.DOTALL))
    (rule,) = yaml.safe_load_all((ROOT / "manifests" / "monitoring" / "backup-alerts.yaml").read_text())

    assert (rule["apiVersion"], rule["kind"]) == ("monitoring.coreos.com/v1", "PrometheusRule")
    assert rule["spec"] == groups
    assert rule["metadata"]["namespace"] == deployment.NAMESPACE


def test_its_examples_are_taken_by_the_api_server() -> None:
    examples = [yaml.safe_load(text) for text in re.findall(r"```yaml\n(.*?)```", PAGE, re.DOTALL)]
    backups = [example for example in examples if example.get("kind") == "DittoFSBackup"]

    assert len(backups) == 5
    for backup in backups:
        assert set(backup["spec"]) <= set(admit(DittoFSBackup, backup)["spec"])


def test_every_phase_is_on_it() -> None:
    assert all(f"`{phase}`" in PAGE for phase in BackupPhase)


def test_every_reason_on_it_is_one_that_is_given() -> None:
    (table,) = re.findall(r"## What it says\n(.*?)\n## ", PAGE, re.DOTALL)
    reasons = set(re.findall(r"`([A-Z]\w+)`", table)) - {*BackupPhase, "Ready", "Progressing"}

    assert {reason for reason in reasons if f'"{reason}"' not in SOURCES} == set()


def test_its_limits_are_those_in_force() -> None:
    assert f"gives up after {START_LIMIT_S / 60:g} minutes when it can't begin" in PAGE
    assert f"and a run after {RUN_LIMIT_S / 60:g} minutes" in PAGE
    assert f"{PREPARE_LIMIT_S / 60:g} minutes for the stop" in PAGE
    assert f"server waits {END_LIMIT_S / 60:g} minutes at most" in PAGE
    assert (MARGIN_S, START_LIMIT_S_OF_JOBS) == (300, 300)
    assert f"holds the object for {PATIENCE_S:g} seconds" in PAGE
    assert f"restoring from it for {BUSY_PATIENCE_S / 60:g} minutes" in PAGE
    assert KEEP_FAILED == 3
    assert "of failed ones three are kept" in PAGE
