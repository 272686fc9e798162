"""The real DittoFS server for tests that need it."""

from __future__ import annotations

from pathlib import Path

import pytest

from hack.localcluster.binary import find_dfs
from hack.localcluster.kubelet.sandbox import support


def dfs_or_skip() -> Path:
    """The `dfs` binary; skips the test, with the reason, when there is none or it can't run in a sandbox here."""
    binary = find_dfs()
    if binary is None:
        pytest.skip("no dfs binary: set DITTOFS_DFS_BINARY, or put dfs on the path")
    if not support().possible:
        pytest.skip(f"no namespaces on this machine: {support().reason}")
    return binary
