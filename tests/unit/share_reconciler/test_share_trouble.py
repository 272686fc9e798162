"""What the share reconciler makes of objects, Secrets and servers that are not as they should be."""

from __future__ import annotations

import threading
from typing import Any

import pytest

from informers.errors import Conflict, Forbidden
from informers.resource import Manifest, ObjectKey
from informers.result import Backoff, Done, RequeueAfter, Terminal
from informers.workqueue import WorkQueue
from reconcilers.api.dittofs import DittoFS
from reconcilers.api.resources import DITTOFS_SHARE
from reconcilers.server.errors import ServerUnreachable
from reconcilers.server.rows import Share
from reconcilers.server.session import Credentials
from reconcilers.share.listings import ShareListings
from tests.support.clock import FakeClock
from tests.support.share_world import INSTANCE, POLL_S, ShareWorld, failed


class NotAllowed:
    """A service account that may not read the Secret."""

    def get(self, instance: DittoFS) -> Credentials:
        raise Forbidden(403, "Forbidden", "secrets is forbidden")


def test_a_share_that_does_not_fit_the_model_can_still_be_deleted(world: ShareWorld) -> None:
    key = world.put_share()
    world.settle(key)
    world.put_share(defaultPermission="a-later-word")
    assert isinstance(world.reconciler.reconcile(key), Terminal)
    world.delete_share(key)

    assert world.reconciler.reconcile(key) == Done()

    assert not world.exists(key)
    share = world.hand.share("/export")
    assert share is not None
    assert not share.enabled


def test_an_instance_that_does_not_fit_the_model_does_not_hold_its_shares_for_ever(world: ShareWorld) -> None:
    key = world.put_share()
    world.settle(key)
    world.put_instance(spec={"logging": {"level": "TRACE"}})
    world.delete_share(key)

    assert isinstance(world.reconciler.reconcile(key), RequeueAfter)
    world.clock.advance(61)
    world.reconciler.reconcile(key)

    assert not world.exists(key)
    assert "ServerUnreachableLeftBehind" in world.recorder.reasons()


def test_credentials_that_may_not_be_read_do_not_hold_a_deleted_share_for_ever(world: ShareWorld) -> None:
    key = world.put_share()
    world.settle(key)
    world.credentials.get = NotAllowed().get  # type: ignore[method-assign]
    world.delete_share(key)

    assert isinstance(world.reconciler.reconcile(key), RequeueAfter)
    world.clock.advance(61)
    world.reconciler.reconcile(key)

    assert not world.exists(key)


def test_credentials_that_may_not_be_read_are_told(world: ShareWorld) -> None:
    world.credentials.get = NotAllowed().get  # type: ignore[method-assign]
    key = world.put_share()

    assert world.settle(key) == failed("CredentialsMissing")

    assert world.condition(key, "Synced") == ("Unknown", "CredentialsMissing")


def test_a_wall_clock_that_runs_behind_holds_a_deleted_share_no_longer(world: ShareWorld) -> None:
    key = world.put_share()
    world.settle(key)
    world.put_instance(apiReachable=False)
    world.delete_share(key)
    manifest = world.objects.get(DITTOFS_SHARE, key)
    manifest["metadata"]["deletionTimestamp"] = "2999-01-01T00:00:00Z"
    world.objects.put(manifest)

    world.reconciler.reconcile(key)
    world.clock.advance(61)
    world.reconciler.reconcile(key)

    assert not world.exists(key)


def test_a_status_that_others_wrote_in_between_of_is_written_soon(
    world: ShareWorld, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: Any, **__: Any) -> Manifest:
        raise Conflict(409, "Conflict", "somebody wrote")

    monkeypatch.setattr(world.objects, "apply", refuse)
    world.put_instance(apiReachable=False)
    key = world.put_share()

    assert world.reconciler.reconcile(key) == RequeueAfter(1.0)


def test_a_cache_that_shows_the_old_status_costs_no_second_write(world: ShareWorld) -> None:
    key = world.put_share()
    world.settle(key)
    world.put_instance(apiReachable=False)
    stale = world.objects.shares.get(key)
    assert stale is not None
    world.reconciler.reconcile(key)
    writes = len(world.objects.writes)
    world.objects.shares.put(stale)
    world.clock.advance(5)

    world.reconciler.reconcile(key)

    assert len(world.objects.writes) == writes


