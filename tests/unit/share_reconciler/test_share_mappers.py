"""Whom an event wakes."""

from __future__ import annotations

from informers.event import Added, Deleted, Updated
from informers.resource import ObjectKey
from informers.view import freeze, thaw
from reconcilers.share.caches import changed_share, instance_of_share, shares_of_instance, shares_of_same_path
from tests.support.share_world import INSTANCE, ShareWorld


def test_a_share_wakes_its_instance(world: ShareWorld) -> None:
    view = world.objects.shares.get(world.put_share("a"))
    assert view is not None

    assert instance_of_share(Added(view)) == (INSTANCE,)
    assert instance_of_share(Updated(view, view)) == (INSTANCE,)


def test_a_share_whose_status_alone_was_written_wakes_nobody(world: ShareWorld) -> None:
    key = world.put_share("a")
    old = world.objects.shares.get(key)
    assert old is not None

    def updated(**changes: object) -> Updated:
        new = thaw(old)
        new["metadata"].update({"resourceVersion": "later", **changes})
        new["status"] = {"phase": "Ready"}
        return Updated(old, freeze(new))

    for mapper, woken in ((changed_share, key), (instance_of_share, INSTANCE)):
        assert list(mapper(updated())) == []
        assert list(mapper(updated(generation=99))) == [woken]
        assert list(mapper(updated(deletionTimestamp="now"))) == [woken]


def test_an_instance_wakes_its_shares_only_by_what_they_depend_on(world: ShareWorld) -> None:
    mine = world.put_share("a")
    old = world.objects.instances.get(INSTANCE)
    assert old is not None
    mapper = shares_of_instance(world.objects.shares)

    def changed(**status: object) -> Updated:
        new = thaw(old)
        new["status"].update(status)
        return Updated(old, freeze(new))

    assert list(mapper(Added(old))) == [mine]
    assert list(mapper(Deleted(old))) == [mine]
    assert list(mapper(changed(apiReachable=False))) == [mine]
    assert list(mapper(changed(endpoints={}))) == [mine]
    assert list(mapper(changed(phase="Running", conditions=[]))) == []


def test_a_share_that_goes_wakes_the_others_of_its_path(world: ShareWorld) -> None:
    key = world.put_share("a", path="/x")
    other = world.put_share("b", path="/x")
    world.put_share("c")
    alive = world.objects.shares.get(key)
    world.delete_share(key)
    dying = world.objects.shares.get(key)
    assert alive is not None
    assert dying is not None
    mapper = shares_of_same_path(world.objects.shares)

    assert list(mapper(Updated(alive, dying))) == [other]
    assert list(mapper(Deleted(dying))) == [other]
    assert list(mapper(Added(alive))) == []
    assert list(mapper(Updated(alive, alive))) == []
    assert ObjectKey("default", "c") not in mapper(Deleted(dying))
