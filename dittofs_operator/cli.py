"""The command line: `dittofs-operator run | crds | version`."""

from __future__ import annotations

import argparse
import os
import signal
import sys
import threading
from collections.abc import Sequence
from enum import IntEnum
from importlib.metadata import version
from types import FrameType
from typing import NoReturn

import structlog

from dittofs_operator import crds, logs, settings
from dittofs_operator.program import PROGRAM, Program
from informers import configuration
from informers.errors import ConfigurationError


class ExitCode(IntEnum):
    """What the process ends with."""

    STOPPED = 0
    FAILED = 1
    WRONG_USAGE = 2


class _Parser(argparse.ArgumentParser):
    def error(self, message: str) -> NoReturn:
        """Refuse with one line: the usage is a `--help` away."""
        self.exit(ExitCode.WRONG_USAGE, f"{self.prog}: {message} (see {self.prog} --help)\n")


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command that `arguments` (without: those of the process) ask for; returns its exit code."""
    given = vars(_parser().parse_args(arguments))
    match given.pop("command"):
        case "run":
            return _run(given)
        case "crds":
            return _crds()
        case _:
            sys.stdout.write(f"{version(PROGRAM)}\n")
            return ExitCode.STOPPED


def _parser() -> argparse.ArgumentParser:
    parser = _Parser(prog=PROGRAM, description="Runs DittoFS file servers on Kubernetes.", allow_abbrev=False)
    commands = parser.add_subparsers(dest="command", required=True, metavar="run | crds | version")
    run = commands.add_parser(
        "run",
        help="run the operator until asked to stop",
        allow_abbrev=False,
        epilog=f"Each flag is also a variable: --poll-interval is {settings.ENVIRONMENT_PREFIX}POLL_INTERVAL.",
    )
    settings.add_flags(run)
    commands.add_parser("crds", help="print the CustomResourceDefinitions as YAML", allow_abbrev=False)
    commands.add_parser("version", help="print the version", allow_abbrev=False)
    return parser


def _run(given: dict[str, object]) -> int:
    try:
        chosen = settings.load(given)
        logs.configure(level=chosen.log_level, form=chosen.log_format)
        program = Program(chosen, configuration.load(chosen.kubeconfig, chosen.context))
    except (settings.SettingsError, ConfigurationError) as error:
        sys.stderr.write(f"{PROGRAM}: {error}\n")
        return ExitCode.WRONG_USAGE
    try:
        program.run(_stop_on_signals())
    except Exception:  # noqa: BLE001 - whatever it was: logged whole, and told by the exit code
        structlog.get_logger(PROGRAM).exception("the operator failed")
        return ExitCode.FAILED
    return ExitCode.STOPPED


def _stop_on_signals() -> threading.Event:
    """An event that SIGTERM or SIGINT sets; a second signal ends the process at once."""
    stop = threading.Event()

    def asked_to_stop(_signal: int, _frame: FrameType | None) -> None:
        if stop.is_set():
            os._exit(ExitCode.FAILED)
        stop.set()

    signal.signal(signal.SIGTERM, asked_to_stop)
    signal.signal(signal.SIGINT, asked_to_stop)
    return stop


def _crds() -> int:
    sys.stdout.write(crds.as_yaml())
    return ExitCode.STOPPED
