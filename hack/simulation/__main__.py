"""`python -m hack.simulation --seeds 1000` or `--seed 42`: says which seeds break an invariant, and replays one."""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from itertools import islice

from hack.simulation.run import Outcome, UndisturbedFailed, run
from hack.simulation.script import SCRIPTS

#: So many lines of the trace of a failed seed are printed.
_LINES = 150
_PROCESSES = 2
_BATCH = 10
_PROGRESS_EVERY = 50


def main() -> int:
    """The exit code: 1 when an invariant does not hold."""
    parser = argparse.ArgumentParser(prog="python -m hack.simulation", description=__doc__)
    parser.add_argument("--seeds", type=int, default=100, help="how many seeds to run (default: 100)")
    parser.add_argument("--first", type=int, default=0, help="the first of them (default: 0)")
    parser.add_argument("--seed", type=int, help="run this one alone, and print its trace")
    parser.add_argument("--lines", type=int, default=_LINES, help=f"lines of a trace to print (default: {_LINES})")
    parser.add_argument("--processes", type=int, default=_PROCESSES, help=f"how many at once (default: {_PROCESSES})")
    arguments = parser.parse_args()
    if arguments.seed is not None:
        outcome = _outcome((arguments.seed, arguments.lines))
        tell(outcome)
        return 1 if outcome.violations else 0
    seeds = range(arguments.first, arguments.first + arguments.seeds)
    return _many(seeds, arguments.lines, processes=arguments.processes)


def _many(seeds: range, lines: int, *, processes: int) -> int:
    began, virtual_s, failed = time.monotonic(), 0.0, []
    for count, outcome in enumerate(_outcomes(seeds, lines, processes), start=1):
        virtual_s += outcome.virtual_s
        if outcome.violations:
            failed.append(outcome.seed)
            tell(outcome)
        if count % _PROGRESS_EVERY == 0:
            print(f"{count} of {len(seeds)} seeds, {len(failed)} failed, {time.monotonic() - began:.0f} s", flush=True)
    took_s = time.monotonic() - began
    judgement = f"{len(failed)} failed: {', '.join(map(str, failed))}" if failed else "every invariant holds"
    pace = f"{took_s:.0f} s ({took_s / len(seeds):.2f} s each), {virtual_s / 3600:.1f} virtual hours"
    print(f"{len(seeds)} seeds in {pace}: {judgement}")
    return 1 if failed else 0


def _outcomes(seeds: range, lines: int, processes: int) -> Iterator[Outcome]:
    """Seeds of one script run in one process, which works its undisturbed end out once."""
    by_script = sorted(seeds, key=lambda seed: seed % SCRIPTS)
    left = iter(by_script)
    batches = list(iter(lambda: list(islice(left, _BATCH)), []))
    with ProcessPoolExecutor(processes) as pool:
        for outcomes in pool.map(_batch, [[(seed, lines) for seed in batch] for batch in batches]):
            yield from outcomes


def _batch(seeds: list[tuple[int, int]]) -> list[Outcome]:
    return [_outcome(seed) for seed in seeds]


def _outcome(seed: tuple[int, int]) -> Outcome:
    try:
        return run(seed[0], lines=seed[1])
    except UndisturbedFailed as error:
        return error.outcome


def tell(outcome: Outcome) -> None:
    """Print what became of a seed, and how to run it again."""
    print(f"seed {outcome.seed} (script {outcome.script})")
    print(*(f"  {line}" for line in outcome.plan.words()), sep="\n")
    print(*outcome.trace, sep="\n")
    print(f"trace {outcome.digest}, {outcome.virtual_s:.0f} virtual seconds, {outcome.requests} requests")
    for violation in outcome.violations:
        print(f"  VIOLATION {violation}")
    if outcome.violations:
        print(f"replay it with: make simulate SEED={outcome.seed}", flush=True)


if __name__ == "__main__":
    sys.exit(main())
