"""Which backups a schedule keeps."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from informers.resource import View
from informers.view import freeze
from reconcilers.api.backup import BackupRetention
from reconcilers.backup.retention import superfluous

NOW = datetime(2030, 1, 31, 12, tzinfo=UTC)


def child(day: int, phase: str = "Completed", **metadata: Any) -> View:
    name = f"nightly-203001{day:02}-030000"
    status = {"phase": phase, "completionTime": f"2030-01-{day:02}T03:01:00Z"}
    return freeze({"metadata": {"name": name, "uid": name, **metadata}, "status": status})


def days(kept: tuple[View, ...]) -> list[int]:
    return [int(view["metadata"]["name"][14:16]) for view in kept]


@pytest.mark.parametrize(
    ("children", "keep_last", "max_age", "gone"),
    [
        ([child(day) for day in range(1, 10)], 7, "", [1, 2]),
        ([child(day) for day in range(1, 4)], 7, "", []),
        ([child(day) for day in (28, 29, 30)], 7, "48h", [28, 29]),
        ([child(day) for day in (28, 29, 30)], 7, "72h", [28]),
        ([child(day) for day in (1, 2, 3)], 7, "48h", [1, 2]),
        ([child(day) for day in (1, 2, 3)], 1, "48h", [1, 2]),
        ([child(day, "Failed") for day in range(1, 6)], 1, "1h", [1, 2]),
        ([child(1), *(child(day, "Failed") for day in range(2, 6))], 1, "1h", [2]),
        ([child(1), child(2, "Running"), child(3, "Pending"), child(4, "")], 1, "", []),
        ([child(1), child(2, deletionTimestamp="x"), child(3)], 2, "", []),
        ([], 1, "1h", []),
    ],
)
def test_what_goes(children: list[View], keep_last: int, max_age: str, gone: list[int]) -> None:
    retention = BackupRetention(keep_last=keep_last, max_age=max_age)

    assert days(superfluous(reversed(children), retention, now=NOW)) == gone


PHASES = st.sampled_from(["Completed", "Failed", "Running", ""])


@given(st.lists(PHASES, max_size=28), st.integers(1, 30), st.sampled_from(["", "1h", "240h"]), st.integers(0, 400))
def test_the_last_completed_one_never_goes(phases: list[str], keep: int, age: str, later_h: int) -> None:
    children = [child(day, phase) for day, phase in enumerate(phases, start=1)]
    retention = BackupRetention(keep_last=keep, max_age=age)

    gone = superfluous(children, retention, now=NOW + timedelta(hours=later_h))

    completed = [view for view in children if view["status"]["phase"] == "Completed"]
    assert not completed or completed[-1] not in gone
    assert all(view["status"]["phase"] in ("Completed", "Failed") for view in gone)
    assert len([view for view in completed if view not in gone]) <= keep
