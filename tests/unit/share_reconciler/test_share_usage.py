"""How much a share holds is told without a write for each byte."""

from __future__ import annotations

from dataclasses import replace

import pytest

from informers.resource import ObjectKey
from reconcilers.share.usage import TELL_EVERY_S, Usage
from tests.support.clock import FakeClock
from tests.support.share_world import POLL_S, ShareWorld

KEY = ObjectKey("default", "x")


def test_the_first_number_is_told_at_once() -> None:
    assert Usage(clock=FakeClock()).tell(KEY, known=None, found=7) == 7


@pytest.mark.parametrize(
    ("after_s", "known", "found", "told"),
    [
        (TELL_EVERY_S, 1000, 1011, 1011),
        (TELL_EVERY_S, 1000, 1010, 1000),
        (TELL_EVERY_S, 1000, 989, 989),
        (TELL_EVERY_S, 0, 1, 1),
        (TELL_EVERY_S, 0, 0, 0),
        (TELL_EVERY_S - 1, 1000, 9000, 1000),
    ],
)
def test_later_ones_seldom_and_only_when_they_moved(after_s: float, known: int, found: int, told: int) -> None:
    clock = FakeClock()
    usage = Usage(clock=clock)
    usage.tell(KEY, known=None, found=known)

    clock.advance(after_s)

    assert usage.tell(KEY, known=known, found=found) == told


@pytest.mark.parametrize(("known", "found", "told"), [(999, 1000, 1000), (1000, 999, 999), (1001, 1002, 1001)])
def test_that_a_share_is_full_or_no_more_is_told_however_little_it_moved(known: int, found: int, told: int) -> None:
    clock = FakeClock()
    usage = Usage(clock=clock)
    usage.tell(KEY, known=None, found=known, quota=1000)

    clock.advance(TELL_EVERY_S)

    assert usage.tell(KEY, known=known, found=found, quota=1000) == told


def test_the_status_says_what_the_server_counts(world: ShareWorld, monkeypatch: pytest.MonkeyPatch) -> None:
    key = world.put_share()
    world.settle(key)
    assert world.status(key)["usedBytes"] == 0
    listed = type(world.hand).shares
    monkeypatch.setattr(
        type(world.hand), "shares", lambda self: tuple(replace(row, used_bytes=4096) for row in listed(self))
    )
    writes = len(world.objects.writes)

    for _ in range(int(2 * TELL_EVERY_S / POLL_S)):
        world.clock.advance(POLL_S)
        world.reconciler.reconcile(key)

    assert world.status(key)["usedBytes"] == 4096
    assert len(world.objects.writes) == writes + 1
