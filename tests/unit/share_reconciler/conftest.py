"""A world for the share reconciler."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.share_world import ShareWorld, share_world


@pytest.fixture
def world(tmp_path: Path) -> Iterator[ShareWorld]:
    with share_world(tmp_path) as world:
        yield world
