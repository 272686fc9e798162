"""The real DittoFS server and its clients for tests that need them."""

from __future__ import annotations

import os
import shutil
from pathlib import Path
from typing import NoReturn

import pytest

from hack.controlplane.tools import VERSITYGW, cached
from hack.localcluster.binary import find_dfs
from hack.localcluster.kubelet.sandbox import support

#: With the value 1, a real server that can't be had is a failure.
REQUIRE_VARIABLE = "REQUIRE_REAL"
_NFS_CLIENT = ("nfs-ls", "nfs-cp", "nfs-cat")


def dfs_or_skip(*, in_a_sandbox: bool = True) -> Path:
    """The `dfs` binary; skips the test, with the reason, when there is none or it can't run in a sandbox here.

    A test that runs it as it is needs no sandbox.
    """
    binary = find_dfs()
    if binary is None:
        give_up("no dfs binary: run `make dfs`, set DITTOFS_DFS_BINARY, or put dfs on the path")
    if in_a_sandbox and not support().possible:
        give_up(f"no namespaces on this machine: {support().reason}")
    return binary


def s3_server_or_skip() -> Path:
    """The program of a real S3 server; skips the test, with the reason, when there is none."""
    return cached(VERSITYGW) or give_up("no versitygw: run `make s3`")


def nfs_client_or_skip() -> None:
    """Skip the test, with the reason, where the programs of the NFS client are missing."""
    if missing := [program for program in _NFS_CLIENT if shutil.which(program) is None]:
        give_up(f"no {', '.join(missing)}: install libnfs-utils")


def smb_client_or_skip() -> None:
    """Skip the test, with the reason, where the SMB client is missing."""
    if shutil.which("smbclient") is None:
        give_up("no smbclient: install Debian's smbclient")


def give_up(reason: str) -> NoReturn:
    """Skip the test for `reason`, or fail it where real counterparts are required."""
    if os.environ.get(REQUIRE_VARIABLE) == "1":
        pytest.fail(f"{REQUIRE_VARIABLE}=1, but {reason}", pytrace=False)
    pytest.skip(reason)
