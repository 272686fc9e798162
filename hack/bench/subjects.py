"""What is measured: the layer, and beside it what the official client has for the same purpose.

Each subject takes the URL of a `hack.bench.server` and a number of objects or events, and gives figures by name. Rates
and times are of the CPU time of the whole process: that is what a busy machine cannot change.
"""

from __future__ import annotations

import gc
import json
import time
import tracemalloc
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from kubernetes import watch as official_watch

from hack.bench.setting import LIMIT_S, informer_of, official_api, until

#: So many reads of the same events are enough to tell their rate, and fewer when they have taken this CPU time.
_MOST_READS = 5
_ENOUGH_S = 1.0

Figures = dict[str, float]
Subject = Callable[[str, int], Figures]


def events_of_the_layer(url: str, count: int) -> Figures:
    """Events from the socket into the store of an informer."""

    def read() -> None:
        with informer_of(url) as informer:
            informer.start()
            until(lambda: informer.store.resource_version == str(count))

    return _rate(read, count)


def events_typed(url: str, count: int) -> Figures:
    """Events through `kubernetes.watch` as it is: into models, and into a dict."""
    return _events_of_the_helper(url, count, deserialize=True)


def events_raw(url: str, count: int) -> Figures:
    """The same with `deserialize=False`: into dicts."""
    return _events_of_the_helper(url, count, deserialize=False)


def _events_of_the_helper(url: str, count: int, *, deserialize: bool) -> Figures:
    with official_api(url) as api:
        return _rate(lambda: _read_with_the_helper(api, count, deserialize=deserialize), count)


def _read_with_the_helper(api: Any, count: int, *, deserialize: bool) -> None:
    store: dict[tuple[str, str], object] = {}
    stream = official_watch.Watch().stream(  # type: ignore[no-untyped-call]
        api.list_pod_for_all_namespaces, timeout_seconds=int(LIMIT_S), deserialize=deserialize
    )
    for number, event in enumerate(stream, start=1):
        pod = event["object"]
        if deserialize:
            store[pod.metadata.namespace, pod.metadata.name] = pod
        else:
            store[pod["metadata"]["namespace"], pod["metadata"]["name"]] = pod
        if number == count:
            break
    stream.close()


def _rate(read: Callable[[], None], count: int) -> Figures:
    """Read once for what a process does only once, then count: what is quick several times, against chance."""
    read()
    reads = 0
    with _cpu() as spent:
        while reads == 0 or (reads < _MOST_READS and spent() < _ENOUGH_S):
            read()
            reads += 1
        return {"events/s": reads * count / spent()}


def list_of_the_layer(url: str, count: int) -> Figures:
    """An informer that fills its store."""
    with informer_of(url) as informer:

        def fill() -> object:
            informer.start()
            until(lambda: informer.has_synced)
            return informer

        return _filled(fill, count)


def list_typed(url: str, count: int) -> Figures:
    """One list into models."""
    with official_api(url) as api:
        return _filled(lambda: api.list_pod_for_all_namespaces().items, count)


def list_raw(url: str, count: int) -> Figures:
    """One list with `_preload_content=False` and the json module."""
    with official_api(url) as api:
        return _filled(lambda: json.loads(api.list_pod_for_all_namespaces(_preload_content=False).data), count)


def traced(subject: Subject) -> Subject:
    """`subject` once more with every allocation counted: only that figure, as it takes several times as long."""

    def run(url: str, count: int) -> Figures:
        subject(url, count)  # loads what a process loads once
        tracemalloc.start()
        try:
            return {"allocated KiB/object": subject(url, count)["allocated KiB/object"]}
        finally:
            tracemalloc.stop()

    return run


def _filled(fill: Callable[[], object], count: int) -> Figures:
    gc.collect()
    resident, allocated = _memory_kib("VmRSS"), tracemalloc.get_traced_memory()[0]
    with _cpu() as spent:
        kept = fill()
        seconds = spent()
    peak = _memory_kib("VmHWM")
    gc.collect()
    figures = {
        "CPU s": seconds,
        "peak MiB": (peak - resident) / 1024,
        "resident KiB/object": (_memory_kib("VmRSS") - resident) / count,
    }
    if tracemalloc.is_tracing():
        figures["allocated KiB/object"] = (tracemalloc.get_traced_memory()[0] - allocated) / 1024 / count
    del kept
    return figures


@contextmanager
def _cpu() -> Iterator[Callable[[], float]]:
    started = time.process_time()
    yield lambda: time.process_time() - started


def _memory_kib(field: str) -> int:
    """A line of what Linux tells of this process' memory."""
    (line,) = (line for line in Path("/proc/self/status").read_text().splitlines() if line.startswith(f"{field}:"))
    return int(line.split()[1])
