"""Which annotation counts as the hold of a backup, and what it keeps the others from."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import orjson
import pytest
import structlog

from informers.event import Added, Deleted, Updated
from informers.resource import ObjectKey, View
from informers.store import Store
from informers.view import freeze
from reconcilers import names
from reconcilers.hold import (
    GarbledHold,
    Hold,
    HoldMode,
    held_by,
    is_held_share,
    is_held_stopped,
    is_held_without_clients,
    standing,
)

NOW = datetime(2030, 1, 2, 3, tzinfo=UTC)
HOLD = Hold("nightly", "uid-nightly", HoldMode.STOP, NOW + timedelta(hours=2), ("a", "b"))
DEMO = ObjectKey("default", "demo")


def store(*objects: View) -> Store:
    found = Store(logger=structlog.get_logger())
    found.replace(list(objects), "1")
    return found


def backup(
    name: str = "nightly",
    *,
    instance: str = "demo",
    uid: str = "",
    phase: str = "Running",
    version: str = "1",
    **spec: Any,
) -> View:
    metadata = {"name": name, "namespace": "default", "uid": uid or f"uid-{name}", "resourceVersion": version + phase}
    return freeze(
        {
            "kind": "DittoFSBackup",
            "metadata": metadata,
            "spec": {"instanceRef": {"name": instance}, **spec},
            "status": {"phase": phase},
        }
    )


def instance(text: str | None = None, **status: Any) -> View:
    annotations = {} if text is None else {names.OPERATION_ANNOTATION: text}
    metadata = {"name": "demo", "namespace": "default", "uid": "i", "annotations": annotations, "resourceVersion": "1"}
    return freeze({"kind": "DittoFS", "metadata": metadata, "status": status})


def text(**changed: Any) -> str:
    return orjson.dumps({**orjson.loads(HOLD.text()), **changed}).decode()


def test_the_annotation_is_the_document_that_it_is_read_from() -> None:
    assert HOLD.text() == (
        '{"backup":"nightly","uid":"uid-nightly","mode":"Stop","shares":["a","b"],"until":"2030-01-02T05:00:00Z"}'
    )
    assert Hold.parse(HOLD.text()) == HOLD


#: name: annotation, the backups there are, and the verdict: held, not, or wrong.
STANDINGS: dict[str, tuple[str | None, tuple[View, ...], str]] = {
    "none": (None, (backup(),), "free"),
    "in force": (HOLD.text(), (backup(),), "held"),
    "before it has begun": (HOLD.text(), (backup(phase=""),), "held"),
    "the backup is gone": (HOLD.text(), (), "free"),
    "another backup of that name": (HOLD.text(), (backup(uid="other"),), "free"),
    "the backup is completed": (HOLD.text(), (backup(phase="Completed"),), "free"),
    "the backup has failed": (HOLD.text(), (backup(phase="Failed"),), "free"),
    "its time is over": (text(until="2030-01-02T03:00:00Z"), (backup(),), "free"),
    "its last second": (text(until="2030-01-02T03:00:01Z"), (backup(),), "held"),
    "a time of another zone": (text(until="2030-01-02T05:00:00+01:00"), (backup(),), "held"),
    "over in another zone": (text(until="2030-01-02T04:00:00+01:00"), (backup(),), "free"),
    "a backup of another instance": (HOLD.text(), (backup(instance="other"),), "wrong"),
    "a schedule": (HOLD.text(), (backup(schedule="@daily"),), "wrong"),
    "no JSON": ("stop", (backup(),), "wrong"),
    "a list": ("[]", (backup(),), "wrong"),
    "a number": ("7", (backup(),), "wrong"),
    "half of it": (HOLD.text()[:40], (backup(),), "wrong"),
    "an unknown mode": (text(mode="Halt"), (backup(),), "wrong"),
    "no uid": (text(uid=""), (backup(),), "wrong"),
    "no end": (text(until=None), (backup(),), "wrong"),
    "an end without a zone": (text(until="2030-01-02T05:00:00"), (backup(),), "wrong"),
    "an end beyond all times": (text(until="9999-12-31T23:59:59-14:00"), (backup(),), "wrong"),
    "shares as text": (text(shares="a"), (backup(),), "wrong"),
    "shares without a name": (text(shares=[1]), (backup(),), "wrong"),
}


@pytest.mark.parametrize("case", STANDINGS.values(), ids=STANDINGS.keys())
def test_a_hold_counts_only_for_a_living_backup_of_this_instance_and_until_its_end(
    case: tuple[str | None, tuple[View, ...], str],
) -> None:
    written, backups, verdict = case

    found = standing(instance(written), store(*backups), now=NOW)

    assert ("held" if found.hold else "wrong" if found.wrong else "free") == verdict


@pytest.mark.parametrize(
    ("mode", "covered"), [(HoldMode.STOP, "abc"), (HoldMode.HOLD_SHARES, "ab"), (HoldMode.ADAPTERS_OFF, "ab")]
)
def test_a_stopped_server_covers_every_share_else_those_that_are_named(mode: HoldMode, covered: str) -> None:
    hold = replace(HOLD, mode=mode)

    assert "".join(share for share in "abc" if hold.covers(share)) == covered


def says(kind: str, reason: str, hold: Hold) -> dict[str, Any]:
    return {"conditions": [{"type": kind, "status": "False", "reason": reason, "message": hold.words()}]}


def test_a_backup_takes_only_what_was_said_under_its_own_present_hold_for_respect() -> None:
    off, later = replace(HOLD, mode=HoldMode.ADAPTERS_OFF), replace(HOLD, until=HOLD.until + timedelta(seconds=1))
    stopped = instance(**says("StatefulSetReady", "Stopped", HOLD))
    silent = instance(**says("Available", "HeldByBackup", off))
    share = freeze({"metadata": {"name": "a"}, "status": says("Ready", "HeldByBackup", HOLD)})

    assert [is_held_stopped(stopped, hold) for hold in (HOLD, off, later)] == [True, False, False]
    assert not is_held_stopped(instance(**says("StatefulSetReady", "Stopping", HOLD)), HOLD)
    assert [is_held_without_clients(silent, hold) for hold in (HOLD, off, later)] == [False, True, False]
    assert [is_held_share(share, hold) for hold in (HOLD, off, later)] == [True, False, False]
    assert not is_held_share(freeze({"metadata": {"name": "a"}}), HOLD)


def test_a_backup_that_ends_or_goes_wakes_the_instance_that_it_holds_and_no_other() -> None:
    mapper = held_by(store(instance(HOLD.text())))
    running, ended = backup(), backup(phase="Completed")

    assert tuple(mapper(Updated(running, ended))) == (DEMO,)
    assert tuple(mapper(Deleted(ended))) == (DEMO,)
    assert tuple(mapper(Updated(running, backup(version="2")))) == ()
    assert tuple(mapper(Added(backup("other")))) == ()
    assert tuple(held_by(store(instance("garbled")))(Deleted(ended))) == ()
    assert tuple(held_by(store(instance()))(Deleted(ended))) == ()


def test_what_is_no_hold_says_why() -> None:
    with pytest.raises(GarbledHold, match="HoldMode"):
        Hold.parse(text(mode="Halt"))
