"""From a new DittoFS to a running one, and what a pass that finds nothing to do sends."""

from __future__ import annotations

from informers.resource import ObjectKey
from informers.result import Done, RequeueAfter
from reconcilers.api.resources import CONFIG_MAP, DITTOFS, POD, SECRET, SERVICE, STATEFUL_SET
from tests.support.dittofs_world import POLL_S, World

CHILDREN = {
    "ServiceAccount demo",
    "ConfigMap demo-dittofs-config",
    "Secret demo-jwt-secret",
    "Secret demo-admin",
    "PersistentVolumeClaim demo-controlplane",
    "PersistentVolumeClaim demo-metadata",
    "PersistentVolumeClaim demo-payload",
    "Service demo-headless",
    "Service demo-nfs",
    "Service demo-api",
    "NetworkPolicy demo",
    "StatefulSet demo",
}


def test_a_new_dittofs_gets_its_children_the_finalizer_and_a_status_in_one_pass(world: World) -> None:
    world.create_dittofs()

    world.reconcile()

    assert world.children() == CHILDREN
    assert world.get(DITTOFS, "demo")["metadata"]["finalizers"] == ["dittofs.dittofs.io/finalizer"]
    assert world.status["phase"] == "Provisioning"
    assert world.condition("StatefulSetReady") == ("False", "RollingOut")
    assert len(world.status["conditions"]) == 7
    assert world.recorder.reasons() == ["Created"]
    assert world.recorder.note("Created").count("Service ") == 3


def test_creation_stays_within_the_budget_of_writes(world: World) -> None:
    """C17: at most 18 writes, without events, the lease and shares."""
    world.create_dittofs()
    world.reconcile()
    world.roll_out(ready=False)
    world.reconcile()
    world.roll_out()
    world.start_server()
    world.settle()

    assert world.status["phase"] == "Running"
    writes = [request for request in world.operator.requests if not request.startswith("GET")]
    assert len(writes) <= 18, writes


def test_a_ready_pod_with_an_answering_server_runs(world: World) -> None:
    world.create_dittofs()
    world.reconcile()
    world.roll_out()
    world.start_server()

    world.settle()

    status = world.status
    assert (status["phase"], status["ready"], status["apiReachable"]) == ("Running", True, True)
    assert status["endpoint"] == "demo-nfs.storage.svc:2049"
    assert set(status["endpoints"]) == {"nfs", "api"}
    assert status["endpoints"]["nfs"]["port"] == 2049
    assert status["endpoints"]["nfs"]["address"] == world.get(SERVICE, "demo-nfs")["spec"]["clusterIP"]
    assert status["version"] == "v0.29.0"
    assert status["database"] == "sqlite"
    assert status["replicas"] == 1
    template = world.get(STATEFUL_SET, "demo")["spec"]["template"]
    assert status["configHash"] == template["metadata"]["annotations"]["dittofs.dittofs.io/config-hash"]
    assert world.recorder.note("Running") == "serves at demo-nfs.storage.svc:2049"


def test_the_server_s_adapters_are_put_on_their_fixed_ports(world: World) -> None:
    """A fresh server has both enabled, SMB on a port of its own choice (dittofs-server 1.5)."""
    world.run(adapters={"smb": {"enabled": True}})

    assert world.server is not None
    assert world.status["phase"] == "Running"
    assert world.status["endpoints"]["smb"]["port"] == 445


def test_a_steady_pass_sends_nothing(world: World) -> None:
    world.run()

    assert world.requests_of(passes=3) == []
    assert world.recorder.events == []


def test_a_steady_pass_after_a_restart_of_the_operator_writes_nothing(world: World) -> None:
    world.run()
    world.restarted()

    requests = world.requests_of(passes=2)

    assert [request for request in requests if not request.startswith("GET")] == []
    # The values of two Secrets are read once: one for the hash, one to compare, one to log in.
    assert all("/secrets/demo-" in request for request in requests)
    assert len(requests) <= 3


def test_a_stale_cache_after_a_pass_writes_nothing_twice(world: World) -> None:
    """The watch may lag: a pass on the old picture must not undo or repeat anything."""
    world.run()
    world.change_spec(logging={"level": "DEBUG"})
    world.reconcile()
    versions = world.get(DITTOFS, "demo")["metadata"]["resourceVersion"]
    world.clock.advance(5)

    world.reconcile(sync=False)

    assert world.get(DITTOFS, "demo")["metadata"]["resourceVersion"] == versions


