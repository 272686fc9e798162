"""How an instance learns that its declared shares changed."""

from __future__ import annotations

import pytest

from informers.result import Done, RequeueAfter
from informers.view import freeze
from reconcilers import names
from reconcilers.api.resources import DITTOFS
from reconcilers.share.declared import declared_shares, shares_hash
from tests.support.share_world import INSTANCE, ShareWorld


def annotation(world: ShareWorld) -> str | None:
    annotations = world.objects.get(DITTOFS, INSTANCE)["metadata"].get("annotations") or {}
    value: str | None = annotations.get(names.SHARES_HASH_ANNOTATION)
    return value


def announce(world: ShareWorld) -> None:
    """Let the announcer finish."""
    while isinstance(result := world.announcer.reconcile(INSTANCE), RequeueAfter):
        world.clock.advance(result.seconds)


def test_many_changes_within_two_seconds_make_one_write(world: ShareWorld) -> None:
    world.put_share("a")
    assert world.announcer.reconcile(INSTANCE) == RequeueAfter(2.0)
    world.clock.advance(1.5)
    world.put_share("b")
    assert world.announcer.reconcile(INSTANCE) == RequeueAfter(0.5)
    world.clock.advance(0.5)

    assert world.announcer.reconcile(INSTANCE) == Done()

    assert world.objects.writes == [f"merge patch by {names.SHARES_FIELD_MANAGER}"]
    assert annotation(world) == shares_hash(declared_shares(world.objects.shares.list()))


def test_a_stream_of_changes_is_announced_every_two_seconds_and_not_put_off_for_ever(world: ShareWorld) -> None:
    for index in range(10):
        world.put_share(f"s{index}")
        world.announcer.reconcile(INSTANCE)
        world.clock.advance(1)

    assert 3 <= len(world.objects.writes) <= 5


def test_nothing_is_written_at_rest(world: ShareWorld) -> None:
    world.put_share("a")
    announce(world)
    for _ in range(5):
        world.clock.advance(10)
        assert world.announcer.reconcile(INSTANCE) == Done()

    assert len(world.objects.writes) == 1


def test_an_instance_that_never_had_shares_is_not_written(world: ShareWorld) -> None:
    assert world.announcer.reconcile(INSTANCE) == Done()
    assert annotation(world) is None


def test_the_last_share_to_go_is_announced(world: ShareWorld) -> None:
    key = world.put_share("a")
    announce(world)
    view = world.objects.shares.get(key)
    assert view is not None
    world.objects.shares.remove(view)

    announce(world)

    assert annotation(world) == shares_hash(())


def test_an_annotation_that_somebody_broke_is_set_right(world: ShareWorld) -> None:
    world.put_share("a")
    announce(world)
    good = annotation(world)
    world.put_instance(metadata={"annotations": {names.SHARES_HASH_ANNOTATION: "broken"}})

    announce(world)

    assert annotation(world) == good


def test_a_cache_that_has_not_seen_the_write_yet_causes_no_second_one(world: ShareWorld) -> None:
    world.put_share("a")
    before = world.objects.instances.get(INSTANCE)
    assert before is not None
    announce(world)
    world.objects.instances.put(before)

    announce(world)

    assert len(world.objects.writes) == 1


def test_suspended_deleted_and_absent_instances_are_left_alone(world: ShareWorld) -> None:
    world.put_share("a")
    world.put_instance(spec={"suspend": True})
    announce(world)
    world.put_instance(metadata={"deletionTimestamp": "2030-01-01T00:00:00Z"})
    announce(world)
    world.drop_instance()
    announce(world)

    assert world.objects.writes == []


def test_the_view_of_an_instance_is_read_only() -> None:
    """The announcer reads caches that others read too."""
    assert not hasattr(freeze({"a": {}})["a"], "update")


def test_many_changes_cost_two_comparisons_of_all_shares(world: ShareWorld, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each of a thousand new shares wakes it: to look at all of them each time would be a million looks."""
    looks = []
    by_index = world.objects.shares.by_index
    monkeypatch.setattr(
        world.objects.shares, "by_index", lambda index, value: looks.append(index) or by_index(index, value)
    )

    for index in range(50):
        world.put_share(f"s{index}")
        world.announcer.reconcile(INSTANCE)
        world.clock.advance(0.02)
    announce(world)

    assert len(looks) == 2
    assert len(world.objects.writes) == 1
