"""The credentials in force of an instance: read from its admin Secret by name, and only when that has changed.

Secrets are cached as metadata only; their values stay in this process no longer than the instance does.
"""

from __future__ import annotations

import base64
import binascii
import threading
from collections.abc import Mapping
from typing import Protocol

from informers.errors import NotFound
from informers.resource import Manifest, ObjectKey, Resource, View
from reconcilers import names
from reconcilers.api.resources import SECRET
from reconcilers.server.session import Credentials


class CredentialsMissing(Exception):
    """The Secret with the credentials is not there, or not whole; the text says which and what to do."""


class SecretReader(Protocol):
    """Reads one object from the API server (`informers.client.Client`)."""

    def get(self, resource: Resource, key: ObjectKey) -> Manifest:
        """The object; raises `informers.errors.NotFound` when it is gone."""


class MetadataStore(Protocol):
    """The cached metadata of Secrets (`informers.store.Store`)."""

    def get(self, key: ObjectKey) -> View | None:
        """The metadata of one Secret, None when there is none."""


class CredentialsSource:
    """Gives the credentials of instances. Safe for many threads."""

    def __init__(self, client: SecretReader, secrets: MetadataStore) -> None:
        self._client = client
        self._secrets = secrets
        self._lock = threading.Lock()
        self._read: dict[ObjectKey, tuple[tuple[str, str], Credentials]] = {}

    def get(self, instance: ObjectKey) -> Credentials:
        """The credentials in force of `instance`. Raises CredentialsMissing, or a `ClientError` of the live read."""
        secret = ObjectKey(instance.namespace, names.admin_secret(instance.name))
        cached = self._secrets.get(secret)
        if cached is None:
            self.forget(instance)
            raise CredentialsMissing(f'Secret "{secret.name}" is not there yet')
        version = _version(cached)
        with self._lock:
            known = self._read.get(instance)
        if known is not None and known[0] == version:
            return known[1]
        try:
            live = self._client.get(SECRET, secret)
        except NotFound:
            self.forget(instance)
            raise CredentialsMissing(f'Secret "{secret.name}" is not there yet') from None
        credentials = _parse(secret.name, live)
        with self._lock:
            self._read[instance] = (_version(live), credentials)
        return credentials

    def forget(self, instance: ObjectKey) -> None:
        """Drop what was read for an instance that is gone."""
        with self._lock:
            self._read.pop(instance, None)


def _version(secret: View) -> tuple[str, str]:
    metadata = secret["metadata"]
    return str(metadata.get("uid") or ""), str(metadata.get("resourceVersion") or "")


def _parse(name: str, secret: Mapping[str, object]) -> Credentials:
    data = secret.get("data")
    data = data if isinstance(data, Mapping) else {}
    return Credentials(_value(name, data, names.ADMIN_USERNAME_KEY), _value(name, data, names.ADMIN_PASSWORD_KEY))


def _value(name: str, data: Mapping[str, object], key: str) -> str:
    try:
        value = base64.b64decode(str(data.get(key) or ""), validate=True).decode()
    except (binascii.Error, UnicodeDecodeError):
        # Without the cause: it quotes the value.
        raise CredentialsMissing(f'Secret "{name}" holds no text under "{key}": put the value in force there') from None
    if not value:
        raise CredentialsMissing(f'Secret "{name}" has no key "{key}": add it with the value in force')
    return value
