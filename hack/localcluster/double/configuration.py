"""What the server takes from its arguments, its file and its environment, and what makes it refuse to start."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

MIN_SECRET_CHARACTERS = 32
MIN_PASSWORD_BYTES = 8
MAX_PASSWORD_BYTES = 72

#: Where the double keeps the rows that the real server would keep in PostgreSQL.
POSTGRES_STAND_IN = "/data/metadata"

#: Go-style durations, in seconds.
_DURATION_UNITS: Mapping[str, float] = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0}

_DURATION = re.compile(r"(\d+(?:\.\d+)?)(ms|s|m|h)")


class StartFailed(Exception):
    """The server ended while it started: `exit_code`, and the one line that it wrote."""

    def __init__(self, message: str, *, exit_code: int = 1) -> None:
        super().__init__(message)
        self.exit_code = exit_code


@dataclass(frozen=True, slots=True)
class ServerConfiguration:
    """The settings that the double acts on; the paths are those inside the container."""

    host: str
    port: int
    database_path: str
    secret: str
    initial_password: str
    access_token_s: float
    refresh_token_s: float
    #: Paths inside the container; empty: plain HTTP, no certificate asked for.
    certificate_file: str
    private_key_file: str
    client_authority_file: str


def load(
    arguments: Sequence[str], environment: Mapping[str, str], resolve: Callable[[str], Path]
) -> ServerConfiguration:
    """Read the settings as the server does: environment over file over default; unknown keys are ignored.

    `resolve` turns a path inside the container into one on this machine. Raises StartFailed.
    """
    values = _read_file(_config_path(arguments), resolve)

    def setting(path: str, default: str) -> str:
        return str(environment.get(f"DITTOFS_{path.upper().replace('.', '_')}") or _at(values, path) or default)

    secret = environment.get("DITTOFS_CONTROLPLANE_SECRET") or setting("controlplane.jwt.secret", "")
    home = environment.get("HOME") or "/app"
    return ServerConfiguration(
        host=setting("controlplane.host", "127.0.0.1"),
        port=int(setting("controlplane.port", "8080")),
        database_path=_database_path(setting, home),
        secret=secret,
        initial_password=environment.get("DITTOFS_ADMIN_INITIAL_PASSWORD", ""),
        access_token_s=_seconds(setting("controlplane.jwt.access_token_duration", "15m")),
        refresh_token_s=_seconds(setting("controlplane.jwt.refresh_token_duration", "168h")),
        certificate_file=setting("controlplane.tls.cert_file", ""),
        private_key_file=setting("controlplane.tls.key_file", ""),
        client_authority_file=setting("controlplane.tls.client_ca", ""),
    )


def _database_path(setting: Callable[[str, str], str], home: str) -> str:
    match setting("database.type", "sqlite"):
        case "sqlite":
            return setting("database.sqlite.path", f"{home}/.config/dittofs/controlplane.db")
        case "postgres":
            for field in ("host", "database", "user"):
                if not setting(f"database.postgres.{field}", ""):
                    raise StartFailed(f"Error: database.postgres.{field} is required")
            # No PostgreSQL stands behind the double: the rows lie where they outlive the pod, under another name.
            return f"{POSTGRES_STAND_IN}/{setting('database.postgres.database', '')}.postgres"
        case other:
            raise StartFailed(f"Error: unsupported database type {other!r}")


def _config_path(arguments: Sequence[str]) -> str:
    if not arguments or arguments[0] != "start":
        raise StartFailed("the double of the server knows no command but start")
    if not {"--foreground", "-f"} & set(arguments):
        # The real one leaves a child behind, which ends with the container: from outside, it just succeeds.
        raise StartFailed("started in the background", exit_code=0)
    for position, argument in enumerate(arguments):
        if argument == "--config" and position + 1 < len(arguments):
            return arguments[position + 1]
        if argument.startswith("--config="):
            return argument.partition("=")[2]
    return "/config/config.yaml"


def _read_file(path: str, resolve: Callable[[str], Path]) -> Mapping[str, Any]:
    try:
        text = resolve(path).read_text()
    except OSError as error:
        raise StartFailed(f"Error: configuration file not found: {path}") from error
    values = yaml.safe_load(text) or {}
    if not isinstance(values, dict):
        raise StartFailed(f"Error: failed to read {path}: a mapping is expected")
    return values


def _at(values: Mapping[str, Any], path: str) -> Any:
    node: Any = values
    for part in path.split("."):
        if not isinstance(node, dict):
            raise StartFailed(f"Error: '{path}' expected a map, got '{type(node).__name__}'")
        node = node.get(part) if node.get(part) is not None else {}
    return None if node == {} else node


def _seconds(text: str) -> float:
    parts = _DURATION.findall(text)
    if not parts or "".join(number + unit for number, unit in parts) != text:
        raise StartFailed(f"Error: invalid duration {text!r}")
    return sum(float(number) * _DURATION_UNITS[unit] for number, unit in parts)
