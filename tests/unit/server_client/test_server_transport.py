"""One exchange with a server: what is sent, and what every kind of answer or silence becomes."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator
from typing import Any

import pytest

from informers.clock import SystemClock
from reconcilers.server.errors import (
    Conflict,
    LoginRefused,
    NotFound,
    ServerRefused,
    ServerUnreachable,
)
from reconcilers.server.http import HttpTransport
from tests.support.clock import FakeClock
from tests.support.dittofs_server import Answer, ScriptedServer, ok, plain, problem


@pytest.fixture
def transport(scripted: ScriptedServer) -> Iterator[HttpTransport]:
    transport = HttpTransport(scripted.url, host="demo-api.default.svc", clock=SystemClock())
    yield transport
    transport.close()


def test_a_request_carries_method_path_body_token_and_the_services_name(
    scripted: ScriptedServer, transport: HttpTransport
) -> None:
    transport.call("PUT", "/api/v1/shares/a%2Fb", {"read_only": True}, token="t0")

    request = scripted.requests[0]
    assert (request.method, request.path, request.token) == ("PUT", "/api/v1/shares/a%2Fb", "t0")
    assert request.host == "demo-api.default.svc"
    assert request.body == {"read_only": True}


@pytest.mark.parametrize(
    ("status", "kind"),
    [
        (400, ServerRefused),
        (401, LoginRefused),
        (404, NotFound),
        (409, Conflict),
        (500, ServerRefused),
        (307, ServerRefused),
    ],
)
def test_a_refusal_is_an_exception_by_its_status(
    scripted: ScriptedServer, transport: HttpTransport, status: int, kind: type[ServerRefused]
) -> None:
    scripted.answer = lambda request: problem(status, "the reason")

    with pytest.raises(ServerRefused) as caught:
        transport.call("GET", "/x")

    assert type(caught.value) is kind
    assert (caught.value.status, caught.value.detail) == (status, "the reason")


def test_the_words_of_a_refusal_come_from_a_problem_from_plain_text_or_from_the_status() -> None:
    """Handlers answer problem+json, the middleware plain text, a wrong method nothing (dittofs-server 3.0)."""
    from reconcilers.server.http import _detail

    assert _detail(422, b'{"detail": "Bad", "hint": "do x", "errors": {"a": "b"}}') == "Bad; do x; a: b"
    assert _detail(401, b"Invalid or expired token\n") == "Invalid or expired token"
    assert _detail(405, b"") == "HTTP status 405 without a text"
    assert _detail(400, b'{"title": "Bad Request"}') == "Bad Request"


def test_a_long_refusal_is_cut(scripted: ScriptedServer, transport: HttpTransport) -> None:
    scripted.answer = lambda request: plain(500, "x" * 10_000)

    with pytest.raises(ServerRefused) as caught:
        transport.call("GET", "/x")

    assert len(str(caught.value)) < 700


def test_a_redirect_is_not_followed(scripted: ScriptedServer, transport: HttpTransport) -> None:
    scripted.answer = lambda request: Answer(307, headers=(("Location", "/health"),))

    with pytest.raises(ServerRefused):
        transport.call("GET", "/")

    assert scripted.calls() == ["GET /"]


def test_an_answer_that_is_cut_off_is_unreachable_and_not_repeated(
    scripted: ScriptedServer, transport: HttpTransport
) -> None:
    scripted.answer = lambda request: Answer(200, b'{"id": "1"}', cut_after=4)

    with pytest.raises(ServerUnreachable, match="PUT /x: the connection broke off"):
        transport.call("PUT", "/x", {})

    assert scripted.calls() == ["PUT /x"]


def test_the_exchange_after_a_cut_one_is_whole(scripted: ScriptedServer, transport: HttpTransport) -> None:
    scripted.answer = lambda request: Answer(200, b"{}" * 100, cut_after=4) if request.path == "/cut" else ok([1])
    with pytest.raises(ServerUnreachable):
        transport.call("GET", "/cut")

    assert transport.call("GET", "/whole") == [1]


def test_an_answer_beyond_the_limit_is_given_up(scripted: ScriptedServer) -> None:
    scripted.answer = lambda request: ok("x" * 2000)
    transport = HttpTransport(scripted.url, clock=SystemClock(), response_limit_bytes=1000)

    with pytest.raises(ServerUnreachable, match="larger than 1000 bytes"):
        transport.call("GET", "/x")

    scripted.answer = lambda request: ok("y")
    assert transport.call("GET", "/y") == "y"
    transport.close()


def test_an_answer_that_drips_is_given_up_at_its_deadline(scripted: ScriptedServer) -> None:
    clock = FakeClock()

    def slow(request: Any) -> Answer:
        clock.advance(8)
        return ok({})

    scripted.answer = slow
    transport = HttpTransport(scripted.url, clock=clock)

    assert transport.call("GET", "/x") == {}
    with pytest.raises(ServerUnreachable, match="took longer than 7 s"):
        transport.call("PUT", "/x", {}, within_s=7.0)
    transport.close()


def test_a_silent_server_is_given_up_when_the_caller_must_have_ended(scripted: ScriptedServer) -> None:
    answered = threading.Event()

    def silent(request: Any) -> Answer:
        answered.wait(10)
        return ok({})

    scripted.answer = silent
    transport = HttpTransport(scripted.url, clock=SystemClock(), read_timeout_s=30.0)
    try:
        with pytest.raises(ServerUnreachable, match="timed out"):
            transport.call("PUT", "/x", {}, within_s=0.1)
        assert not answered.is_set()
    finally:
        answered.set()
        transport.close()


def test_a_call_that_may_take_long_is_waited_for_beyond_all_usual_limits(scripted: ScriptedServer) -> None:
    clock = FakeClock()

    def slow(request: Any) -> Answer:
        clock.advance(1000)
        return ok({})

    scripted.answer = slow
    transport = HttpTransport(scripted.url, clock=clock)

    assert transport.call("POST", "/x", {}, within_s=7.0, patience_s=1860.0) == {}
    with pytest.raises(ServerUnreachable, match="took longer than 900 s"):
        transport.call("POST", "/x", {}, patience_s=900.0)
    transport.close()


def test_no_json_is_unreachable_and_nothing_is_none(scripted: ScriptedServer, transport: HttpTransport) -> None:
    scripted.answer = lambda request: Answer(204) if request.path == "/empty" else plain(200, "<html>")

    assert transport.call("DELETE", "/empty") is None
    with pytest.raises(ServerUnreachable, match="not JSON"):
        transport.call("GET", "/html")


def test_nobody_listening_is_unreachable_in_a_text_that_stays_the_same() -> None:
    """A text with object addresses would change a condition, and so write status, on every pass."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        transport = HttpTransport(f"http://127.0.0.1:{probe.getsockname()[1]}", clock=SystemClock())
        texts = set()
        for _ in range(2):
            with pytest.raises(ServerUnreachable) as caught:
                transport.call("GET", "/health")
            texts.add(str(caught.value))

    assert texts == {"no answer to GET /health: connection refused or no route"}


