"""A server that accepts connections and never answers delays the shares of no other server."""

from __future__ import annotations

import contextlib
import socket
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import structlog
from prometheus_client import CollectorRegistry

from informers.clock import SystemClock
from informers.controller import Controller
from informers.event import Event
from informers.groups import Grouping
from informers.listwatch import Scope
from informers.metrics import Metrics
from informers.resource import ObjectKey
from informers.result import Done
from informers.store import Store
from reconcilers.api.resources import DITTOFS, DITTOFS_SHARE
from reconcilers.share.caches import server_of_share
from tests.support.eventually import eventually
from tests.support.share_world import INSTANCE, ShareWorld, share_world

#: More than there are workers, so that a server without a bound would hold them all.
HANGING = 12
SERVED = 8
WORKERS = 6
PER_SERVER = 2


class SilentServer:
    """Takes connections and says nothing."""

    def __init__(self) -> None:
        self.waiting: list[socket.socket] = []
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port = int(self._listener.getsockname()[1])
        self._thread = threading.Thread(target=self._accept, daemon=True)
        self._thread.start()

    def _accept(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                self.waiting.append(self._listener.accept()[0])

    def hang_up(self) -> None:
        """End: who waits learns it, and nobody can come."""
        self._listener.shutdown(socket.SHUT_RDWR)
        self._thread.join(5)
        self._listener.close()
        for connection in self.waiting:
            connection.close()


@pytest.fixture
def silent() -> Iterator[SilentServer]:
    server = SilentServer()
    yield server
    with contextlib.suppress(OSError):
        server.hang_up()


class Objects:
    """The shares of a world, as the informer of a controller."""

    def __init__(self, world: ShareWorld) -> None:
        self.store: Store = world.objects.shares
        self.scope = Scope(DITTOFS_SHARE)
        self.has_synced = True

    def add_handler(self, handler: Callable[[Event], None], *, name: str) -> Objects:
        return self


def put_hanging_instance(world: ShareWorld, port: int) -> None:
    """A second instance, whose server is at `port`."""
    manifest = world.objects.get(DITTOFS, INSTANCE)
    manifest["metadata"] |= {"name": "hanging", "uid": "i2"}
    manifest["status"]["endpoints"]["api"] |= {"clusterIP": "127.0.0.1", "port": port}
    world.objects.put(manifest)


def phase(world: ShareWorld, key: ObjectKey) -> str:
    view = world.objects.shares.get(key)
    return "" if view is None else str((view.get("status") or {}).get("phase") or "")


def test_a_hung_server_holds_as_many_workers_as_its_bound_and_nobody_else(tmp_path: Path, silent: SilentServer) -> None:
    with share_world(tmp_path) as world:
        put_hanging_instance(world, silent.port)
        hanging = [world.put_share(f"hanging-{number}", instanceRef={"name": "hanging"}) for number in range(HANGING)]
        served = [world.put_share(f"served-{number}") for number in range(SERVED)]
        for key in (*hanging, *served):
            assert world.reconciler.reconcile(key) == Done()  # which puts the finalizer on
        controller = Controller(
            name="dittofsshare",
            reconciler=world.reconciler,
            workers=WORKERS,
            clock=SystemClock(),
            metrics=Metrics(CollectorRegistry()),
            logger=structlog.get_logger(),
            grouping=Grouping(of=server_of_share(world.objects.shares), limit=PER_SERVER),
        )
        controller.watch(Objects(world), lambda event: ())
        controller.start()
        for key in (*hanging, *served):
            controller.enqueue(key)
        eventually(lambda: silent.waiting, 10, what="somebody who waits for the hung server")
        eventually(lambda: all(phase(world, key) == "Ready" for key in served), 10, what="the other shares")

        assert {phase(world, key) for key in hanging} == {""}
        assert len(silent.waiting) <= PER_SERVER
        silent.hang_up()
        assert controller.stop(10)
