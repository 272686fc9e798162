"""A world for archives."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.archive_world import ArchiveWorld, archive_world


@pytest.fixture
def world(tmp_path: Path) -> Iterator[ArchiveWorld]:
    with archive_world(tmp_path) as world:
        yield world
