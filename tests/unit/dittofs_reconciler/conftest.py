"""The world of the reconciler tests."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.authority import Authority
from tests.support.dittofs_world import World, dittofs_world


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    with dittofs_world(tmp_path) as world:
        yield world


@pytest.fixture(scope="session")
def authority() -> Authority:
    """Who signs the certificates of these tests."""
    return Authority()
