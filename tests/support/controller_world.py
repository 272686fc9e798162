"""A controller with a source, a reconciler and a clock that a test decides."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable
from typing import Any

import structlog
from prometheus_client import CollectorRegistry
from structlog.contextvars import merge_contextvars
from structlog.testing import LogCapture

from informers.controller import Controller
from informers.event import Event
from informers.listwatch import Scope
from informers.mapper import own_key
from informers.metrics import Metrics
from informers.ratelimit import ItemExponential
from informers.resource import ObjectKey, Resource, View
from informers.result import Done, Result
from informers.workqueue import WorkQueue
from tests.support.clock import FakeClock

THINGS = Resource(group="demo.io", version="v1", plural="things", kind="Thing")
THING_A, THING_B = ObjectKey("default", "a"), ObjectKey("default", "b")

_MARK = ObjectKey("", "mark")


def thing(name: str, version: str = "1", **fields: Any) -> View:
    return {"metadata": {"namespace": "default", "name": name, "resourceVersion": version}, **fields}


class Handler:
    def __init__(self, call: Callable[[Event], None]) -> None:
        self.call = call
        self.has_synced = False


class FakeSource:
    """An informer whose events and sync state the test decides."""

    scope = Scope(THINGS)
    resource_version = ""

    def __init__(self, *objects: View, synced: bool = True) -> None:
        self.objects = list(objects)
        self.handlers: list[Handler] = []
        self._synced = synced

    @property
    def store(self) -> FakeSource:
        return self

    def list(self, namespace: str = "") -> Iterable[View]:
        return list(self.objects)

    def version_of(self, namespace: str) -> str:
        return self.resource_version

    def peek(self, key: ObjectKey) -> View | None:
        return next((view for view in self.objects if ObjectKey.of(view) == key), None)

    def add_handler(self, handler: Callable[[Event], None], *, name: str) -> Handler:
        self.handlers.append(Handler(handler))
        self.handlers[-1].has_synced = self._synced
        return self.handlers[-1]

    def emit(self, event: Event) -> None:
        for handler in self.handlers:
            handler.call(event)


Outcome = Result | BaseException | None | Callable[[ObjectKey], Result]


class Script:
    """A reconciler that does what the test says: gives, raises or calls one thing after the other, then is done.

    It counts how many passes of a key run at once.
    """

    def __init__(self, *results: Outcome) -> None:
        self.results = list(results)
        self.keys: list[ObjectKey] = []
        self.overlaps = 0
        self.entered = threading.Semaphore(0)
        self.marked = threading.Semaphore(0)
        self.blocked: threading.Event | None = None
        self._in_work: set[ObjectKey] = set()

    def reconcile(self, key: ObjectKey) -> Result:
        if key == _MARK:
            self.marked.release()
            return Done()
        self.overlaps += key in self._in_work
        self._in_work.add(key)
        self.keys.append(key)
        self.entered.release()
        if self.blocked is not None:
            assert self.blocked.wait(20)
        self._in_work.discard(key)
        result = self.results.pop(0) if self.results else Done()
        if callable(result):
            return result(key)
        if isinstance(result, BaseException):
            raise result
        return result  # type: ignore[return-value] # None stands for a reconciler that breaks its contract

    def wait_for_passes(self, count: int) -> None:
        for _ in range(count):
            assert self.entered.acquire(timeout=20)


class World:
    """A controller with everything it is given."""

    def __init__(
        self,
        script: Script,
        *sources: FakeSource,
        workers: int = 1,
        sync_timeout_s: float = 120,
        timeout_s: float | None = None,
    ) -> None:
        self.clock = FakeClock()
        self.registry = CollectorRegistry()
        self.script = script
        self.log = LogCapture()
        self.controller = Controller(
            name="things",
            reconciler=script,
            clock=self.clock,
            metrics=Metrics(self.registry),
            logger=structlog.wrap_logger(None, processors=[merge_contextvars, self.log]),
            workers=workers,
            limiter=lambda _clock: ItemExponential(base_s=1),
            timeout_s=timeout_s,
            sync_timeout_s=sync_timeout_s,
        )
        for source in sources:
            self.controller.watch(source, own_key)

    def idle(self, workers: int = 1) -> None:
        """All workers wait for keys."""
        self.clock.until_waiting(workers, condition=self.queue._ready)

    def caught_up(self) -> None:
        """The only worker has been through all that was ready, and waits."""
        self.controller.enqueue(_MARK)
        assert self.script.marked.acquire(timeout=20)
        self.idle()

    def failures(self, key: ObjectKey = THING_A) -> int:
        return self.queue.failures(key)

    @property
    def queue(self) -> WorkQueue[ObjectKey]:
        assert self.controller._run is not None
        return self.controller._run.queue

    def metric(self, name: str, **labels: str) -> float | None:
        return self.registry.get_sample_value(f"controller_{name}", {"controller": "things", **labels})

    def lines(self, event: str) -> list[dict[str, Any]]:
        return [{**entry, "cause": str(entry.get("cause"))} for entry in self.log.entries if entry["event"] == event]


def started(script: Script, *sources: FakeSource, workers: int = 1, timeout_s: float | None = None) -> World:
    world = World(script, *sources, workers=workers, timeout_s=timeout_s)
    world.controller.start()
    return world


def one_pass(result: Outcome) -> World:
    """A world after exactly one pass of A that ended with `result`."""
    world = started(Script(result), FakeSource(thing("a")))
    world.script.wait_for_passes(1)
    world.idle()
    return world
