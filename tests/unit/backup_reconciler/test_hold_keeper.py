"""Taking, changing and releasing a hold, whoever else writes the instance at the same time."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from informers.errors import Invalid
from reconcilers import names
from reconcilers.api.resources import DITTOFS, DITTOFS_BACKUP
from reconcilers.hold import Hold, HoldMode, annotation
from reconcilers.hold_keeper import HoldKeeper
from tests.support.backup_world import BackupWorld
from tests.support.share_world import INSTANCE


def keeper(world: BackupWorld) -> HoldKeeper:
    return HoldKeeper(client=world.objects, backups=world.objects.backups, clock=world.clock)


def hold(world: BackupWorld, name: str = "nightly", **changed: Any) -> Hold:
    """A hold of a backup that there is."""
    world.put_backup(name)
    until = world.clock.now().replace(microsecond=0) + timedelta(hours=1)
    return replace(Hold(name, f"uid-{name}", HoldMode.STOP, until), **changed)


def written(world: BackupWorld) -> str:
    return annotation(world.objects.get(DITTOFS, INSTANCE))


def test_an_instance_is_held_by_one_backup_until_that_releases_it(world: BackupWorld) -> None:
    first, second = hold(world), hold(world, "weekly")
    holds = keeper(world)

    assert holds.take(INSTANCE, first) == ""
    assert holds.take(INSTANCE, second) == "nightly"
    holds.release(INSTANCE, second.uid)
    assert written(world) == first.text()
    holds.release(INSTANCE, first.uid)
    assert written(world) == ""
    assert holds.take(INSTANCE, second) == ""
    assert written(world) == second.text()


def test_what_is_so_already_is_not_written_again(world: BackupWorld) -> None:
    taken, holds = hold(world), keeper(world)
    holds.take(INSTANCE, taken)
    writes = len(world.objects.writes)

    holds.take(INSTANCE, taken)
    assert len(world.objects.writes) == writes
    holds.release(INSTANCE, "somebody else's")
    assert len(world.objects.writes) == writes


def test_the_mode_of_one_s_own_hold_can_be_changed_beside_other_annotations(world: BackupWorld) -> None:
    world.put_instance(metadata={"annotations": {names.SHARES_HASH_ANNOTATION: "abc"}})
    off, holds = hold(world, mode=HoldMode.ADAPTERS_OFF), keeper(world)
    holds.take(INSTANCE, off)

    assert holds.take(INSTANCE, replace(off, mode=HoldMode.STOP)) == ""

    assert Hold.parse(written(world)).mode is HoldMode.STOP
    holds.release(INSTANCE, off.uid)
    assert world.objects.get(DITTOFS, INSTANCE)["metadata"]["annotations"] == {names.SHARES_HASH_ANNOTATION: "abc"}


@pytest.mark.parametrize("left", ["garbled", "of a backup that is gone", "of a backup that has ended", "over"])
def test_what_does_not_count_is_in_nobody_s_way(world: BackupWorld, left: str) -> None:
    dead, ours = hold(world, "dead"), hold(world)
    text = "garbled" if left == "garbled" else dead.text()
    match left:
        case "of a backup that is gone":
            text = replace(dead, backup="never", uid="x").text()
        case "of a backup that has ended":
            manifest = world.objects.get(DITTOFS_BACKUP, world.put_backup("dead"))
            manifest["status"] = {"phase": "Failed"}
            world.objects.put(manifest)
        case "over":
            world.clock.advance(3600)
    world.put_instance(metadata={"annotations": {names.OPERATION_ANNOTATION: text}})

    assert keeper(world).take(INSTANCE, ours) == ""
    assert written(world) == ours.text()


def test_a_garbled_annotation_is_not_released_by_anybody(world: BackupWorld) -> None:
    world.put_instance(metadata={"annotations": {names.OPERATION_ANNOTATION: "garbled"}})

    keeper(world).release(INSTANCE, "uid-nightly")

    assert written(world) == "garbled"


def test_to_release_a_hold_on_an_instance_that_is_gone_is_no_error(world: BackupWorld) -> None:
    world.drop_instance()

    keeper(world).release(INSTANCE, "uid-nightly")


def before_the_write(world: BackupWorld, act: Callable[[], object], *, times: int = 1) -> None:
    original, left = world.objects.json_patch, [times]

    def patched(*arguments: Any, **options: Any) -> Any:
        if left[0]:
            left[0] -= 1
            act()
        return original(*arguments, **options)

    world.objects.json_patch = patched  # type: ignore[method-assign]


def test_of_two_that_take_an_instance_at_the_same_time_one_gets_it(world: BackupWorld) -> None:
    first, second = hold(world), hold(world, "weekly")
    holds = keeper(world)
    before_the_write(world, lambda: holds.take(INSTANCE, second))

    assert holds.take(INSTANCE, first) == "weekly"
    assert written(world) == second.text()


def test_somebody_s_other_write_in_between_is_kept(world: BackupWorld) -> None:
    before_the_write(world, lambda: world.put_instance(metadata={"annotations": {"mine": "stays"}}))
    taken = hold(world)

    assert keeper(world).take(INSTANCE, taken) == ""

    annotations = world.objects.get(DITTOFS, INSTANCE)["metadata"]["annotations"]
    assert annotations == {"mine": "stays", names.OPERATION_ANNOTATION: taken.text()}


def test_whoever_writes_without_end_ends_the_attempt(world: BackupWorld) -> None:
    before_the_write(world, world.put_instance, times=99)

    with pytest.raises(Invalid):
        keeper(world).take(INSTANCE, hold(world))
