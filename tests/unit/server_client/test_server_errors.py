"""What is done about every way in which a call to a server can fail, each tried over a real connection."""

from __future__ import annotations

import contextlib
import socket
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace

import pytest

from informers.clock import SystemClock
from reconcilers.server.errors import (
    FAILED,
    LONGEST_RETRY_AFTER_S,
    PASSWORD_CHANGE,
    TREATMENTS,
    Conflict,
    Failure,
    LoginRefused,
    NotFound,
    PasswordChangeRequired,
    Reaction,
    ServerError,
    ServerRefused,
    ServerUnreachable,
    Treatment,
    refused,
    treatment,
)
from reconcilers.server.http import HttpTransport
from reconcilers.server.session import Credentials, ServerSession
from tests.support.clock import FakeClock
from tests.support.dittofs_server import Answer, Request, ScriptedServer, ok, plain, problem

GOOD = Credentials("admin", "correct-horse")
TOKENS = {"access_token": "t0k3n", "refresh_token": "r3fr3sh", "expires_in": 900}
DEMAND = 'account "admin" must set a new password before performing other operations; run dfsctl to set one'


@dataclass(frozen=True)
class Case:
    """What the server does with a read of its shares, and what comes of it."""

    answer: Answer | None
    error: type[ServerError]
    treatment: Treatment
    words: str
    retry_after_s: float = 0.0


CASES = {
    "nobody listens": Case(None, ServerUnreachable, TREATMENTS[Failure.NO_CONNECTION], "connection refused"),
    "cut off": Case(
        Answer(200, b"[]" * 99, cut_after=5), ServerUnreachable, TREATMENTS[Failure.CUT_OFF], "the connection broke off"
    ),
    "no JSON": Case(plain(200, "<html>"), ServerUnreachable, TREATMENTS[Failure.NOT_UNDERSTOOD], "is not JSON"),
    "another API": Case(ok({"items": []}), ServerUnreachable, TREATMENTS[Failure.NOT_UNDERSTOOD], "is no list"),
    "400": Case(problem(400, "Bad name"), ServerRefused, TREATMENTS[400], "Bad name"),
    "401": Case(plain(401, "Invalid or expired token"), LoginRefused, TREATMENTS[401], "Invalid or"),
    "403 problem": Case(problem(403, "Not yours"), ServerRefused, TREATMENTS[403], "Not yours"),
    "403 plain": Case(plain(403, "Admin access required\n"), ServerRefused, TREATMENTS[403], "Admin access required"),
    "must change": Case(plain(403, DEMAND), PasswordChangeRequired, PASSWORD_CHANGE, "must set a new password"),
    "404": Case(plain(404, "404 page not found"), NotFound, TREATMENTS[404], "404 page not found"),
    "405": Case(Answer(405), ServerRefused, TREATMENTS[405], "HTTP status 405 without a text"),
    "409": Case(problem(409, "Share already exists"), Conflict, TREATMENTS[409], "Share already exists"),
    "413": Case(plain(413, "too large"), ServerRefused, TREATMENTS[413], "too large"),
    "422": Case(problem(422, "No such level"), ServerRefused, TREATMENTS[422], "No such level"),
    "429": Case(
        replace(plain(429, "slow down"), headers=(("Retry-After", "7"),)),
        ServerRefused,
        TREATMENTS[429],
        "slow down",
        retry_after_s=7.0,
    ),
    "500": Case(problem(500, "Failed"), ServerRefused, FAILED, "answered 500 to GET /api/v1/shares: Failed"),
    "502": Case(plain(502, "Bad Gateway"), ServerRefused, FAILED, "Bad Gateway"),
    "503": Case(
        replace(problem(503, "starting"), headers=(("Retry-After", "86400"),)),
        ServerRefused,
        TREATMENTS[503],
        "starting",
        retry_after_s=LONGEST_RETRY_AFTER_S,
    ),
    "504": Case(problem(504, "Request timed out"), ServerRefused, FAILED, "Request timed out"),
}


@contextlib.contextmanager
def session_with(
    scripted: ScriptedServer, answer: Callable[[Request], Answer], *, url: str = "", clock: FakeClock | None = None
) -> Iterator[ServerSession]:
    """A session with a server that takes the login and answers everything else by `answer`."""
    scripted.answer = lambda request: ok(TOKENS) if request.path == "/api/v1/auth/login" else answer(request)
    clock = clock or FakeClock()
    transport = HttpTransport(url or scripted.url, clock=clock, read_timeout_s=0.2)
    session = ServerSession(transport, GOOD, clock=clock)
    yield session
    session.close()


