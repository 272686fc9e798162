"""What a DittoFSShare says of every way in which its server can fail, and that no secret comes along."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest
import structlog
from prometheus_client import CollectorRegistry

from informers.metrics import Metrics
from informers.passes import Passes
from informers.result import Backoff
from informers.workqueue import WorkQueue
from reconcilers.server.session import Credentials
from reconcilers.share.reconciler import AWAY_LOOK_S
from tests.support.dittofs_server import (
    Answer,
    LiveServer,
    Request,
    ScriptedServer,
    ok,
    plain,
    problem,
    scripted_server,
)
from tests.support.share_world import POLL_S, ShareWorld

PASSWORD, TOKEN, REFRESH = "hush-pass-word", "hush-access-token", "hush-refresh-token"
ACCESS_KEY, SECRET_KEY = "hush-access-key", "hush-secret-key"
DEMAND = 'account "admin" must set a new password before performing other operations'
LOGIN = "/api/v1/auth/login"

Serve = Callable[[Request], Answer]


def echo(request: Request) -> str:
    """All that the server was told in confidence."""
    return f"token {request.token}, body {json.dumps(request.body)}"


#: By name: how the server answers all but the login, and what the condition Synced says then.
ANSWERS: dict[str, tuple[Serve, str, str]] = {
    "cut off": (lambda r: Answer(200, b"[]" * 99, cut_after=3), "Unknown", "ServerUnreachable"),
    "no JSON": (lambda r: plain(200, echo(r)), "Unknown", "ServerUnreachable"),
    "400": (lambda r: problem(400, echo(r)), "False", "Refused"),
    "401": (lambda r: plain(401, echo(r)), "False", "LoginRefused"),
    "403": (lambda r: plain(403, echo(r)), "False", "Refused"),
    "must change": (lambda r: plain(403, f"{DEMAND} {echo(r)}"), "False", "PasswordChangeRequired"),
    "404": (lambda r: plain(404, echo(r)), "False", "ServerChanged"),
    "409": (lambda r: problem(409, echo(r)), "False", "ServerChanged"),
    "422": (lambda r: problem(422, echo(r)), "False", "Refused"),
    "429": (lambda r: replace(plain(429, echo(r)), headers=(("Retry-After", "9"),)), "Unknown", "ServerBusy"),
    "500": (lambda r: problem(500, echo(r)), "False", "ServerFailed"),
    "503": (lambda r: plain(503, echo(r)), "Unknown", "ServerBusy"),
}
#: The same for the login itself.
LOGINS: dict[str, tuple[Serve, str, str]] = {
    "400": (lambda r: problem(400, echo(r)), "False", "LoginRefused"),
    "401": (lambda r: plain(401, echo(r)), "False", "LoginRefused"),
    "403": (lambda r: problem(403, echo(r)), "False", "LoginRefused"),
    "429": (lambda r: replace(plain(429, echo(r)), headers=(("Retry-After", "9"),)), "Unknown", "ServerBusy"),
    "500": (lambda r: problem(500, echo(r)), "False", "ServerFailed"),
    "no tokens": (lambda r: ok({"said": echo(r)}), "Unknown", "ServerUnreachable"),
}


@pytest.fixture
def scripted() -> Iterator[ScriptedServer]:
    with scripted_server() as server:
        yield server


@pytest.fixture
def failing(scripted: ScriptedServer, tmp_path: Path) -> Iterator[ShareWorld]:
    """An instance with a bucket, whose server does as a test says."""
    world = ShareWorld(LiveServer(scripted.url, tmp_path))
    world.credentials.credentials = Credentials("admin", PASSWORD)
    world.objects.secrets["keys"] = {"access-key-id": ACCESS_KEY, "secret-access-key": SECRET_KEY}
    s3 = {"bucket": "files", "endpoint": "http://192.0.2.1", "credentialsSecretRef": {"name": "keys"}}
    world.put_instance(spec={"payload": {"type": "s3", "s3": s3}})
    yield world
    world.close()


def told(world: ShareWorld, *, passes: int = 3) -> str:
    """Everything that `passes` of a share tell anybody: logs, events, status."""
    key = world.put_share()
    queue = WorkQueue(clock=world.clock)
    with structlog.testing.capture_logs() as logs:
        runner = Passes(
            world.reconciler,
            name="dittofsshare",
            clock=world.clock,
            metrics=Metrics(CollectorRegistry()).controller("dittofsshare", workers=1, clock=world.clock),
            logger=structlog.get_logger(),
            timeout_s=None,
        )
        for _ in range(passes):
            queue.add(key)
            entry = queue.get()
            assert entry is not None
            runner.run(queue, entry)
            queue.done(key)
            world.clock.advance(POLL_S)
    assert any(log["event"] == "reconcile failed" for log in logs), logs
    return f"{logs}{world.recorder.events}{world.status(key)}{world.objects.writes}"


@pytest.mark.parametrize("name", [*ANSWERS, *(f"login {name}" for name in LOGINS)])
def test_a_share_says_what_is_wrong_with_its_server_and_no_secret(
    failing: ShareWorld, scripted: ScriptedServer, name: str
) -> None:
    at_login = name.startswith("login ")
    serve, status, reason = (LOGINS if at_login else ANSWERS)[name.removeprefix("login ")]
    tokens = ok({"access_token": TOKEN, "refresh_token": REFRESH, "expires_in": 900})
    scripted.answer = lambda request: serve(request) if at_login or request.path != LOGIN else tokens

    text = told(failing)

    key = failing.put_share()
    result = failing.reconciler.reconcile(key)
    assert failing.condition(key, "Synced") == (status, reason)
    assert isinstance(result, Backoff)
    assert (result.reason, result.at_most_s) == (reason, POLL_S)
    away = AWAY_LOOK_S if status == "Unknown" else 0.0
    assert result.at_least_s == pytest.approx(9.0 if "429" in name else away)
    assert len(failing.recorder.events) == 1, "told once, however often it is found"
    assert "hush" not in text
    assert any("hush" in f"{request.token}{request.body}" for request in scripted.requests)


@pytest.mark.parametrize("refusal", [400, 409, 500])
def test_a_refused_step_repeats_no_key_of_the_bucket(
    failing: ShareWorld, scripted: ScriptedServer, refusal: int
) -> None:
    def answer(request: Request) -> Answer:
        if request.path == LOGIN:
            return ok({"access_token": TOKEN, "refresh_token": REFRESH, "expires_in": 900})
        if request.method == "GET":
            return ok([]) if request.path.endswith("/shares") else problem(404, "not found")
        if request.path.endswith("/block/remote"):
            return problem(refusal, echo(request))
        return ok({"id": "1", **request.body})

    scripted.answer = answer

    text = told(failing)

    assert "hush" not in text
    sent = "".join(f"{request.body}" for request in scripted.requests)
    assert ACCESS_KEY in sent
    assert SECRET_KEY in sent
