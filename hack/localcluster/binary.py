"""Where the real DittoFS server is on this machine, if it is."""

from __future__ import annotations

import os
import shutil
from collections.abc import Mapping
from pathlib import Path

from hack.controlplane.tools import DFS, cached

#: Names the binary; empty means: use the double even when there is one on the path.
VARIABLE = "DITTOFS_DFS_BINARY"


class BinaryMissing(Exception):
    """The variable names a file that is none, or can't be run."""


def find_dfs(environment: Mapping[str, str] | None = None) -> Path | None:
    """The `dfs` binary: what DITTOFS_DFS_BINARY names, else `dfs` on the path, else what `make dfs` brought, else None.

    Raises BinaryMissing.
    """
    variables = os.environ if environment is None else environment
    named = variables.get(VARIABLE)
    if named == "":
        return None
    found = shutil.which(named or "dfs", path=variables.get("PATH"))
    if found is None and named:
        raise BinaryMissing(f"{VARIABLE} names {named!r}, which is no program: correct it, or unset it")
    return Path(found).resolve() if found else cached(DFS, variables)
