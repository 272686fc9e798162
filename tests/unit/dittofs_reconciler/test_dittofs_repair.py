"""What was changed or deleted by others comes back; what belongs to others stays as it is."""

from __future__ import annotations

from typing import Any

import pytest

from informers.errors import Cause, Forbidden, Invalid
from informers.resource import Resource
from informers.result import Backoff, RequeueAfter
from reconcilers.api.resources import (
    CONFIG_MAP,
    DITTOFS,
    PERSISTENT_VOLUME_CLAIM,
    POD,
    SECRET,
    SERVICE,
    SERVICE_ACCOUNT,
    STATEFUL_SET,
)
from tests.support.dittofs_world import NAMESPACE, POLL_S, USER, World

#: Each child, an edit by somebody else, and where the repair is seen.
EDITS: list[tuple[Resource, str, dict[str, Any], str]] = [
    (SERVICE_ACCOUNT, "demo", {"automountServiceAccountToken": True}, "automountServiceAccountToken"),
    (CONFIG_MAP, "demo-dittofs-config", {"data": {"config.yaml": "shutdown_timeout: 1ns"}}, "data.config.yaml"),
    (CONFIG_MAP, "demo-dittofs-config", {"data": {"shares.yaml": None}}, "data.shares.yaml"),
    (SERVICE, "demo-headless", {"spec": {"selector": {"app.kubernetes.io/name": "other"}}}, "spec.selector"),
    (SERVICE, "demo-nfs", {"spec": {"ports": [{"name": "nfs", "port": 1, "protocol": "TCP"}]}}, "spec.ports"),
    (SERVICE, "demo-api", {"metadata": {"ownerReferences": None}}, "metadata.ownerReferences"),
    (STATEFUL_SET, "demo", {"spec": {"replicas": 0}}, "spec.replicas"),
    (
        STATEFUL_SET,
        "demo",
        {"spec": {"template": {"spec": {"containers": [{"name": "dittofs", "image": "other:v1"}]}}}},
        "spec.template",
    ),
    (PERSISTENT_VOLUME_CLAIM, "demo-payload", {"metadata": {"labels": {"app.kubernetes.io/name": None}}}, "labels"),
]


@pytest.mark.parametrize(
    ("resource", "name", "edit", "path"), EDITS, ids=[f"{entry[0].kind}-{entry[3]}" for entry in EDITS]
)
def test_an_edited_child_is_set_right_and_told_of(
    world: World, resource: Resource, name: str, edit: dict[str, Any], path: str
) -> None:
    world.run()
    before = substance(world, resource, name)
    world.change(resource, name, edit)
    assert substance(world, resource, name) != before

    world.reconcile()

    if path == "metadata.ownerReferences":
        # Without its owner it is nobody's, and could be anybody's: it is left alone (A14).
        assert world.condition("Degraded") == ("True", "NameConflict")
        return
    assert substance(world, resource, name) == before
    assert world.recorder.reasons() == ["DriftRepaired"]
    assert path in world.recorder.note("DriftRepaired")
    assert world.requests_of() == []


@pytest.mark.parametrize(
    ("resource", "name"),
    [
        (SERVICE_ACCOUNT, "demo"),
        (CONFIG_MAP, "demo-dittofs-config"),
        (SERVICE, "demo-headless"),
        (SERVICE, "demo-nfs"),
        (SERVICE, "demo-api"),
        (STATEFUL_SET, "demo"),
        (PERSISTENT_VOLUME_CLAIM, "demo-metadata"),
    ],
)
def test_a_deleted_child_comes_back(world: World, resource: Resource, name: str) -> None:
    world.run()
    world.delete(resource, name)

    world.reconcile()

    assert world.exists(resource, name)
    assert world.recorder.note("DriftRepaired").endswith(f": {resource.kind} {name} (was gone)")


def test_fields_of_others_on_our_children_stay(world: World) -> None:
    """A restart by `kubectl rollout restart` and a label of a load balancer must not be undone (upstream D22)."""
    world.run()
    restarted = {"kubectl.kubernetes.io/restartedAt": "2026-01-01T00:00:00Z"}
    world.change(STATEFUL_SET, "demo", {"spec": {"template": {"metadata": {"annotations": restarted}}}})
    world.change(SERVICE, "demo-nfs", {"metadata": {"labels": {"team": "storage"}}})

    requests = world.requests_of()

    template = world.get(STATEFUL_SET, "demo")["spec"]["template"]
    assert template["metadata"]["annotations"].items() >= restarted.items()
    assert world.get(SERVICE, "demo-nfs")["metadata"]["labels"]["team"] == "storage"
    assert not [request for request in requests if not request.endswith("/status")]


