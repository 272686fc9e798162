"""The command line, `dittofs-operator <command>`: the operator, tools for people, and what its Jobs run."""

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

from dittofs_operator import check, crds, diff, logs, settings
from dittofs_operator.archive import flags as archive_flags
from dittofs_operator.deployment import NAMESPACE
from dittofs_operator.program import PROGRAM, Program
from informers import configuration
from informers.client import Client
from informers.clock import SystemClock
from informers.errors import ClientError, ConfigurationError


class ExitCode(IntEnum):
    """What the process ends with."""

    STOPPED = 0
    FAILED = 1
    WRONG_USAGE = 2
    DIFFERS = 3


#: The settings on which it depends what the operator needs.
CHECK_SETTINGS = frozenset(("kubeconfig", "context", "namespace", "namespaces", "leader_elect"))
#: The settings on which it depends what would change.
DIFF_SETTINGS = frozenset(("kubeconfig", "context", "namespace", "namespaces"))
#: A person waits for the answer.
CHECK_TIMEOUT_S = 10.0


class _Parser(argparse.ArgumentParser):
    def error(self, message: str) -> NoReturn:
        """Refuse with one line: the usage is a `--help` away."""
        self.exit(ExitCode.WRONG_USAGE, f"{self.prog}: {message} (see {self.prog} --help)\n")


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command that `arguments` (without: those of the process) ask for; returns its exit code."""
    given = vars(_parser().parse_args(arguments))
    match command := given.pop("command"):
        case "run":
            return _run(given)
        case "check":
            return _check(given)
        case "diff":
            return _diff(given)
        case "crds":
            return _crds()
        case _ if command in archive_flags.COMMANDS:
            # The operator itself has no use for S3 and ciphers, and should not hold them.
            from dittofs_operator.archive import commands  # noqa: PLC0415

            return commands.run(command, given, program=PROGRAM, version=version(PROGRAM))
        case _:
            sys.stdout.write(f"{version(PROGRAM)}\n")
            return ExitCode.STOPPED


def _parser() -> argparse.ArgumentParser:
    parser = _Parser(prog=PROGRAM, description="Runs DittoFS file servers on Kubernetes.", allow_abbrev=False)
    commands = parser.add_subparsers(
        dest="command",
        required=True,
        metavar=f"run | check | diff | {' | '.join(archive_flags.COMMANDS)} | crds | version",
    )
    run = commands.add_parser(
        "run",
        help="run the operator until asked to stop",
        allow_abbrev=False,
        epilog=f"Each flag is also a variable: --poll-interval is {settings.ENVIRONMENT_PREFIX}POLL_INTERVAL.",
    )
    settings.add_flags(run)
    checked = commands.add_parser(
        "check",
        help="tell what is missing for the operator to run here, the missing rights as roles in YAML; change nothing",
        allow_abbrev=False,
        epilog="Run it as the operator's own identity. Ends with 0 when nothing is missing, else with 1.",
    )
    settings.add_flags(checked, only=CHECK_SETTINGS)
    compared = commands.add_parser(
        "diff",
        help="tell what this version would change for every DittoFS that exists, and which servers it would restart; "
        "change nothing",
        allow_abbrev=False,
        epilog=f"Ends with 0 when nothing would change, with {int(ExitCode.DIFFERS)} when something would.",
    )
    settings.add_flags(compared, only=DIFF_SETTINGS)
    archive_flags.add_commands(commands)
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


def _connection(given: dict[str, object]) -> tuple[settings.Settings, configuration.ConnectionSettings] | None:
    """The settings, and the cluster they lead to; None, with what is wrong told, when they lead nowhere."""
    try:
        chosen = settings.load(given)
        return chosen, configuration.load(chosen.kubeconfig, chosen.context)
    except (settings.SettingsError, ConfigurationError) as error:
        sys.stderr.write(f"{PROGRAM}: {error}\n")
        return None


def _check(given: dict[str, object]) -> int:
    if (leads := _connection(given)) is None:
        return ExitCode.WRONG_USAGE
    chosen, connection = leads
    lease_namespace = (chosen.namespace or connection.namespace) if chosen.leader_elect else None
    client = Client(connection.configuration, user_agent=f"{PROGRAM}-check", timeout_s=CHECK_TIMEOUT_S)
    try:
        verdict = check.check(client, lease_namespace=lease_namespace, namespaces=chosen.namespaces)
    except ClientError as error:
        sys.stderr.write(f"{PROGRAM}: the API server of {connection.source} can't be asked: {error}\n")
        return ExitCode.FAILED
    finally:
        client.close()
    if not verdict.problems:
        everything = f"rights and definitions are there, on {verdict.server} by {connection.source}"
        sys.stdout.write(f"{PROGRAM}: nothing is missing: {everything}\n")
        return ExitCode.STOPPED
    for problem in verdict.problems:
        sys.stderr.write(f"{PROGRAM}: {problem}\n")
    # Nothing else on this channel: it can be given to kubectl as it is.
    sys.stdout.write(crds.dump(*verdict.grants))
    return ExitCode.FAILED


def _diff(given: dict[str, object]) -> int:
    if (leads := _connection(given)) is None:
        return ExitCode.WRONG_USAGE
    chosen, connection = leads
    logs.configure(level=settings.LogLevel.ERROR, form=chosen.log_format)
    client = Client(connection.configuration, user_agent=f"{PROGRAM}-diff", timeout_s=CHECK_TIMEOUT_S, dry_run=True)
    try:
        found = diff.diff(
            client,
            clock=SystemClock(),
            namespaces=chosen.namespaces,
            # A person's kubeconfig says nothing of where the operator runs.
            operator_namespace=chosen.namespace or (connection.namespace if connection.in_cluster else NAMESPACE),
        )
    except ClientError as error:
        sys.stderr.write(f"{PROGRAM}: the API server of {connection.source} can't be asked: {error}\n")
        return ExitCode.FAILED
    finally:
        client.close()
    sys.stdout.write("".join(change.text for change in found.changes))
    for problem in found.problems:
        sys.stderr.write(f"{PROGRAM}: can't be compared: {problem}\n")
    for change in found.changes:
        sys.stderr.write(f"{PROGRAM}: {change.what} would change{', which restarts its server' * change.restarts}\n")
    if found.problems:
        return ExitCode.FAILED
    if found.changes:
        return ExitCode.DIFFERS
    sys.stderr.write(f"{PROGRAM}: nothing would change\n")
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
