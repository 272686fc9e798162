"""Puts a run's scheduler, network and entropy in the place of the machine's, for the thread that simulates alone."""

from __future__ import annotations

import contextlib
import os
import random
import secrets
import socket
import threading
import time
import types
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta, tzinfo
from importlib import import_module
from random import Random
from typing import Any

import urllib3.connection
import urllib3.util.connection

from hack.simulation import primitives
from hack.simulation.network import Network
from hack.simulation.scheduler import Scheduler
from hack.simulation.sockets import SimulatedSocket

#: The wall clock at the start of every run.
EPOCH = datetime(2030, 1, 2, 3, 4, 5, tzinfo=UTC)

#: Modules that hold `datetime` by its own name, and ask it for the time.
_WALL_CLOCK_READERS = (
    "informers.clock",
    "hack.localcluster.apiserver.lifecycle",
    "hack.localcluster.apiserver.metadata",
    "hack.localcluster.controllers.stateful_sets",
    "hack.localcluster.double.accounts",
    "hack.localcluster.double.answers",
)


def _made_with_locks() -> list[types.FunctionType]:
    """The constructors of dataclasses that took `threading.Lock` itself for the default of their field `lock`."""
    return [import_module("reconcilers.share.listings")._Entry.__init__]  # noqa: SLF001 - there is no other seam


class Virtual:
    """The machine as the simulated processes see it."""

    def __init__(self, scheduler: Scheduler, network: Network, entropy: Random) -> None:
        self.scheduler = scheduler
        self._network = network
        self._entropy = entropy
        self._started_at = scheduler.now
        self._real_thread = threading.current_thread()

    def monotonic(self, *_: object) -> float:
        """The same for all."""
        return self.scheduler.now

    def now(self) -> datetime:
        """The wall clock of the process that asks."""
        offset_s = self.scheduler.process.wall_offset_s
        return EPOCH + timedelta(seconds=self.scheduler.now - self._started_at + offset_s)

    def timestamp(self) -> float:
        """`time.time`."""
        return self.now().timestamp()

    def randbytes(self, size: int) -> bytes:
        """`os.urandom`."""
        return self._entropy.randbytes(size)

    def thread(
        self, group: None = None, target: Callable[..., Any] = lambda: None, name: str = "", **options: Any
    ) -> primitives.Thread:
        """`threading.Thread`."""
        del group
        return primitives.Thread(self.scheduler, target, name=name, **options)

    def lock(self) -> primitives.Lock:
        """`threading.Lock`."""
        return primitives.Lock(self.scheduler, gives_way=primitives.is_under_test(3))

    def reentrant_lock(self) -> primitives.Lock:
        """`threading.RLock`."""
        return primitives.Lock(self.scheduler, reentrant=True, gives_way=primitives.is_under_test(3))

    def condition(self, lock: primitives.Lock | None = None) -> primitives.Condition:
        """`threading.Condition`."""
        return primitives.Condition(self.scheduler, lock, gives_way=primitives.is_under_test(3))

    def event(self) -> primitives.Event:
        """`threading.Event`."""
        return primitives.Event(self.scheduler)

    def semaphore(self, value: int = 1) -> primitives.Semaphore:
        """`threading.Semaphore`."""
        return primitives.Semaphore(self.scheduler, value)

    def current_thread(self) -> object:
        """`threading.current_thread`."""
        task = self.scheduler.current
        return task.thread if task is not None and task.thread is not None else self._real_thread

    def host_name(self) -> str:
        """`socket.gethostname`."""
        return self.scheduler.process.name

    def connect(self, address: tuple[str, int], timeout: Any = None, **_: Any) -> SimulatedSocket:
        """`urllib3.util.connection.create_connection`."""
        return self._network.connect(address, timeout if isinstance(timeout, (int, float)) else None)


@contextlib.contextmanager
def installed(virtual: Virtual) -> Iterator[None]:
    """While inside, this thread has the virtual machine; other threads of the Python process keep the real one."""
    me = threading.get_ident()

    class _DateTime(datetime):
        @classmethod
        def now(cls, tz: tzinfo | None = None) -> datetime:  # type: ignore[override]
            return virtual.now().astimezone(tz) if threading.get_ident() == me else datetime.now(tz)

    def here(simulated: Callable[..., Any], real: Callable[..., Any]) -> Callable[..., Any]:
        def choose(*args: Any, **kwargs: Any) -> Any:
            return (simulated if threading.get_ident() == me else real)(*args, **kwargs)

        return choose

    connections = import_module("informers.connections")
    replaced: list[tuple[types.ModuleType | Any, str, Any]] = [
        (threading, "Thread", virtual.thread),
        (threading, "Lock", virtual.lock),
        (threading, "RLock", virtual.reentrant_lock),
        (threading, "Condition", virtual.condition),
        (threading, "Event", virtual.event),
        (threading, "Semaphore", virtual.semaphore),
        (threading, "current_thread", virtual.current_thread),
        (time, "monotonic", virtual.monotonic),
        (time, "time", virtual.timestamp),
        (time, "clock_gettime", virtual.monotonic),
        (time, "sleep", virtual.scheduler.sleep),
        (os, "urandom", virtual.randbytes),
        (random, "_urandom", virtual.randbytes),
        (secrets, "token_bytes", virtual.randbytes),
        (socket, "gethostname", virtual.host_name),
        (urllib3.util.connection, "create_connection", virtual.connect),
    ]
    undo = [(owner, name, getattr(owner, name)) for owner, name, _ in replaced]
    for owner, name, simulated in replaced:
        setattr(owner, name, here(simulated, getattr(owner, name)))

    def replace(owner: Any, name: str, value: Any) -> None:
        undo.append((owner, name, getattr(owner, name)))
        setattr(owner, name, value)

    shut_down = connections._shut_down  # noqa: SLF001 - a seam of its own
    wait_for_read = urllib3.util.wait_for_read
    replace(
        connections,
        "_shut_down",
        lambda used: used.shutdown(socket.SHUT_RDWR) if isinstance(used, SimulatedSocket) else shut_down(used),
    )
    others = connections._THREAD  # noqa: SLF001 - the same
    replace(connections, "_THREAD", primitives.Local(virtual.scheduler, others))
    replace(
        urllib3.connection,
        "wait_for_read",
        lambda sock, timeout=None: (
            sock.is_readable() if isinstance(sock, SimulatedSocket) else wait_for_read(sock, timeout)
        ),
    )
    for reader in _WALL_CLOCK_READERS:
        replace(import_module(reader), "datetime", _DateTime)
    for init in _made_with_locks():
        cells = dict(zip(init.__code__.co_freevars, init.__closure__ or (), strict=True))
        replace(cells["_dflt_lock"], "cell_contents", here(virtual.lock, threading.Lock))
    try:
        yield
    finally:
        for owner, name, value in reversed(undo):
            setattr(owner, name, value)
