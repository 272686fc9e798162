"""What a deleted DittoFS leaves: under Retain its data, which nothing may own; under Delete nothing."""

from __future__ import annotations

from typing import Any

import pytest

from informers.errors import ClientError, Forbidden, ServerError
from informers.resource import Manifest
from informers.result import Backoff, Done, Terminal
from informers.view import freeze, thaw
from reconcilers.api.resources import (
    CHILDREN,
    DITTOFS,
    PERSISTENT_VOLUME_CLAIM,
    SECRET,
)
from tests.support.dittofs_world import DEMO, NAMESPACE, POLL_S, World

KEPT = {
    "Secret demo-jwt-secret",
    "Secret demo-admin",
    "PersistentVolumeClaim demo-controlplane",
    "PersistentVolumeClaim demo-metadata",
    "PersistentVolumeClaim demo-payload",
}


def collect_garbage(world: World, uid: str) -> None:
    """What the garbage collector does after the owner is gone."""
    for resource in CHILDREN:
        for item in world.client.list(resource, namespace=NAMESPACE).items:
            if any(owner["uid"] == uid for owner in item["metadata"].get("ownerReferences") or ()):
                world.delete(resource, item["metadata"]["name"])


def delete_and_finish(world: World) -> None:
    uid = world.get(DITTOFS, "demo")["metadata"]["uid"]
    world.delete(DITTOFS, "demo")
    assert world.reconcile() == Done()
    assert not world.exists(DITTOFS, "demo")
    collect_garbage(world, uid)


def owners(world: World) -> list[Manifest]:
    items = [
        item
        for resource in (SECRET, PERSISTENT_VOLUME_CLAIM)
        for item in world.client.list(resource, namespace=NAMESPACE).items
    ]
    return [owner for item in items for owner in item["metadata"].get("ownerReferences") or ()]


def test_under_retain_the_claims_and_secrets_stay_and_all_else_goes(world: World) -> None:
    world.run()

    delete_and_finish(world)

    assert world.children() == KEPT
    assert "demo-payload" in world.recorder.note("ClaimsKept")
    assert world.reconcile() == Done()


def test_under_delete_nothing_stays(world: World) -> None:
    world.run(volumeRetention="Delete")

    delete_and_finish(world)

    assert world.children() == set()


def test_retention_that_changes_moves_the_owner_references(world: World) -> None:
    world.run(volumeRetention="Delete")
    assert len(owners(world)) == 5

    world.change_spec(volumeRetention="Retain")
    world.settle()

    assert owners(world) == []
    assert world.requests_of(passes=2) == []


def test_a_change_to_retain_just_before_the_deletion_still_saves_the_data(world: World) -> None:
    """The pass that would have dropped the references never ran: they are dropped before the object goes."""
    world.run(volumeRetention="Delete")
    world.change_spec(volumeRetention="Retain")

    delete_and_finish(world)

    assert world.children() == KEPT


def test_a_change_to_delete_just_before_the_deletion_still_deletes(world: World) -> None:
    world.run()
    world.change_spec(volumeRetention="Delete")

    delete_and_finish(world)

    assert world.children() == set()


@pytest.mark.parametrize("spec", [{"suspend": True}, {"replicas": 0}])
def test_deletion_works_whatever_the_specification_says(world: World, spec: dict[str, Any]) -> None:
    world.run()
    world.change_spec(**spec)

    delete_and_finish(world)

    assert world.children() == KEPT


@pytest.mark.parametrize("retention", ["Retain", "Delete"])
@pytest.mark.parametrize("writes_only", [False, True])
def test_a_deletion_ends_after_the_api_server_failed_for_ten_minutes(
    world: World, retention: str, writes_only: bool
) -> None:
    world.run(volumeRetention=retention)
    uid = world.get(DITTOFS, "demo")["metadata"]["uid"]
    world.delete(DITTOFS, "demo")
    children = world.children()
    outage = ServerError(503, "ServiceUnavailable", "the API server is overloaded")
    if writes_only:
        world.operator.refused[""] = outage
    else:
        world.operator.exchange.outage = outage

    for _ in range(20):
        try:
            result = world.reconcile()
        except ClientError:
            pass  # The controller backs off on it.
        else:
            assert isinstance(result, Backoff)
        world.clock.advance(POLL_S)
    assert world.exists(DITTOFS, "demo")
    assert world.children() == children

    world.operator.refused.clear()
    world.operator.exchange.outage = None
    assert world.reconcile() == Done()
    assert not world.exists(DITTOFS, "demo")
    collect_garbage(world, uid)
    assert world.children() == (KEPT if retention == "Retain" else set())


