"""`python -m hack.bench`: run the benchmarks, print one table, exit with 1 when a floor does not hold."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import Future, ProcessPoolExecutor
from contextlib import contextmanager
from multiprocessing import get_context
from typing import Annotated

import typer

from hack.bench import report
from hack.bench.benchmarks import BENCHMARKS, Benchmark
from hack.bench.subject import measure
from hack.bench.subjects import Figures

#: Longer than any subject takes on a busy machine.
_LIMIT_S = 300.0

#: Runs beside the others: it sleeps, and what is measured is its own CPU time.
_REST = "rest"


def run(
    *,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON with every repetition, not a table.")] = False,
    only: Annotated[list[str] | None, typer.Option(help="Run this benchmark alone; may be given again.")] = None,
) -> None:
    """Measure the controller layer beside the official client, each in processes of its own, in turn."""
    names = [name for name in BENCHMARKS if not only or name in only]
    measured: dict[str, dict[str, list[Figures]]] = {}
    with _server() as url, _processes(1) as processes, _processes(2) as resting_processes:
        resting: dict[str, Future[Figures]] = {}
        if _REST in names:
            place = f"{url}/{_content(BENCHMARKS[_REST])}"
            for subject in BENCHMARKS[_REST].subjects:
                resting[subject] = resting_processes.submit(measure, _REST, subject, place)
        for name in names:
            measured[name] = (
                {subject: [future.result(_LIMIT_S)] for subject, future in resting.items()}
                if name == _REST
                else _in_turn(processes, name, url)
            )
    print(json.dumps(report.as_json(measured), indent=2) if as_json else report.as_markdown(measured))
    print(report.machine(), file=sys.stderr)
    for broken in report.broken_floors(measured):
        print(f"error: {broken}", file=sys.stderr)
    if report.broken_floors(measured):
        raise typer.Exit(1)


def _in_turn(processes: ProcessPoolExecutor, name: str, url: str) -> dict[str, list[Figures]]:
    """Every subject once, then every subject again: what disturbs one disturbs its neighbours as well."""
    benchmark = BENCHMARKS[name]
    place = f"{url}/{_content(benchmark)}"
    found: dict[str, list[Figures]] = {subject: [] for subject in benchmark.subjects}
    for repetition in range(benchmark.repetitions):
        for subject in benchmark.subjects:
            print(f"{benchmark.title}: {subject}, {repetition + 1} of {benchmark.repetitions}", file=sys.stderr)
            found[subject].append(processes.submit(measure, name, subject, place).result(_LIMIT_S))
    return found


def _content(benchmark: Benchmark) -> str:
    return f"{benchmark.objects}-{benchmark.events}"


def _processes(count: int) -> ProcessPoolExecutor:
    """A process for each subject, with everything imported: that takes longer than most of them."""
    context = get_context("forkserver")
    context.set_forkserver_preload(["hack.bench.subject"])
    return ProcessPoolExecutor(count, mp_context=context, max_tasks_per_child=1)


@contextmanager
def _server() -> Iterator[str]:
    """The server with everything made that will be asked for; it ends when its input does, as at our death."""
    most = (max(getattr(benchmark, what) for benchmark in BENCHMARKS.values()) for what in ("objects", "events"))
    command = [sys.executable, "-m", "hack.bench.server", *map(str, most)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        url = process.stdout.readline().strip()
        if not url:
            raise RuntimeError("the server of the benchmarks did not start")
        try:
            yield url
        finally:
            process.communicate()


if __name__ == "__main__":
    typer.run(run)
