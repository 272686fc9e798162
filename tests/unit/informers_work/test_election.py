"""One elector and its lease, step by step in virtual time (T116..T120, Ta..Tc)."""

from __future__ import annotations

import threading
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from random import Random

import pytest
import structlog
from prometheus_client import CollectorRegistry

from informers.clock import Clock
from informers.durations import LeaseDurations
from informers.election import HINT_PAUSE_S, TAKEOVER_JITTER_S, LeaseElector, Step, own_identity
from informers.errors import Conflict, ServerError, Unreachable, WriteRefused
from informers.lease import LeaseRecord
from informers.metrics import Metrics
from tests.support.clock import FakeClock
from tests.support.eventually import eventually
from tests.support.lease import FakeHints, FakeLock, SkewedClock

EARLIER = datetime(1970, 1, 1, tzinfo=UTC)


class World:
    """An elector named "me", its lease, and its clock."""

    def __init__(self, record: LeaseRecord | None = None) -> None:
        self.clock = FakeClock()
        self.lock = FakeLock(record)
        self.registry = CollectorRegistry()
        self.hints = FakeHints()
        self.elector = self.another("me")

    def another(self, identity: str, clock: Clock | None = None) -> LeaseElector:
        return LeaseElector(
            lock=self.lock,
            identity=identity,
            clock=clock or self.clock,
            random=Random(0),
            logger=structlog.get_logger(),
            metrics=Metrics(self.registry).lease("demo") if identity == "me" else None,
            hints=self.hints if identity == "me" else None,
        )

    def metric(self, name: str) -> float | None:
        return self.registry.get_sample_value(f"leader_election_{name}", {"name": "demo"})

    @property
    def may_write(self) -> bool:
        try:
            self.elector.check()
        except WriteRefused:
            return False
        return True


def record(holder: str, *, duration_s: int = 15, transitions: int = 3) -> LeaseRecord:
    return LeaseRecord(holder, duration_s, EARLIER, EARLIER, transitions)


def leading() -> World:
    world = World()
    assert world.elector.step() is Step.ACQUIRE
    return world


def fails(call: str, error: Exception, *, times: int = 1) -> Callable[[str], None]:
    """A hook that raises `error` at the next `times` of `call`."""
    left = [times]

    def hook(actual: str) -> None:
        if actual == call and left[0] > 0:
            left[0] -= 1
            raise error

    return hook


def test_t116_without_a_lease_one_is_created() -> None:
    world = World()

    assert world.elector.step() is Step.ACQUIRE

    now = world.clock.now()
    assert world.lock.writes == [LeaseRecord("me", 15, now, now, 0)]
    assert world.may_write
    assert world.metric("master_status") == 1


@pytest.mark.parametrize("holder", ["", "other"], ids=["released", "expired"])
def test_t116_a_lease_that_nobody_holds_is_taken_with_one_more_transition(holder: str) -> None:
    world = World(record(holder))
    if holder:
        assert world.elector.step() is Step.FOLLOW
        world.clock.advance(15)

    assert world.elector.step() is Step.ACQUIRE

    now = world.clock.now()
    assert world.lock.writes == [LeaseRecord("me", 15, now, now, 4)]


def test_t116_a_follower_never_takes_an_unexpired_lease_whatever_the_remote_clock_says() -> None:
    """Expiry is counted on our own monotonic clock, from when the record last changed."""
    world = World(record("other"))
    world.elector.step()
    world.clock.advance(14.9)
    world.clock.jump_wall(86400)

    assert world.elector.step() is Step.FOLLOW
    assert world.lock.writes == []
    assert not world.may_write


def test_t116_a_record_that_changed_is_counted_from_anew() -> None:
    world = World(record("other"))
    world.elector.step()
    world.clock.advance(14)
    world.lock.put(record("other", transitions=4))
    world.elector.step()
    world.clock.advance(14.9)
    assert world.elector.step() is Step.FOLLOW

    world.clock.advance(0.1)

    assert world.elector.step() is Step.ACQUIRE


def test_t116_the_duration_in_the_record_decides_not_ones_own() -> None:
    world = World(record("other", duration_s=60))
    world.elector.step()
    world.clock.advance(59)

    assert world.elector.step() is Step.FOLLOW
    world.clock.advance(1)
    assert world.elector.step() is Step.ACQUIRE


def test_t116_a_record_without_a_duration_is_no_free_lease() -> None:
    world = World(record("other", duration_s=0))

    assert world.elector.step() is Step.FOLLOW
    world.clock.advance(14.9)
    assert world.elector.step() is Step.FOLLOW


