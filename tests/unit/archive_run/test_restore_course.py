"""The course of a restore from an archive over everything that there can be to see."""

from __future__ import annotations

from itertools import product

from reconcilers.backup.archive.course import Stage
from reconcilers.backup.archive.restore_course import RestoreDeed, RestoreSight, next_restore_deed
from reconcilers.hold import HoldMode

BOTH = (False, True)
FIELDS = ("recorded", "held", "stopped", "job", "complete", "loaded", "overdue")
SIGHTS = [
    RestoreSight(**dict(zip(FIELDS, values, strict=True)))
    for values in product(BOTH, (None, HoldMode.STOP), BOTH, Stage, BOTH, BOTH, BOTH)
]


def test_nothing_is_written_but_to_the_claims_of_a_server_that_is_held_and_has_stopped() -> None:
    assert all(
        sight.held is HoldMode.STOP and sight.stopped and not sight.recorded
        for sight in SIGHTS
        if next_restore_deed(sight) is RestoreDeed.START
    )


def test_once_the_claims_are_filled_the_server_is_let_go_and_nothing_is_written_again() -> None:
    deeds = {next_restore_deed(sight) for sight in SIGHTS if sight.recorded}
    assert deeds == {
        RestoreDeed.RELEASE,
        RestoreDeed.COMPLETE,
        RestoreDeed.AWAIT_SHARES,
        RestoreDeed.GIVE_UP_LATE,
    }
    assert {next_restore_deed(sight) for sight in SIGHTS if sight.recorded and sight.held} == {RestoreDeed.RELEASE}


def test_nobody_waits_for_ever() -> None:
    late = {next_restore_deed(sight) for sight in SIGHTS if sight.overdue and not (sight.recorded and sight.held)}
    assert not late & {RestoreDeed.AWAIT_STOP, RestoreDeed.AWAIT_JOB, RestoreDeed.AWAIT_SHARES, RestoreDeed.START}


def test_every_deed_is_for_something() -> None:
    assert {next_restore_deed(sight) for sight in SIGHTS} == set(RestoreDeed)
