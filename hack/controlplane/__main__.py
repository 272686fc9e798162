"""`python -m hack.controlplane control-plane|dfs`: get the programs, and print where each is."""

from __future__ import annotations

import sys
from dataclasses import astuple
from enum import StrEnum
from typing import Annotated

import typer

from hack.controlplane.binaries import find_binaries
from hack.controlplane.tools import DFS, DFSCTL, ToolMissing, build

_WRONG_USAGE = 2


class What(StrEnum):
    """What to get."""

    CONTROL_PLANE = "control-plane"
    DFS = "dfs"


def run(
    what: Annotated[What, typer.Argument(help="etcd and Kubernetes, or the DittoFS server and its client.")],
) -> None:
    """Get programs at their pinned versions; what isn't here yet is built once, which needs Go."""
    try:
        paths = astuple(find_binaries(tell=_tell)) if what is What.CONTROL_PLANE else _dfs()
    except ToolMissing as error:
        _tell(f"error: {error}")
        raise typer.Exit(_WRONG_USAGE) from error
    for path in paths:
        typer.echo(path)


def _dfs() -> tuple[object, ...]:
    return tuple(build(tool, tell=_tell) for tool in (DFS, DFSCTL))


def _tell(words: str) -> None:
    print(words, file=sys.stderr, flush=True)


if __name__ == "__main__":
    typer.run(run)
