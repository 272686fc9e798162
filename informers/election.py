"""Leader election on a Lease, and the write gate that goes with it.

Safe because of two times on each process' own steady clock: a leader may write until `renew_deadline_s` after it SENT
its last good request, and a follower waits the record's duration, longer than that, after it SAW the record change.
Wall clocks, of this machine or another, decide nothing. The gate closes by the clock, whoever hangs.
"""

from __future__ import annotations

import math
import socket
import threading
import uuid
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import timedelta
from enum import Enum
from random import Random
from typing import Any

from informers.clock import Clock
from informers.errors import ApiError, NotFound, WriteRefused
from informers.lease import HeldLease, LeaseLock, LeaseRecord
from informers.metrics import LeaseMetrics

JITTER_FACTOR = 1.2
RELEASED_DURATION_S = 1
HEALTH_TOLERANCE_S = 20.0


@dataclass(frozen=True, slots=True)
class LeaseDurations:
    """Seconds; client-go's defaults. ValueError unless lease > renew deadline > 1.2 * retry > 0."""

    lease_s: float = 15.0
    renew_deadline_s: float = 10.0
    retry_s: float = 2.0

    def __post_init__(self) -> None:
        if not self.lease_s > self.renew_deadline_s:
            raise ValueError(
                f"lease duration {self.lease_s:g} s must exceed renew deadline {self.renew_deadline_s:g} s"
            )
        if not self.renew_deadline_s > JITTER_FACTOR * self.retry_s:
            raise ValueError(
                f"renew deadline {self.renew_deadline_s:g} s must exceed {JITTER_FACTOR} * retry period "
                f"{self.retry_s:g} s"
            )
        if not self.retry_s > 0:
            raise ValueError(f"retry period {self.retry_s:g} s must be positive")
        if self.lease_s != int(self.lease_s):
            raise ValueError(f"lease duration {self.lease_s:g} s must be whole seconds: so it is written in the Lease")


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
    ) -> None:
        if not identity:
            raise ValueError("an elector needs an identity that no other process has")
        self.identity = identity
        self._lock = lock
        self._durations = durations or LeaseDurations()
        self._clock = clock
        self._random = random
        self._logger = logger.bind(identity=identity)
        self._metrics = metrics
        self._held: HeldLease | None = None
        self._seen_at = -math.inf
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
        return self._held.record.holder if self._held else ""

    def check(self) -> None:
        """The write gate: `WriteRefused` unless the lease is certainly ours at this moment."""
        if not self.is_leader:
            raise WriteRefused(f"{self.identity} does not hold the lease; its holder was last seen as {self.leader!r}")

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
        """How long to wait before the next step: jittered while following, at most until the gate closes if leading."""
        if not self._leading:
            return self._durations.retry_s * (1 + JITTER_FACTOR * self._random.random())
        return max(0.0, min(self._durations.retry_s, self._write_until - self._clock.monotonic()))

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
            now = self._clock.now()
            record = replace(held.record, holder="", duration_s=RELEASED_DURATION_S, acquired=now, renewed=now)
            self._see(self._lock.update(held, record))
        except NotFound:
            return True
        except Exception as error:  # noqa: BLE001 - not released is not lost: the lease runs out by itself
            self._logger.warning("lease not released", error=f"{type(error).__name__}: {error}")
            return False
        self._wrote = False
        self._logger.info("lease released")
        return True

    def _attempt(self) -> Step:
        if self._leading and self._held is not None:
            try:
                return self._write(self._held)
            except ApiError as error:
                self._logger.info("lease is read before it is renewed", error=str(error))
                if self._metrics is not None:
                    self._metrics.slow_path()
        try:
            held = self._lock.get()
        except NotFound:
            return self._write(None)
        self._see(held)
        if held.record.holder not in ("", self.identity) and not self._expired(held.record):
            return self._follow(f"{held.record.holder} holds the lease")
        return self._write(held)

    def _write(self, held: HeldLease | None) -> Step:
        """Write our record over `held`; we lead from the moment before it was sent, if the answer comes in time."""
        now = self._clock.now()
        if held is None:
            record = LeaseRecord(self.identity, int(self._durations.lease_s), now, now)
        else:
            # A wall clock that stands still must not make a renewal look like no change: followers would count on.
            renewed = now + timedelta(microseconds=1) if now == held.record.renewed else now
            own = held.record.holder == self.identity
            record = LeaseRecord(
                holder=self.identity,
                duration_s=int(self._durations.lease_s),
                acquired=held.record.acquired if own else renewed,
                renewed=renewed,
                transitions=held.record.transitions if own else held.record.transitions + 1,
            )
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
        if self._held is None or self._held.record != held.record:
            self._seen_at = self._clock.monotonic()
            if self._held is None or self._held.record.holder != held.record.holder:
                self._logger.info("leader seen", leader=held.record.holder)
        self._held = held

    def _expired(self, record: LeaseRecord) -> bool:
        duration_s = record.duration_s if record.duration_s > 0 else self._durations.lease_s
        return self._clock.monotonic() >= self._seen_at + duration_s

    def _follow(self, why: str) -> Step:
        led = self._leading
        self._close()
        if led:
            self._logger.warning("stopped leading", reason=why)
        return Step.LOST if led else Step.FOLLOW

    def _close(self) -> None:
        with self._wake:
            self._write_until = -math.inf
            self._leading = False

    def _run(self, listener: Callable[[Step], None]) -> None:
        try:
            step = Step.RETRY
            while not self._stopping and step is not Step.LOST:
                step = self.step()
                if step in (Step.ACQUIRE, Step.LOST):
                    listener(step)
                with self._wake:
                    if not self._stopping and step is not Step.LOST:
                        self._clock.wait(self._wake, self.delay_s())
        finally:
            # Whatever ended this thread, nobody renews any more.
            self._close()
            with self._wake:
                self._running = False
                self._wake.notify_all()
