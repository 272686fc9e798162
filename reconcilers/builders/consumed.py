"""The Secrets, beside the two of its own, that a server consumes at its start: a change of one restarts it.

Values are seen by nobody here: the pod refers to them, and their digests make the hash that rolls the pod.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from reconcilers import names
from reconcilers.api.dittofs import DittoFS


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


def secret_files(instance: DittoFS) -> tuple[SecretFile, ...]:
    """Every value that the server reads as a file."""
    files = (metrics_token(instance),)
    return tuple(file for file in files if file is not None)


def consumed_values(instance: DittoFS) -> tuple[ConsumedValue, ...]:
    """Every value that is in the hash, in an order of its own."""
    variables = (
        ConsumedValue(
            variable.value_from.secret_key_ref.name,
            variable.value_from.secret_key_ref.key,
            f"pod.extraEnv[{variable.name}]",
        )
        for variable in instance.spec.pod.extra_env
        if variable.value_from is not None and variable.value_from.secret_key_ref is not None
    )
    return (*(file.value for file in secret_files(instance)), *variables)
