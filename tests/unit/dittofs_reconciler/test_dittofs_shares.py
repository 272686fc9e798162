"""What an instance shows of its declared shares."""

from __future__ import annotations

import pytest
import yaml

from reconcilers.api.resources import CONFIG_MAP, DITTOFS_SHARE, STATEFUL_SET
from reconcilers.builders import shares_file
from tests.support.dittofs_world import NAMESPACE, World


def declare(world: World, name: str, instance: str = "demo") -> None:
    spec = {"instanceRef": {"name": instance}, "quota": {"size": "1Gi"}}
    world.create(DITTOFS_SHARE, {"metadata": {"name": name, "namespace": NAMESPACE}, "spec": spec})


def test_declared_shares_are_listed_with_the_addresses_of_their_data_and_restart_nothing(world: World) -> None:
    world.run()
    generation = world.get(STATEFUL_SET, "demo")["metadata"]["generation"]
    declare(world, "export")
    declare(world, "elsewhere", instance="other")

    world.reconcile()

    text = world.get(CONFIG_MAP, "demo-dittofs-config")["data"]["shares.yaml"]
    [share] = yaml.safe_load(text)["shares"]
    assert (share["name"], share["path"], share["quota"]) == ("export", "/export", {"size": "1Gi"})
    stores = {"metadata": "op-export", "local": "op-payload", "metadataPath": "/data/metadata/export"}
    assert share["stores"] == stores
    assert world.status["shares"] == 1
    assert world.get(STATEFUL_SET, "demo")["metadata"]["generation"] == generation
    assert world.status["phase"] == "Running"


def test_an_adopted_share_is_listed_with_the_stores_that_its_maker_chose(world: World) -> None:
    stores = {"metadata": "theirs", "metadataType": "sqlite", "metadataPath": "/data/metadata/t.db", "local": "blocks"}
    world.run()
    declare(world, "export")
    status = {"path": "/export", "adopted": True, "stores": {**stores, "remote": ""}}
    world.change(DITTOFS_SHARE, "export", {"status": status}, subresource="status")

    world.reconcile()

    [share] = yaml.safe_load(world.get(CONFIG_MAP, "demo-dittofs-config")["data"]["shares.yaml"])["shares"]
    assert share["stores"] == stores


def test_more_shares_than_a_config_map_holds_are_listed_in_short_and_told(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(shares_file, "MAX_BYTES", 60)
    world.run()
    declare(world, "export")

    world.reconcile()

    text = world.get(CONFIG_MAP, "demo-dittofs-config")["data"]["shares.yaml"]
    assert yaml.safe_load(text) == {"truncated": True, "names": ["export"]}
    assert world.condition("Degraded") == ("True", "SharesFileTruncated")
    assert world.condition("Ready") == ("True", "Ready")
    assert world.recorder.reasons() == ["Updated", "SharesFileTruncated"]

    for number in range(9):
        declare(world, f"another-{number}")
    world.reconcile()
    text = world.get(CONFIG_MAP, "demo-dittofs-config")["data"]["shares.yaml"]
    assert yaml.safe_load(text) == {"truncated": True, "count": 10}

    monkeypatch.undo()
    world.reconcile()
    assert world.condition("Degraded") == ("False", "AsDeclared")


def test_a_config_file_that_a_config_map_cannot_hold_is_told_and_the_one_in_force_stays(world: World) -> None:
    world.run()
    before = world.get(CONFIG_MAP, "demo-dittofs-config")["data"]["config.yaml"]
    declare(world, "export")
    world.change_spec(configOverrides={"ldap": {"bind_dn": "x" * 200_000}})

    world.reconcile()

    data = world.get(CONFIG_MAP, "demo-dittofs-config")["data"]
    assert data["config.yaml"] == before
    assert "export" in data["shares.yaml"]
    assert world.condition("ConfigReady") == ("False", "ConfigTooLarge")
    assert "shorten spec.configOverrides" in world.message("ConfigReady")
    assert world.condition("Available") == ("True", "ServerHealthy")
    assert "ApplyFailed" not in str(world.status)


def test_a_share_that_the_server_could_not_load_degrades_the_instance_but_not_its_availability(world: World) -> None:
    """A3: shares don't count for Available, or one broken share would take the whole instance down."""
    world.run()
    declare(world, "export")
    moment = "2026-01-01T00:00:00Z"
    synced = {
        "type": "Synced",
        "status": "False",
        "reason": "ShareNotLoaded",
        "message": "",
        "lastTransitionTime": moment,
    }
    status = {"path": "/export", "shareID": "1", "conditions": [synced]}
    world.change(DITTOFS_SHARE, "export", {"status": status}, subresource="status")

    world.reconcile()

    assert world.condition("Degraded") == ("True", "SharesNotLoaded")
    assert "/export" in world.message("Degraded")
    assert world.condition("Ready") == ("True", "Ready")
    assert world.status["phase"] == "Degraded"
    assert world.recorder.reasons() == ["Updated", "SharesNotLoaded"]