def test_a_port_is_set_right_again_and_again_and_still_follows_the_specification(world: World) -> None:
    """The renumbered port has our port's name, which server-side apply can't bring together with ours."""
    world.run()
    for number in (1, 2):
        world.change(SERVICE, "demo-nfs", {"spec": {"ports": [{"name": "nfs", "port": number, "protocol": "TCP"}]}})
        world.reconcile()
    world.change_spec(adapters={"nfs": {"port": 20490}})

    world.reconcile()

    assert [port["port"] for port in world.get(SERVICE, "demo-nfs")["spec"]["ports"]] == [20490]
    assert world.requests_of(passes=2) == []


def test_a_foreign_object_of_a_child_s_name_is_left_alone_and_the_others_go_on(world: World) -> None:
    spec = {"ports": [{"port": 1}], "selector": {"app": "theirs"}}
    theirs = world.create(SERVICE, {"metadata": {"name": "demo-nfs", "namespace": NAMESPACE}, "spec": spec})
    world.create_dittofs()

    world.reconcile()
    result = world.reconcile()

    assert world.get(SERVICE, "demo-nfs") == theirs
    assert world.exists(STATEFUL_SET, "demo")
    assert world.status["phase"] == "Failed"
    assert world.condition("Degraded") == ("True", "NameConflict")
    assert "Service demo-nfs" in world.message("Degraded")
    assert world.recorder.reasons().count("NameConflict") == 1
    assert result == RequeueAfter(POLL_S)


def test_what_others_add_to_a_child_stays(world: World) -> None:
    """Server-side apply merges these lists by key: an entry of somebody else's is no change of ours (SSA)."""
    world.run()
    ports = world.get(SERVICE, "demo-nfs")["spec"]["ports"]
    extra = {"name": "extra", "port": 111, "protocol": "TCP", "targetPort": 12049}
    world.change(SERVICE, "demo-nfs", {"spec": {"ports": [*ports, extra]}, "metadata": {"labels": {"theirs": "x"}}})

    assert world.requests_of(passes=2) == []

    service = world.get(SERVICE, "demo-nfs")
    assert [port["port"] for port in service["spec"]["ports"]] == [2049, 111]
    assert service["metadata"]["labels"]["theirs"] == "x"
    world.change_spec(adapters={"nfs": {"port": 2050}})
    world.reconcile()
    assert {port["port"] for port in world.get(SERVICE, "demo-nfs")["spec"]["ports"]} == {2050, 111}


def test_a_fight_over_a_field_is_slowed_down_and_told_with_the_field_and_the_other_manager(world: World) -> None:
    world.run()
    writes = []
    for _ in range(12):
        world.change(SERVICE, "demo-nfs", {"spec": {"selector": {"app.kubernetes.io/name": "theirs"}}})
        writes += world.requests_of()
        world.clock.advance(1)

    changes = [request for request in writes if request.endswith("/services/demo-nfs")]
    assert len(changes) <= 8, "five corrections, of which some were tried without force to learn who it is"
    assert world.condition("Degraded") == ("True", "Contested")
    told = world.message("Degraded")
    assert "Service demo-nfs: .spec.selector" in told
    assert f'conflict with "{USER}"' in told
    assert world.recorder.reasons().count("Contested") == 1
    assert world.condition("Ready") == ("True", "Ready")

    world.clock.advance(61)
    world.reconcile()
    world.reconcile()
    assert world.get(SERVICE, "demo-nfs")["spec"]["selector"]["app.kubernetes.io/name"] == "dittofs"
    assert world.condition("Degraded") == ("False", "AsDeclared")


def test_a_name_that_becomes_free_is_taken(world: World) -> None:
    world.create(SERVICE, {"metadata": {"name": "demo-nfs", "namespace": NAMESPACE}, "spec": {"ports": [{"port": 1}]}})
    world.create_dittofs()
    world.reconcile()
    world.delete(SERVICE, "demo-nfs")

    world.reconcile()

    assert world.condition("Degraded") == ("False", "AsDeclared")
    assert world.get(SERVICE, "demo-nfs")["metadata"]["ownerReferences"][0]["name"] == "demo"


