"""A server is started again for shares that only another process can load: seldom, and told."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from reconcilers import names
from reconcilers.api.resources import DITTOFS_SHARE, STATEFUL_SET
from reconcilers.dittofs.restarts import Restarts
from tests.support.clock import FakeClock
from tests.support.dittofs_world import NAMESPACE, World


def awaits_restart(world: World, reason: str = "AwaitsRestart") -> None:
    spec = {"instanceRef": {"name": "demo"}}
    world.create(DITTOFS_SHARE, {"metadata": {"name": "export", "namespace": NAMESPACE}, "spec": spec})
    time = "2030-01-02T03:04:05Z"
    condition = {"type": "Synced", "status": "False", "reason": reason, "message": "", "lastTransitionTime": time}
    status = {"status": {"path": "/export", "conditions": [condition]}}
    world.change(DITTOFS_SHARE, "export", status, subresource="status")


def ended_process(world: World) -> str:
    annotations = world.get(STATEFUL_SET, "demo")["spec"]["template"]["metadata"]["annotations"]
    return str(annotations.get(names.RESTARTED_ANNOTATION, ""))


def test_an_old_process_ends_once_and_it_is_told(world: World) -> None:
    world.run()
    awaits_restart(world)

    for _ in range(4):
        world.reconcile()
        world.clock.advance(30)

    assert ended_process(world)
    assert world.recorder.note("RestartedForShares") == "started the server again, since it had not loaded: /export"
    assert world.recorder.reasons().count("RestartedForShares") == 1
    assert world.condition("Degraded") == ("True", "SharesNotLoaded")


def test_a_share_that_can_be_made_anew_restarts_nothing(world: World) -> None:
    world.run()
    awaits_restart(world, "ShareNotLoaded")

    world.reconcile()
    world.reconcile()

    assert ended_process(world) == ""


def test_while_suspended_nothing_is_restarted(world: World) -> None:
    world.run()
    awaits_restart(world)
    world.change_spec(suspend=True)

    world.reconcile()
    world.reconcile()

    assert ended_process(world) == ""


def at(moment: datetime) -> str:
    return moment.strftime("%Y-%m-%dT%H:%M:%S.123456789Z")


def test_a_process_lives_at_least_an_hour_and_longer_each_time_it_did_not_help() -> None:
    clock = FakeClock()
    restarts = Restarts(clock=clock)
    lives = []
    for _ in range(8):
        born, minutes = clock.now().astimezone(UTC), 0
        while not restarts.is_due("uid", at(born)):
            clock.advance(600)
            minutes += 10
        assert not restarts.is_due("uid", at(born))
        lives.append(round(minutes / 60))

    assert lives == [1, 2, 4, 8, 16, 24, 24, 24]
    restarts.forget("uid")
    assert restarts.is_due("uid", at(clock.now() - timedelta(hours=1, minutes=1)))


@pytest.mark.parametrize("process", ["", "yesterday", "2030-01-02T03:04:05"])
def test_a_start_that_nobody_understands_restarts_nothing(process: str) -> None:
    assert not Restarts(clock=FakeClock()).is_due("uid", process)
