"""A lease kept in memory, with the optimistic locking of the API server and faults that a test asks for; its clocks."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta
from threading import Condition
from typing import Any

from informers.errors import AlreadyExists, Conflict, NotFound
from informers.lease import HeldLease, LeaseRecord
from tests.support.clock import FakeClock


class SkewedClock:
    """The clock of one machine among several: another zero, another wall time, the same pace."""

    def __init__(self, clock: FakeClock, *, zero: float = 0.0) -> None:
        self._clock = clock
        self._zero = zero
        self.wall_error = timedelta(0)

    def monotonic(self) -> float:
        return self._clock.monotonic() + self._zero

    def now(self) -> datetime:
        return self._clock.now() + self.wall_error

    def wait(self, condition: Condition, timeout_s: float | None) -> None:
        raise AssertionError("a step never waits")


class FakeHints:
    """`informers.leasewatch.Hints` by hand: `give` tells whoever listens."""

    def __init__(self) -> None:
        self.changed: Callable[[], None] | None = None
        self.starts = 0

    def start(self, changed: Callable[[], None]) -> None:
        self.starts += 1
        self.changed = changed

    def stop(self) -> None:
        self.changed = None

    def give(self) -> None:
        if self.changed is not None:
            self.changed()


class FakeLock:
    """`informers.lease.LeaseLock` for several electors; `calls` and `writes` say what was asked and written."""

    def __init__(self, record: LeaseRecord | None = None) -> None:
        self.record = record
        self.version = 1
        self.calls: list[str] = []
        self.writes: list[LeaseRecord] = []
        self.on_send: Callable[[str], None] = lambda _call: None
        self.on_answer: Callable[[str], None] = lambda _call: None

    def put(self, record: LeaseRecord | None) -> None:
        """Somebody else writes (or, with None, deletes) the lease."""
        self.record = record
        self.version += 1

    def get(self) -> HeldLease:
        return self._call("get", self._held)

    def create(self, record: LeaseRecord) -> HeldLease:
        def write() -> HeldLease:
            if self.record is not None:
                raise AlreadyExists(409, "AlreadyExists", "the lease exists")
            return self._write(record)

        return self._call("create", write)

    def update(self, held: HeldLease, record: LeaseRecord) -> HeldLease:
        def write() -> HeldLease:
            if self._held().lease != held.lease:
                raise Conflict(409, "Conflict", "the lease has changed")
            return self._write(record)

        return self._call("update", write)

    def _call(self, call: str, act: Callable[[], HeldLease]) -> HeldLease:
        self.calls.append(call)
        self.on_send(call)
        answer = act()
        self.on_answer(call)
        return answer

    def _held(self) -> HeldLease:
        if self.record is None:
            raise NotFound(404, "NotFound", "no lease")
        lease: dict[str, Any] = {"metadata": {"resourceVersion": f"{self.version}"}}
        return HeldLease(self.record, lease)

    def _write(self, record: LeaseRecord) -> HeldLease:
        if record != self.record:  # the API server doesn't count a write that changes nothing
            self.put(record)
        self.writes.append(record)
        return self._held()
