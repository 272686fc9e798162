"""What the operator knows of the Secrets it does not hold: whether a value is there and good, and a digest of it.

Secrets are cached as metadata; a value is read by name when its Secret has changed, and forgotten at once.
"""

from __future__ import annotations

import hashlib
import threading
from collections.abc import Mapping
from dataclasses import dataclass, field

from informers.errors import NotFound
from informers.recent import Recent
from informers.resource import ObjectKey, View
from reconcilers.access import ApiClient, Cache
from reconcilers.api.resources import SECRET
from reconcilers.secret_data import SecretProblem, absent, decode, no_such_key, version_of

#: Secrets of whose values digests are remembered: a few an instance.
MEMORY_SIZE = 10_000


@dataclass(frozen=True, slots=True)
class SecretValue:
    """A value, without the value."""

    #: SHA-256; two values are the same when their digests are.
    digest: bytes = field(repr=False)
    length_bytes: int
    length_characters: int


class SecretReader:
    """Reads values of Secrets. Safe for many threads."""

    def __init__(self, *, client: ApiClient, secrets: Cache) -> None:
        self._client = client
        self._secrets = secrets
        self._lock = threading.Lock()
        #: By Secret: the version that was read, and what each of its keys holds.
        self._known: Recent[ObjectKey, tuple[tuple[str, str], Mapping[str, SecretValue | str]]] = Recent(MEMORY_SIZE)

    def look(self, secret: ObjectKey, data_key: str, *, view: View | None = None) -> SecretValue:
        """What is known of the value `data_key` of `secret`; sends a request only after the Secret has changed.

        `view` is the Secret's metadata when it is fresher than the cache. Raises SecretProblem, or the `ClientError`
        of the live read.
        """
        view = self._secrets.get(secret) if view is None else view
        if view is None:
            with self._lock:
                self._known.forget(secret)
            raise SecretProblem(absent(secret.name, data_key))
        version = version_of(view)
        with self._lock:
            known = self._known.get(secret)
        if known is None or known[0] != version:
            known = self._read(secret, data_key)
            with self._lock:
                self._known.put(secret, known)
        found = known[1].get(data_key)
        if found is None:
            raise SecretProblem(no_such_key(secret.name, data_key))
        if isinstance(found, str):
            raise SecretProblem(found)
        return found

    def value(self, secret: ObjectKey, data_key: str) -> str:
        """The value itself, read now. Raises SecretProblem, or a `ClientError`."""
        try:
            live = self._client.get(SECRET, secret)
        except NotFound:
            raise SecretProblem(absent(secret.name, data_key)) from None
        return decode(live, data_key)

    def _read(self, secret: ObjectKey, data_key: str) -> tuple[tuple[str, str], Mapping[str, SecretValue | str]]:
        try:
            live = self._client.get(SECRET, secret)
        except NotFound:
            raise SecretProblem(absent(secret.name, data_key)) from None
        return version_of(live), {key: _digested(live, key) for key in live.get("data") or {}}


def _digested(secret: View, data_key: str) -> SecretValue | str:
    try:
        text = decode(secret, data_key)
    except SecretProblem as problem:
        return str(problem)
    raw = text.encode()
    return SecretValue(hashlib.sha256(raw).digest(), len(raw), len(text))
