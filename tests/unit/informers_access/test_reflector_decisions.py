"""What follows after each end of a watch: the whole table, without a server."""

from __future__ import annotations

from random import Random

import pytest

from informers.backoff import BackoffPolicy, JitteredBackoff
from informers.ending import REACTIONS, Ending, Reaction, ending_of, version_unavailable
from informers.errors import (
    ClientError,
    Expired,
    Forbidden,
    Garbled,
    NotFound,
    ServerError,
    TooManyRequests,
    Unauthorized,
    Unreachable,
    api_error,
)
from tests.support.clock import FakeClock

AT_ONCE, LATER = False, True


def refused(kind: type[ClientError]) -> ClientError:
    codes = {Expired: 410, TooManyRequests: 429, Forbidden: 403, NotFound: 404, ServerError: 500, Unauthorized: 401}
    return api_error(codes[kind], {"message": "no"}) if kind in codes else kind("no")


@pytest.mark.parametrize(
    ("error", "events", "lasted_s", "previous", "relist", "back_off"),
    [
        (None, 0, 400.0, None, False, AT_ONCE),
        (None, 1, 0.1, None, False, AT_ONCE),
        (None, 0, 1.0, None, False, AT_ONCE),
        (None, 0, 0.9, None, True, LATER),
        (Unreachable, 0, 0.0, None, False, LATER),
        (Unreachable, 5, 9.0, Ending.BROKEN, False, LATER),
        (TooManyRequests, 0, 0.0, Ending.BUSY, False, LATER),
        (Expired, 0, 0.0, None, True, AT_ONCE),
        (Expired, 3, 0.0, Ending.EXPIRED, True, AT_ONCE),
        (Expired, 0, 0.0, Ending.EXPIRED, True, LATER),
        (Expired, 0, 0.0, Ending.STILL_EXPIRED, True, LATER),
        (Garbled, 1, 0.0, Ending.GARBLED, False, LATER),
        (Garbled, 0, 0.0, None, False, LATER),
        (Garbled, 0, 0.0, Ending.GARBLED, True, LATER),
        (Forbidden, 0, 0.0, None, True, LATER),
        (Unauthorized, 0, 0.0, None, True, LATER),
        (NotFound, 0, 0.0, None, True, LATER),
        (ServerError, 7, 9.0, None, True, LATER),
    ],
)
def test_each_end_of_a_watch_has_its_reaction(  # noqa: PLR0913, RUF100  # the columns of a table
    error: type[ClientError] | None,
    events: int,
    lasted_s: float,
    previous: Ending | None,
    *,
    relist: bool,
    back_off: bool,
) -> None:
    raised = refused(error) if error else None
    ending = ending_of(raised, events=events, lasted_s=lasted_s, previous=previous)
    assert REACTIONS[ending] == Reaction(relist=relist, back_off=back_off)


def test_every_end_has_a_reaction() -> None:
    assert set(REACTIONS) == set(Ending)


def test_only_an_old_or_a_future_version_makes_a_version_unavailable() -> None:
    text = "Too large resource version: 8, current: 7"
    assert version_unavailable(api_error(410, {"reason": "Gone"}))
    assert version_unavailable(api_error(504, {"details": {"causes": [{"reason": "ResourceVersionTooLarge"}]}}))
    assert version_unavailable(api_error(504, {"details": {"causes": [{"message": text}]}}))
    assert version_unavailable(api_error(504, {"message": f"Timeout: {text}"}))
    assert not version_unavailable(api_error(504, {"message": "Timeout"}))
    assert not version_unavailable(api_error(403, {"message": "no"}))


def test_t43_delays_double_to_the_cap_and_begin_again_after_two_quiet_minutes() -> None:
    clock = FakeClock()
    backoff = JitteredBackoff(BackoffPolicy(jitter=0), clock=clock, random=Random(0))
    assert [backoff.next_s() for _ in range(8)] == [0.8, 1.6, 3.2, 6.4, 12.8, 25.6, 30, 30]
    clock.advance(119)
    assert backoff.next_s() == 30
    clock.advance(121)
    assert backoff.next_s() == 0.8


def test_t43_a_delay_is_prolonged_by_up_to_itself() -> None:
    backoff = JitteredBackoff(BackoffPolicy(factor=1), clock=FakeClock(), random=Random(0))
    delays = [backoff.next_s() for _ in range(200)]
    assert 0.8 <= min(delays) < 0.85
    assert 1.55 < max(delays) < 1.6