def test_a_deletion_asks_nothing_of_the_server(world: World) -> None:
    """Whether it still runs must not matter."""
    world.run()
    calls = world.count_calls()
    world.stop_server()

    delete_and_finish(world)

    assert calls == []
    assert world.children() == KEPT


def test_a_new_dittofs_of_the_name_takes_over_the_data_and_can_log_in(world: World) -> None:
    """A2: a new password would lock everybody out of the old control-plane database."""
    world.run()
    password = world.secret("demo-admin", "password")
    claim = world.get(PERSISTENT_VOLUME_CLAIM, "demo-payload")["metadata"]["uid"]
    delete_and_finish(world)
    world.stop_server()
    world.recorder.events.clear()

    world.create_dittofs()
    world.reconcile()
    world.roll_out()
    world.start_server()
    world.settle()

    assert world.status["phase"] == "Running"
    assert world.secret("demo-admin", "password") == password
    assert world.get(PERSISTENT_VOLUME_CLAIM, "demo-payload")["metadata"]["uid"] == claim
    assert world.recorder.note("ClaimAdopted").endswith("demo-controlplane, demo-metadata, demo-payload")


def test_claims_of_somebody_else_are_neither_deleted_nor_disowned(world: World) -> None:
    owner = {"apiVersion": "v1", "kind": "Pod", "name": "theirs", "uid": "1", "controller": True}
    metadata = {"name": "demo-payload", "namespace": NAMESPACE, "ownerReferences": [owner]}
    spec = {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "1Gi"}}}
    theirs = world.create(PERSISTENT_VOLUME_CLAIM, {"metadata": metadata, "spec": spec})
    world.create_dittofs(volumeRetention="Delete")
    world.reconcile()

    delete_and_finish(world)

    assert world.get(PERSISTENT_VOLUME_CLAIM, "demo-payload") == theirs


def test_data_that_can_t_be_settled_holds_the_object_and_says_so(world: World) -> None:
    world.run(volumeRetention="Delete")
    world.operator.refused["/persistentvolumeclaims/demo-payload"] = Forbidden(403, "Forbidden", "not allowed")
    world.delete(DITTOFS, "demo")

    result = world.reconcile()

    assert isinstance(result, Backoff)
    assert result.at_most_s == POLL_S
    assert world.status["phase"] == "Deleting"
    assert "PersistentVolumeClaim demo-payload" in world.message("Degraded")
    world.operator.refused.clear()
    assert world.reconcile() == Done()
    assert not world.exists(DITTOFS, "demo")


def spoil(world: World) -> None:
    """A value that only a newer version of the API knows, as after the operator went back a version."""
    view = world.stores[DITTOFS].get(DEMO)
    assert view is not None
    manifest = thaw(view)
    manifest["spec"]["logging"] = {"level": "TRACE"}
    world.stores[DITTOFS].remove(view)
    world.stores[DITTOFS].put(freeze(manifest))


@pytest.mark.parametrize("retention", ["Retain", "Delete"])
def test_an_object_that_does_not_fit_the_model_can_still_be_deleted(world: World, retention: str) -> None:
    world.run(volumeRetention=retention)
    world.delete(DITTOFS, "demo")
    world.sync()
    spoil(world)

    assert world.reconcile(sync=False) == Done()

    assert not world.exists(DITTOFS, "demo")
    assert world.exists(PERSISTENT_VOLUME_CLAIM, "demo-payload") is (retention == "Retain")
    assert owners(world) == []


def test_an_object_that_does_not_fit_the_model_is_left_alone(world: World) -> None:
    world.run()
    world.sync()
    spoil(world)

    assert isinstance(world.reconcile(sync=False), Terminal)
