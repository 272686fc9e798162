"""The record of who leads, and where it is kept: a Lease (coordination.k8s.io/v1).

Times in the record are for people: whether a lease has run out is decided by `informers.election`, on its own clock.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from typing import Protocol

from informers.client import Client
from informers.resource import Manifest, ObjectKey, Resource, View

LEASES = Resource(group="coordination.k8s.io", version="v1", plural="leases", kind="Lease")

RELEASED_DURATION_S = 1


@dataclass(frozen=True, slots=True)
class LeaseRecord:
    """The spec of a Lease; an empty `holder` means that it was released."""

    holder: str
    duration_s: int
    acquired: datetime | None = None
    renewed: datetime | None = None
    transitions: int = 0

    @classmethod
    def of(cls, lease: View) -> LeaseRecord:
        """The record in `lease`, where every field may be missing."""
        spec = lease.get("spec") or {}
        return cls(
            holder=spec.get("holderIdentity") or "",
            duration_s=int(spec.get("leaseDurationSeconds") or 0),
            acquired=_parsed(spec.get("acquireTime")),
            renewed=_parsed(spec.get("renewTime")),
            transitions=int(spec.get("leaseTransitions") or 0),
        )

    def held_by(self, holder: str, *, duration_s: int, now: datetime) -> LeaseRecord:
        """This record renewed by its holder, or taken over by another: one transition more, held since `now`."""
        # A wall clock that stands still must not make a renewal look like no change: followers would count on.
        renewed = now + timedelta(microseconds=1) if now == self.renewed else now
        if holder == self.holder:
            return replace(self, duration_s=duration_s, renewed=renewed)
        return LeaseRecord(holder, duration_s, renewed, renewed, self.transitions + 1)

    def released(self, *, now: datetime) -> LeaseRecord:
        """This record without a holder; whoever reads it may take the lease."""
        return replace(self, holder="", duration_s=RELEASED_DURATION_S, acquired=now, renewed=now)

    def spec(self) -> Manifest:
        """The record as the spec of a Lease."""
        spec: Manifest = {
            "holderIdentity": self.holder,
            "leaseDurationSeconds": self.duration_s,
            "leaseTransitions": self.transitions,
        }
        if self.acquired is not None:
            spec["acquireTime"] = micro_time(self.acquired)
        if self.renewed is not None:
            spec["renewTime"] = micro_time(self.renewed)
        return spec


@dataclass(frozen=True, slots=True)
class HeldLease:
    """A record as it stood in the API server, with the whole object that an update has to be based on."""

    record: LeaseRecord
    lease: View


class LeaseLock(Protocol):
    """Where the record is kept. Every method may raise anything; a `ClientError` is the usual."""

    def get(self) -> HeldLease:
        """The record as it stands now; `NotFound` when there is none."""

    def create(self, record: LeaseRecord) -> HeldLease:
        """Make the first record; `AlreadyExists` when there is one."""

    def update(self, held: HeldLease, record: LeaseRecord) -> HeldLease:
        """Put `record` in the place of `held`; `Conflict` when that isn't what stands there any more."""


@dataclass(frozen=True, slots=True)
class ClientLeaseLock:
    """A Lease in the API server. `client` has no write gate, short timeouts, and serves nothing else."""

    client: Client
    key: ObjectKey
    field_manager: str
    labels: Mapping[str, str] = field(default_factory=dict)

    def get(self) -> HeldLease:
        """Read the Lease."""
        return _held(self.client.get(LEASES, self.key))

    def create(self, record: LeaseRecord) -> HeldLease:
        """Create the Lease."""
        lease: Manifest = {
            "apiVersion": LEASES.api_version,
            "kind": LEASES.kind,
            "metadata": {"namespace": self.key.namespace, "name": self.key.name, "labels": dict(self.labels)},
            "spec": record.spec(),
        }
        return _held(self.client.create(LEASES, lease, field_manager=self.field_manager))

    def update(self, held: HeldLease, record: LeaseRecord) -> HeldLease:
        """Replace the Lease at the version of `held`; its other fields and other people's labels stay."""
        metadata = {**held.lease["metadata"]}
        metadata["labels"] = {**(metadata.get("labels") or {}), **self.labels}
        spec = {**(held.lease.get("spec") or {}), **record.spec()}
        lease: Manifest = {
            "apiVersion": LEASES.api_version,
            "kind": LEASES.kind,
            "metadata": metadata,
            "spec": spec,
        }
        return _held(self.client.replace(LEASES, lease))


def micro_time(moment: datetime) -> str:
    """`moment` as a meta/v1 MicroTime: UTC, always with six digits."""
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")


def _parsed(text: str | None) -> datetime | None:
    if not text:
        return None
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        return None
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)


def _held(lease: View) -> HeldLease:
    return HeldLease(LeaseRecord.of(lease), lease)
