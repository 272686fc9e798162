"""Work on the pieces of a stream by several threads, in order and with a bound on what is held in memory."""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TypeVar

_Given = TypeVar("_Given")
_Made = TypeVar("_Made")

#: More would wait for the disk.
MAX_THREADS = 4


def threads() -> int:
    """How many threads are of use here."""
    return min(MAX_THREADS, len(os.sched_getaffinity(0)))


def ahead(work: Callable[[_Given], _Made], given: Iterable[_Given]) -> Iterator[_Made]:
    """The results of `work` in the order of `given`; at most `threads() + 1` pieces are begun and not yet taken."""
    with ThreadPoolExecutor(threads(), thread_name_prefix="archive") as pool:
        begun: deque[Future[_Made]] = deque()
        try:
            for piece in given:
                begun.append(pool.submit(work, piece))
                if len(begun) > threads():
                    yield begun.popleft().result()
            while begun:
                yield begun.popleft().result()
        finally:
            for future in begun:
                future.cancel()
