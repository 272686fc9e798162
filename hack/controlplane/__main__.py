"""`python -m hack.controlplane control-plane|dfs|s3`: get the programs, and print where each is."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from dataclasses import astuple
from enum import StrEnum
from typing import Annotated

import typer

from hack.controlplane.binaries import find_binaries
from hack.controlplane.tools import DFS, DFSCTL, VERSITYGW, Tool, ToolMissing, build

_WRONG_USAGE = 2


class What(StrEnum):
    """What to get."""

    CONTROL_PLANE = "control-plane"
    DFS = "dfs"
    S3 = "s3"


_TOOLS: Mapping[What, tuple[Tool, ...]] = {What.DFS: (DFS, DFSCTL), What.S3: (VERSITYGW,)}


def run(
    what: Annotated[
        What, typer.Argument(help="etcd and Kubernetes, the DittoFS server and its client, or an S3 server.")
    ],
) -> None:
    """Get programs at their pinned versions; what isn't here yet is built once, which needs Go."""
    try:
        paths = astuple(find_binaries(tell=_tell)) if what is What.CONTROL_PLANE else _built(what)
    except ToolMissing as error:
        _tell(f"error: {error}")
        raise typer.Exit(_WRONG_USAGE) from error
    for path in paths:
        typer.echo(path)


def _built(what: What) -> tuple[object, ...]:
    return tuple(build(tool, tell=_tell) for tool in _TOOLS[what])


def _tell(words: str) -> None:
    print(words, file=sys.stderr, flush=True)


if __name__ == "__main__":
    typer.run(run)
