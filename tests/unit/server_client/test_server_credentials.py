"""Credentials are read by name, only when their Secret changed, and never shown."""

from __future__ import annotations

import base64

import pytest
import structlog

from informers.errors import NotFound
from informers.resource import Manifest, ObjectKey, Resource
from informers.store import Store
from informers.view import freeze
from reconcilers.server.credentials import CredentialsMissing, CredentialsSource
from reconcilers.server.session import Credentials

DEMO = ObjectKey("default", "demo")
SECRET_KEY = ObjectKey("default", "demo-admin")


class Secrets:
    """The API server's Secrets, and the metadata of them in a cache."""

    def __init__(self) -> None:
        self.live: dict[ObjectKey, Manifest] = {}
        self.cache = Store(logger=structlog.get_logger())
        self.reads: list[ObjectKey] = []
        self._version = 0

    def put(self, **data: str | bytes) -> None:
        self._version += 1
        metadata = {"name": "demo-admin", "namespace": "default", "uid": "u", "resourceVersion": str(self._version)}
        encoded = {
            key: base64.b64encode(value if isinstance(value, bytes) else value.encode()).decode()
            for key, value in data.items()
        }
        self.live[SECRET_KEY] = {"metadata": metadata, "data": encoded}
        self.cache.put(freeze({"metadata": metadata}))

    def get(self, resource: Resource, key: ObjectKey) -> Manifest:
        assert resource.kind == "Secret"
        self.reads.append(key)
        if key not in self.live:
            raise NotFound(404, "NotFound", "gone")
        return self.live[key]


@pytest.fixture
def secrets() -> Secrets:
    return Secrets()


@pytest.fixture
def source(secrets: Secrets) -> CredentialsSource:
    return CredentialsSource(secrets, secrets.cache)


def test_they_are_read_once_until_the_secret_changes(secrets: Secrets, source: CredentialsSource) -> None:
    secrets.put(username="admin", password="correct-horse")
    for _ in range(3):
        assert source.get(DEMO) == Credentials("admin", "correct-horse")
    assert secrets.reads == [SECRET_KEY]

    secrets.put(username="admin", password="battery-staple")

    assert source.get(DEMO) == Credentials("admin", "battery-staple")
    assert len(secrets.reads) == 2


def test_a_secret_that_is_not_there_is_not_asked_for(secrets: Secrets, source: CredentialsSource) -> None:
    with pytest.raises(CredentialsMissing, match='Secret "demo-admin" is not there yet'):
        source.get(DEMO)

    assert secrets.reads == []


def test_a_secret_that_went_meanwhile_is_missing(secrets: Secrets, source: CredentialsSource) -> None:
    secrets.put(username="admin", password="correct-horse")
    source.get(DEMO)
    secrets.put(username="admin", password="new")
    secrets.live.clear()

    with pytest.raises(CredentialsMissing):
        source.get(DEMO)


def test_a_secret_that_is_not_whole_names_the_key(secrets: Secrets, source: CredentialsSource) -> None:
    secrets.put(username="admin")
    with pytest.raises(CredentialsMissing, match='has no key "password": add it'):
        source.get(DEMO)

    secrets.put(username="", password="correct-horse")
    with pytest.raises(CredentialsMissing, match='has nothing under "username": put'):
        source.get(DEMO)

    secrets.put(username="admin", password=b"\xff\xfe-hidden")
    with pytest.raises(CredentialsMissing, match='holds no UTF-8 text under "password"') as caught:
        source.get(DEMO)
    assert "hidden" not in repr(caught.value)
    assert caught.value.__cause__ is None
