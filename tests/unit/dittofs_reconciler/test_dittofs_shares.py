"""What an instance shows of its declared shares."""

from __future__ import annotations

import yaml

from reconcilers.api.resources import CONFIG_MAP, DITTOFS_SHARE, STATEFUL_SET
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
