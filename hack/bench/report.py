"""Medians, ratios and floors, as Markdown and as JSON."""

from __future__ import annotations

import os
import platform
import statistics
from collections.abc import Iterator, Mapping, Sequence
from importlib.metadata import version
from typing import Any

from hack.bench.benchmarks import BENCHMARKS, LAYER, Benchmark
from hack.bench.subjects import Figures

#: By benchmark and subject: the figures of each repetition.
Measured = Mapping[str, Mapping[str, Sequence[Figures]]]

_HEAD = ("What", "Figure", "Subject", "Median", "Times informers", "Floor")


def medians(repetitions: Mapping[str, Sequence[Figures]]) -> dict[str, dict[str, float]]:
    """By subject and figure."""
    return {
        subject: {figure: statistics.median(one[figure] for one in all_of_them) for figure in all_of_them[0]}
        for subject, all_of_them in repetitions.items()
    }


def broken_floors(measured: Measured) -> list[str]:
    """Each floor that does not hold, in words."""
    return [
        f"{BENCHMARKS[name].title}: {floor} does not hold: {floor.value(found):.3g}"
        for name, repetitions in measured.items()
        for found in (medians(repetitions),)
        for floor in BENCHMARKS[name].floors
        if not floor.holds(found)
    ]


def as_json(measured: Measured) -> dict[str, Any]:
    """Everything, with every repetition."""
    benchmarks = {
        name: {
            "title": BENCHMARKS[name].title,
            "medians": medians(repetitions),
            "repetitions": repetitions,
            "floors": [
                {"floor": str(floor), "value": floor.value(found), "holds": floor.holds(found)}
                for found in (medians(repetitions),)
                for floor in BENCHMARKS[name].floors
            ],
        }
        for name, repetitions in measured.items()
    }
    return {"machine": machine(), "benchmarks": benchmarks}


def machine() -> str:
    """What the figures were measured on."""
    client = f"kubernetes {version('kubernetes')}"
    return f"{os.cpu_count()} cores, {platform.machine()}, Python {platform.python_version()}, {client}"


def as_markdown(measured: Measured) -> str:
    """One table: a line for each figure of each subject."""
    rows = [_HEAD, ("---", "---", "---", "---:", "---:", "---"), *_rows(measured)]
    return "".join(f"| {' | '.join(row)} |\n" for row in rows)


def _rows(measured: Measured) -> Iterator[tuple[str, ...]]:
    for name, repetitions in measured.items():
        benchmark, found = BENCHMARKS[name], medians(repetitions)
        for figure in found[LAYER]:
            for subject in found:
                first = subject == LAYER
                yield (
                    benchmark.title if first else "",
                    figure if first else "",
                    subject,
                    _number(found[subject][figure]),
                    _ratio(found[subject][figure], found[LAYER][figure]),
                    _floors(benchmark, figure, found) if first else "",
                )


def _floors(benchmark: Benchmark, figure: str, found: Mapping[str, Mapping[str, float]]) -> str:
    told = [
        f"{floor}: {'holds' if floor.holds(found) else 'BROKEN'}, {_number(floor.value(found))}"
        for floor in benchmark.floors
        if floor.figure == figure
    ]
    return "<br>".join(told)


def _ratio(value: float, own: float) -> str:
    return _number(value / own) if own else ""


def _number(value: float) -> str:
    return f"{value:,.0f}" if abs(value) >= 100 else f"{value:.3g}"