def test_a_foreign_secret_of_our_name_is_neither_read_into_the_pod_nor_changed(world: World) -> None:
    world.create_secret("demo-jwt-secret", jwt_secret="x" * 40)
    theirs = world.get(SECRET, "demo-jwt-secret")
    world.create_dittofs()

    world.reconcile()

    assert world.get(SECRET, "demo-jwt-secret") == theirs
    assert world.condition("Degraded") == ("True", "NameConflict")
    assert not world.exists(STATEFUL_SET, "demo")


@pytest.mark.parametrize(("resource", "name"), [(STATEFUL_SET, "demo"), (SERVICE, "demo-nfs")], ids=["set", "service"])
def test_a_child_that_lost_its_labels_gets_them_back_also_beside_a_foreign_admin_secret(
    world: World, resource: Resource, name: str
) -> None:
    world.run()
    world.delete(SECRET, "demo-admin")
    world.create_secret("demo-admin", username="admin", password="somebody else's")
    labels = world.get(resource, name)["metadata"]["labels"]
    world.change(resource, name, {"metadata": {"labels": None}})
    world.restarted()

    world.reconcile()

    assert world.get(resource, name)["metadata"]["labels"] == labels
    assert world.condition("Degraded") == ("True", "NameConflict")
    assert world.exists(POD, "demo-0")


def test_a_stateful_set_that_is_not_ours_is_not_taken_for_one_that_lost_its_labels(world: World) -> None:
    world.run()
    theirs = world.get(STATEFUL_SET, "demo")
    world.delete(STATEFUL_SET, "demo")
    metadata = {"name": "demo", "namespace": NAMESPACE}
    world.create(STATEFUL_SET, {"metadata": metadata, "spec": theirs["spec"]})
    before = world.get(STATEFUL_SET, "demo")

    world.reconcile()

    assert world.get(STATEFUL_SET, "demo") == before
    assert world.condition("Degraded") == ("True", "NameConflict")


def test_children_of_a_deleted_namesake_are_waited_for(world: World) -> None:
    """A DittoFS re-created at once still finds what the garbage collector has not come to."""
    owner = {"apiVersion": "dittofs.dittofs.io/v1alpha1", "kind": "DittoFS", "name": "demo", "uid": "old"}
    metadata = {"name": "demo-nfs", "namespace": NAMESPACE, "ownerReferences": [{**owner, "controller": True}]}
    world.create(SERVICE, {"metadata": metadata, "spec": {"ports": [{"port": 1}]}})
    world.create_dittofs()

    result = world.reconcile()

    assert result == RequeueAfter(2.0)
    assert world.condition("Progressing") == ("True", "WaitingForDeletion")
    assert world.condition("Degraded") == ("False", "AsDeclared")
    world.delete(SERVICE, "demo-nfs")
    world.reconcile()
    assert world.get(SERVICE, "demo-nfs")["metadata"]["ownerReferences"][0]["uid"] != "old"


def test_a_disabled_adapter_loses_its_service_and_its_endpoint(world: World) -> None:
    world.run(adapters={"smb": {"enabled": True}})

    world.change_spec(adapters={"smb": {"enabled": False}})
    world.reconcile()

    assert not world.exists(SERVICE, "demo-smb")
    assert set(world.status["endpoints"]) == {"nfs", "api"}
    assert world.recorder.note("Removed") == "removed Service demo-smb"
    assert world.recorder.note("ServerConfigured") == "set on the server: smb off"


def test_a_foreign_service_of_a_disabled_adapter_s_name_is_no_conflict(world: World) -> None:
    world.create(SERVICE, {"metadata": {"name": "demo-smb", "namespace": NAMESPACE}, "spec": {"ports": [{"port": 1}]}})

    world.run()

    assert world.exists(SERVICE, "demo-smb")
    assert world.status["phase"] == "Running"


def test_an_adapter_that_somebody_switched_off_is_switched_on_again(world: World) -> None:
    world.run()
    session = world.session()
    session.put_adapter("nfs", enabled=False, port=12049)

    world.settle()

    assert session.adapter("nfs").enabled
    assert world.recorder.note("ServerConfigured") == "set on the server: nfs on, port 12049"
    assert world.status["phase"] == "Running"


def test_a_pod_template_that_the_api_server_refuses_is_told_and_the_rest_goes_on(world: World) -> None:
    """B10: the errors of free-form blocks come back from applying the StatefulSet."""
    world.run()
    world.operator.refused["/statefulsets/demo"] = Invalid(422, "Invalid", "requests must not exceed limits")
    world.change_spec(resources={"limits": {"cpu": "1"}, "requests": {"cpu": "2"}}, adapters={"nfs": {"port": 20490}})

    world.reconcile()

    assert world.condition("ConfigReady") == ("False", "PodTemplateInvalid")
    assert world.message("ConfigReady") == "requests must not exceed limits"
    assert world.get(SERVICE, "demo-nfs")["spec"]["ports"][0]["port"] == 20490


