"""How the limiters grow, merge and forget."""

from __future__ import annotations

import pytest

from informers.ratelimit import Bucket, ItemExponential, MaxOf, default_limiter
from tests.support.clock import FakeClock


def test_t15_the_delay_of_a_key_doubles_and_forget_starts_it_again() -> None:
    limiter = ItemExponential(base_s=0.001, cap_s=1000)

    assert [limiter.delay("a") for _ in range(5)] == pytest.approx([0.001, 0.002, 0.004, 0.008, 0.016])
    assert limiter.delay("b") == pytest.approx(0.001)
    assert (limiter.failures("a"), limiter.failures("b")) == (5, 1)

    limiter.forget("a")

    assert limiter.failures("a") == 0
    assert limiter.delay("a") == pytest.approx(0.001)


@pytest.mark.parametrize(("base_s", "cap_s"), [(0.001, 1000.0), (60.0, 3_600_000.0)])
def test_t16_a_thousand_failures_give_exactly_the_cap(base_s: float, cap_s: float) -> None:
    limiter = ItemExponential(base_s=base_s, cap_s=cap_s)

    delays = [limiter.delay("a") for _ in range(2000)]

    assert delays[-1000:] == [cap_s] * 1000
    assert min(delays) > 0


def test_t17_the_longest_of_several_limiters_counts_and_forget_reaches_all() -> None:
    slow_start, steep = ItemExponential(base_s=1, cap_s=2), ItemExponential(base_s=0.1, cap_s=1000)
    limiter = MaxOf(slow_start, steep)

    assert [limiter.delay("a") for _ in range(6)] == pytest.approx([1, 2, 2, 2, 2, 3.2])
    assert limiter.failures("a") == 6

    limiter.forget("a")

    assert (slow_start.failures("a"), steep.failures("a")) == (0, 0)


def test_the_bucket_lets_a_burst_pass_then_spaces_out_and_fills_up_again() -> None:
    clock = FakeClock()
    bucket = Bucket(clock=clock, per_second=10, burst=3)

    assert [bucket.delay(n) for n in range(5)] == pytest.approx([0, 0, 0, 0.1, 0.2])

    clock.advance(3600)

    assert [bucket.delay(n) for n in range(4)] == pytest.approx([0, 0, 0, 0.1])


def test_the_default_gives_5_ms_at_first_and_never_more_than_1000_s_for_one_key() -> None:
    clock = FakeClock()
    limiter = default_limiter(clock)

    assert limiter.delay("a") == pytest.approx(0.005)
    for _ in range(60):
        clock.advance(10)
        last = limiter.delay("a")

    assert last == 1000.0
