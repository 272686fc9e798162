"""A world for the backup reconciler."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.backup_world import BackupWorld, backup_world
from tests.support.restore_world import RestoreWorld, restore_world


@pytest.fixture
def world(tmp_path: Path) -> Iterator[BackupWorld]:
    with backup_world(tmp_path) as world:
        yield world


@pytest.fixture
def restores(tmp_path: Path) -> Iterator[RestoreWorld]:
    with restore_world(tmp_path) as world:
        yield world
