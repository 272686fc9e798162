"""Shares that a backup holds: nobody else touches them, and they are as specified again when the hold ends."""

from __future__ import annotations

from datetime import timedelta

import pytest

from informers.event import Added, Deleted, Updated
from informers.resource import ObjectKey
from informers.result import Done, RequeueAfter
from informers.view import thaw
from reconcilers import names
from reconcilers.api.resources import DITTOFS, DITTOFS_BACKUP
from reconcilers.hold import Hold, HoldMode, is_held_share
from reconcilers.share.caches import shares_held_by, shares_of_instance
from tests.support.share_world import INSTANCE, ShareWorld

BACKUP = ObjectKey("default", "nightly")


def set_backup(world: ShareWorld, phase: str = "Running") -> None:
    world.objects.put(
        {
            "apiVersion": DITTOFS_BACKUP.api_version,
            "kind": DITTOFS_BACKUP.kind,
            "metadata": {"name": "nightly", "namespace": "default", "uid": "uid-nightly"},
            "spec": {"instanceRef": {"name": "demo"}},
            "status": {"phase": phase},
        }
    )


def hold(world: ShareWorld, mode: HoldMode = HoldMode.HOLD_SHARES, *shares: str, seconds: float = 3600.0) -> Hold:
    set_backup(world)
    until = (world.clock.now() + timedelta(seconds=seconds)).replace(microsecond=0)
    taken = Hold("nightly", "uid-nightly", mode, until, shares)
    annotate(world, taken.text())
    return taken


def annotate(world: ShareWorld, text: str | None) -> None:
    manifest = world.objects.get(DITTOFS, INSTANCE)
    manifest["metadata"]["annotations"] = {} if text is None else {names.OPERATION_ANNOTATION: text}
    world.objects.put(manifest)


def enabled(world: ShareWorld, path: str) -> bool:
    share = world.hand.share(path)
    assert share is not None
    return share.enabled


def test_a_held_share_stays_as_the_backup_makes_it_and_becomes_as_specified_when_the_hold_ends(
    world: ShareWorld,
) -> None:
    key = world.put_share("a", snapshotPolicy={"interval": "1h"})
    other = world.put_share("b")
    world.settle(key)
    world.settle(other)
    taken = hold(world, HoldMode.HOLD_SHARES, "a")

    result = world.reconciler.reconcile(key)

    assert result == RequeueAfter(taken.left_s(world.clock.now()))
    view = world.objects.shares.get(key)
    assert view is not None
    assert is_held_share(view, taken)
    assert world.status(key)["phase"] == "Maintenance"
    assert world.status(key)["mount"], "what is known of it stays"
    assert world.condition(key, "Ready") == ("False", "HeldByBackup")
    world.hand.disable_share("/a")
    world.hand.delete_snapshot_policy("/a")
    world.clock.advance(400)
    world.calls.clear()
    writes = len(world.objects.writes)
    world.reconciler.reconcile(key)
    assert world.calls == []
    assert len(world.objects.writes) == writes
    world.hand.disable_share("/b")
    world.reconciler.reconcile(other)
    assert enabled(world, "/b"), "another share is looked after as ever"

    annotate(world, None)
    world.settle(key)

    assert enabled(world, "/a")
    assert world.hand.snapshot_policy("/a") is not None
    assert (world.status(key)["phase"], world.status(key)["ready"]) == ("Ready", True)
    assert "DriftRepaired" not in [event.reason for event in world.recorder.events if "/a" in event.note]


@pytest.mark.parametrize("end", ["completed", "over", "gone"])
def test_a_hold_on_a_share_ends_by_itself_with_its_backup_or_its_time(world: ShareWorld, end: str) -> None:
    key = world.put_share("a")
    world.settle(key)
    hold(world, HoldMode.HOLD_SHARES, "a", seconds=60)
    world.settle(key)
    world.hand.disable_share("/a")

    match end:
        case "completed":
            set_backup(world, "Completed")
        case "over":
            world.clock.advance(61)
        case "gone":
            view = world.objects.backups.get(BACKUP)
            assert view is not None
            world.objects.backups.remove(view)
    world.settle(key)

    assert enabled(world, "/a")


def test_while_the_server_is_stopped_no_share_asks_for_it(world: ShareWorld) -> None:
    key = world.put_share("a")
    world.settle(key)
    hold(world, HoldMode.STOP)
    world.put_instance(
        metadata={"annotations": dict(world.objects.get(DITTOFS, INSTANCE)["metadata"]["annotations"])},
        apiReachable=False,
    )
    world.calls.clear()
    events = len(world.recorder.events)

    for _ in range(3):
        world.reconciler.reconcile(key)

    assert world.calls == []
    assert len(world.recorder.events) == events
    assert world.condition(key, "Synced") == ("Unknown", "HeldByBackup")


def test_a_share_that_is_suspended_is_held_too_so_that_the_backup_knows(world: ShareWorld) -> None:
    key = world.put_share("a", suspend=True)
    taken = hold(world, HoldMode.HOLD_SHARES, "a")

    world.settle(key)

    view = world.objects.shares.get(key)
    assert view is not None
    assert is_held_share(view, taken)


def test_the_deletion_of_a_held_share_begins_when_the_hold_ends(world: ShareWorld) -> None:
    key = world.put_share("a")
    world.settle(key)
    hold(world, HoldMode.HOLD_SHARES, "a")
    world.delete_share(key)
    world.calls.clear()
    world.settle(key)
    world.clock.advance(600)  # far beyond the time that an absent server may hold it

    world.settle(key)

    assert world.exists(key)
    assert world.calls == []
    assert (world.status(key)["phase"], world.condition(key, "Ready")[1]) == ("Deleting", "HeldByBackup")

    annotate(world, None)
    world.put_instance(apiReachable=False)
    world.reconciler.reconcile(key)
    assert world.exists(key), "a server that starts again is waited for as long as any"
    world.put_instance()
    world.reconciler.reconcile(key)
    assert not world.exists(key)
    assert not enabled(world, "/a")


def test_a_share_goes_with_its_instance_whoever_holds_that(world: ShareWorld) -> None:
    key = world.put_share("a")
    world.settle(key)
    hold(world, HoldMode.HOLD_SHARES, "a")
    world.delete_share(key)
    manifest = world.objects.get(DITTOFS, INSTANCE)
    manifest["metadata"]["deletionTimestamp"] = "2030-01-02T03:00:00Z"
    world.objects.put(manifest)

    assert world.reconciler.reconcile(key) == Done()
    assert not world.exists(key)


def test_shares_are_woken_by_a_hold_and_by_the_end_of_its_backup(world: ShareWorld) -> None:
    key = world.put_share("a")
    before = world.objects.instances.get(INSTANCE)
    hold(world, HoldMode.HOLD_SHARES, "a")
    after = world.objects.instances.get(INSTANCE)
    backup = world.objects.backups.get(BACKUP)
    assert before is not None
    assert after is not None
    assert backup is not None
    assert tuple(shares_of_instance(world.objects.shares)(Updated(before, after))) == (key,)
    mapper = shares_held_by(world.objects.instances, world.objects.shares)
    assert tuple(mapper(Deleted(backup))) == (key,)
    stranger = thaw(backup)
    stranger["metadata"]["uid"] = "other"
    assert tuple(mapper(Added(stranger))) == ()
