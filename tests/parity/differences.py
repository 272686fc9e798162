"""The differences that are known and meant to stay, and the table of them in the documentation."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

import yaml

from tests.parity.case import Case

_FILE = Path(__file__).parent / "differences.yaml"
_HEAD = ("What", "kube-apiserver", "Local cluster", "Why", "Cases")


def load() -> dict[str, dict[str, str]]:
    """By the name that steps refer to: `what`, `real`, `ours` and `why`."""
    known: dict[str, dict[str, str]] = yaml.safe_load(_FILE.read_text()) or {}
    for name, entry in known.items():
        if entry.keys() != {"what", "real", "ours", "why"}:
            raise ValueError(f"{_FILE.name}: {name} must have what, real, ours and why")
    return known


def used(cases: Iterable[Case]) -> dict[str, int]:
    """How many cases show each difference."""
    counts: dict[str, int] = {}
    for case in cases:
        for name in {name for step in case.steps for name in step.differs.values()}:
            counts[name] = counts.get(name, 0) + 1
    return counts


def table(cases: Iterable[Case]) -> str:
    """The table as Markdown."""
    counts = used(cases)
    rows = [_HEAD, ("---",) * len(_HEAD)]
    for name, entry in load().items():
        rows.append((entry["what"], entry["real"], entry["ours"], entry["why"], str(counts.get(name, 0))))
    return "".join(f"| {' | '.join(' '.join(cell.split()) for cell in row)} |\n" for row in rows)
