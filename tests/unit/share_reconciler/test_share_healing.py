"""A share that its server has and did not load: what is done about it, and what never is."""

from __future__ import annotations

from typing import Any

import pytest

from informers.resource import ObjectKey
from reconcilers.share.healing import REMAKE_AFTER_S
from tests.support.share_world import POLL_S, ShareWorld


class Trouble:
    """The volume of the contents is not there, so that no share can be loaded."""

    def __init__(self, world: ShareWorld) -> None:
        self._folder = world.server.data / "data" / "payload"
        if world.hand.local_store("op-payload") is None:
            world.hand.create_local_store("op-payload", store_type="fs", config={"path": "/data/payload"})
        self._folder.rmdir()
        self._folder.touch()

    def end(self) -> None:
        self._folder.unlink()
        self._folder.mkdir()


def unloaded(world: ShareWorld, **spec: Any) -> tuple[ObjectKey, Trouble]:
    trouble = Trouble(world)
    key = world.put_share(**spec)
    world.settle(key)
    world.clock.advance(6)
    world.settle(key)
    return key, trouble


def wait(world: ShareWorld, key: ObjectKey, seconds: float, *, steps: int = 12) -> None:
    """Look at the share now and then."""
    for _ in range(steps):
        world.clock.advance(seconds / steps)
        world.settle(key)


def deletions(world: ShareWorld) -> int:
    return sum(call.method == "DELETE" and call.path == "/api/v1/shares/export" for call in world.calls)


def test_it_is_made_anew_once_it_can_be_loaded_and_all_of_it_is_there_again(world: ShareWorld) -> None:
    key, trouble = unloaded(world, defaultPermission="read", quotas=[{"scope": "user", "id": 7, "hardFiles": 5}])
    assert world.condition(key, "Synced") == ("False", "ShareNotLoaded")
    trouble.end()

    wait(world, key, REMAKE_AFTER_S, steps=2)
    world.clock.advance(6)
    world.settle(key)

    share = world.hand.share("/export")
    assert share is not None
    assert share.loaded
    assert share.default_permission == "read"
    assert [quota.limit_files for quota in world.hand.share_quotas("/export")] == [5]
    assert world.condition(key, "Synced") == ("True", "InSync")
    assert deletions(world) == 1


def test_what_does_not_help_is_done_less_and_less_often(world: ShareWorld) -> None:
    key, _ = unloaded(world)
    world.calls.clear()

    wait(world, key, 3600, steps=30)

    assert 3 <= deletions(world) <= 6
    assert world.condition(key, "Synced")[1] == "ShareNotLoaded"
    before = deletions(world)
    wait(world, key, 7200)
    assert deletions(world) - before <= 3


@pytest.mark.parametrize("state", ["ready", "failed"])
def test_with_a_snapshot_it_is_never_made_anew(world: ShareWorld, state: str) -> None:
    key, trouble = unloaded(world)
    assert world.server.double is not None
    world.server.double.rows("snapshots")["s"] = {"id": "s", "share": "/export", "state": state, "name": "s"}
    trouble.end()

    wait(world, key, 7200)

    assert deletions(world) == 0
    assert world.condition(key, "Synced") == ("False", "AwaitsRestart")
    assert "snapshots, which would be lost" in world.recorder.events[-1].note


def test_an_adopted_share_is_never_made_anew(world: ShareWorld) -> None:
    trouble = Trouble(world)
    world.hand.create_metadata_store("mine", store_type="memory", config={})
    world.hand.create_share("/export", metadata_store="mine", local_store="op-payload", fields={})
    key = world.put_share()
    world.settle(key)
    world.clock.advance(6)
    world.settle(key)
    trouble.end()

    wait(world, key, 7200)

    assert deletions(world) == 0
    assert world.condition(key, "Synced") == ("False", "AwaitsRestart")


def test_cut_off_between_the_two_halves_it_is_made_by_the_next_process_at_its_address(world: ShareWorld) -> None:
    key, trouble = unloaded(world)
    trouble.end()
    world.hand.delete_share("/export")

    world.restarted()
    world.clock.advance(POLL_S)
    world.settle(key)

    assert world.status(key)["stores"]["metadata"] == "op-export"
    assert world.condition(key, "Synced") == ("True", "InSync")
