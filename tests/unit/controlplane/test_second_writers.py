"""How the audit log of a disturbed control plane is read: whose writes were somebody else's time."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from tests.support.audited_plane import Call, writes_without_lease

START = datetime(2030, 1, 1, tzinfo=UTC)


def call(by: str, resource: str, received: float, ended: float, *, code: int = 200) -> Call:
    times = (START + timedelta(seconds=seconds) for seconds in (received, ended))
    return Call(by, "update", resource, "x", code, *times)


def test_a_write_within_ones_own_time_is_none_and_one_that_ends_or_begins_in_anothers_is() -> None:
    fine = call("one", "services", 1, 2)
    late = call("one", "services", 4, 5)
    overlapping = call("one", "services", 2, 4)
    followers = call("other", "services", 4, 5)
    calls = [
        call("one", "leases", 0, 0.5),
        fine,
        call("other", "leases", 2, 2.1, code=409),
        call("other", "leases", 3, 3.5),
        overlapping,
        late,
        followers,
    ]

    assert writes_without_lease(calls) == [overlapping, late]


def test_a_write_before_anybody_led_counts() -> None:
    early = call("one", "services", 0, 1)

    assert writes_without_lease([early, call("one", "leases", 2, 3)]) == [early]
