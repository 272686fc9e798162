"""Archives in folders of tests need not outlast a loss of power."""

from __future__ import annotations

import os
import sqlite3
from pathlib import Path

import pytest

from dittofs_operator.archive import control_plane_edit, restore


@pytest.fixture(autouse=True)
def _quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing waits for the disk, which is everybody's on a machine of tests, nor for a slow hash."""
    connect = sqlite3.connect

    def connected(file: Path) -> sqlite3.Connection:
        database = connect(file)
        database.execute("PRAGMA synchronous=OFF")
        return database

    monkeypatch.setattr(sqlite3, "connect", connected)
    monkeypatch.setattr(os, "fsync", lambda descriptor: None)
    monkeypatch.setattr(restore, "sync_file_system", lambda folder: None)
    monkeypatch.setattr(control_plane_edit, "_BCRYPT_COST", 4)
