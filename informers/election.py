"""Leader election on a Lease, and the write gate that goes with it.

Safe because of two times on each process' own steady clock: a leader may write until `renew_deadline_s` after it SENT
its last good request, and a follower waits the record's duration, longer than that, after it SAW the record change. The
time between the two is for writes that are under way. Wall clocks, of this machine or another, decide nothing. The gate
closes by the clock, whoever hangs.
"""

from __future__ import annotations

import math
import socket
import threading
import uuid
from collections.abc import Callable
from enum import Enum
from random import Random
from typing import Any

from informers.clock import Clock
from informers.durations import JITTER_FACTOR, LeaseDurations
from informers.errors import ApiError, NotFound, WriteRefused
from informers.lease import HeldLease, LeaseLock, LeaseRecord
from informers.leasewatch import Hints
from informers.metrics import LeaseMetrics
from informers.sighting import Sighting

HEALTH_TOLERANCE_S = 20.0
#: Followers try to take a lease that has run out within this time of each other.
TAKEOVER_JITTER_S = 0.5
#: Hints that come faster lead to one look only: nothing that talks without end makes the elector ask without end.
HINT_PAUSE_S = 0.1


class Step(Enum):
    """What one attempt came to."""

    ACQUIRE = "acquire"
    """We lead since this step."""
    RENEW = "renew"
    """We led and still do, for another renew deadline."""
    FOLLOW = "follow"
    """Somebody else holds the lease."""
    RETRY = "retry"
    """The attempt failed; nothing is known to have changed."""
    LOST = "lost"
    """We led before this step and don't any more."""


def own_identity() -> str:
    """A name for this process that no other one has: host name and a random part."""
    return f"{socket.gethostname()}_{uuid.uuid4()}"


