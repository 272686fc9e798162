"""The simulated controllers and the kubelet, through the API of the running local cluster."""

from __future__ import annotations

import json
import urllib.error
import urllib.request
from pathlib import Path
from typing import Any

import pytest

from hack.localcluster.resources import CONTROLLER_REVISION, NAMESPACE
from informers.client import Client
from informers.resource import Manifest, ObjectKey
from reconcilers.api.resources import CONFIG_MAP, JOB, PERSISTENT_VOLUME_CLAIM, POD, SERVICE, STATEFUL_SET
from tests.support.eventually import eventually
from tests.support.objects import PASSWORD, Objects
from tests.support.place import Place

pytestmark = [
    pytest.mark.integration,
    pytest.mark.places("local", "controlplane", reason="it looks at the simulated node and its folders"),
]


@pytest.fixture
def objects(client: Client, namespace: str) -> Objects:
    return Objects(client, namespace)


def ready(objects: Objects, name: str, *, not_uid: str = "") -> Manifest:
    def look() -> Manifest | None:
        pod = objects.ready_pod(name)
        return pod if pod and pod["metadata"]["uid"] != not_uid else None

    return eventually(look, what=f"a ready pod {name}")


def template_with(**container: Any) -> dict[str, Any]:
    containers = [{"name": "main", "image": "example.com/app:v1", **container}]
    return {"spec": {"template": {"spec": {"containers": containers}}}}


def call(address: str, path: str, *, method: str = "GET", body: object = None, token: str = "") -> Any:
    request = urllib.request.Request(f"http://{address}:8080{path}", method=method)
    request.add_header("Authorization", f"Bearer {token}")
    data = json.dumps(body).encode() if body is not None else None
    with urllib.request.urlopen(request, data, timeout=5) as answer:
        return json.loads(answer.read() or b"null")


def login(address: str) -> str:
    body = {"username": "admin", "password": PASSWORD}
    return str(call(address, "/api/v1/auth/login", method="POST", body=body)["access_token"])


def api_address(objects: Objects) -> str:
    return str(objects.get(SERVICE, "demo-api")["spec"]["clusterIP"])


def test_a_stateful_set_becomes_labelled_pods_and_says_so_in_its_status(objects: Objects) -> None:
    objects.stateful_set("web", replicas=2)
    pod = ready(objects, "web-1")
    labels = pod["metadata"]["labels"]
    assert labels["apps.kubernetes.io/pod-index"] == "1"
    assert labels["statefulset.kubernetes.io/pod-name"] == "web-1"
    (revision,) = objects.list(CONTROLLER_REVISION)
    assert labels["controller-revision-hash"] == revision["metadata"]["name"]
    assert pod["spec"]["hostname"] == "web-1"

    def complete() -> bool:
        status = objects.get(STATEFUL_SET, "web").get("status", {})
        return bool(status.get("availableReplicas") == 2 == status["updatedReplicas"])

    eventually(complete, what="a complete status")


def test_a_new_template_replaces_the_pod_and_going_back_finds_the_old_revision(objects: Objects) -> None:
    objects.stateful_set("web")
    first = ready(objects, "web-0")
    objects.patch(STATEFUL_SET, "web", template_with(image="example.com/app:v2"))
    second = ready(objects, "web-0", not_uid=first["metadata"]["uid"])
    objects.patch(STATEFUL_SET, "web", template_with(image="example.com/app:v1"))
    third = ready(objects, "web-0", not_uid=second["metadata"]["uid"])
    revision = "controller-revision-hash"
    assert third["metadata"]["labels"][revision] == first["metadata"]["labels"][revision]
    numbers = {r["metadata"]["name"]: r["revision"] for r in objects.list(CONTROLLER_REVISION)}
    assert sorted(numbers.values()) == [2, 3]


@pytest.mark.parametrize("policy", ["Parallel", "OrderedReady"])
def test_a_stuck_rollout_is_repaired_under_parallel_only(objects: Objects, policy: str) -> None:
    """kubernetes#67250."""
    objects.stateful_set("web", podManagementPolicy=policy)
    ready(objects, "web-0")
    objects.patch(STATEFUL_SET, "web", template_with(image="example.com/app:does-not-exist"))
    eventually(lambda: objects.waiting_reason("web-0") == "ImagePullBackOff", what="the bad image to be noticed")
    bad = objects.get(POD, "web-0")["metadata"]["uid"]
    objects.patch(STATEFUL_SET, "web", template_with(image="example.com/app:v3"))
    if policy == "Parallel":
        ready(objects, "web-0", not_uid=bad)
        return
    wanted = objects.get(STATEFUL_SET, "web")["metadata"]["generation"]
    eventually(lambda: objects.get(STATEFUL_SET, "web")["status"]["observedGeneration"] == wanted, what="the pass")
    assert objects.get(POD, "web-0")["metadata"]["uid"] == bad
    objects.delete(POD, "web-0")
    ready(objects, "web-0", not_uid=bad)


