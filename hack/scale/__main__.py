"""`python -m hack.scale`: see `make scale`."""

from __future__ import annotations

import shutil
import signal
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from types import FrameType
from typing import Annotated

import typer

from hack.bench.report import machine
from hack.demo.processes import DemoFailedError
from hack.localcluster.binary import BinaryMissing, find_dfs
from hack.scale.run import Figures, Size, TooSlow, run


def main(
    instances: Annotated[int, typer.Option(help="How many DittoFS.")] = 50,
    shares: Annotated[int, typer.Option(help="How many DittoFSShares on all of them together.")] = 1000,
    poll: Annotated[float, typer.Option(help="The operator's poll interval, in seconds.")] = 30.0,
    real: Annotated[bool, typer.Option("--real", help="Run the real DittoFS server in the pods.")] = False,
    hung: Annotated[bool, typer.Option("--hung", help="Let one of the servers hang before it has shares.")] = False,
    keep: Annotated[bool, typer.Option("--keep", help="Keep the operator's logs.")] = False,
) -> None:
    """Make many shares with a whole operator beside a local cluster, and print what each step took as Markdown."""
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, _end)
    directory = Path(tempfile.mkdtemp(prefix="dittofs-scale-"))
    size = Size(instances, shares, poll_s=poll, hung=hung)
    try:
        binary = find_dfs() if real else None
        figures = run(size, directory, dfs_binary=binary, tell=lambda text: print(text, file=sys.stderr, flush=True))
    except (BinaryMissing, DemoFailedError, TooSlow) as error:
        print(f"error: {error}", file=sys.stderr)
        raise typer.Exit(1) from error
    finally:
        if keep:
            print(f"logs: {directory}", file=sys.stderr)
        else:
            shutil.rmtree(directory, ignore_errors=True)
    print("".join(_markdown(figures)))
    print(machine(), file=sys.stderr)


def _end(_signal: int, _frame: FrameType | None) -> None:
    raise KeyboardInterrupt


def _markdown(figures: Figures) -> Iterator[str]:
    columns = list(next(iter(figures.values())))
    yield f"| Step | {' | '.join(columns)} |\n"
    yield f"| --- |{' ---: |' * len(columns)}\n"
    for step, values in figures.items():
        yield f"| {step} | {' | '.join(_number(values[column]) for column in columns)} |\n"


def _number(value: float) -> str:
    return f"{value:,.0f}" if value >= 100 or value == int(value) else f"{value:.1f}"


if __name__ == "__main__":
    typer.run(main)
