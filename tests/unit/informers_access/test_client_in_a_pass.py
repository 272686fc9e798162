"""What the client does for the work under way: notes its writes, and keeps to its deadline."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any

import pytest
from kubernetes.client import Configuration

from informers import deadline
from informers.client import Client
from informers.clock import SystemClock
from informers.errors import Conflict, DeadlineExceeded, Unreachable
from informers.resource import ObjectKey, Resource
from informers.writes import Write, noted
from tests.support.clock import FakeClock
from tests.support.scripted_server import Answer, ScriptedServer, config_map, refusal

CONFIG_MAPS = Resource("", "v1", "configmaps", "ConfigMap")
KEY = ObjectKey("ns", "a")
LABELS = {"app": "demo"}
SENT = config_map("a", 1, namespace="ns")
ANSWER = config_map("a", 7, namespace="ns", metadata={"uid": "u1", "labels": LABELS})
WRITTEN = Write(CONFIG_MAPS, KEY, "u1", "7", LABELS)

Call = Callable[[Client], Any]


@pytest.mark.parametrize(
    ("method", "call"),
    [
        ("POST", lambda client: client.create(CONFIG_MAPS, SENT, field_manager="m")),
        ("PUT", lambda client: client.replace(CONFIG_MAPS, SENT)),
        ("PATCH", lambda client: client.apply(CONFIG_MAPS, SENT, field_manager="m", force=True)),
        ("PATCH", lambda client: client.apply(CONFIG_MAPS, SENT, field_manager="m", force=True, subresource="status")),
        ("PATCH", lambda client: client.json_patch(CONFIG_MAPS, KEY, [], field_manager="m")),
        ("PATCH", lambda client: client.merge_patch(CONFIG_MAPS, KEY, {}, field_manager="m")),
    ],
    ids=["create", "replace", "apply", "apply status", "json_patch", "merge_patch"],
)
def test_every_write_is_noted_as_it_was_answered(
    server: ScriptedServer, client: Client, method: str, call: Call
) -> None:
    server.script(method, Answer(ANSWER))

    with noted() as writes:
        call(client)

    assert list(writes.values()) == [WRITTEN]


def test_a_deletion_is_noted_with_the_uid_that_the_server_names(server: ScriptedServer, client: Client) -> None:
    server.script("DELETE", Answer({"kind": "Status", "status": "Success", "details": {"name": "a", "uid": "u1"}}))

    with noted() as writes:
        client.delete(CONFIG_MAPS, KEY)

    assert list(writes.values()) == [Write(CONFIG_MAPS, KEY, "u1", "", {}, gone=True)]


def test_what_was_refused_and_what_was_read_is_not_noted(server: ScriptedServer, client: Client) -> None:
    server.script("PUT", refusal(409, "Conflict"))
    server.script("list", Answer(ANSWER))

    with noted() as writes:
        with pytest.raises(Conflict):
            client.replace(CONFIG_MAPS, SENT)
        client.get(CONFIG_MAPS, KEY)

    assert writes == {}


def test_writes_of_other_threads_are_not_ours(server: ScriptedServer, client: Client) -> None:
    server.script("PUT", Answer(ANSWER))

    with noted() as writes:
        other = threading.Thread(target=client.replace, args=(CONFIG_MAPS, SENT))
        other.start()
        other.join(10)

    assert len(server.seen("PUT")) == 1
    assert writes == {}


def test_t102_after_the_deadline_nothing_is_sent(server: ScriptedServer, client: Client) -> None:
    clock = FakeClock()

    with deadline.within(5, clock=clock):
        clock.advance(5)
        with pytest.raises(DeadlineExceeded, match="GET /api/v1/namespaces/ns/configmaps/a was not sent"):
            client.get(CONFIG_MAPS, KEY)

    assert server.requests == []


def test_t102_a_request_takes_no_longer_than_what_is_left(server: ScriptedServer) -> None:
    patient = Client(Configuration(host=server.url), user_agent="test/1", timeout_s=600)
    never = threading.Event()
    server.script("list", Answer(ANSWER, hold=never))
    clock = SystemClock()
    started = clock.monotonic()

    with deadline.within(0.2, clock=clock), pytest.raises(Unreachable):
        patient.get(CONFIG_MAPS, KEY)

    assert clock.monotonic() - started < 30
    never.set()
    patient.close()
