"""However large the files are, little of them is in memory."""

from __future__ import annotations

import tracemalloc
from collections.abc import Callable
from pathlib import Path
from random import Random

from dittofs_operator.archive.create import create
from dittofs_operator.archive.folder import FolderTarget
from dittofs_operator.archive.pipeline import MAX_THREADS
from dittofs_operator.archive.verify import verify
from tests.support.archived import ID, KEY, empty_server, order, reader

FRAME = 128 << 10
#: t + 2 frames as they are and as they are stored, two parts of three frames of which one is joined, and what a file
#: is read and a database is copied with.
BOUND = (2 * (MAX_THREADS + 2) + 9) * FRAME + (3 << 20)


def peak(run: Callable[[], object]) -> int:
    tracemalloc.start()
    try:
        run()
        return tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


def test_memory_does_not_grow_with_the_files(tmp_path: Path) -> None:
    server = empty_server(tmp_path / "server")
    with (server.payload / "large").open("wb") as file:
        for seed in range(32):
            file.write(Random(seed).randbytes(1 << 20))
    sources = server.sources(tmp_path / "scratch")
    (target := tmp_path / "target").mkdir()

    wanted = order(sources, key=KEY, frame=FRAME)
    assert peak(lambda: create(wanted, FolderTarget(target, ID))) < BOUND
    assert peak(lambda: verify(reader(target), KEY)) < BOUND
    assert BOUND < 8 << 20