def test_a_change_that_the_list_is_too_old_to_show_is_repaired_with_the_next_write(world: ShareWorld) -> None:
    """Else the share would be called in sync although the pass itself has just read that it is not."""
    key = world.put_share()
    world.settle(key)
    world.hand.update_share("/export", fields={"default_permission": "admin"})
    world.put_share(readOnly=True)

    world.reconciler.reconcile(key)

    share = world.hand.share("/export")
    assert share is not None
    assert (share.read_only, share.default_permission) == (True, "none")
    assert world.condition(key, "Synced") == ("True", "InSync")


class CountingClock(FakeClock):
    def __init__(self) -> None:
        super().__init__()
        self._read = threading.Semaphore(0)

    def monotonic(self) -> float:
        self._read.release()
        return super().monotonic()

    def wait_for_reads(self, number: int) -> None:
        for _ in range(number):
            assert self._read.acquire(timeout=5)


class SlowSession:
    """A server that gives up on a call once told to; counts the calls."""

    def __init__(self) -> None:
        self.calls = 0
        self.asked = threading.Event()
        self.give_up = threading.Event()

    def shares(self) -> tuple[Share, ...]:
        self.calls += 1
        self.asked.set()
        assert self.give_up.wait(5)
        raise ServerUnreachable("timed out")


def test_those_who_waited_for_a_list_share_its_failure(world: ShareWorld) -> None:
    """Each would else wait for a timeout of its own, one after the other, and hold a worker for so long."""
    clock, session = CountingClock(), SlowSession()
    listings = ShareListings(clock=clock, max_age_s=15)
    failures: list[str] = []

    def ask() -> None:
        try:
            listings.share(INSTANCE, session, "/export")  # type: ignore[arg-type]
        except ServerUnreachable as error:
            failures.append(str(error))

    first = threading.Thread(target=ask)
    first.start()
    assert session.asked.wait(5)
    others = [threading.Thread(target=ask) for _ in range(3)]
    for other in others:
        other.start()
    clock.wait_for_reads(2 + 3)  # the caller reads it twice, each who waits once
    session.give_up.set()
    for thread in (first, *others):
        thread.join(5)

    assert failures == ["timed out"] * 4
    assert session.calls == 1
    clock.advance(1)
    ask()
    assert session.calls == 2


def test_what_a_person_mends_on_the_server_is_noticed_within_a_poll_however_often_it_failed_before(
    world: ShareWorld,
) -> None:
    metadata = world.server.data / "data" / "metadata"
    metadata.rmdir()
    metadata.touch()
    key, queue = world.put_share(), WorkQueue[ObjectKey](clock=world.clock)
    for _ in range(30):
        result = world.settle(key)
        assert isinstance(result, Backoff)
        wait_s = queue.add_rate_limited(key, at_most_s=result.at_most_s)
        world.clock.advance(wait_s)
    assert wait_s == POLL_S

    metadata.unlink()
    metadata.mkdir()

    assert isinstance(world.settle(key), RequeueAfter)
    assert world.condition(key, "Ready") == ("True", "Serving")


def test_a_share_that_does_not_fit_the_model_says_so_without_what_stands_in_it(world: ShareWorld) -> None:
    key = world.put_share()
    world.settle(key)
    share_id = world.status(key)["shareID"]
    world.put_share(defaultPermission="sesame")
    world.recorder.events.clear()

    assert isinstance(world.settle(key), Terminal)

    status = world.status(key)
    assert (status["phase"], status["ready"], status["shareID"]) == ("Degraded", False, share_id)
    assert world.condition(key, "Ready") == world.condition(key, "Synced") == ("False", "InvalidSpec")
    assert "spec.defaultPermission" in str(status["conditions"])
    assert world.recorder.reasons() == ["InvalidSpec"]
    assert "sesame" not in str(status) + str(world.recorder.events)

    world.put_share(defaultPermission="read")
    assert isinstance(world.settle(key), RequeueAfter)
    assert world.condition(key, "Ready") == ("True", "Serving")


def test_a_share_says_that_its_instance_does_not_fit_the_model(world: ShareWorld) -> None:
    key = world.put_share()
    world.settle(key)
    world.put_instance(spec={"logging": {"level": "sesame"}})

    assert world.settle(key) == Done()

    assert world.condition(key, "InstanceReady") == ("False", "InvalidSpec")
    message = next(c["message"] for c in world.status(key)["conditions"] if c["type"] == "InstanceReady")
    assert message == 'the operator can\'t read spec.logging.level of DittoFS "demo": see its condition Ready'