def test_t116_renewing_keeps_acquire_time_and_transitions() -> None:
    world = leading()
    acquired = world.clock.now()
    world.clock.advance(2)

    assert world.elector.step() is Step.RENEW

    assert world.lock.record == LeaseRecord("me", 15, acquired, world.clock.now(), 0)


def test_t116_our_own_record_of_before_is_renewed_not_taken_over() -> None:
    world = World(record("me"))

    assert world.elector.step() is Step.ACQUIRE

    assert world.lock.record == LeaseRecord("me", 15, EARLIER, world.clock.now(), 3)


def test_t117_a_renewal_is_one_update_and_a_conflict_reads_first() -> None:
    world = leading()
    world.clock.advance(2)
    world.elector.step()
    assert world.lock.calls == ["get", "create", "update"]
    world.lock.on_send = fails("update", Conflict(409, "Conflict", "changed"))
    world.clock.advance(2)

    assert world.elector.step() is Step.RENEW

    assert world.lock.calls[3:] == ["update", "get", "update"]
    assert world.metric("slowpath_total") == 1


def test_t116_two_followers_that_want_an_expired_lease_get_one_leader() -> None:
    world = World(record("gone"))
    other = world.another("rival")
    world.elector.step()
    other.step()
    world.clock.advance(15)
    taken: list[Step] = []

    def rival_is_faster(call: str) -> None:
        if call == "update" and not taken:
            taken.append(Step.RETRY)
            taken[0] = other.step()

    world.lock.on_send = rival_is_faster

    assert world.elector.step() is Step.RETRY
    assert taken == [Step.ACQUIRE]
    assert not world.may_write


def test_t116_t117_from_nothing_to_a_conflict_the_calls_are_these() -> None:
    world = leading()
    world.clock.advance(2)
    world.lock.on_send = fails("update", Conflict(409, "Conflict", "changed"))

    assert world.elector.step() is Step.RENEW

    assert world.lock.calls == ["get", "create", "update", "get", "update"]
    assert [record.transitions for record in world.lock.writes] == [0, 0]


@pytest.mark.parametrize(
    "error", [Unreachable("reset"), ServerError(503, "", "down"), OSError("tls"), KeyError("spec"), RuntimeError()]
)
def test_no_failure_of_the_lock_ends_the_elector_and_the_lease_stays_ours_until_the_deadline(error: Exception) -> None:
    world = leading()

    def broken(_call: str) -> None:
        raise error

    world.lock.on_send = broken
    for _ in range(4):
        world.clock.advance(2)
        assert world.elector.step() is Step.RETRY
        assert world.may_write

    world.clock.advance(2)

    assert not world.may_write
    assert world.elector.step() is Step.LOST
    assert world.metric("master_status") == 0


def test_ta_the_deadline_counts_from_before_the_last_good_request_was_sent() -> None:
    world = World()
    world.lock.on_answer = lambda call: world.clock.advance(4) if call == "create" else None

    assert world.elector.step() is Step.ACQUIRE

    world.clock.advance(5.9)
    assert world.may_write
    world.clock.advance(0.1)
    assert not world.may_write


def test_tc_a_process_that_was_paused_past_the_deadline_can_not_write() -> None:
    """Nothing ran during the pause, so only the clock can close the gate."""
    world = leading()

    world.clock.advance(3600)

    assert not world.may_write
    assert world.elector.step() is Step.LOST


def test_ta_an_answer_that_comes_after_the_old_deadline_does_not_reopen_the_gate() -> None:
    world = leading()
    world.clock.advance(8)
    world.lock.on_answer = lambda call: world.clock.advance(4)

    assert world.elector.step() is Step.LOST

    assert not world.may_write


def test_ta_an_answer_to_the_first_write_that_takes_longer_than_the_deadline_makes_no_leader() -> None:
    world = World()
    world.lock.on_answer = lambda call: world.clock.advance(11) if call == "create" else None

    assert world.elector.step() is Step.RETRY

    assert not world.may_write
    world.lock.on_answer = lambda call: None
    assert world.elector.step() is Step.ACQUIRE


def test_t113_a_leader_that_sees_another_name_stops_at_once() -> None:
    world = leading()
    world.lock.put(record("usurper"))
    world.clock.advance(2)

    assert world.elector.step() is Step.LOST

    assert not world.may_write
    assert world.lock.record == record("usurper")