class LeaseElector:
    """See the module. Step it yourself, or `start` a thread that does until the lease is lost or `stop` is called."""

    def __init__(
        self,
        *,
        lock: LeaseLock,
        identity: str,
        clock: Clock,
        random: Random,
        logger: Any,  # noqa: ANN401 - structlog's bound loggers share no type
        durations: LeaseDurations | None = None,
        metrics: LeaseMetrics | None = None,
        hints: Hints | None = None,
    ) -> None:
        """With `hints` a follower looks at once when the Lease may have changed, not only every retry period."""
        if not identity:
            raise ValueError("an elector needs an identity that no other process has")
        self.identity = identity
        self._lock = lock
        self._durations = durations or LeaseDurations()
        self._clock = clock
        self._random = random
        self._logger = logger.bind(identity=identity)
        self._metrics = metrics
        self._hints = hints
        self._hinted = False
        self._sighting = Sighting(clock=clock, lease_s=self._durations.lease_s)
        self._leading = False
        self._wrote = False
        self._write_until = -math.inf
        self._stepped_at = clock.monotonic()
        self._wake = threading.Condition()
        self._running = False
        self._stopping = False
        if metrics is not None:
            metrics.observe(lambda: self.is_leader)

    @property
    def is_leader(self) -> bool:
        """Whether this process may write now."""
        until = self._write_until
        # The clock is read last: a process that was paused in between must see the later time.
        return self._clock.monotonic() < until

    @property
    def running(self) -> bool:
        """Whether the thread of `start` hasn't ended yet."""
        return self._running

    @property
    def write_until(self) -> float:
        """When the gate closes unless the lease is renewed, on the monotonic clock; -inf when it is closed."""
        return self._write_until

    @property
    def leader(self) -> str:
        """The holder as last seen, empty when nobody is known."""
        return self._sighting.holder

    def check(self) -> float:
        """The write gate: seconds before the lease may be another's; `WriteRefused` unless it is certainly ours now."""
        until = self._write_until
        left_s = until - self._clock.monotonic()
        if left_s <= 0:
            raise WriteRefused(f"{self.identity} does not hold the lease; its holder was last seen as {self.leader!r}")
        return left_s + self._durations.lease_s - self._durations.renew_deadline_s

    def health_error(self, tolerance_s: float = HEALTH_TOLERANCE_S) -> str | None:
        """What is wrong with the elector's thread, if anything: it made no step for the lease's time + tolerance."""
        age = self._clock.monotonic() - self._stepped_at
        if self._running and age > self._durations.lease_s + tolerance_s:
            return f"the last attempt at the lease ended {age:.0f} s ago"
        return None

    def step(self) -> Step:
        """One attempt to take or renew the lease: reads the clock, talks to the lock, never sleeps, never raises."""
        led = self._leading
        try:
            step = Step.RETRY if led and not self.is_leader else self._attempt()
        except Exception as error:  # noqa: BLE001 - any failure of any transport is one failed attempt, never an exit
            self._logger.warning("lease attempt failed", error=f"{type(error).__name__}: {error}")
            step = Step.RETRY
        if led and step is Step.RETRY and not self.is_leader:
            step = self._follow("the renew deadline passed")
        self._stepped_at = self._clock.monotonic()
        return step

    def delay_s(self) -> float:
        """Seconds before the next step: at most until the gate closes, or until another's lease has run out."""
        if self._leading:
            return max(0.0, min(self._durations.retry_s, self._write_until - self._clock.monotonic()))
        retry_s = self._durations.retry_s * (1 + JITTER_FACTOR * self._random.random())
        left_s = self._sighting.left_s()
        return min(retry_s, left_s + TAKEOVER_JITTER_S * self._random.random()) if left_s > 0 else retry_s

    def start(self, listener: Callable[[Step], None]) -> None:
        """Campaign in a thread; `listener` gets each ACQUIRE and the LOST that ends the thread. May be called again."""
        with self._wake:
            if self._running:
                raise RuntimeError("the elector runs already")
            self._running, self._stopping = True, False
        self._stepped_at = self._clock.monotonic()
        threading.Thread(target=self._run, args=(listener,), name="leader-election", daemon=True).start()

    def stop(self, timeout_s: float) -> bool:
        """End the thread, close the gate and release the lease if it is ours. Call it when no work runs any more.

        False when the thread did not end within `timeout_s`, or when a lease of ours could not be released.
        """
        deadline = self._clock.monotonic() + timeout_s
        with self._wake:
            self._stopping = True
            self._wake.notify_all()
            while self._running and (left := deadline - self._clock.monotonic()) > 0:
                self._clock.wait(self._wake, left)
            ended = not self._running
        self._close()
        return self.release() if ended else False

    def release(self) -> bool:
        """Close the gate and, only if a fresh read shows our name, leave the lease empty for the next one."""
        self._close()
        if not self._wrote:
            return True
        try:
            held = self._lock.get()
            if held.record.holder != self.identity:
                return True
            self._see(self._lock.update(held, held.record.released(now=self._clock.now())))
        except NotFound:
            return True
        except Exception as error:  # noqa: BLE001 - not released is not lost: the lease runs out by itself
            self._logger.warning("lease not released", error=f"{type(error).__name__}: {error}")
            return False
        self._wrote = False
        self._logger.info("lease released")
        return True

    def _attempt(self) -> Step:
        if self._leading:
            try:
                return self._write(self._sighting.held)
            except ApiError as error:
                self._logger.info("lease is read before it is renewed", error=str(error))
                if self._metrics is not None:
                    self._metrics.slow_path()
        try:
            held = self._lock.get()
        except NotFound:
            return self._write(None)
        self._see(held)
        if held.record.holder != self.identity and self._sighting.left_s() > 0:
            return self._follow(f"{held.record.holder} holds the lease")
        return self._write(held)

    def _write(self, held: HeldLease | None) -> Step:
        """Write our record over `held`; we lead from the moment before it was sent, if the answer comes in time."""
        now = self._clock.now()
        duration_s = int(self._durations.lease_s)
        if held is None:
            record = LeaseRecord(self.identity, duration_s, now, now)
        else:
            record = held.record.held_by(self.identity, duration_s=duration_s, now=now)
        sent_at = self._clock.monotonic()
        gate_closed_at = self._write_until if self._leading else math.inf
        self._wrote = True
        self._see(self._lock.create(record) if held is None else self._lock.update(held, record))
        answered_at = self._clock.monotonic()
        if answered_at >= min(gate_closed_at, sent_at + self._durations.renew_deadline_s):
            return self._follow("the answer came after the renew deadline") if self._leading else Step.RETRY
        with self._wake:
            if self._stopping:
                return Step.RETRY
            led, self._leading = self._leading, True
            self._write_until = sent_at + self._durations.renew_deadline_s
        if led:
            return Step.RENEW
        self._logger.info("became leader", transitions=record.transitions)
        return Step.ACQUIRE

    def _see(self, held: HeldLease) -> None:
        if self._sighting.see(held):
            self._logger.info("leader seen", leader=held.record.holder)

    def _follow(self, why: str) -> Step:
        if not self._leading:
            return Step.FOLLOW
        self._close()
        self._logger.warning("stopped leading", reason=why)
        return Step.LOST

    def _close(self) -> None:
        with self._wake:
            self._write_until = -math.inf
            self._leading = False

    def _run(self, listener: Callable[[Step], None]) -> None:
        listening = False
        try:
            while not self._stopping:
                step = self.step()
                if step in (Step.ACQUIRE, Step.LOST):
                    listener(step)
                if step is Step.LOST:
                    break
                listening = self._listen(listening)
                self._rest()
        finally:
            # Whatever ended this thread, nobody renews any more.
            self._close()
            if self._hints is not None:
                self._hints.stop()
            with self._wake:
                self._running = False
                self._wake.notify_all()

    def _listen(self, listening: bool) -> bool:  # noqa: FBT001 - private, and the answer to the next call
        """Take hints while following, and none while leading; whether they are taken."""
        if self._hints is not None and listening == self._leading:
            if listening:
                self._hints.stop()
            else:
                self._hints.start(self._hint)
        return not self._leading

    def _hint(self) -> None:
        with self._wake:
            self._hinted = True
            self._wake.notify_all()

    def _rest(self) -> None:
        """Wait for the next step: until its time has come, or a hint did."""
        now = self._clock.monotonic()
        until, heed_at = now + self.delay_s(), now + HINT_PAUSE_S
        with self._wake:
            while not self._stopping:
                if self._hinted and not self._leading:
                    until = min(until, heed_at)
                if (left := until - self._clock.monotonic()) <= 0:
                    break
                self._clock.wait(self._wake, left)
            # Forgotten before the step that follows reads: what is hinted at from now on is looked at after it.
            self._hinted = False
