"""What a work queue reports, and its depth by priority: read when somebody looks, in a bounded number of series."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Mapping
from typing import Protocol

from prometheus_client.core import GaugeMetricFamily
from prometheus_client.registry import Collector

MAX_PRIORITIES = 25
"""Priorities of one queue that get a series each; controller-runtime's number."""

OVERFLOW = "exceeded_cardinality_limit"
"""The label of all further ones; controller-runtime's text."""

Depth = Callable[[], Mapping[int, int]]


class QueueObserver(Protocol):
    """What a queue tells whoever measures it."""

    def observe(self, *, depth: Depth, unfinished_s: Callable[[], float], longest_s: Callable[[], float]) -> None:
        """Take the functions that give the gauges' values; the depth is by priority."""

    def added(self) -> None:
        """A key became ready."""

    def retried(self) -> None:
        """A key was added with a delay."""

    def handed_out(self, queued_s: float) -> None:
        """A key was handed out after having been ready for `queued_s` seconds."""

    def finished(self, worked_s: float) -> None:
        """A key was done after `worked_s` seconds of work."""


class QueueDepths(Collector):
    """The gauge workqueue_depth of all queues. A priority once seen keeps its series, at 0 if need be."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._queues: dict[str, tuple[Depth, set[int]]] = {}

    def observe(self, name: str, depth: Depth) -> None:
        """Read the depth of the queue `name` through `depth`, instead of an earlier one of that name."""
        with self._lock:
            seen = self._queues[name][1] if name in self._queues else {0}
            self._queues[name] = (depth, seen)

    def describe(self) -> list[GaugeMetricFamily]:
        """The metric without any series."""
        return [_family()]

    def collect(self) -> Iterator[GaugeMetricFamily]:
        """The metric with the depths as they are."""
        family = _family()
        with self._lock:
            queues = list(self._queues.items())
        for name, (depth, seen) in queues:
            for label, value in _by_label(depth(), seen).items():
                family.add_metric([name, name, label], value)
        yield family


def _by_label(depth: Mapping[int, int], seen: set[int]) -> Mapping[str, int]:
    for priority in sorted(depth, reverse=True):
        if len(seen) < MAX_PRIORITIES:
            seen.add(priority)
    values = {str(priority): depth.get(priority, 0) for priority in sorted(seen)}
    if surplus := sum(count for priority, count in depth.items() if priority not in seen):
        values[OVERFLOW] = surplus
    return values


def _family() -> GaugeMetricFamily:
    return GaugeMetricFamily("workqueue_depth", "Keys ready, by priority.", labels=["name", "controller", "priority"])
