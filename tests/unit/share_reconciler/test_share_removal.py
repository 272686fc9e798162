"""A DittoFSShare with `deletionPolicy: Delete`: its rows go, its files are listed, and what may be others' stays."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from functools import partial
from typing import Any

import pytest

from informers.errors import ClientError
from informers.errors import ServerError as ApiServerError
from informers.resource import Manifest, ObjectKey, Resource
from informers.result import Done, RequeueAfter
from reconcilers.api.resources import DITTOFS_SHARE, PERSISTENT_VOLUME_CLAIM
from reconcilers.server.errors import ServerUnreachable
from tests.support.share_world import CLAIM, RecordingTransport, ShareWorld

GOING = {"deletionPolicy": "Delete"}


def made(world: ShareWorld, name: str = "export", **spec: Any) -> ObjectKey:
    key = world.put_share(name, **{**GOING, **spec})
    world.settle(key)
    return key


def remove(world: ShareWorld, key: ObjectKey) -> None:
    world.delete_share(key)
    assert world.reconciler.reconcile(key) == Done()
    assert not world.exists(key)


def test_all_of_it_goes_from_the_server_and_its_files_are_listed(world: ShareWorld) -> None:
    key = made(
        world,
        quotas=[{"scope": "user", "id": 1000, "hardFiles": 5}],
        permissions=[{"sid": "S-1-5-21-1-2-3-1001", "level": "read"}],
        nfs={"allowedClients": ["10.0.0.0/8"]},
    )
    world.settle(made(world, "other"))

    remove(world, key)

    assert [share.name for share in world.hand.shares()] == ["/other"]
    assert world.hand.share_quotas("/export") == ()
    assert world.hand.netgroup("op-export") is None
    assert world.hand.metadata_store("op-export") is None
    assert world.hand.metadata_store("op-other") is not None
    assert list(world.purge().addresses) == ["/export"]
    event = world.recorder.events[-1]
    assert event.reason == "Deleted"
    assert event.note.endswith("from the server; its files are removed when the server's pod starts the next time")


def test_a_share_of_the_path_is_made_beside_what_waits_to_be_removed(world: ShareWorld) -> None:
    remove(world, made(world))

    second = made(world, "second", path="/export")

    assert world.status(second)["stores"] == {"metadata": "op-export~2", "local": "op-payload~2", "remote": ""}
    assert world.status(second)["adopted"] is False
    metadata, local = world.hand.metadata_store("op-export~2"), world.hand.local_store("op-payload~2")
    assert metadata is not None
    assert local is not None
    assert (metadata.path, local.path) == ("/data/metadata/export~2", "/data/payload/~2")

    remove(world, second)
    assert list(world.purge().addresses) == ["/export", "/export~2"]


def test_a_share_beside_another_comes_back_where_it_was_after_the_loss_of_the_database(world: ShareWorld) -> None:
    remove(world, made(world))
    second = made(world, "second", path="/export")
    world.hand.delete_share("/export")
    world.hand.delete_metadata_store("op-export~2")
    claim = world.objects.get(PERSISTENT_VOLUME_CLAIM, CLAIM)
    claim["metadata"]["annotations"] = {}
    world.objects.put(claim)

    world.clock.advance(60)
    world.settle(second)

    assert world.status(second)["stores"]["metadata"] == "op-export~2"


def test_a_retained_share_beside_another_is_taken_over_where_it_is(world: ShareWorld) -> None:
    remove(world, made(world))
    second = world.put_share("second", path="/export")
    world.settle(second)
    remove(world, second)

    third = world.put_share("third", path="/export")
    world.settle(third)

    assert world.status(third)["stores"]["metadata"] == "op-export~2"
    assert world.status(third)["adopted"] is False


def test_the_next_of_the_path_waits_until_the_first_is_gone_for_good(world: ShareWorld) -> None:
    first = made(world)
    world.put_instance(apiReachable=False)
    world.delete_share(first)
    world.reconciler.reconcile(first)
    world.put_instance()
    world.recorder.events.clear()

    second = world.put_share("second", path="/export", created="2031-01-02T03:00:00Z")
    world.settle(second)
    assert world.condition(second, "Synced") == ("Unknown", "PathIsBeingRemoved")
    assert world.purge().addresses == {}

    world.reconciler.reconcile(first)  # it has an heir by now, who gets what there is
    world.settle(second)

    assert world.recorder.reasons() == ["HandedOver"]
    assert world.purge().addresses == {}
    assert world.status(second)["stores"]["metadata"] == "op-export"


def test_an_adopted_share_is_disabled_and_never_removed(world: ShareWorld) -> None:
    world.hand.create_metadata_store("mine", store_type="memory", config={})
    world.hand.create_local_store("my-blocks", store_type="memory", config={})
    world.hand.create_share("/export", metadata_store="mine", local_store="my-blocks", fields={})
    key = made(world)

    remove(world, key)

    share = world.hand.share("/export")
    assert share is not None
    assert not share.enabled
    assert world.hand.metadata_store("mine") is not None
    assert world.purge().addresses == {}
    assert world.recorder.reasons()[-1] == "FilesKept"


@pytest.mark.parametrize("row", ["mine", "other place"])
def test_a_share_with_a_store_that_is_not_as_ours_would_be_is_kept(world: ShareWorld, row: str) -> None:
    """Our names, but with contents somewhere else: nobody knows what else is there."""
    key = world.put_share(**GOING)
    world.reconciler.reconcile(key)  # the finalizer only
    world.hand.create_metadata_store("op-export", store_type="badger", config={"path": "/data/metadata/export"})
    name = "mine" if row == "mine" else "op-payload"
    world.hand.create_local_store(name, store_type="fs", config={"path": "/data/payload/mine"})
    world.hand.create_share("/export", metadata_store="op-export", local_store=name, fields={})

    remove(world, key)

    assert world.hand.share("/export") is not None
    assert world.purge().addresses == {}


def test_a_store_that_another_share_uses_is_kept_with_the_share(world: ShareWorld) -> None:
    key = made(world)
    world.hand.create_share("/by-hand", metadata_store="op-export", local_store="op-payload", fields={})

    remove(world, key)

    assert world.hand.metadata_store("op-export") is not None
    assert world.purge().addresses == {}
    assert world.recorder.events[-1].note.endswith("kept: its metadata store is used by /by-hand as well")


def test_a_share_that_vanished_from_the_server_leaves_its_files_to_be_removed(world: ShareWorld) -> None:
    key = made(world)
    world.hand.delete_share("/export")

    remove(world, key)

    assert list(world.purge().addresses) == ["/export"]
    assert world.hand.metadata_store("op-export") is None


def test_an_object_that_never_had_a_share_removes_nothing(world: ShareWorld) -> None:
    key = world.put_share(**GOING)
    world.reconciler.reconcile(key)  # the finalizer only

    remove(world, key)

    assert world.purge().addresses == {}


def test_a_memory_instance_has_nothing_to_list(world: ShareWorld) -> None:
    world.put_instance(spec={"metadata": {"type": "memory"}, "payload": {"type": "memory"}})
    key = made(world)

    remove(world, key)

    assert world.hand.share("/export") is None
    assert world.purge().addresses == {}
    assert world.recorder.events[-1].note == 'removed the share "/export" from the server'


def test_a_pass_that_died_before_the_status_still_knows_what_to_remove(world: ShareWorld) -> None:
    """Its row is ours by its stores; where they are is written down before the row goes."""
    key = made(world)
    manifest = world.objects.get(DITTOFS_SHARE, key)
    manifest["status"] = {}
    world.objects.put(manifest)
    world.delete_share(key)
    world.objects.writes.clear()

    world.reconciler.reconcile(key)
    assert world.objects.writes[0] == "apply status"
    assert world.reconciler.reconcile(key) == Done()

    assert not world.exists(key)
    assert list(world.purge().addresses) == ["/export"]


def test_cut_off_anywhere_it_ends_with_everything_listed_or_nothing_removed(
    world: ShareWorld, monkeypatch: pytest.MonkeyPatch
) -> None:
    """After each of its calls in turn, whether the call was done or not, the operator is replaced by another one."""
    cut = _Cut(monkeypatch, world)
    for after in (False, True):
        for point in range(1, 20):
            name = f"s{point}{after}".lower()
            key = made(world, name, permissions=[{"sid": "S-1-5-21-1-2-3-1001", "level": "read"}])
            world.delete_share(key)
            reached = cut.off(point, after=after, work=lambda key=key: world.reconciler.reconcile(key))
            row, listed = world.hand.share(f"/{name}"), f"/{name}" in world.purge().addresses
            assert row is None or not listed
            world.restarted()
            while world.exists(key):
                world.reconciler.reconcile(key)

            assert world.hand.share(f"/{name}") is None
            assert world.hand.metadata_store(f"op-{name}") is None
            assert f"/{name}" in world.purge().addresses
            if not reached:
                break
        else:
            raise AssertionError("a removal takes more calls than were tried")


class _Cut:
    """Lets one call, to the server or to the API server, fail."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, world: ShareWorld) -> None:
        self._left = 0
        self._after = False
        self._reached = False
        call, get, merge = RecordingTransport.call, world.objects.get, world.objects.merge_patch

        def on_server(transport: RecordingTransport, *arguments: Any, **more: Any) -> object:
            return self._maybe(lambda: call(transport, *arguments, **more), ServerUnreachable("cut off"))

        failure = ApiServerError(500, "InternalError", "cut off")
        monkeypatch.setattr(RecordingTransport, "call", on_server)

        def read(resource: Resource, key: ObjectKey) -> Manifest:
            work = partial(get, resource, key)
            return work() if resource != PERSISTENT_VOLUME_CLAIM else self._maybe(work, failure)

        monkeypatch.setattr(world.objects, "get", read)
        monkeypatch.setattr(world.objects, "merge_patch", lambda *a, **k: self._maybe(lambda: merge(*a, **k), failure))

    def off(self, point: int, *, after: bool, work: Callable[[], object]) -> bool:
        """Do `work`, whose call number `point` fails; whether it made so many."""
        self._left, self._after, self._reached = point, after, False
        with suppress(ClientError):
            work()
        self._left = 0
        return self._reached

    def _maybe(self, call: Callable[[], Any], failure: Exception) -> Any:
        self._left -= 1
        if self._left != 0:
            return call()
        self._reached = True
        if self._after:
            call()
        raise failure