def test_a_child_that_is_refused_leaves_the_others_and_the_status(world: World) -> None:
    """The server is still looked at as often as ever."""
    world.create_dittofs()
    world.operator.refused["/services/demo-headless"] = Forbidden(403, "Forbidden", "not allowed")

    result = world.reconcile()

    assert result == Backoff("Service demo-headless: Forbidden: not allowed", at_most_s=POLL_S)
    assert world.exists(STATEFUL_SET, "demo")
    assert world.condition("Degraded") == ("True", "ApplyFailed")


def test_in_a_namespace_that_is_being_deleted_nothing_counts_as_failed(world: World) -> None:
    """C12: what can't be made any more is no trouble, the object itself goes next."""
    world.run()
    cause = Cause("metadata.namespace", "NamespaceTerminating", "is being terminated")
    world.operator.refused["/services/demo-nfs"] = Forbidden(403, "Forbidden", "terminating", causes=(cause,))
    world.delete(SERVICE, "demo-nfs")

    result = world.reconcile()

    assert result == RequeueAfter(1.0)
    assert world.condition("Degraded") == ("False", "AsDeclared")


def test_claims_grow_with_the_specification_and_never_shrink(world: World) -> None:
    world.run(metadata={"storage": {"size": "10Gi"}}, payload={"storage": {"size": "10Gi"}})
    for claim in ("demo-metadata", "demo-payload"):
        world.change(PERSISTENT_VOLUME_CLAIM, claim, {"spec": {"volumeName": f"pv-{claim}"}})
        world.change(PERSISTENT_VOLUME_CLAIM, claim, {"status": {"phase": "Bound"}}, subresource="status")
    world.change(PERSISTENT_VOLUME_CLAIM, "demo-metadata", {"spec": {"resources": {"requests": {"storage": "40Gi"}}}})
    world.change_spec(metadata={"storage": {"size": "20Gi"}}, payload={"storage": {"size": "20Gi"}})

    world.reconcile()

    sizes = {
        name: world.get(PERSISTENT_VOLUME_CLAIM, name)["spec"]["resources"]["requests"]["storage"]
        for name in ("demo-metadata", "demo-payload")
    }
    assert sizes == {"demo-metadata": "40Gi", "demo-payload": "20Gi"}
    assert world.condition("Degraded") == ("False", "AsDeclared")
    assert world.requests_of(passes=2) == []


def test_an_object_that_changed_between_cache_and_write_is_read_again(world: World) -> None:
    world.create_dittofs()
    world.sync()
    world.change(DITTOFS, "demo", {"metadata": {"labels": {"somebody": "wrote"}}})

    result = world.reconcile(sync=False)

    assert result == RequeueAfter(1.0)
    assert world.children() == set()


def substance(world: World, resource: Resource, name: str) -> dict[str, Any]:
    live = world.get(resource, name)
    metadata = {key: live["metadata"].get(key) for key in ("labels", "annotations", "ownerReferences")}
    return {**{key: value for key, value in live.items() if key not in ("metadata", "status")}, "metadata": metadata}


def test_no_pod_is_made_for_a_claim_that_is_not_ours(world: World) -> None:
    """It would write the server's data into somebody else's volume."""
    spec = {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "1Gi"}}}
    metadata = {"name": "demo-payload", "namespace": NAMESPACE}
    world.create(PERSISTENT_VOLUME_CLAIM, {"metadata": metadata, "spec": spec})
    world.create_dittofs()

    world.reconcile()

    assert not world.exists(STATEFUL_SET, "demo")
    assert world.condition("Degraded") == ("True", "NameConflict")
    assert world.exists(SERVICE, "demo-nfs")

    world.delete(PERSISTENT_VOLUME_CLAIM, "demo-payload")
    world.reconcile()

    assert world.exists(STATEFUL_SET, "demo")


def test_of_a_long_refusal_the_first_line_is_told(world: World) -> None:
    """kube-apiserver adds a difference of the two objects to some."""
    world.create_dittofs()
    world.operator.refused["/services/demo-headless"] = Invalid(422, "Invalid", "spec is immutable\n@@ -1 +1 @@\n-x\n")

    world.reconcile()

    assert world.message("Degraded") == "Service demo-headless: Invalid: spec is immutable"
