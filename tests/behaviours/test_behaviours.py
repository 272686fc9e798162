"""Every behaviour has a test or a reason to have none, and the documentation tells which."""

from __future__ import annotations

import re

import pytest

from tests.behaviours import behaviour

ROWS = [row for rows in behaviour.load().values() for row in rows]
SHOWN = behaviour.shown_by()


def test_there_are_122_known_behaviours_and_seven_that_nobody_tests() -> None:
    assert [row.number for row in ROWS] == [f"T{number}" for number in (*range(1, 123), *"abcdefg")]


@pytest.mark.parametrize("field", ["number", "behaviour", "known_from", "reason"])
def test_no_row_has_a_field_twice(field: str) -> None:
    written = sum(file.read_text().count(f" {field}: ") for file in behaviour.files())
    assert written == sum(bool(getattr(row, field)) for row in ROWS)


def test_no_test_carries_a_number_that_no_row_has() -> None:
    assert SHOWN.keys() - {row.number for row in ROWS} == set()


def test_every_behaviour_has_a_test_or_a_reason_to_have_none() -> None:
    assert [row.number for row in ROWS if not row.reason and row.number not in SHOWN] == []


def test_no_behaviour_has_both_a_test_and_a_reason_to_have_none() -> None:
    assert [row.number for row in ROWS if row.reason and row.number in SHOWN] == []


def test_the_page_holds_the_tables() -> None:
    """Write them anew with `python -m tests.behaviours`."""
    assert behaviour.table(behaviour.load(), SHOWN) in behaviour.PAGE.read_text(), "run python -m tests.behaviours"


def test_every_test_that_the_page_names_is_there() -> None:
    named = set(re.findall(r"`(test_\w+)`", behaviour.PAGE.read_text()))
    assert named - set(behaviour.test_names()) == set()


@pytest.mark.parametrize(
    ("name", "numbers"),
    [
        ("test_t5_any_number_of_adds", ("T5",)),
        ("test_t23_t24_a_key_in_work", ("T23", "T24")),
        ("test_ta_a_late_answer", ("Ta",)),
        ("test_the_readme", ()),
        ("test_t5", ()),
    ],
)
def test_a_test_shows_what_its_name_begins_with(name: str, numbers: tuple[str, ...]) -> None:
    assert behaviour.numbers_of(name) == numbers
