"""The Secrets, beside the two of its own, that a server consumes at its start: a change of one restarts it.

Values are seen by nobody here: the pod refers to them, and their digests make the hash that rolls the pod.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from reconcilers import names
from reconcilers.api.dittofs import DittoFS
from reconcilers.builders.inputs import PostgresSource

DATABASE_CA_VOLUME = "database-ca"


@dataclass(frozen=True, slots=True)
class ConsumedValue:
    """A value in a Secret, and the field of the specification that names it."""

    secret: str
    key: str
    field: str


@dataclass(frozen=True, slots=True)
class SecretFile:
    """A value in a Secret that the server reads as a file."""

    value: ConsumedValue
    #: Name of the volume, its folder in the container and the file in it.
    volume: str
    directory: str
    file: str

    @property
    def path(self) -> str:
        """Path of the file in the container."""
        return f"{self.directory}/{self.file}"

    @property
    def source(self) -> Mapping[str, Any]:
        """The source of the volume: this one key."""
        return {"secretName": self.value.secret, "items": [{"key": self.value.key, "path": self.file}]}


def metrics_token(instance: DittoFS) -> SecretFile | None:
    """The token that a scrape of the metrics needs; None when it needs none."""
    metrics = instance.spec.metrics
    if not metrics.enabled or metrics.token_secret_ref is None:
        return None
    reference = metrics.token_secret_ref
    value = ConsumedValue(reference.name, reference.key, "metrics.tokenSecretRef")
    return SecretFile(value, "metrics-token", names.METRICS_TOKEN_MOUNT, "token")


def database_ca(postgres: PostgresSource | None) -> SecretFile | None:
    """The authority that signed for PostgreSQL; None when nothing is checked against one."""
    if postgres is None or not postgres.ca_secret:
        return None
    value = ConsumedValue(postgres.ca_secret, names.CA_KEY, "database")
    return SecretFile(value, DATABASE_CA_VOLUME, names.DATABASE_CA_MOUNT, names.CA_KEY)


#: The server's variable for each key of a Secret with a login to PostgreSQL.
POSTGRES_VARIABLES: Mapping[str, str] = {
    "host": "DITTOFS_DATABASE_POSTGRES_HOST",
    "port": "DITTOFS_DATABASE_POSTGRES_PORT",
    "dbname": "DITTOFS_DATABASE_POSTGRES_DATABASE",
    "user": "DITTOFS_DATABASE_POSTGRES_USER",
    "password": "DITTOFS_DATABASE_POSTGRES_PASSWORD",
}


def secret_files(instance: DittoFS, postgres: PostgresSource | None) -> tuple[SecretFile, ...]:
    """Every value that the server reads as a file."""
    files = (metrics_token(instance), database_ca(postgres))
    return tuple(file for file in files if file is not None)


def consumed_values(instance: DittoFS, postgres: PostgresSource | None) -> tuple[ConsumedValue, ...]:
    """Every value that is in the hash, in an order of its own."""
    login = () if postgres is None else tuple(postgres_value(postgres, key) for key in POSTGRES_VARIABLES)
    variables = (
        ConsumedValue(
            variable.value_from.secret_key_ref.name,
            variable.value_from.secret_key_ref.key,
            f"pod.extraEnv[{variable.name}]",
        )
        for variable in instance.spec.pod.extra_env
        if variable.value_from is not None and variable.value_from.secret_key_ref is not None
    )
    return (*login, *(file.value for file in secret_files(instance, postgres)), *variables)


def postgres_value(postgres: PostgresSource, key: str) -> ConsumedValue:
    """One part of the login to PostgreSQL."""
    return ConsumedValue(postgres.secret, key, "database")