def test_a_running_server_is_polled_and_an_unknown_object_is_nothing_to_do(world: World) -> None:
    world.run()

    assert world.reconcile() == RequeueAfter(POLL_S)
    assert world.reconciler.reconcile(ObjectKey("storage", "nobody")) == Done()


def test_a_server_that_does_not_answer_yet_is_asked_again_ever_more_slowly(world: World) -> None:
    world.create_dittofs()
    world.reconcile()
    world.roll_out()

    delays = [world.reconcile() for _ in range(12)]

    assert delays[0] == RequeueAfter(1.0)
    assert delays[-1] == RequeueAfter(POLL_S)
    assert world.condition("Available") == ("False", "ServerUnreachable")
    assert world.status["apiReachable"] is False


def test_the_waiting_reason_of_a_container_is_told(world: World) -> None:
    world.create_dittofs(image="nowhere/dittofs:v1")
    world.reconcile()
    world.roll_out(ready=False, state={"waiting": {"reason": "ImagePullBackOff", "message": "no such image"}})

    world.reconcile()

    assert world.condition("StatefulSetReady") == ("False", "ContainerWaiting")
    assert "ImagePullBackOff: no such image" in world.message("StatefulSetReady")
    assert world.condition("Progressing") == ("False", "RolloutStuck")
    assert world.recorder.reasons()[-1] == "ContainerWaiting"


def test_a_process_setting_rolls_the_pod_and_a_port_does_not(world: World) -> None:
    world.run()
    before = world.get(STATEFUL_SET, "demo")["metadata"]["generation"]

    world.change_spec(adapters={"nfs": {"port": 20490}, "smb": {"enabled": True}})
    world.reconcile()
    assert world.get(STATEFUL_SET, "demo")["metadata"]["generation"] == before
    assert world.status["endpoint"] == "demo-nfs.storage.svc:20490"

    world.change_spec(logging={"level": "DEBUG"})
    world.reconcile()
    assert world.get(STATEFUL_SET, "demo")["metadata"]["generation"] == before + 1
    assert "level: DEBUG" in world.get(CONFIG_MAP, "demo-dittofs-config")["data"]["config.yaml"]
    assert world.status["phase"] == "Degraded"
    assert world.condition("Progressing") == ("True", "RollingOut")


def test_scaling_to_nothing_stops_and_back_runs_again(world: World) -> None:
    world.run()

    world.change_spec(replicas=0)
    world.reconcile()
    assert world.condition("StatefulSetReady") == ("False", "Stopping")
    world.roll_out()
    world.stop_server()
    assert world.reconcile() == Done()
    assert not world.exists(POD, "demo-0")
    assert world.status["phase"] == "Stopped"
    assert world.condition("StatefulSetReady") == ("True", "Stopped")
    assert world.condition("Ready") == ("False", "Stopped")
    assert world.status["version"] == ""

    world.change_spec(replicas=1)
    world.reconcile()
    assert world.status["phase"] == "Provisioning"
    world.roll_out()
    world.start_server()
    world.settle()
    assert world.status["phase"] == "Running"


def test_while_suspended_nothing_is_changed(world: World) -> None:
    world.run()
    world.change_spec(suspend=True, logging={"level": "DEBUG"}, adapters={"smb": {"enabled": True}})
    world.delete(CONFIG_MAP, "demo-dittofs-config")

    requests = world.requests_of(passes=2)

    assert requests == ["PATCH /apis/dittofs.dittofs.io/v1alpha1/namespaces/storage/dittofs/demo/status"]
    assert world.status["phase"] == "Suspended"
    assert world.children() == CHILDREN - {"ConfigMap demo-dittofs-config"}


def test_a_suspended_new_dittofs_gets_a_status_and_nothing_else(world: World) -> None:
    world.create_dittofs(suspend=True)

    world.reconcile()

    assert world.children() == set()
    assert "finalizers" not in world.get(DITTOFS, "demo")["metadata"]
    assert world.status["phase"] == "Suspended"


def test_no_secret_value_is_told(world: World) -> None:
    world.run()
    values = {world.secret("demo-admin", "password"), world.secret("demo-jwt-secret", "jwt-secret")}
    told = [str(world.status), str(world.recorder.events), str(world.get(CONFIG_MAP, "demo-dittofs-config"))]
    told.append(str(world.get(STATEFUL_SET, "demo")))

    assert not [value for value in values for text in told if value in text]
    assert world.get(SECRET, "demo-admin")["type"] == "Opaque"
