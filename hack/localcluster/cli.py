"""`python -m hack.localcluster`: the local cluster alone, in the foreground, until Ctrl-C."""

from __future__ import annotations

import signal
import threading
from pathlib import Path
from types import FrameType
from typing import Annotated

import typer

from hack.localcluster.binary import BinaryMissing, find_dfs
from hack.localcluster.cluster import LocalCluster

_WRONG_USAGE = 2


def run(
    directory: Annotated[Path, typer.Option(help="Gets the kubeconfig and, while the cluster runs, its data.")] = Path(
        ".local"
    ),
    double: Annotated[
        bool, typer.Option("--double", help="Use the double of the DittoFS server even where the real one could run.")
    ] = False,
) -> None:
    """Run a local cluster until Ctrl-C. Its data goes with it.

    Pods run the real DittoFS server when DITTOFS_DFS_BINARY names it or `dfs` is on the path.
    """
    stop = threading.Event()

    def asked_to_stop(_signal: int, _frame: FrameType | None) -> None:
        stop.set()

    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, asked_to_stop)
    try:
        binary = None if double else find_dfs()
    except BinaryMissing as error:
        typer.echo(f"error: {error}", err=True)
        raise typer.Exit(_WRONG_USAGE) from error
    with LocalCluster(directory, dfs_binary=binary) as cluster:
        kubectl = f"kubectl --kubeconfig {cluster.kubeconfig}"
        typer.echo(f"API server  {cluster.url}")
        typer.echo(f"token       {cluster.token}")
        typer.echo(f"kubeconfig  {cluster.kubeconfig}")
        typer.echo(f"data, logs  {cluster.data_dir}")
        typer.echo(f"DittoFS     {cluster.server_kind}")
        typer.echo(f"\nTry  {kubectl} apply -f manifests/crds\n     {kubectl} get all --all-namespaces")
        typer.echo("\nCtrl-C ends it and removes its data.")
        stop.wait()
    typer.echo("stopped, nothing is left")


def main() -> None:
    """The command line."""
    typer.run(run)
