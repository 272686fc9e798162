"""When a schedule is due: fields, words, time zones, and the two odd nights of a year."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from reconcilers.backup.schedule import Due, Schedule, ScheduleError, due

NOW = datetime(2030, 1, 2, 3, 4, 5, tzinfo=UTC)


def at(text: str) -> datetime:
    return datetime.fromisoformat(f"{text}+00:00")


def following(schedule: str, zone: str, start: str, count: int) -> list[str]:
    parsed, moment, found = Schedule.parse(schedule, zone), at(start), []
    for _ in range(count):
        moment = parsed.next_after(moment)
        found.append(f"{moment:%m-%d %H:%M}")
    return found


@pytest.mark.parametrize(
    ("schedule", "zone", "slot"),
    [
        ("0 3 * * *", "UTC", "2030-01-03 03:00"),
        ("*/15 * * * *", "UTC", "2030-01-02 03:15"),
        ("0 3 * * ?", "UTC", "2030-01-03 03:00"),
        ("30 4 1,15 * 5", "UTC", "2030-01-04 04:30"),
        ("0 0 * jan-mar sun", "UTC", "2030-01-06 00:00"),
        ("0 0 29 2 *", "UTC", "2032-02-29 00:00"),
        ("@hourly", "UTC", "2030-01-02 04:00"),
        ("@daily", "UTC", "2030-01-03 00:00"),
        ("@midnight", "UTC", "2030-01-03 00:00"),
        ("@weekly", "UTC", "2030-01-06 00:00"),
        ("@monthly", "UTC", "2030-02-01 00:00"),
        ("@yearly", "UTC", "2031-01-01 00:00"),
        ("@annually", "UTC", "2031-01-01 00:00"),
        ("@daily", "Europe/Berlin", "2030-01-02 23:00"),
        ("0 3 * * *", "Asia/Kolkata", "2030-01-02 21:30"),
    ],
)
def test_the_next_slot(schedule: str, zone: str, slot: str) -> None:
    assert Schedule.parse(schedule, zone).next_after(NOW) == at(slot)


@pytest.mark.parametrize(
    ("schedule", "zone", "reason", "words"),
    [
        ("61 * * * *", "UTC", "InvalidSchedule", "bad minute"),
        ("* 24 * * *", "UTC", "InvalidSchedule", "bad hour"),
        ("* * 0 * *", "UTC", "InvalidSchedule", "bad day-of-month"),
        ("* * * 13 *", "UTC", "InvalidSchedule", "bad month"),
        ("* * * * 8", "UTC", "InvalidSchedule", "bad day-of-week"),
        ("5-1 * * * *", "UTC", "InvalidSchedule", "bad minute"),
        ("*/0 * * * *", "UTC", "InvalidSchedule", "bad minute"),
        ("x * * * *", "UTC", "InvalidSchedule", "bad minute"),
        ("0 0 30 2 *", "UTC", "InvalidSchedule", "bad day-of-month"),
        ("* * * *", "UTC", "InvalidSchedule", "number of fields"),
        ("@never", "UTC", "InvalidSchedule", "number of fields"),
        ("0 3 * * *", "Mars/Olympus", "UnknownTimeZone", '"Mars/Olympus" is no time zone'),
        ("0 3 * * *", "../../etc/passwd", "UnknownTimeZone", "no time zone"),
        ("0 3 * * *", "Europe", "UnknownTimeZone", "no time zone"),
    ],
)
def test_what_means_nothing_is_told_with_the_field(schedule: str, zone: str, reason: str, words: str) -> None:
    with pytest.raises(ScheduleError, match=words) as error:
        Schedule.parse(schedule, zone)

    assert error.value.reason == reason


def test_a_time_that_is_skipped_in_spring_is_made_up_for_right_after() -> None:
    """Berlin, 31 March 2030: the clock goes from 2:00 to 3:00, which is 1:00 in UTC."""
    assert following("30 2 * * *", "Europe/Berlin", "2030-03-29T12:00", 4) == [
        "03-30 01:30",
        "03-31 01:00",
        "04-01 00:30",
        "04-02 00:30",
    ]


def test_two_times_that_are_skipped_make_one_slot() -> None:
    assert following("15,45 2 * * *", "Europe/Berlin", "2030-03-30T12:00", 3) == [
        "03-31 01:00",
        "04-01 00:15",
        "04-01 00:45",
    ]


def test_a_time_that_comes_twice_in_autumn_is_one_slot() -> None:
    """Berlin, 27 October 2030: 2:30 comes at 0:30 and at 1:30 in UTC."""
    assert following("30 2 * * *", "Europe/Berlin", "2030-10-26T12:00", 2) == ["10-27 00:30", "10-28 01:30"]


def test_between_the_two_the_next_slot_lies_ahead() -> None:
    """At 0:45 in UTC the clock in Berlin shows 2:45 for the first time, at 1:10 it shows 2:10 again."""
    assert following("30 2 * * *", "Europe/Berlin", "2030-10-27T01:10", 1) == ["10-28 01:30"]


def test_every_so_many_minutes_goes_by_real_time() -> None:
    assert following("*/30 * * * *", "Europe/Berlin", "2030-10-26T23:45", 5) == [
        "10-27 00:00",
        "10-27 00:30",
        "10-27 01:00",
        "10-27 01:30",
        "10-27 02:00",
    ]


@settings(max_examples=60, deadline=None)
@given(
    st.sampled_from(["30 2 * * *", "*/7 * * * *", "0 */5 * * *", "15,45 1-3 * * *", "0 3 * * 0", "59 23 31 12 *"]),
    st.sampled_from(["UTC", "Europe/Berlin", "America/New_York", "Australia/Lord_Howe", "Asia/Kolkata"]),
    st.integers(0, 2 * 365 * 24 * 60).map(
        lambda minutes: datetime(2029, 1, 1, tzinfo=UTC) + timedelta(minutes=minutes)
    ),
)
def test_slots_always_lie_ahead_and_are_their_own(fields: str, zone: str, moment: datetime) -> None:
    schedule = Schedule.parse(fields, zone)
    slots = [moment]
    for _ in range(4):
        slots.append(schedule.next_after(slots[-1]))

    assert all(earlier < later for earlier, later in pairwise(slots))
    assert schedule.newest(slots[1], slots[3] + timedelta(seconds=1)) == slots[3]


@pytest.mark.parametrize(
    ("fields", "gap"),
    [
        ("0 3 * * *", timedelta(days=1)),
        ("0 3 * * 1-5", timedelta(days=3)),
        ("* 8-18 * * *", timedelta(hours=13, minutes=1)),
        ("@hourly", timedelta(hours=1)),
        ("@monthly", timedelta(days=31)),
        ("0 0 1 1,2 *", timedelta(days=335)),
    ],
)
def test_the_longest_gap_is_what_a_person_waits_for_at_most(fields: str, gap: timedelta) -> None:
    assert Schedule.parse(fields, "UTC").longest_gap() == gap


DAILY = Schedule.parse("0 3 * * *", "UTC")


def test_a_fresh_schedule_waits_for_its_first_slot() -> None:
    assert due(DAILY, None, changed=True, now=NOW) == Due(None, at("2030-01-03 03:00"))


def test_before_the_slot_nothing_is_due() -> None:
    planned = at("2030-01-03 03:00")

    assert due(DAILY, planned, changed=False, now=NOW) == Due(None, planned)


def test_at_the_slot_it_is_due() -> None:
    planned = at("2030-01-03 03:00")

    assert due(DAILY, planned, changed=False, now=planned) == Due(planned, at("2030-01-04 03:00"))


def test_of_missed_slots_the_newest_is_due() -> None:
    planned, now = at("2030-01-03 03:00"), at("2030-03-01 12:00")

    assert due(DAILY, planned, changed=False, now=now) == Due(at("2030-03-01 03:00"), at("2030-03-02 03:00"))


def test_a_year_of_missed_minutes_is_looked_through_quickly() -> None:
    minutes = Schedule.parse("* * * * *", "UTC")

    missed = due(minutes, at("2029-01-02 03:00"), changed=False, now=NOW)

    assert missed == Due(at("2030-01-02 03:04"), at("2030-01-02 03:05"))


def test_a_rare_slot_that_was_missed_long_ago_is_still_found() -> None:
    leap = Schedule.parse("0 0 29 2 *", "UTC")

    assert due(leap, at("2020-02-29 00:00"), changed=False, now=NOW).slot == at("2028-02-29 00:00")


def test_a_changed_schedule_counts_from_now() -> None:
    """What the former one planned neither is made up for nor delays a slot of the new one."""
    assert due(DAILY, at("2030-01-02 02:30"), changed=True, now=NOW) == Due(None, at("2030-01-03 03:00"))
    hourly = Schedule.parse("@hourly", "UTC")
    assert due(hourly, at("2030-01-03 03:00"), changed=True, now=NOW) == Due(None, at("2030-01-02 04:00"))


def test_a_change_of_something_else_loses_no_slot_that_is_due() -> None:
    planned = at("2030-01-02 03:00")

    assert due(DAILY, planned, changed=True, now=NOW) == Due(planned, at("2030-01-03 03:00"))
