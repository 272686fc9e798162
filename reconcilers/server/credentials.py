"""The credentials in force of an instance: read from its Secrets by name, and only when one has changed.

Secrets are cached as metadata only; their values stay in this process no longer than the instance does.
"""

from __future__ import annotations

import ssl
import threading
from typing import Protocol

from informers.errors import NotFound
from informers.resource import Manifest, ObjectKey, Resource, View
from reconcilers import names
from reconcilers.api.dittofs import DittoFS
from reconcilers.api.resources import SECRET
from reconcilers.secret_data import SecretProblem, decode, version_of
from reconcilers.server.session import Credentials
from reconcilers.server.tls import Tls


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
        self._read: dict[ObjectKey, tuple[_Versions, Credentials]] = {}

    def get(self, instance: DittoFS) -> Credentials:
        """The credentials in force of `instance`. Raises CredentialsMissing, or a `ClientError` of a live read."""
        tls = instance.spec.adapters.api.tls
        secrets = (names.admin_secret(instance.metadata.name), tls.secret_name, tls.client_secret_name)
        try:
            versions = tuple(self._version(instance, secret) for secret in secrets)
            with self._lock:
                known = self._read.get(instance.key)
            if known is not None and known[0] == versions:
                return known[1]
            live = {secret: self._live(instance, secret) for secret in secrets if secret}
        except CredentialsMissing:
            self.forget(instance.key)
            raise
        credentials = _parse(live[secrets[0]], live.get(tls.secret_name), live.get(tls.client_secret_name))
        read = tuple((secret, version_of(live[secret])) if secret else None for secret in secrets)
        with self._lock:
            self._read[instance.key] = (read, credentials)
        return credentials

    def forget(self, instance: ObjectKey) -> None:
        """Drop what was read for an instance that is gone."""
        with self._lock:
            self._read.pop(instance, None)

    def _version(self, instance: DittoFS, secret: str) -> tuple[str, tuple[str, str]] | None:
        if not secret:
            return None
        cached = self._secrets.get(ObjectKey(instance.metadata.namespace, secret))
        if cached is None:
            raise _absent(secret)
        return secret, version_of(cached)

    def _live(self, instance: DittoFS, secret: str) -> View:
        try:
            return self._client.get(SECRET, ObjectKey(instance.metadata.namespace, secret))
        except NotFound:
            raise _absent(secret) from None


def _absent(secret: str) -> CredentialsMissing:
    return CredentialsMissing(f'Secret "{secret}" is not there yet')


def _parse(admin: View, server: View | None, client: View | None) -> Credentials:
    try:
        return Credentials(
            _filled(admin, names.ADMIN_USERNAME_KEY), _filled(admin, names.ADMIN_PASSWORD_KEY), _tls(server, client)
        )
    except SecretProblem as problem:
        raise CredentialsMissing(str(problem)) from None


def _tls(server: View | None, client: View | None) -> Tls | None:
    if server is None:
        return None
    # Without an authority of its own the certificate is one that everybody trusts.
    authority = decode(server, names.CA_KEY) if names.CA_KEY in (server.get("data") or {}) else ""
    certificate = private_key = ""
    if client is not None:
        certificate, private_key = _filled(client, names.CERTIFICATE_KEY), _filled(client, names.PRIVATE_KEY_KEY)
    tls = Tls(authority, certificate, private_key)
    try:
        tls.context()
    except (ssl.SSLError, ValueError):
        # Without the cause, which may quote what it could not read.
        which = " or ".join(f'"{secret["metadata"]["name"]}"' for secret in (server, client) if secret is not None)
        raise SecretProblem(f"Secret {which} holds no certificate and key in PEM that belong together") from None
    return tls


def _filled(secret: View, key: str) -> str:
    value = decode(secret, key)
    if not value:
        raise SecretProblem(
            f'Secret "{secret["metadata"]["name"]}" has nothing under "{key}": put the value in force there'
        )
    return value


#: Name and version of each Secret that was read.
_Versions = tuple[tuple[str, tuple[str, str]] | None, ...]
