"""What goes wrong in a run: windows of time drawn from the seed, each with one kind of fault."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from random import Random
from typing import Any

import orjson

#: Faults begin within this time; everything is whole again soon after it.
DURATION_S = 70.0


@dataclass(frozen=True, slots=True)
class Kind:
    """A kind of fault: how likely it is drawn, how long it lasts (seconds), how often it strikes meanwhile."""

    weight: int
    lasts_s: tuple[float, float]
    strikes: tuple[float, float] = (1.0, 1.0)
    #: Whom it may be about: an operator, or one of these.
    targets: tuple[str, ...] = ("",)


#: The kinds that concern requests and streams while their window is open.
WINDOWS: Mapping[str, Kind] = {
    "conflict": Kind(3, (2, 20), (0.1, 0.7)),
    "expired": Kind(3, (2, 20), (0.2, 1.0)),
    "busy": Kind(3, (2, 15), (0.2, 0.9)),
    "error": Kind(3, (2, 20), (0.1, 0.8), ("api", "dittofs")),
    "refused": Kind(2, (1, 25), (1.0, 1.0), ("api", "dittofs")),
    "answer lost": Kind(4, (2, 25), (0.1, 0.6), ("api", "dittofs")),
    "slow": Kind(3, (3, 30), (0.2, 0.8), ("api", "dittofs")),
    "cut": Kind(3, (3, 30), (0.1, 0.8)),
    "garbled": Kind(2, (2, 20), (0.1, 0.5)),
    "duplicated": Kind(3, (5, 40), (0.2, 0.9)),
    "delayed": Kind(3, (5, 40), (0.3, 1.0)),
    "silent": Kind(2, (3, 15), (0.2, 0.8)),
    "no lease": Kind(3, (4, 30), (1.0, 1.0)),
    "lease alone": Kind(2, (4, 30), (1.0, 1.0)),
    "cut off": Kind(2, (4, 30), (1.0, 1.0)),
}

#: The kinds that happen at one moment.
MOMENTS: Mapping[str, int] = {
    "kill before a write": 3,
    "kill after a write": 3,
    "kill": 2,
    "terminate": 2,
    "pause": 4,
    "wall clock": 2,
    "restart of the API server": 2,
    "compaction": 2,
    "another operator": 3,
}

#: A pause may outlast the lease.
_PAUSE_S = (2.0, 30.0)


@dataclass(slots=True)
class Window:
    """One fault, from `start_s` to `end_s`; `target` names whom it is about, `slot` which operator."""

    kind: str
    start_s: float
    end_s: float
    rate: float
    target: str
    slot: int
    resource: str


@dataclass(frozen=True, slots=True)
class Moment:
    """One fault at `at_s`; `amount` says how much."""

    kind: str
    at_s: float
    slot: int
    amount: float


@dataclass(frozen=True, slots=True)
class Plan:
    """All that goes wrong in a run."""

    windows: tuple[Window, ...]
    moments: tuple[Moment, ...]
    operators: int

    def words(self) -> list[str]:
        """The plan for people."""
        lines = [f"{self.operators} operators"]
        lines += [
            f"{w.start_s:6.1f} to {w.end_s:6.1f}  {w.kind} ({w.rate:.0%}) {w.target} {w.resource}"
            + (f" operator {w.slot}" if w.kind in _OF_AN_OPERATOR else "")
            for w in self.windows
        ]
        return lines + [f"{m.at_s:6.1f}            {m.kind} (operator {m.slot}, {m.amount:.1f})" for m in self.moments]


#: Kinds that strike one operator alone.
_OF_AN_OPERATOR = frozenset(("no lease", "lease alone", "cut off"))

CALM = Plan((), (), 1)


def draw(random: Random) -> Plan:
    """A plan."""
    windows = []
    kinds = list(WINDOWS)
    for _ in range(random.randint(2, 8)):
        name = random.choices(kinds, [WINDOWS[kind].weight for kind in kinds])[0]
        kind = WINDOWS[name]
        start_s = random.uniform(0, DURATION_S)
        end_s = min(start_s + random.uniform(*kind.lasts_s), DURATION_S + 5)
        resource = random.choice(_RESOURCES) if random.random() < 0.4 else ""
        windows.append(
            Window(
                name,
                start_s,
                end_s,
                random.uniform(*kind.strikes),
                random.choice(kind.targets),
                random.randrange(3),
                resource,
            )
        )
    names = list(MOMENTS)
    moments = [
        Moment(
            random.choices(names, list(MOMENTS.values()))[0],
            random.uniform(0, DURATION_S),
            random.randrange(3),
            random.uniform(*_PAUSE_S),
        )
        for _ in range(random.randint(0, 5))
    ]
    return Plan(tuple(windows), tuple(sorted(moments, key=lambda moment: moment.at_s)), random.randint(1, 3))


_RESOURCES = ("dittofs", "dittofsshares", "secrets", "configmaps", "statefulsets", "services", "pods")


def refusal(kind: str, server: str, random: Random) -> tuple[int, bytes, dict[str, str]]:
    """Status, body and headers of an injected refusal."""
    if server != "api":
        return 503, b"out of order\n", {"Content-Type": "text/plain"}
    code, reason, headers = {
        "conflict": (409, "Conflict", {}),
        "expired": (410, "Expired", {}),
        "busy": (429, "TooManyRequests", {"Retry-After": str(random.randint(1, 4))}),
    }.get(kind) or random.choice(((500, "InternalError", {}), (503, "ServiceUnavailable", {}), (504, "Timeout", {})))
    return code, orjson.dumps(status(code, reason)), {"Content-Type": "application/json", **headers}


def status(code: int, reason: str) -> dict[str, Any]:
    """A Status object."""
    return {
        "kind": "Status",
        "apiVersion": "v1",
        "metadata": {},
        "status": "Failure",
        "message": f"simulated: {reason}",
        "reason": reason,
        "code": code,
    }


#: Called with the plan's moments when their time has come.
Strike = Callable[[Moment], None]
