"""Settings of the adapters: sent when they differ, told when the server does not take them, never fought over."""

from __future__ import annotations

import pytest

from hack.localcluster.double import adapter_settings
from tests.support.dittofs_world import World


def settings(world: World) -> dict[str, object]:
    return world.session().adapter_settings("nfs")


def patches(calls: list[str]) -> list[str]:
    return [call for call in calls if call.startswith("PATCH")]


def test_declared_settings_reach_the_server_and_others_keep_their_value(world: World) -> None:
    world.run(adapters={"nfs": {"settings": {"lease_time": 60, "blocked_operations": ["MKNOD"]}}})

    found = settings(world)
    assert (found["lease_time"], found["blocked_operations"], found["grace_period"]) == (60, ["MKNOD"], 90)
    assert world.condition("Degraded")[0] == "False"


def test_what_somebody_else_changed_comes_back_within_the_interval(world: World) -> None:
    world.run(adapters={"nfs": {"settings": {"lease_time": 60}}})
    world.session().patch_adapter_settings("nfs", {"lease_time": 70, "grace_period": 80})

    world.clock.advance(301)
    world.reconcile()

    assert (settings(world)["lease_time"], settings(world)["grace_period"]) == (60, 80)
    assert world.recorder.note("ServerConfigured") == "set on the server: nfs lease_time"


def test_a_setting_that_is_not_declared_any_more_stays(world: World) -> None:
    world.run(adapters={"nfs": {"settings": {"lease_time": 60}}})
    world.change_spec(adapters={"nfs": {"settings": None}})

    world.reconcile()

    assert settings(world)["lease_time"] == 60


def test_what_the_server_does_not_take_is_told_by_name_and_the_rest_is_done(world: World) -> None:
    world.run(adapters={"nfs": {"settings": {"lease_time": 5, "lease_tiem": 60, "grace_period": 45}}})

    assert settings(world)["grace_period"] == 45
    assert world.condition("Degraded") == ("True", "SettingsNotApplied")
    message = world.message("Degraded")
    assert "adapters.nfs.settings.lease_time: " in message
    assert "must be between 10 and 3600" in message
    assert "adapters.nfs.settings.lease_tiem: the server has no such setting" in message
    assert world.condition("Ready") == ("True", "Ready")


def test_a_refused_setting_is_not_sent_again_until_it_is_another(world: World) -> None:
    """Upstream D3: what the server refused was sent with every pass."""
    world.run(adapters={"nfs": {"settings": {"lease_time": 5}}})
    calls = world.count_calls()

    for _ in range(3):
        world.clock.advance(301)
        world.reconcile()
    assert patches(calls) == []
    assert world.condition("Degraded") == ("True", "SettingsNotApplied")

    world.change_spec(adapters={"nfs": {"settings": {"lease_time": 50}}})
    world.reconcile()

    assert patches(calls) == ["PATCH /api/v1/adapters/nfs/settings"]
    assert world.condition("Degraded")[0] == "False"


def test_a_setting_that_is_taken_but_not_stored_is_sent_once(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(adapter_settings, "NEVER_STORED", frozenset({"lease_time"}))
    world.run()
    calls = world.count_calls()
    world.change_spec(adapters={"nfs": {"settings": {"lease_time": 60}}})

    for _ in range(3):
        world.reconcile()
        world.clock.advance(301)

    assert patches(calls) == ["PATCH /api/v1/adapters/nfs/settings"]
    assert "the server takes it but does not store it" in world.message("Degraded")