def test_a_silent_server_times_out() -> None:
    with socket.socket() as silent:
        silent.bind(("127.0.0.1", 0))
        silent.listen()
        transport = HttpTransport(
            f"http://127.0.0.1:{silent.getsockname()[1]}", clock=SystemClock(), read_timeout_s=0.05
        )
        with pytest.raises(ServerUnreachable, match="GET /health: timed out"):
            transport.call("GET", "/health")
        transport.close()


@pytest.mark.parametrize("address", ["demo-api:8080", "https://10.0.0.7", "http://", ""])
def test_an_address_that_is_none_is_refused_at_once(address: str) -> None:
    with pytest.raises(ValueError, match="must look like"):
        HttpTransport(address, clock=SystemClock())


@pytest.mark.parametrize(
    "body", ['{"expires_in": NaN}', "[" * 100_000, '{"a": 1e999}', "\xff"], ids=["no number", "deep", "huge", "no text"]
)
def test_json_that_is_none_by_its_standard_is_unreachable(
    scripted: ScriptedServer, transport: HttpTransport, body: str
) -> None:
    scripted.answer = lambda request: Answer(200, body.encode("latin-1"))

    with pytest.raises(ServerUnreachable, match="not JSON"):
        transport.call("GET", "/x")


def test_a_deep_refusal_is_a_refusal(scripted: ScriptedServer, transport: HttpTransport) -> None:
    scripted.answer = lambda request: Answer(500, b"[" * 100_000)

    with pytest.raises(ServerRefused):
        transport.call("GET", "/x")


@pytest.mark.parametrize(
    ("path", "body"),
    [
        ("/api/v1/auth/login", {"username": "admin", "password": "hush-hush"}),
        ("/api/v1/users/me/password", {"current_password": "hush-hush", "new_password": "hush-hush"}),
        ("/api/v1/auth/refresh", {"refresh_token": "hush-hush"}),
    ],
)
def test_a_server_that_repeats_a_secret_is_not_quoted(
    scripted: ScriptedServer, transport: HttpTransport, path: str, body: dict[str, str]
) -> None:
    scripted.answer = lambda request: plain(400, 'bad body {"password": "hush-hush"} of bearer t0k3n')

    with pytest.raises(ServerRefused) as raised:
        transport.call("POST", path, body, token="t0k3n")

    assert "hush" not in str(raised.value)
    assert "t0k3n" not in str(raised.value)
    assert "bad body" in str(raised.value)
