"""The condition logic that every kind shares."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from reconcilers.conditions import MAX_MESSAGE_LENGTH, all_of, false, to_status, true, unknown

NOON = datetime(2026, 1, 1, 12, tzinfo=UTC)
LATER = datetime(2026, 1, 1, 13, tzinfo=UTC)


def entry(status: str, *, since: str, reason: str = "Old") -> dict[str, Any]:
    return {"type": "Ready", "status": status, "reason": reason, "message": "", "lastTransitionTime": since}


def test_a_new_condition_starts_now() -> None:
    [written] = to_status([true("Ready", "Serving")], previous=[], observed_generation=3, now=NOON)

    assert written == {
        "type": "Ready",
        "status": "True",
        "reason": "Serving",
        "message": "",
        "lastTransitionTime": "2026-01-01T12:00:00Z",
        "observedGeneration": 3,
    }


def test_the_time_stands_while_the_status_stands_even_when_reason_and_message_move() -> None:
    before = [entry("False", since="2026-01-01T12:00:00Z")]

    [written] = to_status([false("Ready", "New", "other")], previous=before, observed_generation=1, now=LATER)

    assert (written["lastTransitionTime"], written["reason"]) == ("2026-01-01T12:00:00Z", "New")


def test_the_time_moves_with_the_status() -> None:
    before = [entry("False", since="2026-01-01T12:00:00Z")]

    [written] = to_status([true("Ready", "Serving")], previous=before, observed_generation=1, now=LATER)

    assert written["lastTransitionTime"] == "2026-01-01T13:00:00Z"


def test_a_message_that_is_too_long_is_cut() -> None:
    [written] = to_status([true("Ready", "R", "x" * 5000)], previous=[], observed_generation=1, now=NOON)

    assert len(written["message"]) == MAX_MESSAGE_LENGTH


def test_a_summary_takes_over_the_first_false_part_before_an_unknown_one() -> None:
    parts = [true("A", "Fine"), unknown("B", "NotAsked"), false("C", "Broken", "why")]

    summary = all_of("Ready", parts, reason="Ready", message="all well")

    assert summary == false("Ready", "Broken", "why")


def test_a_summary_is_unknown_when_a_part_is_and_none_is_false() -> None:
    summary = all_of("Ready", [true("A", "Fine"), unknown("B", "NotAsked")], reason="Ready", message="")

    assert summary == unknown("Ready", "NotAsked")


def test_a_summary_holds_when_all_parts_hold() -> None:
    summary = all_of("Ready", [true("A", "Fine"), true("B", "Fine")], reason="Ready", message="all well")

    assert summary == true("Ready", "Ready", "all well")
