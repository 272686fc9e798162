"""A world for the backup reconciler."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.backup_world import BackupWorld, backup_world


@pytest.fixture
def world(tmp_path: Path) -> Iterator[BackupWorld]:
    with backup_world(tmp_path) as world:
        yield world
