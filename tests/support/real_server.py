"""The real DittoFS server for tests that need it."""

from __future__ import annotations

import os
from pathlib import Path
from typing import NoReturn

import pytest

from hack.localcluster.binary import find_dfs
from hack.localcluster.kubelet.sandbox import support

#: With the value 1, a real server that can't be had is a failure.
REQUIRE_VARIABLE = "REQUIRE_REAL"


def dfs_or_skip() -> Path:
    """The `dfs` binary; skips the test, with the reason, when there is none or it can't run in a sandbox here."""
    binary = find_dfs()
    if binary is None:
        _give_up("no dfs binary: run `make dfs`, set DITTOFS_DFS_BINARY, or put dfs on the path")
    if not support().possible:
        _give_up(f"no namespaces on this machine: {support().reason}")
    return binary


def _give_up(reason: str) -> NoReturn:
    if os.environ.get(REQUIRE_VARIABLE) == "1":
        pytest.fail(f"{REQUIRE_VARIABLE}=1, but {reason}", pytrace=False)
    pytest.skip(reason)
