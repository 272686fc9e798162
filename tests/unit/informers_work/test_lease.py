"""A lease record, as it is written and read (T121)."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone
from typing import Any, cast

import pytest

from informers.client import Client
from informers.lease import LEASES, ClientLeaseLock, HeldLease, LeaseRecord, micro_time
from informers.resource import Manifest, ObjectKey, Resource

MOMENT = datetime(2030, 1, 2, 3, 4, 5, 678, tzinfo=UTC)
RECORD = LeaseRecord("me", 15, MOMENT, MOMENT + timedelta(seconds=2), 7)


class Writes:
    """Answers each write with what was sent."""

    def __init__(self) -> None:
        self.sent: list[Manifest] = []

    def create(self, resource: Resource, manifest: Manifest, *, field_manager: str) -> Manifest:
        assert resource is LEASES
        self.sent.append(manifest)
        return manifest

    replace = create


class Replaces(Writes):
    def replace(self, resource: Resource, manifest: Manifest) -> Manifest:  # type: ignore[override]
        self.sent.append(manifest)
        return manifest


def lock(client: object) -> ClientLeaseLock:
    return ClientLeaseLock(cast(Client, client), ObjectKey("system", "demo"), "me", {"ours": "new"})


def test_t121_a_record_survives_being_written_and_read() -> None:
    spec = RECORD.spec()

    assert spec == {
        "holderIdentity": "me",
        "leaseDurationSeconds": 15,
        "acquireTime": "2030-01-02T03:04:05.000678Z",
        "renewTime": "2030-01-02T03:04:07.000678Z",
        "leaseTransitions": 7,
    }
    assert LeaseRecord.of({"spec": spec}) == RECORD


@pytest.mark.parametrize("lease", [{}, {"spec": None}, {"spec": {"holderIdentity": None, "renewTime": "nonsense"}}])
def test_an_empty_or_odd_lease_reads_as_released(lease: dict[str, Any]) -> None:
    assert LeaseRecord.of(lease) == LeaseRecord("", 0)


def test_micro_time_is_utc_with_six_digits() -> None:
    east = datetime(2030, 1, 2, 5, 0, 0, tzinfo=timezone(timedelta(hours=2)))

    assert micro_time(east) == "2030-01-02T03:00:00.000000Z"


def test_a_new_lease_is_named_labelled_and_filled() -> None:
    client = Writes()

    held = lock(client).create(RECORD)

    assert held.record == RECORD
    assert client.sent == [
        {
            "apiVersion": "coordination.k8s.io/v1",
            "kind": "Lease",
            "metadata": {"namespace": "system", "name": "demo", "labels": {"ours": "new"}},
            "spec": RECORD.spec(),
        }
    ]


def test_t121_an_update_keeps_what_others_wrote_and_names_the_version_it_is_based_on() -> None:
    client = Replaces()
    metadata = {
        "namespace": "system",
        "name": "demo",
        "resourceVersion": "9",
        "labels": {"theirs": "x", "ours": "old"},
        "annotations": {"note": "y"},
    }
    held = HeldLease(LeaseRecord("", 1), {"metadata": metadata, "spec": {"strategy": "OldestEmulationVersion"}})

    lock(client).update(held, RECORD)

    assert client.sent[0]["metadata"] == {**metadata, "labels": {"theirs": "x", "ours": "new"}}
    assert client.sent[0]["spec"] == {"strategy": "OldestEmulationVersion", **RECORD.spec()}
    assert metadata["labels"] == {"theirs": "x", "ours": "old"}, "what was read must not be changed"
