"""A scripted server, a client of it, and a reflector that runs against both in virtual time."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Sequence
from random import Random
from typing import Any

import pytest
import structlog
from kubernetes.client import Configuration

from informers.client import Client
from informers.listwatch import Scope, WatchOptions
from informers.projection import Projection
from informers.reflector import Reflector
from informers.resource import ObjectKey, Resource, View
from tests.support.clock import FakeClock
from tests.support.scripted_server import LIMIT_S, ScriptedServer

CONFIG_MAPS = Resource("", "v1", "configmaps", "ConfigMap")
SECRETS = Resource("", "v1", "secrets", "Secret")


class RecordingSink:
    """Remembers what a reflector puts in; a test can wait for it."""

    def __init__(self) -> None:
        self.calls: list[tuple[str, Any]] = []
        self.held: dict[ObjectKey, View] = {}
        self.changed = threading.Condition()

    def replace(self, views: Sequence[View], resource_version: str) -> None:
        self.held = {ObjectKey.of(view): view for view in views}
        self._note("replace", ([view["metadata"]["name"] for view in views], resource_version))

    def put(self, view: View) -> None:
        self.held[ObjectKey.of(view)] = view
        self._note("put", view["metadata"]["name"])

    def remove(self, view: View) -> None:
        self.held.pop(ObjectKey.of(view), None)
        self._note("remove", view["metadata"]["name"])

    def advance(self, resource_version: str) -> None:
        self._note("advance", resource_version)

    def get(self, key: ObjectKey) -> View | None:
        """What an earlier call put in."""
        return self.held.get(key)

    def _note(self, what: str, value: Any) -> None:
        with self.changed:
            self.calls.append((what, value))
            self.changed.notify_all()

    def until(self, what: str, value: Any) -> None:
        with self.changed:
            assert self.changed.wait_for(lambda: (what, value) in self.calls, LIMIT_S), self.calls


class RunningReflector:
    """A reflector in its thread, on a clock that only the test moves; it streams no list unless told to."""

    def __init__(self, client: Client, **options: Any) -> None:
        self.clock = FakeClock()
        self.sink = options.pop("sink", None) or RecordingSink()
        scope = options.pop("scope", Scope(CONFIG_MAPS))
        self.left_out: list[str] = []
        chosen = {name: options.pop(name) for name in WatchOptions.__slots__ if name in options}
        projection = options.pop("projection", Projection(scope.resource, metadata_only=scope.metadata_only))
        self.reflector = Reflector(
            client,
            scope,
            self.sink,
            projection,
            clock=self.clock,
            random=options.pop("random", Random(7)),
            logger=options.pop("logger", structlog.get_logger()),
            options=WatchOptions(**{"watch_list": False} | chosen),
            count=self.left_out.append,
            **options,
        )
        self.thread = threading.Thread(target=self.reflector.run, daemon=True)

    def start(self) -> RunningReflector:
        self.thread.start()
        return self

    def waits_s(self) -> float:
        """Blocks until the reflector backs off; for how long it does, in virtual seconds."""
        self.clock.until_waiting(condition=self.reflector._condition)
        ((_, until),) = self.clock._waiting.values()
        assert until is not None
        return until - self.clock.monotonic()

    def pass_the_wait(self) -> float:
        """Lets the back-off pass; gives how long it was."""
        seconds = self.waits_s()
        self.clock.advance(seconds + 0.001)  # past it, whatever floating point makes of the sum
        return seconds

    def stop(self) -> None:
        self.reflector.stop()
        self.thread.join(LIMIT_S)
        assert not self.thread.is_alive(), "the reflector did not stop"


@pytest.fixture
def server() -> Iterator[ScriptedServer]:
    with ScriptedServer() as running:
        yield running


@pytest.fixture
def client(server: ScriptedServer) -> Iterator[Client]:
    made = Client(Configuration(host=server.url), user_agent="test/1", timeout_s=10)
    yield made
    made.close()


@pytest.fixture
def reflect(client: Client) -> Iterator[Callable[..., RunningReflector]]:
    """Starts reflectors and stops them in the end."""
    running: list[RunningReflector] = []

    def start(**options: Any) -> RunningReflector:
        running.append(RunningReflector(client, **options))
        return running[-1].start()

    yield start
    for reflector in running:
        reflector.stop()