def test_a_lost_lease_can_be_won_again() -> None:
    world = leading()
    world.clock.advance(20)
    assert world.elector.step() is Step.LOST

    assert world.elector.step() is Step.ACQUIRE

    assert world.may_write


@pytest.mark.parametrize("jump_s", [3600.0, -3600.0, -2.0])
@pytest.mark.parametrize("side", ["leader", "follower", "both"])
def test_tb_jumps_of_a_wall_clock_on_either_side_change_neither_leader_nor_deadline(side: str, jump_s: float) -> None:
    """-2 makes each renewal carry the very time of the one before."""
    world = World()
    leaders, followers = SkewedClock(world.clock), SkewedClock(world.clock, zero=5000)
    leader, follower = world.another("leader", leaders), world.another("follower", followers)
    assert (leader.step(), follower.step()) == (Step.ACQUIRE, Step.FOLLOW)
    for _ in range(20):
        world.clock.advance(2)
        for clock, name in ((leaders, "leader"), (followers, "follower")):
            if side in (name, "both"):
                clock.wall_error += timedelta(seconds=jump_s)

        assert (leader.step(), follower.step()) == (Step.RENEW, Step.FOLLOW)
        assert leader.is_leader

    world.clock.advance(14.9)
    assert (leader.is_leader, follower.step()) == (False, Step.FOLLOW)
    world.clock.advance(0.1)
    assert follower.step() is Step.ACQUIRE


def test_ta_a_renewal_answered_as_late_as_the_client_allows_leaves_no_overlap_and_room_for_what_is_under_way() -> None:
    """Counted from the answer, as the originals do, the leader would write until 5 s + 2 s + 10 s after its request."""
    world = leading()
    follower = world.another("follower")
    world.clock.advance(2)
    sent_at = world.clock.monotonic()

    def answered_after_the_clients_timeout(call: str) -> None:
        if call == "update":
            assert follower.step() is Step.FOLLOW  # it sees the renewal as soon as it stands
            world.clock.advance(5)

    world.lock.on_answer = answered_after_the_clients_timeout
    assert world.elector.step() is Step.RENEW
    world.lock.on_answer = lambda _call: None
    world.lock.on_send = lambda call: None
    written_until = 0.0
    while not follower.is_leader:
        if world.may_write:
            written_until = world.clock.monotonic() + world.elector.check()
            assert world.clock.monotonic() < sent_at + 10
        world.clock.advance(0.25)
        follower.step()

    assert world.clock.monotonic() == sent_at + 15
    assert written_until == sent_at + 15, "the last write is given up by then"


def test_t118_release_leaves_an_empty_holder_for_one_second_and_keeps_the_transitions() -> None:
    world = World(record(""))
    world.elector.step()
    world.clock.advance(2)

    assert world.elector.release()

    now = world.clock.now()
    assert world.lock.record == LeaseRecord("", 1, now, now, 4)
    assert world.lock.calls[-2:] == ["get", "update"]
    assert not world.may_write
    assert world.another("next").step() is Step.ACQUIRE


def test_t118_release_leaves_the_record_of_another_alone() -> None:
    """Stricter than the original, which decides by what it remembers."""
    world = leading()
    world.lock.put(record("other"))

    assert world.elector.release()

    assert world.lock.record == record("other")
    assert not world.may_write


def test_t118_release_of_a_lease_that_is_gone_makes_none() -> None:
    world = leading()
    world.lock.put(None)

    assert world.elector.release()

    assert world.lock.record is None


def test_t118_a_failing_release_is_told_and_closes_the_gate_all_the_same() -> None:
    world = leading()
    world.lock.on_send = fails("update", Conflict(409, "Conflict", "changed"))

    assert not world.elector.release()

    assert not world.may_write
    assert world.elector.release()


def test_t118_an_elector_that_never_wrote_releases_nothing() -> None:
    world = World(record("me"))

    assert world.elector.release()

    assert world.lock.calls == []


def test_t118_a_write_whose_answer_was_lost_is_released_too() -> None:
    world = World()
    world.lock.on_answer = fails("create", Unreachable("reset"))
    assert world.elector.step() is Step.RETRY
    assert world.lock.record is not None

    assert world.elector.release()

    assert world.lock.record.holder == ""