def test_an_unreachable_server_holds_it_for_a_minute_and_the_files_are_told(world: ShareWorld) -> None:
    key = made(world)
    world.put_instance(apiReachable=False)
    world.delete_share(key)

    while world.exists(key):
        result = world.reconciler.reconcile(key)
        if isinstance(result, RequeueAfter):
            world.clock.advance(result.seconds)

    event = world.recorder.events[-1]
    assert (event.type, event.reason) == ("Warning", "DataLeftBehind")
    assert event.note.endswith(
        'the files of the share "/export" /data/payload/shares/export /data/metadata/export stay'
    )
    assert world.purge().addresses == {}


@pytest.mark.parametrize("how", ["gone", "deleting"])
def test_without_its_instance_it_goes_at_once_and_the_files_are_told(world: ShareWorld, how: str) -> None:
    key = made(world)
    world.delete_share(key)
    if how == "gone":
        world.drop_instance()
    else:
        world.put_instance(metadata={"deletionTimestamp": "2030-01-02T03:04:05Z"}, apiReachable=False)

    assert world.reconciler.reconcile(key) == Done()

    assert world.recorder.reasons()[-1] == "DataLeftBehind"


def test_a_suspended_instance_lets_it_be_removed(world: ShareWorld) -> None:
    key = made(world)
    world.put_instance(spec={"suspend": True})

    remove(world, key)

    assert world.hand.share("/export") is None
    assert list(world.purge().addresses) == ["/export"]


def test_an_object_of_another_version_is_removed_as_it_says(world: ShareWorld) -> None:
    key = made(world)
    world.put_share(**GOING, defaultPermission="of-tomorrow")

    remove(world, key)

    assert list(world.purge().addresses) == ["/export"]
