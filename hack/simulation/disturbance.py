"""Lets a plan of faults happen: at each connection, request and chunk of a stream, and at the moments of the plan."""

from __future__ import annotations

from random import Random
from typing import TYPE_CHECKING

import orjson

from hack.simulation.faults import Moment, Plan, Window, refusal, status
from hack.simulation.http import HttpRequest, HttpResponse
from hack.simulation.network import Chunk, Connection, Server
from hack.simulation.operator import OperatorProcess
from hack.simulation.scheduler import Process

if TYPE_CHECKING:
    from hack.simulation.world import World

#: An answer of a slow server takes up to this long; a request for longer than that has arrived or never will, since a
#: lease leaves 5 s between the last write of one leader and the first of the next.
_SLOW_S = 4.0
_DELAY_S = 8.0

#: So many operators run at most.
_MOST_OPERATORS = 3
_RESTART_S = (0.5, 4.0)


class Faults:
    """The `Disturbance` of one run."""

    def __init__(self, plan: Plan, random: Random) -> None:
        self.plan = plan
        self.wanted = plan.operators
        self._random = random
        self._healed = False
        self._kills: dict[str, str] = {}
        self._down_until = 0.0
        self._start_s = 0.0
        self._world: World | None = None

    def begin(self, world: World) -> None:
        """Start the clock of the plan."""
        self._world = world
        self._start_s = world.scheduler.now
        for moment in self.plan.moments:
            world.scheduler.at(moment.at_s, lambda moment=moment: self._strike(moment))  # type: ignore[misc]
        self._supervise()

    def heal(self) -> None:
        """Nothing goes wrong any more; what is broken gets whole."""
        self._healed = True
        self._kills.clear()

    # --- the network

    def on_connect(self, process: Process, server: str) -> str:
        """Empty, `refused` or `silent`."""
        side = "api" if server == "api" else "dittofs"
        if side == "api" and self._now() < self._down_until:
            return "refused"
        if self._hits("refused", process, target=side):
            return "refused"
        return "silent" if self._hits("cut off", process) else ""

    def handle(self, server: Server, request: HttpRequest) -> tuple[HttpResponse | None, float, bool]:
        """Answer in the place of `server`."""
        world, process, random = self._the_world, request.process, self._random
        is_lease = "/leases/" in request.path or request.path.endswith("/leases")
        if self._is_cut_off(process, is_lease=is_lease) or (server.name == "api" and self._now() < self._down_until):
            return None, 0.0, random.random() < 0.3
        side = "api" if server.name == "api" else "dittofs"
        for kind in _REFUSALS:
            if self._applies(kind, server, request) and self._hits(kind, process, target=side, path=request.path):
                code, body, headers = refusal(kind, server.name, random)
                return HttpResponse(code, body, headers=headers), 0.0, False
        if request.writes and not is_lease and self._kills.pop(process.name, "") == "before":
            self._kill(process)
            return None, 0.0, False
        kills_after = request.writes and not is_lease and self._kills.pop(process.name, "") == "after"
        world.arrived(server, request)
        response = server.answer(request)
        if kills_after:
            self._kill(process)
            return None, 0.0, False
        if self._hits("answer lost", process, target=side, path=request.path):
            return None, 0.0, random.random() < 0.7
        slow = self._hits("slow", process, target=side, path=request.path)
        return response, random.uniform(0.1, _SLOW_S) if slow else 0.0, False

    def on_chunk(self, connection: Connection, chunk: bytes) -> Chunk:
        """What becomes of a chunk of a stream."""
        process, random = connection.process, self._random
        path = connection.watching.path if connection.watching is not None else ""
        if self._is_cut_off(process, is_lease=False):
            return Chunk((), silence=True)
        if self._hits("silent", process, path=path):
            return Chunk((), silence=True)
        if self._hits("cut", process, path=path):
            return Chunk((chunk[: random.randrange(len(chunk))],), reset=True)
        if self._hits("garbled", process, path=path):
            place = random.randrange(1, len(chunk) - 1)
            # Bytes that no JSON has: what makes one text of another is kept out by TCP and TLS.
            return Chunk((chunk[:place] + random.choice((b"\x00", b"\xff")) + chunk[place + 1 :],))
        if self._hits("expired", process, path=path):
            return Chunk((orjson.dumps({"type": "ERROR", "object": status(410, "Expired")}) + b"\n",), reset=True)
        delay_s = random.uniform(0, _DELAY_S) if self._hits("delayed", process, path=path) else 0.0
        twice = self._hits("duplicated", process, path=path)
        return Chunk((chunk, chunk) if twice else (chunk,), delay_s)

    # --- the processes

    def _supervise(self) -> None:
        """Start operators until enough run, as a Deployment does."""
        world = self._the_world
        if len(world.running) < self.wanted:
            world.start_operator()
        world.scheduler.at(self._random.uniform(*_RESTART_S), self._supervise)

    def _strike(self, moment: Moment) -> None:
        world, random = self._the_world, self._random
        operator = self._operator(moment.slot)
        if self._healed or operator is None:
            return
        name = operator.process.name
        world.trace.add("fault", f"{moment.kind} {name} {moment.amount:.1f}")
        match moment.kind:
            case "kill before a write" | "kill after a write":
                self._kills[name] = moment.kind.split()[1]
            case "kill":
                self._kill(operator.process)
            case "terminate":
                operator.stop()
            case "pause":
                world.scheduler.pause(operator.process, moment.amount)
            case "wall clock":
                operator.process.wall_offset_s = random.choice((-3600.0, 3600.0, 40.0, -40.0))
            case "restart of the API server":
                self._down_until = self._now() + moment.amount / 3
                world.network.break_all(lambda connection: connection.server.name == "api")
                world.api.server.compact()
            case "compaction":
                world.api.server.compact()
            case "another operator":
                self.wanted = min(_MOST_OPERATORS, self.wanted + 1)
            case kind:
                raise ValueError(f"{kind} is no fault")

    def _kill(self, process: Process) -> None:
        self._the_world.trace.add("fault", f"{process.name} is killed")
        self._the_world.scheduler.kill(process)

    def _operator(self, slot: int) -> OperatorProcess | None:
        """The leader for slot 0, another one for the others, if there is any."""
        running = self._the_world.running
        leaders = [operator for operator in running if operator.may_write]
        others = [operator for operator in running if not operator.may_write]
        ordered = leaders + others
        return ordered[slot % len(ordered)] if ordered else None

    # --- the windows

    @property
    def _the_world(self) -> World:
        if self._world is None:
            raise RuntimeError("the plan has not begun")
        return self._world

    def _now(self) -> float:
        return self._the_world.scheduler.now - self._start_s

    def _is_cut_off(self, process: Process, *, is_lease: bool) -> bool:
        if self._hits("cut off", process):
            return True
        return self._hits("no lease" if is_lease else "lease alone", process)

    def _applies(self, kind: str, server: Server, request: HttpRequest) -> bool:
        if server.name != "api":
            return kind == "error"
        if kind == "conflict":
            return request.method in ("PUT", "PATCH")
        if kind == "expired":
            return request.method == "GET" and "resourceVersion=" in request.query
        return True

    def _hits(self, kind: str, process: Process, *, target: str = "", path: str = "") -> bool:
        if self._healed or not self.plan.windows:
            return False
        now = self._now()
        for window in self.plan.windows:
            if (
                window.kind == kind
                and window.start_s <= now < window.end_s
                and self._is_about(window, process, target, path)
            ):
                return window.rate >= 1.0 or self._random.random() < window.rate
        return False

    def _is_about(self, window: Window, process: Process, target: str, path: str) -> bool:
        if window.target and target and window.target != target:
            return False
        if window.resource and path and not path.endswith(f"/{window.resource}") and f"/{window.resource}/" not in path:
            return False
        if window.kind in _OF_AN_OPERATOR:
            number = int(process.name.rpartition("-")[2])
            return number % 3 == window.slot or self._the_world.running[:1] == [] or len(self._the_world.running) == 1
        return True


_REFUSALS = ("conflict", "expired", "busy", "error")
_OF_AN_OPERATOR = frozenset(("no lease", "lease alone", "cut off"))