@pytest.mark.parametrize(
    ("lease_s", "renew_deadline_s", "retry_s"),
    [(10, 10, 2), (15, 2.4, 2), (15, 10, 0), (0, 0, 0), (-1, -2, -3), (1.5, 1.2, 0.5), (15, float("nan"), 2)],
)
def test_t119_durations_that_can_not_be_safe_are_refused(lease_s: int, renew_deadline_s: float, retry_s: float) -> None:
    with pytest.raises(ValueError, match="must"):
        LeaseDurations(lease_s=lease_s, renew_deadline_s=renew_deadline_s, retry_s=retry_s)


def test_t119_an_identity_is_needed_and_the_default_one_is_unique() -> None:
    with pytest.raises(ValueError, match="identity"):
        World().another("")
    assert own_identity() != own_identity()


def test_followers_spread_their_attempts_and_leaders_keep_the_retry_period() -> None:
    world = World(record("other"))
    world.elector.step()
    delays = [world.elector.delay_s() for _ in range(500)]
    assert 2 <= min(delays) < 2.1
    assert 4.3 < max(delays) < 4.4

    world = leading()
    assert world.elector.delay_s() == 2
    world.clock.advance(9)
    assert world.elector.delay_s() == 1, "the step at the deadline tells that the lease is lost"


class Listener:
    """What the elector's thread tells."""

    def __init__(self) -> None:
        self.steps: list[Step] = []
        self.told = threading.Semaphore(0)

    def __call__(self, step: Step) -> None:
        self.steps.append(step)
        self.told.release()

    def wait(self) -> None:
        assert self.told.acquire(timeout=20)


def test_t117_t118_the_thread_acquires_renews_and_releases_at_the_stop() -> None:
    world, listener = World(), Listener()
    world.elector.start(listener)
    listener.wait()
    for _ in range(20):
        world.clock.until_waiting()
        world.clock.advance(2)
    world.clock.until_waiting()

    assert world.may_write
    assert world.elector.stop(10)

    assert listener.steps == [Step.ACQUIRE]
    assert world.lock.record is not None
    assert world.lock.record.holder == ""
    assert not world.may_write


def test_the_thread_ends_when_the_lease_is_lost_and_can_be_started_again() -> None:
    world, listener = World(), Listener()
    world.elector.start(listener)
    listener.wait()
    world.clock.until_waiting()
    with pytest.raises(RuntimeError, match="already"):
        world.elector.start(listener)
    world.lock.put(record("usurper"))
    world.clock.advance(2)
    listener.wait()
    assert listener.steps == [Step.ACQUIRE, Step.LOST]
    world.lock.put(record(""))

    while world.elector._running:
        pass
    world.elector.start(listener)
    listener.wait()

    assert listener.steps == [Step.ACQUIRE, Step.LOST, Step.ACQUIRE]
    world.clock.until_waiting()
    assert world.elector.stop(1)


def test_a_renewal_that_hangs_does_not_hold_the_gate_open_nor_open_it_after_the_stop() -> None:
    world, listener = World(), Listener()
    hanging, released = threading.Event(), threading.Event()

    def hang(call: str) -> None:
        if call == "update":
            hanging.set()
            assert released.wait(20)

    world.lock.on_send = hang
    world.elector.start(listener)
    listener.wait()
    world.clock.until_waiting()
    world.clock.advance(2)
    assert hanging.wait(20)
    assert world.may_write
    world.clock.advance(8)
    assert not world.may_write
    assert world.elector.health_error() is None
    stopped: list[bool] = []
    stopping = threading.Thread(target=lambda: stopped.append(world.elector.stop(5)), daemon=True)
    stopping.start()
    world.clock.until_waiting()
    world.clock.advance(30)
    stopping.join(10)
    assert stopped == [False]
    assert world.elector.health_error() == "the last attempt at the lease ended 40 s ago"

    released.set()
    while world.elector._running:
        pass

    assert not world.may_write


def test_t118_a_request_that_is_under_way_at_the_stop_opens_no_gate_and_what_it_took_is_released() -> None:
    world, listener = World(), Listener()
    hanging, released = threading.Event(), threading.Event()

    def hang(call: str) -> None:
        if call == "create":
            hanging.set()
            assert released.wait(20)

    world.lock.on_send = hang
    world.elector.start(listener)
    assert hanging.wait(20)
    stopped: list[bool] = []
    stopping = threading.Thread(target=lambda: stopped.append(world.elector.stop(5)), daemon=True)
    stopping.start()
    world.clock.until_waiting()

    released.set()
    stopping.join(10)

    assert stopped == [True]
    assert listener.steps == []
    assert not world.may_write
    assert world.lock.record is not None
    assert world.lock.record.holder == ""


