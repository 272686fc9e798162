"""What TLS changes: certificates, and ending a blocked read below the encryption."""

from __future__ import annotations

import ssl
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from kubernetes.client import Configuration

from informers.client import Client
from informers.errors import Unreachable
from informers.resource import Resource
from tests.support import scripted_server
from tests.support.scripted_server import LIMIT_S, Answer, ScriptedServer, Stream, config_map

CONFIG_MAPS = Resource("", "v1", "configmaps", "ConfigMap")

#: A key and a certificate for 127.0.0.1, good for these tests and nothing else.
CERTIFICATE = Path(scripted_server.__file__).with_name("loopback.pem")


@pytest.fixture
def secure() -> Iterator[ScriptedServer]:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(CERTIFICATE)
    with ScriptedServer(tls=context) as running:
        yield running


@pytest.fixture
def trusting(secure: ScriptedServer) -> Iterator[Client]:
    configuration = Configuration(host=secure.url)
    configuration.ssl_ca_cert = str(CERTIFICATE)
    client = Client(configuration, user_agent="t", timeout_s=10)
    yield client
    client.close()


def test_an_unknown_certificate_is_unreachable_and_named(secure: ScriptedServer) -> None:
    client = Client(Configuration(host=secure.url), user_agent="t")

    with pytest.raises(Unreachable, match=r"GET /version: \[SSL: CERTIFICATE_VERIFY_FAILED\]") as raised:
        client.raw_get("/version")

    assert "\n" not in str(raised.value)
    assert secure.requests == []


def test_calls_and_watches_work(secure: ScriptedServer, trusting: Client) -> None:
    secure.script("list", Answer({"minor": "37"}))
    secure.script("watch", Stream().event("ADDED", config_map("a", 2)).end())

    assert trusting.raw_get("/version") == {"minor": "37"}
    (event,) = trusting.watch(CONFIG_MAPS, resource_version="1", timeout_s=300)
    assert event.object == config_map("a", 2)


@pytest.mark.parametrize("state", ["before the headers", "idle"])
def test_close_ends_a_read_that_waits(secure: ScriptedServer, trusting: Client, state: str) -> None:
    held = threading.Event() if state == "before the headers" else None
    secure.script("watch", Stream(hold=held).event("ADDED", config_map("a", 2)))
    stream = trusting.watch(CONFIG_MAPS, resource_version="1", timeout_s=300)
    first = threading.Event()
    ended = threading.Event()

    def read() -> None:
        for _ in stream:
            first.set()
        ended.set()

    threading.Thread(target=read, daemon=True).start()
    secure.until_seen("watch", 1)
    if held is None:
        assert first.wait(LIMIT_S)
    started = time.monotonic()

    stream.close()

    assert ended.wait(LIMIT_S)
    assert time.monotonic() - started < 0.5
