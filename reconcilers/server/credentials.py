"""The credentials in force of an instance: read from its admin Secret by name, and only when that has changed.

Secrets are cached as metadata only; their values stay in this process no longer than the instance does.
"""

from __future__ import annotations

import threading
from typing import Protocol

from informers.errors import NotFound
from informers.resource import Manifest, ObjectKey, Resource, View
from reconcilers import names
from reconcilers.api.resources import SECRET
from reconcilers.secret_data import SecretProblem, decode, version_of
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
        version = version_of(cached)
        with self._lock:
            known = self._read.get(instance)
        if known is not None and known[0] == version:
            return known[1]
        try:
            live = self._client.get(SECRET, secret)
        except NotFound:
            self.forget(instance)
            raise CredentialsMissing(f'Secret "{secret.name}" is not there yet') from None
        credentials = _parse(live)
        with self._lock:
            self._read[instance] = (version_of(live), credentials)
        return credentials

    def forget(self, instance: ObjectKey) -> None:
        """Drop what was read for an instance that is gone."""
        with self._lock:
            self._read.pop(instance, None)


def _parse(secret: View) -> Credentials:
    try:
        return Credentials(_filled(secret, names.ADMIN_USERNAME_KEY), _filled(secret, names.ADMIN_PASSWORD_KEY))
    except SecretProblem as problem:
        raise CredentialsMissing(str(problem)) from None


def _filled(secret: View, key: str) -> str:
    value = decode(secret, key)
    if not value:
        raise SecretProblem(
            f'Secret "{secret["metadata"]["name"]}" has nothing under "{key}": put the value in force there'
        )
    return value
