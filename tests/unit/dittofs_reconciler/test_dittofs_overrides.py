"""configOverrides and the parts that come and go with the specification, through a whole pass."""

from __future__ import annotations

import yaml

from reconcilers.api.resources import (
    CONFIG_MAP,
    NETWORK_POLICY,
    SERVICE,
    SERVICE_ACCOUNT,
    SERVICE_MONITOR,
    STATEFUL_SET,
)
from tests.support.dittofs_world import World


def config(world: World) -> dict[str, object]:
    text = world.get(CONFIG_MAP, "demo-dittofs-config")["data"]["config.yaml"]
    loaded: dict[str, object] = yaml.safe_load(text)
    return loaded


def config_hash(world: World) -> str:
    template = world.get(STATEFUL_SET, "demo")["spec"]["template"]
    return str(template["metadata"]["annotations"]["dittofs.dittofs.io/config-hash"])


def test_overrides_reach_the_file_and_roll_the_pod(world: World) -> None:
    world.run()
    before = config_hash(world)
    world.change_spec(configOverrides={"gc": {"auto_interval": "5m"}})

    world.reconcile()

    assert config(world)["gc"] == {"auto_interval": "5m"}
    assert config_hash(world) != before
    assert world.condition("ConfigReady") == ("True", "Rendered")


def test_refused_overrides_keep_the_last_good_file_and_the_pod(world: World) -> None:
    world.run(configOverrides={"gc": {"auto_interval": "5m"}})
    before = config_hash(world), config(world)
    world.change_spec(configOverrides={"controlplane": {"port": 9}, "gc": {"auto_interval": "7m"}})

    world.reconcile()

    assert (config_hash(world), config(world)) == before
    assert world.condition("ConfigReady") == ("False", "OverrideRefused")
    assert "configOverrides.controlplane.port: use spec.adapters.api.port" in world.message("ConfigReady")
    assert world.condition("Available") == ("True", "ServerHealthy")


def test_a_first_pod_is_not_made_with_refused_overrides(world: World) -> None:
    world.create_dittofs(configOverrides={"controlplane": {"port": 9}})

    world.reconcile()

    assert not world.exists(STATEFUL_SET, "demo")
    assert world.status["phase"] == "Failed"
    assert "gc" not in config(world)


def test_unknown_settings_are_named_and_hinder_nothing(world: World) -> None:
    world.run(configOverrides={"cache": {"size": 1}})

    assert world.condition("ConfigReady") == ("True", "UnknownSettings")
    assert "cache.size" in world.message("ConfigReady")
    assert world.status["ready"] is True


def test_parts_that_are_switched_off_have_no_object(world: World) -> None:
    world.run(metrics={"enabled": True})
    assert world.exists(SERVICE, "demo-metrics")
    assert world.exists(NETWORK_POLICY, "demo")
    assert world.exists(SERVICE_ACCOUNT, "demo")
    assert "metrics" not in world.status["endpoints"]

    world.change_spec(
        metrics={"enabled": False}, networkPolicy={"enabled": False}, pod={"serviceAccountName": "default"}
    )
    world.reconcile()

    assert not world.exists(SERVICE, "demo-metrics")
    assert not world.exists(NETWORK_POLICY, "demo")
    assert not world.exists(SERVICE_ACCOUNT, "demo")


def test_the_service_monitor_comes_and_goes_with_its_type_and_its_switch(world: World) -> None:
    monitored = {"enabled": True, "serviceMonitor": {"enabled": True, "labels": {"release": "p"}}}
    world.run(metrics=monitored)
    assert world.status["ready"] is True

    world.install(SERVICE_MONITOR)
    world.reconcile()
    live = world.get(SERVICE_MONITOR, "demo")
    assert live["metadata"]["labels"]["release"] == "p"
    assert live["spec"]["endpoints"] == [{"port": "metrics", "path": "/metrics", "interval": "30s"}]

    world.change_spec(metrics={"serviceMonitor": {"enabled": False}})
    world.reconcile()
    assert not world.exists(SERVICE_MONITOR, "demo")
