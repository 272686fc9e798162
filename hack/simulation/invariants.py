"""What must hold in every run: checked with each write, now and then while it runs, and at rest."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator, Mapping
from functools import cache
from typing import TYPE_CHECKING, Any

from hack.localcluster.double.state import Row
from hack.simulation.http import HttpRequest
from hack.simulation.network import Server
from hack.simulation.operator import NAMESPACE, OneAtATime, OperatorProcess, WatchedCollection
from hack.simulation.scheduler import Process
from hack.simulation.servers import waiting_values
from informers.errors import NotFound
from informers.lease import LEASES, LeaseRecord
from informers.resource import Manifest, ObjectKey
from reconcilers.api.resources import DITTOFS_SHARE
from reconcilers.api.share import ShareCondition

if TYPE_CHECKING:
    from hack.simulation.world import World

CONVERGES = "converges"
ONE_WRITER = "never two writers"
ONE_PASS = "no key twice at once"
NOTHING_LOST = "nothing lost at rest"
NO_WRITES = "zero writes at rest"
BACKS_OFF = "no loop without back-off"
BOUNDED = "bounded memory"
NO_UNTRUTH = "told is what is in force"

LEASE = ObjectKey(NAMESPACE, "dittofs-operator")

#: What parts hold at most, in entries of their containers: while a run goes on, and at rest. A run has some 40 objects.
_BOUNDS: Mapping[str, tuple[int, int]] = {
    "controller": (600, 400),
    "handler": (200, 10),
    "recorder": (300, 200),
    "applier": (100, 60),
    "connections": (50, 30),
    "tasks": (80, 60),
}

#: So many requests and passes of one process in so short a time are a loop without back-off.
_MANY = 600
_SHORT_TIME_S = 5.0

#: What is known of objects and metrics is not a part's own.
_NOT_OWN = frozenset(("Store", "Client", "Metrics", "SharedInformer", "CollectorRegistry", "LeaseElector"))
_DEPTH = 8
_OURS = ("informers.", "reconcilers.")


def changes_something(server: Server, request: HttpRequest) -> bool:
    """Whether it is a write that has to pass the gate: leases and logins have none."""
    if not request.writes:
        return False
    return "/leases" not in request.path if server.name == "api" else "/auth/" not in request.path


def check_writer(world: World, server: Server, request: HttpRequest) -> None:
    """Two processes must never write: another one's gate is open, or the lease is another one's."""
    writer = next((operator for operator in world.operators if operator.process is request.process), None)
    if writer is None or not changes_something(server, request):
        return
    what = f"{request.method} {request.path} of {writer.process.name} arrives while"
    for other in world.operators:
        if other is not writer and other.may_write:
            world.violate(ONE_WRITER, f"{what} {other.process.name} may write")
            return
    try:
        holder = LeaseRecord.of(world.client.get(LEASES, LEASE)).holder
    except NotFound:
        holder = ""
    own = writer.elector.identity if writer.elector is not None else ""
    if holder not in ("", own):
        world.violate(ONE_WRITER, f"{what} {holder} holds the lease")


def check_pace(world: World, process: Process, what: str) -> None:
    """Nobody repeats anything without backing off."""
    sent = world.pace.setdefault(process, deque(maxlen=_MANY))
    sent.append(world.scheduler.now)
    if len(sent) == _MANY and sent[-1] - sent[0] < _SHORT_TIME_S:
        sent.clear()
        many = f"{_MANY} times in {_SHORT_TIME_S:g} s"
        world.violate(BACKS_OFF, f"{process.name} asks {many} for something, at last {what}")


def check_stores(world: World) -> None:
    """At rest every cache is what the API server has."""
    for operator in world.running:
        for watched in operator.informers:
            for text in _stale(world, watched):
                world.violate(NOTHING_LOST, f"{operator.process.name}: {text}")


def check_in_force(world: World) -> None:
    """At rest every share that is in sync tells what its server runs with, or that nobody can tell."""
    endpoints = world.cluster.kubelet.endpoints()
    for share in world.client.list(DITTOFS_SHARE, limit=0).items:
        endpoint, status = endpoints.get(share["spec"]["instanceRef"]["name"]), share.get("status") or {}
        told = {entry["type"]: entry["status"] for entry in status.get("conditions") or ()}
        if endpoint is None or told.get(ShareCondition.SYNCED) != "True":
            continue
        row = next(row for row in endpoint.double.rows("shares").values() if row["id"] == status["shareID"])
        truth, wanted, name = endpoint.in_force[row["id"]], waiting_values(row), share["metadata"]["name"]
        values, answer = status["inForce"].get("values", {}), told[ShareCondition.RESTART_REQUIRED]
        if status["inForce"]["known"] and values != truth:
            world.violate(NO_UNTRUTH, f"share {name} tells that {values} is in force, and it is {truth}")
        elif answer != "Unknown" and (answer == "True") != (truth != wanted):
            world.violate(NO_UNTRUTH, f"share {name}, of which {truth} is in force, not {wanted}, waits: {answer}")
        elif answer == "Unknown" and row["id"] not in world.cluster.kubelet.spoiled and _is_newer(row, share):
            world.violate(NO_UNTRUTH, f"share {name}, which the operator made, does not tell what is in force: {truth}")


def check_sizes(world: World, *, at_rest: bool) -> None:
    """Nothing grows without bound."""
    for operator in world.running:
        for name, size in sizes(world, operator):
            bound = _BOUNDS[name.partition(" ")[0]][at_rest]
            if size > bound:
                when = "at rest" if at_rest else "while it runs"
                world.violate(BOUNDED, f"{operator.process.name}: {name} holds {size} {when}, more than {bound}")


def sizes(world: World, operator: OperatorProcess) -> Iterator[tuple[str, int]]:
    """How much the parts of `operator` hold; the first word of a name is the sort of the part."""
    for controller in operator.controllers:
        yield f"controller {controller.name}", _entries(controller)
    for watched in operator.informers:
        for registration in watched.registrations:
            yield f"handler {registration.name} of {watched.resource.kind}", _entries(registration)
    for recorder in operator.recorders:
        yield "recorder", _entries(recorder)
    for applier in operator.appliers:
        yield "applier", _entries(applier)
    process = operator.process
    yield "connections", sum(connection.process is process for connection in world.network.connections)
    yield "tasks", sum(task.process is process and not task.done for task in world.scheduler.tasks)


def _is_newer(row: Row, share: Manifest) -> bool:
    return bool(row["created_at"] >= share["metadata"]["creationTimestamp"])


def _stale(world: World, watched: WatchedCollection) -> Iterator[str]:
    resource, store = watched.resource, watched.informer.store
    try:
        items = world.client.list(resource, label_selector=watched.label_selector, limit=0).items
    except NotFound:  # the type itself
        items = []
    there = {ObjectKey.of(obj): obj["metadata"]["resourceVersion"] for obj in items}
    known = store.keys()
    here = {key: view["metadata"]["resourceVersion"] for key in known if (view := store.get(key)) is not None}
    for key in sorted({*there, *here}, key=str):
        if there.get(key) != here.get(key):
            versions = f"at version {here.get(key)}, and at {there.get(key)} on the server"
            yield f"{resource.kind} {key} is cached {versions}"


def _entries(part: object) -> int:
    """How many entries the containers hold that `part` and what belongs to it consist of."""
    return _count(part, set(), _DEPTH)


def _count(value: Any, seen: set[int], depth: int) -> int:
    if depth == 0 or id(value) in seen:
        return 0
    if isinstance(value, (dict, list, set, frozenset, deque, tuple)):
        seen.add(id(value))
        inner = value.values() if isinstance(value, dict) else value
        own = 0 if isinstance(value, tuple) else len(value)
        return own + sum(_count(entry, seen, depth - 1) for entry in inner)
    kind: Any = type(value)
    if not _is_counted(kind):
        return 0
    seen.add(id(value))
    names = sorted({*getattr(value, "__dict__", ()), *_slots(kind)})
    return sum(_count(getattr(value, name, None), seen, depth - 1) for name in names)


@cache
def _is_counted(kind: Any) -> bool:
    ours = kind is OneAtATime or any(base.__module__.startswith(_OURS) for base in kind.__mro__)
    return ours and kind.__name__ not in _NOT_OWN


@cache
def _slots(kind: Any) -> tuple[str, ...]:
    return tuple(slot for base in kind.__mro__ for slot in getattr(base, "__slots__", ()))
