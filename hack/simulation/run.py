"""Runs a seed: a user's script under the seed's faults, until everything is at rest; and judges what came of it."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from itertools import islice
from random import Random
from typing import Any

from hack.simulation import faults
from hack.simulation.disturbance import Faults
from hack.simulation.end_state import differences, end_state
from hack.simulation.faults import CALM, DURATION_S, Plan
from hack.simulation.invariants import CONVERGES, NO_WRITES, check_in_force, check_sizes, check_stores
from hack.simulation.operator import Parts
from hack.simulation.scheduler import Stuck
from hack.simulation.script import SCRIPTS, Script
from hack.simulation.world import Violation, World, world

#: How long the user's last actions may take when nothing goes wrong any more.
_SCRIPT_S = 600.0
#: How long the operator may take then: its back-off grows to 1000 s.
_CONVERGE_S = 2400.0
#: After that, how long until the last silent stream is replaced.
_SETTLE_S = 90.0
#: How long nobody may write then, and how long after every so many seeds.
REST_S = 120.0
LONG_REST_S = 3600.0
LONG_REST_EVERY = 50

_LOOK_S = 5.0
_SIZES_S = 25.0
_DIFFERENCES = 8


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of a seed."""

    seed: int
    script: int
    digest: str
    plan: Plan
    violations: tuple[Violation, ...]
    trace: tuple[str, ...]
    virtual_s: float
    requests: int


def run(seed: int, *, parts: Parts | None = None, lines: int = 0, patience_s: float = _CONVERGE_S) -> Outcome:
    """Run `seed` and keep so many `lines` of its trace; `parts` is the operator with a bug in it.

    It has `patience_s` seconds to converge after the last fault.

    Raises UndisturbedFailed when the seed's script fails without any fault.
    """
    number = seed % SCRIPTS
    rest_s = LONG_REST_S if seed % LONG_REST_EVERY == LONG_REST_EVERY - 1 else REST_S
    plan = faults.draw(Random(f"{seed}/faults"))
    expected, _ = undisturbed(number)
    return _run(seed, number, plan, expected=expected, parts=parts, rest_s=rest_s, lines=lines, patience_s=patience_s)


@cache
def undisturbed(number: int) -> tuple[dict[str, Any], Outcome]:
    """How script `number` ends when nothing goes wrong, and that run."""
    kept: list[dict[str, Any]] = []
    outcome = _run(-1 - number, number, CALM, expected=None, parts=None, rest_s=REST_S, lines=400, keep=kept.append)
    if outcome.violations:
        raise UndisturbedFailed(outcome)
    return kept[0], outcome


class UndisturbedFailed(Exception):
    """A script fails without any fault."""

    def __init__(self, outcome: Outcome) -> None:
        super().__init__(f"script {outcome.script} fails undisturbed: {outcome.violations[0]}")
        self.outcome = outcome


def _run(
    seed: int,
    number: int,
    plan: Plan,
    *,
    expected: dict[str, Any] | None,
    parts: Parts | None,
    rest_s: float,
    lines: int,
    patience_s: float = _CONVERGE_S,
    keep: Any = None,
) -> Outcome:
    disturbance = Faults(plan, Random(f"{seed}/strikes"))
    with world(str(seed), disturbance, parts) as made:
        start_s = made.scheduler.now
        script = Script(
            number, scheduler=made.scheduler, client=made.client, cluster=made.cluster, trace=made.trace.add
        )
        try:
            _live(made, script, disturbance, calm=plan is CALM)
            if not made.violations:
                found = _rest(made, expected, rest_s, patience_s)
                if keep is not None:
                    keep(found)
        except Stuck as error:
            made.violate(CONVERGES, str(error))
        for task, raised in made.scheduler.failed:
            what = f"{type(raised).__name__}: {raised}"
            made.violate(CONVERGES, f"task {task.name} of {task.process.name} failed: {what}")
        return Outcome(
            seed=seed,
            script=number,
            digest=made.trace.digest,
            plan=plan,
            violations=tuple(made.violations),
            trace=tuple(made.trace.last(lines)),
            virtual_s=made.scheduler.now - start_s,
            requests=made.network.next_number(),
        )


def _live(made: World, script: Script, disturbance: Faults, *, calm: bool) -> None:
    """The user acts while things go wrong; returns when the user is done and nothing goes wrong any more."""
    scheduler = made.scheduler

    def watch_sizes() -> None:
        check_sizes(made, at_rest=False)
        scheduler.at(_SIZES_S, watch_sizes)

    disturbance.begin(made)
    script.start()
    watch_sizes()
    if not calm:
        scheduler.run(DURATION_S + 5, until=lambda: bool(made.violations))
    disturbance.heal()
    made.trace.add("fault", "nothing goes wrong any more")
    scheduler.run(_SCRIPT_S, until=lambda: script.done or bool(made.violations))
    if not script.done and not made.violations:
        made.violate(CONVERGES, f"{_SCRIPT_S:g} s after the last fault, the user still waits: {script.waits_for}")


def _rest(made: World, expected: dict[str, Any] | None, rest_s: float, patience_s: float) -> dict[str, Any]:
    """Wait for the end, and see that it is one; gives what it is."""
    scheduler = made.scheduler
    if expected is None:
        scheduler.run(_SETTLE_S)
    else:
        deadline = scheduler.now + patience_s
        while (found := end_state(made.client, made.cluster)) != expected and not made.violations:
            if scheduler.now > deadline:
                for text in islice(differences(expected, found), _DIFFERENCES):
                    made.violate(CONVERGES, text)
                check_stores(made)
                return found
            scheduler.run(_LOOK_S)
        made.trace.add("fault", "converged")
        scheduler.run(_SETTLE_S, until=lambda: bool(made.violations))
    writes = len(made.writes)
    scheduler.run(rest_s, until=lambda: bool(made.violations))
    for write in made.writes[writes : writes + _DIFFERENCES]:
        made.violate(NO_WRITES, write)
    check_stores(made)
    check_in_force(made)
    check_sizes(made, at_rest=True)
    found = end_state(made.client, made.cluster)
    if expected is not None:
        for text in islice(differences(expected, found), _DIFFERENCES):
            made.violate(CONVERGES, f"after {rest_s:g} s at rest, {text}")
    return found
