"""One subject in a process of its own."""

from __future__ import annotations

import logging
import sys

import structlog

from hack.bench.benchmarks import BENCHMARKS
from hack.bench.subjects import Figures


def measure(benchmark: str, subject: str, url: str) -> Figures:
    """The figures of one run. For a process that does nothing else, and ends afterwards."""
    structlog.configure(
        wrapper_class=structlog.make_filtering_bound_logger(logging.WARNING),
        logger_factory=structlog.PrintLoggerFactory(sys.stderr),
    )
    # the official informer logs its own stop as an error
    logging.getLogger("kubernetes.informer.informer").disabled = True
    chosen = BENCHMARKS[benchmark]
    return chosen.subjects[subject](url, chosen.size)
