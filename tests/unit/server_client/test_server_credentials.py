"""Credentials are read by name, only when their Secret changed, and never shown."""

from __future__ import annotations

import base64

import pytest
import structlog

from informers.errors import NotFound
from informers.resource import Manifest, ObjectKey, Resource
from informers.store import Store
from informers.view import freeze
from reconcilers.api.dittofs import DittoFS
from reconcilers.server.credentials import CredentialsMissing, CredentialsSource
from reconcilers.server.session import Credentials
from tests.support.authority import Authority

SECRET_KEY = ObjectKey("default", "demo-admin")


def instance(**tls: str) -> DittoFS:
    metadata = {"name": "demo", "namespace": "default", "uid": "u"}
    spec = {"adapters": {"api": {"tls": tls}}}
    return DittoFS.model_validate({"apiVersion": "v", "kind": "DittoFS", "metadata": metadata, "spec": spec})


DEMO = instance()


class Secrets:
    """The API server's Secrets, and the metadata of them in a cache."""

    def __init__(self) -> None:
        self.live: dict[ObjectKey, Manifest] = {}
        self.cache = Store(logger=structlog.get_logger())
        self.reads: list[ObjectKey] = []
        self._version = 0

    def put(self, name: str = "demo-admin", **data: str | bytes) -> None:
        self._version += 1
        metadata = {"name": name, "namespace": "default", "uid": "u", "resourceVersion": str(self._version)}
        encoded = {
            key: base64.b64encode(value if isinstance(value, bytes) else value.encode()).decode()
            for key, value in data.items()
        }
        self.live[ObjectKey("default", name)] = {"metadata": metadata, "data": encoded}
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


def test_what_tls_takes_comes_from_the_secrets_that_the_specification_names_and_follows_them(
    secrets: Secrets, source: CredentialsSource, authority: Authority
) -> None:
    mutual = instance(secretName="api", clientCASecretName="clients", clientSecretName="own")
    secrets.put(username="admin", password="correct-horse")
    secrets.put("api", **{"ca.crt": authority.text, "tls.crt": "-", "tls.key": "-"})
    secrets.put("own", **authority.issue("operator"))
    first = source.get(mutual)
    assert first.tls is not None
    assert (first.tls.authority, first.tls.certificate) == (authority.text, authority.issued["tls.crt"])
    assert source.get(mutual) is first
    assert authority.issued["tls.key"] not in repr(first)

    secrets.put("own", **authority.issue("operator"))

    second = source.get(mutual)
    assert second.tls is not None
    assert second.tls.certificate == authority.issued["tls.crt"] != first.tls.certificate


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (None, 'Secret "own" is not there yet'),
        ({}, 'Secret "own" has no key "tls.crt"'),
        ({"tls.crt": "hidden", "tls.key": "hidden"}, 'Secret "api" or "own" holds no certificate and key in PEM'),
    ],
)
def test_a_certificate_that_can_t_be_used_says_which_and_shows_nothing(
    secrets: Secrets,
    source: CredentialsSource,
    authority: Authority,
    data: dict[str, str] | None,
    message: str,
) -> None:
    secrets.put(username="admin", password="correct-horse")
    secrets.put("api", **{"ca.crt": authority.text})
    if data is not None:
        secrets.put("own", **data)

    with pytest.raises(CredentialsMissing, match=message) as caught:
        source.get(instance(secretName="api", clientSecretName="own"))

    assert "hidden" not in repr(caught.value)
    assert caught.value.__cause__ is None
