"""What a look at the server costs: one call while all is well, more only when it fails or was started anew."""

from __future__ import annotations

import json
from dataclasses import replace
from http import HTTPStatus

import pytest

from hack.localcluster.double import routes
from hack.localcluster.double.answers import Answer, Problem
from tests.support.dittofs_world import World


def always(answer: Answer) -> routes.Handler:
    return lambda _request: answer


def test_a_steady_pass_asks_the_server_once(world: World) -> None:
    world.run()
    calls = world.count_calls()

    for _ in range(3):
        world.reconcile()

    assert calls == ["GET /api/v1/adapters"] * 3


@pytest.mark.parametrize(
    ("health", "reason"), [("degraded", "ServerUnhealthy"), ("healthy", "ServerRefused"), ("", "ServerRefused")]
)
def test_a_server_that_fails_is_asked_how_it_is(
    world: World, monkeypatch: pytest.MonkeyPatch, health: str, reason: str
) -> None:
    """A server that lost its database answers 500 where it reads rows, and 200 on its health."""
    world.run()
    answers = {
        "/api/v1/adapters": Problem(HTTPStatus.INTERNAL_SERVER_ERROR, "Failed to list adapters").answer(),
        "/health": Answer(200, json.dumps({"status": health}).encode()) if health else Answer(503, b"{}"),
    }
    table = tuple(
        replace(route, handler=always(answer))
        for route in routes.ROUTES
        for path, answer in answers.items()
        if route.method == "GET" and route.pattern.fullmatch(path)
    )
    monkeypatch.setattr(routes, "ROUTES", table)
    calls = world.count_calls()

    world.reconcile()

    assert calls == ["GET /api/v1/adapters", "GET /health"]
    assert world.condition("Available") == ("False", reason)
    assert "Failed to list adapters" in world.message("Available")
    assert ("degraded" in world.message("Available")) is (health == "degraded")


def test_a_restarted_container_is_looked_into_at_once(world: World) -> None:
    """What a server keeps in memory alone is lost with its process."""
    world.run(adapters={"nfs": {"settings": {"lease_time": 60}}})
    calls = world.count_calls()

    world.reconcile()
    assert "GET /api/v1/adapters/nfs/settings" not in calls
    world.set_pod(restartCount=1)
    world.reconcile()

    assert calls.count("GET /api/v1/adapters/nfs/settings") == 1