@pytest.mark.parametrize("name", CASES)
def test_every_failure_has_its_exception_its_words_and_its_treatment(scripted: ScriptedServer, name: str) -> None:
    case = CASES[name]
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))  # taken and not listening: refused
        url = "" if case.answer else f"http://127.0.0.1:{free.getsockname()[1]}"
        with (
            session_with(scripted, lambda request: case.answer or ok([]), url=url) as session,
            pytest.raises(ServerError, match=case.words) as caught,
        ):
            session.shares()

    assert type(caught.value) is case.error
    assert treatment(caught.value) is case.treatment
    assert caught.value.retry_after_s == pytest.approx(case.retry_after_s, abs=0.5)
    asked = [call for call in scripted.calls() if call != "POST /api/v1/auth/login"]
    logins = len(scripted.calls()) - len(asked)
    assert len(asked) == (0 if case.answer is None else 2 if name == "401" else 1)
    assert logins == (0 if case.answer is None else 2 if name == "401" else 1)


def test_every_row_of_the_table_is_tried() -> None:
    tried = {id(case.treatment) for case in CASES.values()}
    timeouts = {id(TREATMENTS[Failure.TIMED_OUT])}  # below, since it takes time

    assert {id(row) for row in (*TREATMENTS.values(), FAILED, PASSWORD_CHANGE)} == tried | timeouts
    assert {row.reaction for row in (*TREATMENTS.values(), FAILED, PASSWORD_CHANGE)} == set(Reaction)


def test_a_silent_server_is_spared_for_as_long_as_it_kept_the_caller_waiting(scripted: ScriptedServer) -> None:
    clock, talk = FakeClock(), threading.Event()

    def silent(request: Request) -> Answer:
        clock.advance(8)  # of the world's time; the connection's is short
        talk.wait(10)
        return ok([])

    with session_with(scripted, silent, clock=clock) as session:
        with pytest.raises(ServerUnreachable, match="timed out") as first:
            session.shares()
        asked = len(scripted.requests)
        with pytest.raises(ServerUnreachable) as second:
            session.share("/export")
        talk.set()

        assert treatment(first.value) is TREATMENTS[Failure.TIMED_OUT]
        assert str(second.value) == str(first.value)
        assert len(scripted.requests) == asked
        assert first.value.retry_after_s == second.value.retry_after_s == 8.0

        clock.advance(8)
        scripted.answer = lambda request: ok([])
        assert session.shares() == ()


def test_a_slow_write_says_nothing_about_reads(scripted: ScriptedServer) -> None:
    """Stopping an adapter outlasts the longest wait; what came of it is read again at once."""
    clock, talk = FakeClock(), threading.Event()

    def slow(request: Request) -> Answer:
        if request.method == "PUT":
            clock.advance(8)
            talk.wait(10)
        return ok({"type": "smb", "enabled": False, "port": 12445})

    with session_with(scripted, slow, clock=clock) as session:
        adapter = session.put_adapter("smb", enabled=False, port=12445)
        talk.set()

    assert not adapter.enabled


def test_a_server_that_asks_to_be_left_alone_gets_no_request_until_then(scripted: ScriptedServer) -> None:
    clock = FakeClock()
    busy = replace(plain(429, "slow down"), headers=(("Retry-After", "20"),))
    with session_with(scripted, lambda request: busy, clock=clock) as session:
        for _ in range(3):
            with pytest.raises(ServerRefused, match="slow down") as caught:
                session.shares()
        asked = len(scripted.requests)
        clock.advance(12)
        with pytest.raises(ServerRefused) as caught:
            session.disable_share("/export")
        assert (asked, len(scripted.requests)) == (2, 2)
        assert (caught.value.status, caught.value.retry_after_s) == (429, 8.0)

        clock.advance(8)
        scripted.answer = lambda request: ok([])
        assert session.shares() == ()


@pytest.mark.parametrize(
    ("header", "seconds"),
    [("Sun, 06 Nov 2044 08:49:37 GMT", 60.0), ("Sun, 06 Nov 1994 08:49:37 GMT", 0.0), ("soon", 0.0), ("", 0.0)],
)
def test_a_retry_after_may_be_a_date_and_is_bounded(scripted: ScriptedServer, header: str, seconds: float) -> None:
    scripted.answer = lambda request: replace(plain(429, "no"), headers=(("Retry-After", header),))
    transport = HttpTransport(scripted.url, clock=SystemClock())

    with pytest.raises(ServerRefused) as caught:
        transport.call("GET", "/x")
    transport.close()

    assert caught.value.retry_after_s == seconds


def test_an_answer_that_is_cut_in_a_long_call_is_read_again_rather_than_repeated(scripted: ScriptedServer) -> None:
    stopped = {"type": "smb", "enabled": False, "port": 12445}

    def answer(request: Request) -> Answer:
        return Answer(200, b"{}" * 50, cut_after=1) if request.method == "PUT" else ok(stopped)

    with session_with(scripted, answer) as session:
        assert session.put_adapter("smb", enabled=False, port=12445).enabled is False

    assert scripted.calls()[1:] == ["PUT /api/v1/adapters/smb", "GET /api/v1/adapters/smb"]


def test_any_other_status_is_a_failure_of_the_server() -> None:
    for status in (301, 307, 418, 501, 599):
        assert treatment(refused(status, "", call="GET /")) is FAILED
