"""The course of an archive over everything that there can be to see: the server is never kept for nothing."""

from __future__ import annotations

from itertools import product

from reconcilers.backup.archive.course import Deed, Sight, Stage, next_deed
from reconcilers.hold import HoldMode

MODES = (None, HoldMode.ADAPTERS_OFF, HoldMode.STOP)
BOTH = (False, True)
FIELDS = ("recorded", "held", "silent", "stopped", "pins_needed", "pinned", "copy", "verify", "overdue")
SIGHTS = [
    Sight(**dict(zip(FIELDS, values, strict=True)))
    for values in product(BOTH, MODES, BOTH, BOTH, BOTH, BOTH, Stage, Stage, BOTH)
]
HOLDING = {Deed.SEND_CLIENTS_AWAY, Deed.STOP, Deed.PIN, Deed.AWAIT_SILENCE, Deed.AWAIT_STOP, Deed.COPY, Deed.AWAIT_COPY}


def test_nothing_is_copied_but_from_a_server_that_is_held_and_has_stopped() -> None:
    assert all(
        sight.held is HoldMode.STOP and sight.stopped and not sight.recorded and sight.copy is Stage.ABSENT
        for sight in SIGHTS
        if next_deed(sight) is Deed.COPY
    )
    assert all(sight.held is HoldMode.STOP for sight in SIGHTS if next_deed(sight) in (Deed.RECORD, Deed.AWAIT_COPY))


def test_once_the_archive_is_told_of_the_server_is_let_go_at_once_and_never_held_again() -> None:
    recorded = [sight for sight in SIGHTS if sight.recorded]
    assert {next_deed(sight) for sight in recorded if sight.held} == {Deed.RELEASE}
    assert not {next_deed(sight) for sight in recorded} & HOLDING


def test_nobody_waits_for_ever() -> None:
    late = {next_deed(sight) for sight in SIGHTS if sight.overdue and not (sight.recorded and sight.held)}
    assert late == {
        Deed.GIVE_UP_LATE,
        Deed.GIVE_UP_COPY,
        Deed.GIVE_UP_VERIFY,
        Deed.GIVE_UP_UNHELD,
        Deed.RECORD,
        Deed.COMPLETE,
    }


def test_the_server_stops_only_with_what_the_bucket_has_pinned() -> None:
    stopping = [sight for sight in SIGHTS if next_deed(sight) is Deed.STOP]
    assert stopping
    assert all(sight.pinned or not sight.pins_needed for sight in stopping)


def test_every_deed_is_for_something() -> None:
    assert {next_deed(sight) for sight in SIGHTS} == set(Deed)
