"""A lease kept in memory, with the optimistic locking of the API server and faults that a test asks for."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from informers.errors import AlreadyExists, Conflict, NotFound
from informers.lease import HeldLease, LeaseRecord


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