def test_scaling_to_zero_and_back(objects: Objects) -> None:
    objects.stateful_set("web")
    first = ready(objects, "web-0")
    objects.patch(STATEFUL_SET, "web", {"spec": {"replicas": 0}})
    eventually(lambda: objects.find(POD, "web-0") is None, what="the pod to go")
    eventually(lambda: objects.get(STATEFUL_SET, "web")["status"]["replicas"] == 0, what="the status")
    objects.patch(STATEFUL_SET, "web", {"spec": {"replicas": 1}})
    ready(objects, "web-0", not_uid=first["metadata"]["uid"])


def test_claims_are_bound_to_a_folder_grow_and_wait_for_their_pod(cluster: Place, objects: Objects) -> None:
    claim = objects.claim("data")
    folder = cluster.data_dir / "volumes" / f"pvc-{claim['metadata']['uid']}"

    def capacity(name: str = "data") -> Any:
        status = objects.get(PERSISTENT_VOLUME_CLAIM, name).get("status", {})
        return status.get("phase") == "Bound" and status["capacity"]["storage"]

    eventually(lambda: capacity() == "1Gi", what="the claim to be bound")
    assert folder.is_dir()

    objects.patch(PERSISTENT_VOLUME_CLAIM, "data", {"spec": {"resources": {"requests": {"storage": "2Gi"}}}})
    eventually(lambda: capacity() == "2Gi", what="growth")

    objects.stateful_set("web", pod={"volumes": [{"name": "v", "persistentVolumeClaim": {"claimName": "data"}}]})
    ready(objects, "web-0")
    objects.delete(PERSISTENT_VOLUME_CLAIM, "data")
    objects.claim("later")
    eventually(lambda: capacity("later"), what="the controller to be past the deletion")
    assert objects.get(PERSISTENT_VOLUME_CLAIM, "data")["metadata"]["deletionTimestamp"]
    assert folder.is_dir()
    objects.delete(STATEFUL_SET, "web")
    eventually(lambda: objects.find(PERSISTENT_VOLUME_CLAIM, "data") is None, what="the claim to go")
    eventually(lambda: not folder.exists(), what="its folder to go")


def test_a_pod_waits_for_its_claim(objects: Objects) -> None:
    objects.stateful_set("web", pod={"volumes": [{"name": "v", "persistentVolumeClaim": {"claimName": "data"}}]})

    def unschedulable() -> bool:
        conditions = objects.get(POD, "web-0").get("status", {}).get("conditions", [])
        return any(c.get("reason") == "Unschedulable" for c in conditions)

    eventually(unschedulable, what="the missing claim to be reported")
    objects.claim("data")
    ready(objects, "web-0")


def test_what_lost_its_owner_is_deleted_whatever_its_type(objects: Objects) -> None:
    owner = objects.create(CONFIG_MAP, "owner")
    reference = {"apiVersion": "v1", "kind": "ConfigMap", "name": "owner", "uid": owner["metadata"]["uid"]}
    child = objects.create(CONFIG_MAP, "child", metadata={"ownerReferences": [reference]})
    middle = reference | {"name": "child", "uid": child["metadata"]["uid"]}
    objects.create(SERVICE, "grandchild", metadata={"ownerReferences": [middle]}, spec={"ports": [{"port": 1}]})
    objects.create(CONFIG_MAP, "bystander")
    objects.delete(CONFIG_MAP, "owner")
    eventually(lambda: objects.find(SERVICE, "grandchild") is None, what="the grandchild to go")
    assert objects.find(CONFIG_MAP, "child") is None
    assert objects.find(CONFIG_MAP, "bystander") is not None


def test_an_object_whose_owner_never_existed_is_deleted(objects: Objects) -> None:
    reference = {"apiVersion": "v1", "kind": "ConfigMap", "name": "nobody", "uid": "no-such-uid"}
    objects.create(CONFIG_MAP, "orphan", metadata={"ownerReferences": [reference]})
    eventually(lambda: objects.find(CONFIG_MAP, "orphan") is None, what="the orphan to go")


def test_deleting_a_stateful_set_takes_its_pods_and_revisions_along(objects: Objects) -> None:
    objects.stateful_set("web")
    ready(objects, "web-0")
    objects.delete(STATEFUL_SET, "web")
    eventually(lambda: not objects.list(POD) and not objects.list(CONTROLLER_REVISION), what="everything to go")


def test_deleting_a_namespace_takes_its_pods_along(client: Client) -> None:
    client.create(
        NAMESPACE, {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "brief"}}, field_manager="t"
    )
    objects = Objects(client, "brief")
    objects.stateful_set("web")
    ready(objects, "web-0")
    client.delete(NAMESPACE, ObjectKey("", "brief"))
    # A real controller of namespaces looks again after half of the pods' grace period.
    eventually(lambda: Objects(client, "").find(NAMESPACE, "brief") is None, 30, what="the namespace to go")