def test_t120_health_is_bad_only_when_the_thread_makes_no_step_for_the_lease_and_a_tolerance() -> None:
    """A leader that is late isn't one: its gate has closed. What a restart would cure is a thread that is stuck."""
    world, listener = World(record("other")), Listener()
    assert world.elector.health_error() is None, "no thread was started"
    world.elector.start(listener)
    world.clock.until_waiting()
    assert world.elector.health_error() is None, "another holds the lease"
    hanging, released = threading.Event(), threading.Event()

    def hang(call: str) -> None:
        hanging.set()
        assert released.wait(20)

    world.lock.on_send = hang
    world.clock.advance(5)
    assert hanging.wait(20)
    world.clock.advance(15 + 20 - 5)
    assert world.elector.health_error() is None
    world.clock.advance(1)
    assert world.elector.health_error() == "the last attempt at the lease ended 36 s ago"

    released.set()
    world.clock.until_waiting()

    assert world.elector.health_error() is None
    assert world.elector.stop(10)


def test_a_hint_makes_a_follower_look_at_once_and_a_free_lease_is_taken_in_a_tenth_of_a_second() -> None:
    world, listener = World(record("other")), Listener()
    world.elector.start(listener)
    world.clock.until_waiting()
    world.clock.advance(HINT_PAUSE_S)
    world.lock.put(record("", duration_s=1))

    world.hints.give()
    listener.wait()

    assert listener.steps == [Step.ACQUIRE]
    world.clock.until_waiting()
    assert world.hints.changed is None, "who leads needs no hints"
    assert world.elector.stop(10)


def test_hints_that_lie_write_nothing_and_hints_without_end_cost_at_most_ten_looks_a_second() -> None:
    world, listener = World(record("other")), Listener()
    world.elector.start(listener)
    for looks in range(1, 5):
        world.clock.until_waiting()
        assert len(world.lock.calls) == looks
        world.hints.give()
        world.hints.give()
        eventually(lambda: _waits_s(world) < 1, what="a hint that is heeded")
        assert _waits_s(world) == pytest.approx(0.1)
        world.clock.advance(0.11)
        eventually(lambda looks=looks: len(world.lock.calls) > looks, what="a look")

    assert world.elector.stop(10)
    assert set(world.lock.calls) == {"get"}


def _waits_s(world: World) -> float:
    """How long the elector's thread will wait; for ever while it does something."""
    untils = [until for _, until in list(world.clock._waiting.values()) if until is not None]
    return untils[0] - world.clock.monotonic() if untils else float("inf")


def test_hints_stop_with_the_thread_and_are_taken_again_by_the_next_campaign() -> None:
    world, listener = leading(), Listener()
    world.elector.start(listener)
    world.clock.until_waiting()
    assert world.hints.starts == 0
    world.lock.put(record("usurper"))
    world.clock.advance(2)
    listener.wait()
    assert listener.steps == [Step.LOST]
    while world.elector.running:
        pass

    world.elector.start(listener)
    world.clock.until_waiting()
    assert (world.hints.starts, world.hints.changed is None) == (1, False)

    assert world.elector.stop(10)
    assert world.hints.changed is None


@pytest.mark.parametrize("seed", range(20))
def test_a_follower_that_sees_each_renewal_leads_at_most_a_second_after_the_lease_of_a_crashed_leader(
    seed: int,
) -> None:
    world = leading()
    follower = LeaseElector(
        lock=world.lock, identity="f", clock=world.clock, random=Random(seed), logger=structlog.get_logger()
    )
    follower.step()
    crashed_at = world.clock.monotonic()
    while (step := follower.step()) is not Step.ACQUIRE:
        assert step is Step.FOLLOW
        world.clock.advance(follower.delay_s())

    assert 15 <= world.clock.monotonic() - crashed_at <= 15 + TAKEOVER_JITTER_S


def test_the_gate_says_how_long_a_write_may_be_under_way() -> None:
    world = leading()
    assert world.elector.check() == 15
    world.clock.advance(9)
    assert world.elector.check() == 6
    world.clock.advance(1)
    with pytest.raises(WriteRefused, match="does not hold the lease"):
        world.elector.check()


def test_micro_second_bump_is_the_smallest_change() -> None:
    world = leading()
    before = world.clock.now()

    world.elector.step()

    assert world.lock.record is not None
    assert world.lock.record.renewed == before + timedelta(microseconds=1)
