"""One process of the operator: the real program, with its parts within reach of the invariants.

The parts are subclasses that only look on; `Parts` is also where a test puts one with a bug.
"""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from random import Random
from typing import Any, Protocol

from kubernetes.client import Configuration

from dittofs_operator import program as program_module
from dittofs_operator.program import Program
from dittofs_operator.settings import Settings
from hack.simulation.scheduler import Process, Scheduler
from hack.simulation.servers import API_HOST, API_PORT, TOKEN
from hack.simulation.trace import Trace, TraceLogger
from informers.apply import Applier
from informers.configuration import ConnectionSettings
from informers.controller import Controller
from informers.delivery import Registration
from informers.election import LeaseElector
from informers.events import EventRecorder
from informers.informer import SharedInformer
from informers.resource import ObjectKey, Resource
from informers.result import Result

NAMESPACE = "dittofs-system"

#: Called with what is wrong when a key is reconciled twice at once.
Complain = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class Parts:
    """What the program is made of; a name is that in `dittofs_operator.program`."""

    replaced: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class WatchedCollection:
    """An informer, what it is asked to watch, and who listens."""

    informer: SharedInformer
    resource: Resource
    label_selector: str
    registrations: list[Registration]


class Reconciles(Protocol):
    """A reconciler."""

    def reconcile(self, key: ObjectKey) -> Result:
        """One pass."""


class OneAtATime:
    """A reconciler that notices when a key is in two passes at once."""

    def __init__(
        self, inner: Reconciles, name: str, scheduler: Scheduler, complain: Complain, began: Callable[[str], None]
    ) -> None:
        self._inner = inner
        self._name = name
        self._scheduler = scheduler
        self._complain = complain
        self._began = began
        self.active: list[ObjectKey] = []

    def reconcile(self, key: ObjectKey) -> Result:
        """One pass."""
        if key in self.active:
            self._complain(f"{self._scheduler.process.name}: controller {self._name} has {key} in two passes at once")
        self.active.append(key)
        self._began(f"a pass of {self._name} for {key}")
        try:
            return self._inner.reconcile(key)
        finally:
            self.active.remove(key)


class OperatorProcess:
    """One operator, from its start to its end or its death."""

    def __init__(
        self,
        name: str,
        *,
        scheduler: Scheduler,
        random: Random,
        trace: Trace,
        complain: Complain,
        began: Callable[[str], None],
        parts: Parts,
    ) -> None:
        """`complain` is told when a key is in two passes, `began` of every pass."""
        self.process = Process(name)
        self.ended = False
        self.informers: list[WatchedCollection] = []
        self.controllers: list[Controller] = []
        self.recorders: list[EventRecorder] = []
        self.appliers: list[Applier] = []
        self.elector: LeaseElector | None = None
        self._scheduler = scheduler
        self._random = random
        self._trace = trace
        self._complain = complain
        self._began = began
        self._parts = parts
        self._stop: threading.Event | None = None
        scheduler.spawn(self._run, name=name, process=self.process)

    @property
    def may_write(self) -> bool:
        """Whether its write gate is open now."""
        return self.process.alive and not self.ended and self.elector is not None and self.elector.is_leader

    def stop(self) -> None:
        """SIGTERM."""
        if self._stop is not None:
            self._stop.set()

    def _run(self) -> None:
        trace, name = self._trace, self.process.name
        trace.add(name, "starts")
        try:
            program = self._program()
            self._stop = threading.Event()
            program.run(self._stop)
            trace.add(name, "ended")
        except Exception as error:  # noqa: BLE001 - a process that fails ends, and its kubelet starts another
            trace.add(name, f"failed: {type(error).__name__}: {error}")
        finally:
            self.ended = True
            self._scheduler.kill(self.process)

    def _program(self) -> Program:
        configuration = Configuration(host=f"http://{API_HOST}:{API_PORT}")
        configuration.proxy = None
        configuration.api_key["authorization"] = f"Bearer {TOKEN}"
        settings = Settings(
            namespace=NAMESPACE, health_address="0", metrics_address="0", dittofs_workers=2, share_workers=2
        )
        with self._observed():
            return Program(settings, ConnectionSettings(configuration, NAMESPACE, "the simulation"))

    @contextlib.contextmanager
    def _observed(self) -> Iterator[None]:
        """While a program is made, its parts are ones that this object knows."""

        def kept(name: str, into: list[Any]) -> Callable[..., Any]:
            make = self._parts.replaced.get(name) or getattr(program_module, name)

            def construct(*args: Any, **kwargs: Any) -> Any:
                into.append(make(*args, **kwargs))
                return into[-1]

            return construct

        controllers = kept("Controller", self.controllers)
        make_informer = self._parts.replaced.get("SharedInformer") or SharedInformer

        def informer(client: Any, resource: Resource, *, label_selector: str = "", **options: Any) -> SharedInformer:
            made: SharedInformer = make_informer(client, resource, label_selector=label_selector, **options)
            registrations: list[Registration] = []
            self.informers.append(WatchedCollection(made, resource, label_selector, registrations))
            add_handler = made.add_handler

            def remembered(*args: Any, **kwargs: Any) -> Registration:
                registrations.append(add_handler(*args, **kwargs))
                return registrations[-1]

            made.add_handler = remembered  # type: ignore[method-assign]
            return made

        def controller(*, name: str, reconciler: Reconciles, **options: Any) -> Any:
            watched = OneAtATime(reconciler, name, self._scheduler, self._complain, self._began)
            return controllers(name=name, reconciler=watched, **options)

        def elector(**options: Any) -> LeaseElector:
            make = self._parts.replaced.get("LeaseElector") or LeaseElector
            self.elector = made = make(**options)
            return made

        logger = TraceLogger(self._trace, self._scheduler)
        replaced: dict[str, Any] = {
            **self._parts.replaced,
            "SharedInformer": informer,
            "EventRecorder": kept("EventRecorder", self.recorders),
            "Applier": kept("Applier", self.appliers),
            "Controller": controller,
            "LeaseElector": elector,
            "Random": lambda: Random(self._random.random()),
            "structlog": _Structlog(logger),
        }
        undo = {name: getattr(program_module, name) for name in replaced}
        for name, value in replaced.items():
            setattr(program_module, name, value)
        try:
            yield
        finally:
            for name, value in undo.items():
                setattr(program_module, name, value)


class _Structlog:
    def __init__(self, logger: TraceLogger) -> None:
        self._logger = logger

    def get_logger(self, *_: object) -> TraceLogger:
        return self._logger
