"""The operator's settings: one model from which the flags, the environment variables and their help all come."""

from __future__ import annotations

import argparse
from collections.abc import Container
from enum import StrEnum
from typing import Annotated, Any, get_args

from pydantic import AfterValidator, BeforeValidator, Field, ValidationError, model_validator
from pydantic_settings import BaseSettings, NoDecode, SettingsConfigDict

from informers.durations import LeaseDurations
from informers.listwatch import Scope
from reconcilers.api import resources
from reconcilers.api.scalars import parse_duration

#: Every flag `--some-name` can also be given as the variable `DITTOFS_OPERATOR_SOME_NAME`; the flag wins.
ENVIRONMENT_PREFIX = "DITTOFS_OPERATOR_"


class SettingsError(Exception):
    """A flag or variable holds what it cannot; the message is one line that names it."""


class LogLevel(StrEnum):
    """From which severity on a log line is printed."""

    DEBUG = "debug"
    INFO = "info"
    WARNING = "warning"
    ERROR = "error"


class LogFormat(StrEnum):
    """How a log line looks: for a log collector or for a terminal."""

    JSON = "json"
    CONSOLE = "console"


def _seconds(value: object) -> object:
    return parse_duration(value) if isinstance(value, str) else value


def _positive(seconds: float) -> float:
    if seconds <= 0:
        raise ValueError("must be longer than 0s")
    return seconds


#: Seconds, given as a Go-style duration such as `30s` or `1m30s`.
Seconds = Annotated[float, BeforeValidator(_seconds), AfterValidator(_positive)]


def _split(value: object) -> object:
    return tuple(name.strip() for name in value.split(",") if name.strip()) if isinstance(value, str) else value


def _namespace_names(names: tuple[str, ...]) -> tuple[str, ...]:
    # It says what of them no API server could serve.
    return Scope(resources.DITTOFS, names).namespaces


#: Names of namespaces, separated by commas.
Namespaces = Annotated[tuple[str, ...], NoDecode, BeforeValidator(_split), AfterValidator(_namespace_names)]


class Settings(BaseSettings):
    """What `dittofs-operator run` can be told."""

    model_config = SettingsConfigDict(env_prefix=ENVIRONMENT_PREFIX, frozen=True)

    kubeconfig: str | None = Field(
        None, description="kubeconfig file; without it KUBECONFIG, the pod's service account, then ~/.kube/config"
    )
    context: str | None = Field(None, description="context of the kubeconfig; without it the current one")
    namespace: str | None = Field(
        None, description="namespace of the operator's Lease; without it the pod's own, else default"
    )
    namespaces: Namespaces = Field((), description="namespaces to manage, separated by commas; without it all of them")
    leader_elect: bool = Field(default=True, description="hold the Lease dittofs-operator while working")
    lease_duration: Seconds = Field(15.0, description="how long a lease holds without renewal, such as 15s")
    renew_deadline: Seconds = Field(10.0, description="how long the leader tries to renew before it stops its work")
    retry_period: Seconds = Field(2.0, description="pause between two attempts to take or renew the lease")
    dittofs_workers: int = Field(8, ge=1, le=100, description="DittoFS objects reconciled at the same time")
    share_workers: int = Field(16, ge=1, le=100, description="DittoFSShare objects reconciled at the same time")
    backup_workers: int = Field(2, ge=1, le=100, description="DittoFSBackup objects reconciled at the same time")
    poll_interval: Seconds = Field(30.0, description="how often each server is compared with its objects")
    deep_poll_interval: Seconds = Field(
        300.0, description="how often what takes calls of its own (users, groups, details of shares) is compared"
    )
    image: str | None = Field(
        None,
        description="the operator's own image, for the Jobs that work on claims and buckets; without it none is made",
    )
    metrics_address: str = Field(":8080", description="address of /metrics; 0 switches it off")
    health_address: str = Field(":8081", description="address of /healthz and /readyz; 0 switches it off")
    graceful_timeout: Seconds = Field(30.0, description="how long running work may finish when asked to stop")
    log_level: LogLevel = Field(LogLevel.INFO, description="least severe level that is logged")
    log_format: LogFormat = Field(LogFormat.JSON, description="form of a log line")

    @model_validator(mode="after")
    def _durations_in_order(self) -> Settings:
        _ = self.lease_durations  # raises what it finds wrong
        return self

    @property
    def lease_durations(self) -> LeaseDurations:
        """The three durations of the election, checked against each other."""
        return LeaseDurations(
            lease_s=self.lease_duration, renew_deadline_s=self.renew_deadline, retry_s=self.retry_period
        )


def add_flags(parser: argparse.ArgumentParser, *, only: Container[str] = frozenset(Settings.model_fields)) -> None:
    """Give `parser` one flag for each field of `Settings` in `only`; what is not given stays unset."""
    for name, field in Settings.model_fields.items():
        if name not in only:
            continue
        flag = f"--{name.replace('_', '-')}"
        text = f"{field.description} (default: {_shown(field.default)})".replace("%", "%%")
        if field.annotation is bool:
            parser.add_argument(flag, dest=name, action=argparse.BooleanOptionalAction, default=None, help=text)
        else:
            parser.add_argument(flag, dest=name, default=None, help=text, metavar=_metavar(field.annotation))


def load(given: dict[str, Any]) -> Settings:
    """The settings from the flags in `given` (unset ones are None) and the environment.

    Raises:
        SettingsError: a value is not what its flag or variable takes.
    """
    try:
        return Settings(**{name: value for name, value in given.items() if value is not None})
    except ValidationError as error:
        raise SettingsError(_one_line(error, given)) from None


def _one_line(error: ValidationError, given: dict[str, Any]) -> str:
    first = error.errors()[0]
    message = first["msg"].removeprefix("Value error, ")
    if not first["loc"]:
        return message
    name = str(first["loc"][0])
    flagged = given.get(name) is not None
    source = f"--{name.replace('_', '-')}" if flagged else f"{ENVIRONMENT_PREFIX}{name.upper()}"
    return f"{source}={first['input']}: {message}"


def _shown(value: object) -> str:
    if value is None:
        return "none"
    if isinstance(value, tuple):
        return ",".join(value) or "all"
    if isinstance(value, bool):
        return "on" if value else "off"
    return f"{value:g}s" if isinstance(value, float) else str(value)


def _metavar(annotation: object) -> str:
    if isinstance(annotation, type) and issubclass(annotation, StrEnum):
        return "|".join(annotation)
    if annotation is float:
        return "DURATION"
    return "NUMBER" if annotation is int else "TEXT" if str in (annotation, *get_args(annotation)) else "VALUE"
