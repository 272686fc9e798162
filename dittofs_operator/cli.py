"""The command line: `dittofs-operator run | crds | version`."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from enum import IntEnum
from importlib.metadata import version
from typing import NoReturn

from dittofs_operator import settings

PROGRAM = "dittofs-operator"


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
    from dittofs_operator import logs, program
    from informers.errors import ConfigurationError

    try:
        chosen = settings.load(given)
        logs.configure(level=chosen.log_level, form=chosen.log_format)
        return program.run(chosen)
    except (settings.SettingsError, ConfigurationError) as error:
        sys.stderr.write(f"{PROGRAM}: {error}\n")
        return ExitCode.WRONG_USAGE


def _crds() -> int:
    from dittofs_operator import crds

    sys.stdout.write(crds.as_yaml())
    return ExitCode.STOPPED
