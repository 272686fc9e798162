"""The Secrets, beside the two of its own, that a server consumes: most at its start, so that a change restarts it.

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
    #: Whether a change of it needs a restart; the server takes up the others live.
    restarts: bool = True


@dataclass(frozen=True, slots=True)
class SecretFolder:
    """Values of a Secret that the server reads as files."""

    values: tuple[ConsumedValue, ...]
    #: Name of the volume, and its folder in the container.
    volume: str
    directory: str

    def path(self, key: str) -> str:
        """Path, in the container, of the file with the value `key`."""
        return f"{self.directory}/{key}"

    @property
    def source(self) -> Mapping[str, Any]:
        """The source of the volume: these keys and no others."""
        keys = [value.key for value in self.values]
        return {"secretName": self.values[0].secret, "items": [{"key": key, "path": key} for key in keys]}


def metrics_token(instance: DittoFS) -> SecretFolder | None:
    """The token that a scrape of the metrics needs; None when it needs none."""
    metrics = instance.spec.metrics
    if not metrics.enabled or metrics.token_secret_ref is None:
        return None
    reference = metrics.token_secret_ref
    value = ConsumedValue(reference.name, reference.key, "metrics.tokenSecretRef")
    return SecretFolder((value,), "metrics-token", names.METRICS_TOKEN_MOUNT)


def database_ca(postgres: PostgresSource | None) -> SecretFolder | None:
    """The authority that signed for PostgreSQL; None when nothing is checked against one."""
    if postgres is None or not postgres.ca_secret:
        return None
    value = ConsumedValue(postgres.ca_secret, names.CA_KEY, "database")
    return SecretFolder((value,), DATABASE_CA_VOLUME, names.DATABASE_CA_MOUNT)


def api_certificate(instance: DittoFS) -> SecretFolder | None:
    """The certificate of the REST API, which the server reads anew when it changes; None without TLS."""
    secret = instance.spec.adapters.api.tls.secret_name
    if not secret:
        return None
    values = tuple(
        ConsumedValue(secret, key, "adapters.api.tls.secretName", restarts=False)
        for key in (names.CERTIFICATE_KEY, names.PRIVATE_KEY_KEY)
    )
    return SecretFolder(values, "api-tls", names.API_CERTIFICATE_MOUNT)


def api_client_ca(instance: DittoFS) -> SecretFolder | None:
    """Who signs for the clients of the REST API; None when they need no certificate."""
    secret = instance.spec.adapters.api.tls.client_ca_secret_name
    if not secret:
        return None
    value = ConsumedValue(secret, names.CA_KEY, "adapters.api.tls.clientCASecretName")
    return SecretFolder((value,), "api-client-ca", names.API_CLIENT_CA_MOUNT)


def s3_ca(instance: DittoFS) -> SecretFolder | None:
    """Who signed for the S3 service; None when the image knows the authority, or there is no S3 service."""
    s3 = instance.spec.payload.s3
    if s3 is None or s3.ca_secret_ref is None:
        return None
    value = ConsumedValue(s3.ca_secret_ref.name, s3.ca_secret_ref.key, "payload.s3.caSecretRef")
    return SecretFolder((value,), "s3-ca", names.S3_CA_MOUNT)


def s3_keys(instance: DittoFS) -> tuple[ConsumedValue, ...]:
    """The keys for the S3 service: no pod refers to them, the server reads them from its rows when it starts."""
    s3 = instance.spec.payload.s3
    if s3 is None:
        return ()
    reference, field = s3.credentials_secret_ref, "payload.s3.credentialsSecretRef"
    return (
        ConsumedValue(reference.name, reference.access_key_id_key, field),
        ConsumedValue(reference.name, reference.secret_access_key_key, field),
    )


#: The server's variable for each key of a Secret with a login to PostgreSQL.
POSTGRES_VARIABLES: Mapping[str, str] = {
    "host": "DITTOFS_DATABASE_POSTGRES_HOST",
    "port": "DITTOFS_DATABASE_POSTGRES_PORT",
    "dbname": "DITTOFS_DATABASE_POSTGRES_DATABASE",
    "user": "DITTOFS_DATABASE_POSTGRES_USER",
    "password": "DITTOFS_DATABASE_POSTGRES_PASSWORD",
}


def secret_folders(instance: DittoFS, postgres: PostgresSource | None) -> tuple[SecretFolder, ...]:
    """Every folder of values that the server reads as files."""
    folders = (
        metrics_token(instance),
        database_ca(postgres),
        api_certificate(instance),
        api_client_ca(instance),
        s3_ca(instance),
    )
    return tuple(folder for folder in folders if folder is not None)


def consumed_values(instance: DittoFS, postgres: PostgresSource | None) -> tuple[ConsumedValue, ...]:
    """Every value that must be there for the pod to start, in an order of its own."""
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
    files = (value for folder in secret_folders(instance, postgres) for value in folder.values)
    return (*login, *files, *s3_keys(instance), *variables)


def postgres_value(postgres: PostgresSource, key: str) -> ConsumedValue:
    """One part of the login to PostgreSQL."""
    return ConsumedValue(postgres.secret, key, "database")
