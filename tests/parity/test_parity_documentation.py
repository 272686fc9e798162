"""The documentation says exactly what the suite knows."""

from __future__ import annotations

from pathlib import Path

from tests.parity import case as cases
from tests.parity import differences

DOCUMENT = Path(__file__).parents[2] / "docs" / "local-cluster.md"
CASES = cases.load()


def test_there_are_at_least_150_cases() -> None:
    """The size that was promised."""
    assert len(CASES) >= 150
    assert len({case.id for case in CASES}) == len(CASES)


def test_every_known_difference_is_shown_by_a_case_and_every_shown_one_is_known() -> None:
    """No entry is stale, no key is misspelt."""
    assert differences.used(CASES).keys() == differences.load().keys()


def test_the_document_holds_the_table_of_differences() -> None:
    """Write the table anew with `python -m tests.parity`."""
    assert differences.table(CASES) in DOCUMENT.read_text()
