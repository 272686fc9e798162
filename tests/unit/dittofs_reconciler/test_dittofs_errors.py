"""What a DittoFS makes of a server that fails, and that nothing it tells holds a secret."""

from __future__ import annotations

import itertools
import json
from collections.abc import Iterator

import pytest
import structlog

from reconcilers.api.resources import DITTOFS
from tests.support.dittofs_server import Answer, Request, ScriptedServer, ok, plain, problem, scripted_server
from tests.support.dittofs_world import DEMO, NAMESPACE, POLL_S, World

TOKENS = {"access_token": "hush-access", "refresh_token": "hush-refresh", "expires_in": 900}


@pytest.fixture
def scripted() -> Iterator[ScriptedServer]:
    with scripted_server() as server:
        yield server


class Stand:
    """Stands at the place of the server, as one that does what a test says."""

    def __init__(self, scripted: ScriptedServer) -> None:
        self.port = int(scripted.url.rpartition(":")[2])

    def stop(self) -> None:
        pass


def test_a_password_that_another_administrator_set_is_confirmed_and_serves_again(world: World) -> None:
    """The server takes the login then and refuses all else until the account has set a password itself."""
    world.run()
    server = world.server
    assert server is not None
    password = world.secret("demo-admin", "password")
    server.rows("users")["admin"]["must_change_password"] = True
    world.sessions.forget(DEMO)  # its token was given before

    world.reconcile()

    assert server.rows("users")["admin"]["must_change_password"] is False
    assert world.condition("Available") == ("True", "ServerHealthy")
    assert world.secret("demo-admin", "password") == password
    assert "admin password confirmed" in str(world.recorder.events)
    events = len(world.recorder.events)
    world.settle()
    assert len(world.recorder.events) == events


ADAPTERS = [
    {"type": kind, "enabled": kind == "nfs", "running": True, "port": 12049, "status": {"status": "healthy"}}
    for kind in ("nfs", "smb")
]


def test_a_server_that_repeats_all_it_is_told_puts_no_secret_into_logs_events_or_status(
    world: World, scripted: ScriptedServer
) -> None:
    world.create_secret("alice", password="hush-alice-password")
    world.create_secret("wanted", password="hush-wanted-password")
    user = {"name": "alice", "uid": 1001, "gid": 1000, "passwordSecretRef": {"name": "alice", "key": "password"}}
    world.create_dittofs(users=[user])
    world.reconcile()
    world.roll_out()
    world.change_spec(auth={"adminSecretRef": {"name": "wanted"}})
    world.server = Stand(scripted)  # type: ignore[assignment]
    failing: tuple[str, int] = ("", 0)

    def answer(request: Request) -> Answer:
        part, status = failing
        if request.path.endswith(part):
            text = f"{request.token} {json.dumps(request.body)}"
            return plain(status, text) if status in (401, 403) else problem(status, text)
        if request.path.endswith("/auth/login"):
            return ok(TOKENS)
        if request.path.endswith("/adapters"):
            return ok(ADAPTERS)
        return ok([] if request.method == "GET" else {})

    scripted.answer = answer
    in_force = world.secret("demo-admin", "password")
    parts = ("/users/me/password", "/users", "/adapters", "/auth/login")

    with structlog.testing.capture_logs() as logs:
        for part, status in itertools.product(parts, (400, 401, 403, 409, 422, 429, 500, 503)):
            failing = part, status
            world.sessions.forget(DEMO)
            world.clock.advance(POLL_S)
            logs.append({"event": str(world.reconcile()), "status": str(world.status), "log_level": "info"})

    world.server = None
    told = f"{logs}{world.recorder.events}{world.get(DITTOFS, 'demo')}"
    assert "hush" not in told
    assert in_force not in told
    assert {part for part in parts if any(request.path.endswith(part) for request in scripted.requests)} == set(parts)
    assert NAMESPACE in told
