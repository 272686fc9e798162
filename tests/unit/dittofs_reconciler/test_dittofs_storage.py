"""Volumes that are asked to grow: some do at once, some later, some never."""

from __future__ import annotations

from typing import Any

from hack.localcluster.resources import STORAGE_CLASS
from reconcilers.api.resources import PERSISTENT_VOLUME_CLAIM, SERVICE, STATEFUL_SET
from reconcilers.dittofs.growth import RETRY_S
from tests.support.dittofs_world import World

GROWN = {"payload": {"storage": {"size": "99Gi"}}}


def run_on_a_class(world: World, *, grows: bool) -> None:
    """A DittoFS that serves from volumes of the class "disks"."""
    world.create(STORAGE_CLASS, {"metadata": {"name": "disks"}, "provisioner": "disks", "allowVolumeExpansion": grows})
    disks = {"storageClassName": "disks"}
    world.run(payload={"storage": {"size": "50Gi", **disks}})
    world.change(PERSISTENT_VOLUME_CLAIM, "demo-payload", {"spec": {"volumeName": "disk-1"}})
    set_claim(world, phase="Bound", capacity={"storage": "50Gi"})
    world.reconcile()


def set_claim(world: World, **status: Any) -> None:
    world.change(PERSISTENT_VOLUME_CLAIM, "demo-payload", {"status": status}, subresource="status")


def size(world: World) -> str:
    return str(world.get(PERSISTENT_VOLUME_CLAIM, "demo-payload")["spec"]["resources"]["requests"]["storage"])


def test_a_claim_of_a_class_that_can_t_grow_is_told_with_the_remedy_and_all_else_goes_on(world: World) -> None:
    """Upstream D13: every pass failed from then on, and no other change came through."""
    run_on_a_class(world, grows=False)
    world.change_spec(**GROWN, volumeRetention="Delete", adapters={"nfs": {"port": 2050}})

    world.reconcile()

    assert world.condition("Degraded") == ("True", "StorageNotResized")
    assert "demo-payload stays at 50Gi instead of 99Gi" in world.message("Degraded")
    assert "allowVolumeExpansion" in world.message("Degraded")
    assert world.condition("Ready") == ("True", "Ready")
    assert world.recorder.reasons().count("StorageNotResized") == 1
    assert size(world) == "50Gi"
    claim = world.get(PERSISTENT_VOLUME_CLAIM, "demo-payload")
    assert claim["metadata"]["ownerReferences"][0]["name"] == "demo"
    assert world.get(SERVICE, "demo-nfs")["spec"]["ports"][0]["port"] == 2050


def test_a_refused_size_is_not_asked_for_with_every_pass_but_again_later(world: World) -> None:
    run_on_a_class(world, grows=False)
    world.change_spec(**GROWN)
    world.reconcile()
    world.reconcile()

    assert world.requests_of(passes=3) == []
    world.change(STORAGE_CLASS, "disks", {"allowVolumeExpansion": True})
    world.clock.advance(RETRY_S)
    world.reconcile()

    assert size(world) == "99Gi"
    assert world.condition("Degraded") == ("False", "AsDeclared")


def test_another_size_is_asked_for_at_once(world: World) -> None:
    run_on_a_class(world, grows=False)
    world.change_spec(**GROWN)
    world.reconcile()
    world.change(STORAGE_CLASS, "disks", {"allowVolumeExpansion": True})
    world.change_spec(payload={"storage": {"size": "100Gi"}})

    world.reconcile()

    assert size(world) == "100Gi"


def test_a_claim_that_is_not_bound_yet_grows_once_it_is(world: World) -> None:
    world.run()
    world.change_spec(**GROWN)
    world.reconcile()
    assert world.condition("Degraded") == ("True", "StorageNotResized")
    assert "once it is bound" in world.message("Degraded")

    world.change(PERSISTENT_VOLUME_CLAIM, "demo-payload", {"spec": {"volumeName": "disk-1"}})
    world.reconcile()

    assert size(world) == "99Gi"


def test_growth_that_takes_its_time_is_told_to_its_end_without_a_restart(world: World) -> None:
    run_on_a_class(world, grows=True)
    before = world.get(STATEFUL_SET, "demo")["metadata"]["generation"]
    world.change_spec(**GROWN)
    world.reconcile()
    assert world.condition("Progressing") == ("True", "StorageResizing")
    assert world.message("Progressing") == "claim demo-payload grows from 50Gi to 99Gi"
    assert world.status["phase"] == "Running"

    set_claim(world, conditions=[{"type": "FileSystemResizePending", "status": "True"}])
    world.reconcile()
    assert "file system" in world.message("Progressing")

    set_claim(world, conditions=[], capacity={"storage": "99Gi"})
    world.reconcile()
    assert world.condition("Progressing") == ("False", "Settled")
    assert world.get(STATEFUL_SET, "demo")["metadata"]["generation"] == before


def test_growth_that_the_driver_can_t_do_is_told(world: World) -> None:
    run_on_a_class(world, grows=True)
    world.change_spec(**GROWN)
    world.reconcile()

    set_claim(world, allocatedResourceStatuses={"storage": "NodeResizeInfeasible"})
    world.reconcile()

    assert world.condition("Degraded") == ("True", "StorageNotResized")
    assert world.condition("Progressing") == ("False", "Settled")
