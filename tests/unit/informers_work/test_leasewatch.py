"""The watch of a Lease: what it hints at, how it bears a bad stream, and that it leaves nothing behind."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from random import Random
from typing import Any, Self, cast

import pytest
import structlog
from kubernetes.client import Configuration
from structlog.testing import capture_logs

from hack.localcluster.apiserver.server import ApiServer
from informers.client import Client
from informers.errors import Forbidden, Unreachable
from informers.lease import LEASES, ClientLeaseLock, LeaseRecord
from informers.leasewatch import LeaseWatch
from informers.resource import ObjectKey
from informers.watch import WatchEvent, WatchStream
from tests.support.clock import FakeClock

KEY = ObjectKey("system", "demo")
LIMIT_S = 20


class Stream:
    """One scripted stream: events, then an error, or silence until it is closed."""

    def __init__(self, *events: str, error: Exception | None = None, silent: bool = False) -> None:
        self.closed = threading.Event()
        self._events = events
        self._error = error
        self._silent = silent

    def close(self) -> None:
        self.closed.set()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.closed.set()

    def __iter__(self) -> Iterator[WatchEvent]:
        for kind in self._events:
            yield WatchEvent(kind, {"metadata": {"name": "demo"}})
        if self._error is not None:
            raise self._error
        if self._silent:
            assert self.closed.wait(LIMIT_S)


class FakeClient:
    """Gives the scripted streams, then silent ones."""

    def __init__(self, *streams: Stream) -> None:
        self.asked: list[dict[str, Any]] = []
        self.streams = list(streams)
        self.given: list[Stream] = []

    def watch(self, resource: object, **asked: Any) -> WatchStream:
        assert resource is LEASES
        self.asked.append(asked)
        stream = self.streams.pop(0) if self.streams else Stream(silent=True)
        self.given.append(stream)
        return cast(WatchStream, stream)


class World:
    def __init__(self, *streams: Stream) -> None:
        self.clock = FakeClock()
        self.client = FakeClient(*streams)
        self.hints = threading.Semaphore(0)
        self.watch = LeaseWatch(
            self.client, KEY, clock=self.clock, random=Random(0), logger=structlog.get_logger(), silence_s=7
        )

    def reconnects(self, count: int) -> list[float]:
        """Let each of `count` pauses pass; how long they were."""
        pauses = []
        for _ in range(count):
            self.clock.until_waiting(condition=self.watch._condition)
            ((_, until),) = self.clock._waiting.values()
            assert until is not None
            pauses.append(until - self.clock.monotonic())
            self.clock.advance(pauses[-1] + 0.001)
        return pauses


def threads() -> list[threading.Thread]:
    return [thread for thread in threading.enumerate() if thread.name == "lease-watch"]


def until_no_thread() -> None:
    for thread in threads():
        thread.join(LIMIT_S)
        assert not thread.is_alive()


@pytest.fixture(autouse=True)
def nothing_is_left() -> Iterator[None]:
    yield
    until_no_thread()


def test_it_asks_for_one_lease_by_name_and_hints_at_each_change_but_not_at_bookmarks() -> None:
    world = World(Stream("ADDED", "MODIFIED", "BOOKMARK", "DELETED", silent=True))
    world.watch.start(world.hints.release)

    assert all(world.hints.acquire(timeout=LIMIT_S) for _ in range(3))
    assert not world.hints.acquire(blocking=False)
    (asked,) = world.client.asked
    assert 300 <= asked.pop("timeout_s") <= 600
    assert asked == {
        "resource_version": "",
        "namespace": "system",
        "field_selector": "metadata.name=demo",
        "read_timeout_s": 7,
    }
    world.watch.stop()


@pytest.mark.parametrize(
    "error",
    [Unreachable("reset"), Forbidden(403, "Forbidden", "no rights"), RuntimeError("bug")],
    ids=["cut", "refused", "bug"],
)
def test_whatever_ends_the_stream_is_told_once_and_the_next_one_comes_after_a_growing_pause(error: Exception) -> None:
    world = World(*(Stream(error=error) for _ in range(6)))
    with capture_logs() as lines:
        world.watch.start(world.hints.release)
        pauses = world.reconnects(6)
        world.watch.stop()
        until_no_thread()

    assert all(0.5 <= pause <= 7.5 for pause in pauses)
    assert pauses[0] < 0.75 < 5 <= pauses[-1]
    assert [line["log_level"] for line in lines] == ["warning"]
    assert str(error) in lines[0]["reason"]


def test_a_stream_that_works_again_makes_the_same_trouble_worth_telling_again() -> None:
    trouble = Unreachable("reset")
    world = World(Stream(error=trouble), Stream(error=trouble), Stream("ADDED", error=trouble))
    with capture_logs() as lines:
        world.watch.start(world.hints.release)
        world.reconnects(3)
        world.watch.stop()
        until_no_thread()

    assert len(lines) == 2


def test_a_stop_ends_a_silent_stream_and_a_pause_at_once_and_hints_at_nothing_more() -> None:
    world = World(Stream("ADDED", silent=True))
    world.watch.start(world.hints.release)
    assert world.hints.acquire(timeout=LIMIT_S)
    world.watch.stop()
    world.watch.stop()
    until_no_thread()
    assert world.client.given[0].closed.is_set()

    world.client.streams = [Stream(error=Unreachable("reset"))]
    world.watch.start(world.hints.release)
    world.clock.until_waiting()
    world.watch.stop()
    until_no_thread()

    assert len(world.client.given) == 2


def test_a_stop_while_the_request_is_being_made_opens_no_stream() -> None:
    world = World()
    ask = world.client.watch

    def stopped_meanwhile(resource: object, **asked: Any) -> WatchStream:
        world.watch.stop()
        return ask(resource, **asked)

    world.client.watch = stopped_meanwhile  # type: ignore[method-assign]
    world.watch.start(world.hints.release)
    until_no_thread()

    assert not world.client.given[0].closed.is_set(), "it was never read, so nothing was sent"


def test_over_http_it_hints_at_the_lease_as_it_is_at_its_changes_and_at_no_other_lease() -> None:
    with ApiServer(token="t0k") as api:
        configuration = Configuration(host=api.url)
        configuration.api_key["BearerToken"] = "Bearer t0k"
        client = Client(configuration, user_agent="test")
        hints = threading.Semaphore(0)
        clock = FakeClock()
        watch = LeaseWatch(client, ObjectKey("default", "demo"), clock=clock, random=Random(), logger=structlog.stdlib)
        lock, other = (ClientLeaseLock(client, ObjectKey("default", name), "test") for name in ("demo", "other"))
        held = lock.create(LeaseRecord("a", 15))
        watch.start(hints.release)
        assert hints.acquire(timeout=LIMIT_S)

        other.create(LeaseRecord("b", 15))
        lock.update(held, held.record.released(now=clock.now()))

        assert hints.acquire(timeout=LIMIT_S)
        watch.stop()
        until_no_thread()
        assert not hints.acquire(blocking=False)
        client.close()
