"""The benchmarks: what runs beside what, with how much to do, and the floors that the layer has to hold."""

from __future__ import annotations

import operator
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Literal

from hack.bench import queues, rest, subjects
from hack.bench.subjects import Subject

#: The name of the layer's own subject in each benchmark; all others are compared with it.
LAYER = "informers"


@dataclass(frozen=True, slots=True)
class Floor:
    """`figure` of the layer, or how many times that of the subject `beside` it is, keeps to `limit`."""

    figure: str
    comparison: Literal["≥", "≤"]
    limit: float
    beside: str = ""

    def holds(self, medians: Mapping[str, Mapping[str, float]]) -> bool:
        """Whether it does, by the medians of each subject."""
        return _COMPARISONS[self.comparison](self.value(medians), self.limit)

    def value(self, medians: Mapping[str, Mapping[str, float]]) -> float:
        """What is compared with the limit."""
        own = medians[LAYER][self.figure]
        return own / medians[self.beside][self.figure] if self.beside else own

    def __str__(self) -> str:
        compared = f" times that of {self.beside}" if self.beside else ""
        return f"{self.figure} {self.comparison} {self.limit:g}{compared}"


_COMPARISONS: Mapping[str, Callable[[float, float], bool]] = {"≥": operator.ge, "≤": operator.le}


@dataclass(frozen=True, slots=True)
class Benchmark:
    """`subjects` by name, each run `repetitions` times in turn with `size` objects (and events) to be had."""

    title: str
    subjects: Mapping[str, Subject]
    size: int
    objects: int = 0
    events: int = 0
    repetitions: int = 3
    floors: tuple[Floor, ...] = ()


BENCHMARKS: Mapping[str, Benchmark] = {
    "events": Benchmark(
        "Watch events decoded and stored",
        {
            LAYER: subjects.events_of_the_layer,
            "kubernetes.watch, typed": subjects.events_typed,
            "kubernetes.watch, raw": subjects.events_raw,
        },
        size=3000,
        events=3000,
        repetitions=5,
        floors=(Floor("events/s", "≥", 10, "kubernetes.watch, typed"),),
    ),
    "list": Benchmark(
        "List of 10,000 objects, and what keeping it takes",
        {
            LAYER: subjects.list_of_the_layer,
            "client, typed": subjects.list_typed,
            "client, json": subjects.list_raw,
        },
        size=10_000,
        objects=10_000,
        floors=(Floor("resident KiB/object", "≤", 20),),
    ),
    "memory": Benchmark(
        "Memory of a cached object by its allocations",
        {
            LAYER: subjects.traced(subjects.list_of_the_layer),
            "client, typed": subjects.traced(subjects.list_typed),
            "client, json": subjects.traced(subjects.list_raw),
        },
        size=1000,
        objects=1000,
        repetitions=1,
        floors=(Floor("allocated KiB/object", "≤", 20),),
    ),
    "queue": Benchmark(
        "Work queue with 8 workers",
        {LAYER: queues.of_the_layer, "queue.Queue": queues.of_the_standard_library},
        size=20_000,
    ),
    "rest": Benchmark(
        "At rest with 10,000 objects watched",
        {LAYER: rest.of_the_layer, "kubernetes.informer": rest.of_the_official_client},
        size=10_000,
        objects=10_000,
        repetitions=1,
        floors=(Floor("% of a core", "≤", 0.5),),
    ),
}
