"""A write under a gate, on the wire: asked for twice, and given up before somebody else may write."""

from __future__ import annotations

import threading
import time

import pytest
import urllib3
from kubernetes.client import Configuration

from informers.client import Client
from informers.connections import asked_before_sending, make_interruptible
from informers.errors import Unreachable, WriteRefused
from informers.resource import ObjectKey, Resource
from tests.support.scripted_server import Answer, ScriptedServer

CONFIG_MAPS = Resource("", "v1", "configmaps", "ConfigMap")
KEY = ObjectKey("ns", "a")
LIMIT_S = 0.3


class Gate:
    """Open for the first `answers` questions."""

    def __init__(self, *, answers: int, left_s: float = LIMIT_S) -> None:
        self.answers = answers
        self.left_s = left_s

    def check(self) -> float:
        self.answers -= 1
        if self.answers < 0:
            raise WriteRefused("not the leader")
        return self.left_s


def client(server: ScriptedServer, gate: Gate) -> Client:
    return Client(Configuration(host=server.url), user_agent="t", gate=gate, timeout_s=20)


def test_a_write_is_given_up_when_another_process_may_lead_and_not_when_the_client_would(
    server: ScriptedServer,
) -> None:
    never = threading.Event()
    server.script("DELETE", Answer({}, hold=never))
    began = time.monotonic()

    with pytest.raises(Unreachable, match="timed out"):
        client(server, Gate(answers=9)).delete(CONFIG_MAPS, KEY)

    assert LIMIT_S <= time.monotonic() - began < 10
    never.set()


def test_a_read_is_not_bound_by_the_gate(server: ScriptedServer) -> None:
    held = threading.Event()
    server.script("list", Answer({}, hold=held))
    threading.Timer(2 * LIMIT_S, held.set).start()

    client(server, Gate(answers=0)).get(CONFIG_MAPS, KEY)


@pytest.mark.parametrize("connected", [False, True])
def test_a_gate_that_closes_while_the_connection_is_made_lets_nothing_out(
    server: ScriptedServer,
    connected: bool,
) -> None:
    gate = Gate(answers=1)
    writer = client(server, gate)
    if connected:
        server.script("list", Answer({}))
        writer.get(CONFIG_MAPS, KEY)

    with pytest.raises(WriteRefused):
        writer.delete(CONFIG_MAPS, KEY)

    assert server.seen("DELETE") == []
    gate.answers = 9
    server.script("DELETE", Answer({}))
    writer.delete(CONFIG_MAPS, KEY)


def test_a_gate_without_a_limit_leaves_the_clients_own(server: ScriptedServer) -> None:
    server.script("DELETE", Answer({}))

    client(server, Gate(answers=2, left_s=float("inf"))).delete(CONFIG_MAPS, KEY)


class Wire:
    """A socket that remembers what was sent over it."""

    def __init__(self, sent: list[object]) -> None:
        self._sent = sent

    def settimeout(self, seconds: float | None) -> None:
        """It never waits."""

    def sendall(self, data: bytes) -> None:
        self._sent.append(data)


def test_the_gate_is_asked_right_before_the_whole_request_is_sent_at_once() -> None:
    """A process that is paused between two pieces would send the second when somebody else leads."""
    happened: list[object] = []
    manager = urllib3.PoolManager()
    make_interruptible(manager)
    connection = manager.connection_from_url("http://127.0.0.1:1")._new_conn()
    connection.sock = Wire(happened)  # type: ignore[assignment]

    with asked_before_sending(lambda: happened.append("asked")):
        connection.request("PATCH", "/object", body=b'{"a": 1}')

    asked, request = happened
    assert asked == "asked"
    assert isinstance(request, bytes)
    assert request.startswith(b"PATCH /object HTTP/1.1\r\n")
    assert request.endswith(b'\r\n\r\n{"a": 1}')