def test_a_job_runs_its_pod_and_completes(objects: Objects) -> None:
    container = {"name": "main", "image": "example.com/tool:v1"}
    pod = {"restartPolicy": "Never", "containers": [container]}
    objects.create(JOB, "task", spec={"template": {"spec": pod}})

    def complete() -> bool:
        conditions = objects.get(JOB, "task").get("status", {}).get("conditions", [])
        return any(c["type"] == "Complete" and c["status"] == "True" for c in conditions)

    eventually(complete, what="the job to complete")
    assert objects.get(JOB, "task")["status"]["succeeded"] == 1


def test_a_load_balancer_gets_an_address_and_loses_it_with_its_type(objects: Objects) -> None:
    spec = {"type": "LoadBalancer", "selector": {"app": "x"}, "ports": [{"port": 2049}]}
    objects.create(SERVICE, "lb", spec=spec)

    def ingress() -> Any:
        return objects.get(SERVICE, "lb").get("status", {}).get("loadBalancer", {}).get("ingress")

    assert eventually(ingress, what="an address")[0]["ip"].startswith("127.")
    objects.patch(SERVICE, "lb", {"spec": {"type": "ClusterIP"}})
    eventually(lambda: not ingress(), what="the address to go")


def test_a_server_is_reached_through_its_service_and_keeps_its_rows_over_a_new_pod(objects: Objects) -> None:
    objects.server()
    first = ready(objects, "demo-0")
    address = api_address(objects)
    token = eventually(lambda: login(address), what="a login")
    store = {"name": "m", "type": "badger", "config": json.dumps({"path": "/data/metadata/m"})}
    made = call(address, "/api/v1/store/metadata", method="POST", body=store, token=token)
    objects.delete(POD, "demo-0")
    ready(objects, "demo-0", not_uid=first["metadata"]["uid"])
    kept = eventually(lambda: _try(address, "/api/v1/store/metadata/m", token), what="the new pod to answer")
    assert kept["id"] == made["id"]


def test_a_service_without_a_ready_pod_refuses(objects: Objects) -> None:
    objects.server()
    ready(objects, "demo-0")
    address = api_address(objects)
    eventually(lambda: login(address), what="a login")
    objects.patch(STATEFUL_SET, "demo", {"spec": {"replicas": 0}})
    eventually(lambda: objects.find(POD, "demo-0") is None, what="the pod to go")
    eventually(lambda: _refused(address), what="the refusal")


def test_a_missing_secret_is_named_and_the_pod_starts_once_it_is_there(objects: Objects) -> None:
    objects.server(secret=False)
    eventually(lambda: objects.waiting_reason("demo-0") == "CreateContainerConfigError", what="the waiting reason")
    state = objects.get(POD, "demo-0")["status"]["containerStatuses"][0]["state"]
    assert state["waiting"]["message"] == 'secret "demo-jwt" not found'
    objects.secret("demo-jwt", key="0123456789" * 4)
    ready(objects, "demo-0")


def test_a_server_that_ends_at_its_start_is_restarted_with_back_off(cluster: Place, objects: Objects) -> None:
    objects.secret("demo-jwt", key="short")
    objects.server(secret=False)
    eventually(lambda: objects.waiting_reason("demo-0") == "CrashLoopBackOff", what="the back-off")
    status = objects.get(POD, "demo-0")["status"]["containerStatuses"][0]
    assert status["lastState"]["terminated"]["exitCode"] == 1
    assert status["restartCount"] >= 1
    log = cluster.data_dir / "logs" / f"{objects.namespace}_demo-0_main.log"
    assert "JWT secret must be at least 32 characters" in log.read_text()


def test_a_pod_sees_a_changed_config_map_without_a_restart(cluster: Place, objects: Objects) -> None:
    objects.server()
    pod = ready(objects, "demo-0")
    objects.patch(CONFIG_MAP, "demo-config", {"data": {"shares.yaml": "shares: []"}})
    file: Path = cluster.data_dir / "pods" / pod["metadata"]["uid"] / "volumes" / "config" / "shares.yaml"
    eventually(lambda: file.exists() and file.read_text() == "shares: []", what="the new file")
    assert objects.get(POD, "demo-0")["metadata"]["uid"] == pod["metadata"]["uid"]


def _try(address: str, path: str, token: str) -> Any:
    try:
        return call(address, path, token=token)
    except (urllib.error.URLError, ConnectionError):
        return None


def _refused(address: str) -> bool:
    try:
        call(address, "/health")
    except urllib.error.URLError as error:
        return isinstance(error.reason, ConnectionRefusedError)
    except ConnectionError:
        return False  # accepted, while the pod was on its way out
    return False
