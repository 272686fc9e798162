"""Bad input that no schema can refuse: a condition and an event with a stable reason, nothing overwritten, no storm."""

from __future__ import annotations

import time
from typing import Any

import pytest

from dittofs_operator.program import Program
from informers.client import Client
from informers.resource import Manifest, Resource
from reconcilers.api.resources import (
    CONFIG_MAP,
    DITTOFS,
    DITTOFS_SHARE,
    PERSISTENT_VOLUME_CLAIM,
    SECRET,
    SERVICE,
    SERVICE_ACCOUNT,
    STATEFUL_SET,
)
from tests.support.acceptance import PATIENCE_S, Metrics, World
from tests.support.eventually import eventually

pytestmark = pytest.mark.integration

PASSWORD = "correct-horse-battery"


@pytest.fixture
def world(client: Client, operator: Program, namespace: str) -> World:
    return World(client, namespace)


@pytest.mark.parametrize(
    ("field", "secret", "reason", "words"),
    [
        ("jwtSecretRef", None, "JwtSecretInvalid", 'Secret "own" does not exist: create it with the key "jwt-secret"'),
        ("jwtSecretRef", {"other": "x" * 40}, "JwtSecretInvalid", 'Secret "own" has no key "jwt-secret"'),
        ("jwtSecretRef", {"jwt_secret": "short"}, "JwtSecretInvalid", "the server needs at least 32"),
        (
            "adminSecretRef",
            None,
            "AdminSecretInvalid",
            'Secret "own" does not exist: create it with the key "password"',
        ),
        ("adminSecretRef", {"other": PASSWORD}, "AdminSecretInvalid", 'Secret "own" has no key "password"'),
        ("adminSecretRef", {"password": "short"}, "AdminSecretInvalid", "a password needs 8 to 72"),
        ("adminSecretRef", {"password": "long" * 20}, "AdminSecretInvalid", "a password needs 8 to 72"),
    ],
)
def test_a_secret_that_is_missing_or_no_good_is_told_and_no_pod_is_made(
    world: World, field: str, secret: dict[str, str] | None, reason: str, words: str
) -> None:
    if secret is not None:
        world.secret("own", **secret)
    world.instance(auth={field: {"name": "own"}})

    world.until_told(DITTOFS, "demo", "ConfigReady", "False", reason)

    # The DittoFS may be seen before its Secret.
    def told() -> str:
        return str(world.condition(DITTOFS, "demo", "ConfigReady")["message"])

    eventually(lambda: words in told(), timeout_s=PATIENCE_S, what="the words about the Secret")
    assert all(value not in told() for value in (secret or {}).values() if value != "short")
    assert world.told(DITTOFS, "demo", "Ready") == ("False", reason)
    assert world.phase(DITTOFS, "demo") == "Failed"
    world.until_event("demo", "Warning", reason)
    assert world.find(STATEFUL_SET, "demo") is None


def test_a_good_password_in_its_secret_is_the_one_in_force(world: World) -> None:
    world.instance(auth={"adminSecretRef": {"name": "own"}})
    world.until_told(DITTOFS, "demo", "ConfigReady", "False", "AdminSecretInvalid")

    world.secret("own", password=PASSWORD)

    world.until_phase(DITTOFS, "demo", "Running")
    assert world.secret_value("demo-admin", "password") == PASSWORD
    assert world.server().adapters()["nfs"]["enabled"] is True


def test_a_secret_that_goes_bad_under_a_running_server_leaves_it_running(world: World) -> None:
    world.secret("own", jwt_secret="k" * 40)
    world.instance(auth={"jwtSecretRef": {"name": "own"}})
    world.until_phase(DITTOFS, "demo", "Running")
    generation = world.get(STATEFUL_SET, "demo")["metadata"]["generation"]

    world.delete(SECRET, "own")

    world.until_told(DITTOFS, "demo", "ConfigReady", "False", "JwtSecretInvalid")
    assert world.told(DITTOFS, "demo", "Available") == ("True", "ServerHealthy")
    assert world.phase(DITTOFS, "demo") == "Degraded"
    assert world.get(STATEFUL_SET, "demo")["metadata"]["generation"] == generation


def test_a_password_that_the_server_refuses_is_told_and_the_right_one_mends_it(world: World) -> None:
    world.instance()
    world.share("export")
    world.until_phase(DITTOFS_SHARE, "export", "Ready")
    right = world.get(SECRET, "demo-admin")["data"]["password"]

    world.patch(SECRET, "demo-admin", data={"password": "d3Jvbmctd3Jvbmc="})

    told = world.until_told(DITTOFS, "demo", "Available", "False", "AdminLockedOut")
    assert "wrong-wrong" not in told["message"]
    assert '"demo-admin"' in told["message"]
    world.until_event("demo", "Warning", "AdminLockedOut")
    world.until_phase(DITTOFS_SHARE, "export", "WaitingForInstance")

    world.patch(SECRET, "demo-admin", data={"password": right})
    world.until_phase(DITTOFS, "demo", "Running")
    world.until_phase(DITTOFS_SHARE, "export", "Ready")


FOREIGN: tuple[tuple[Resource, str, dict[str, Any]], ...] = (
    (CONFIG_MAP, "demo-dittofs-config", {"data": {"config.yaml": "theirs"}}),
    (SERVICE, "demo-nfs", {"spec": {"ports": [{"port": 1}], "selector": {"app": "theirs"}}}),
    (SERVICE, "demo-api", {"spec": {"ports": [{"port": 1}], "selector": {"app": "theirs"}}}),
    (SERVICE_ACCOUNT, "demo", {"automountServiceAccountToken": True}),
    (SECRET, "demo-admin", {"stringData": {"username": "theirs", "password": "theirs-theirs"}}),
    (SECRET, "demo-jwt-secret", {"stringData": {"jwt-secret": "theirs" * 8}}),
    (
        PERSISTENT_VOLUME_CLAIM,
        "demo-payload",
        {"spec": {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "1Gi"}}}},
    ),
    (
        STATEFUL_SET,
        "demo",
        {
            "spec": {
                "serviceName": "theirs",
                "replicas": 0,
                "selector": {"matchLabels": {"app": "theirs"}},
                "template": {
                    "metadata": {"labels": {"app": "theirs"}},
                    "spec": {"containers": [{"name": "theirs", "image": "example.com/theirs:v1"}]},
                },
            }
        },
    ),
)


@pytest.mark.parametrize(("resource", "name", "content"), FOREIGN, ids=[f"{r.kind}-{n}" for r, n, _ in FOREIGN])
def test_a_foreign_object_of_a_child_s_name_is_told_and_left_as_it_is(
    world: World, resource: Resource, name: str, content: dict[str, Any]
) -> None:
    world.create(resource, name, **content)
    theirs = eventually(lambda: _settled(world, resource, name), PATIENCE_S)
    world.instance()

    told = world.until_told(DITTOFS, "demo", "Degraded", "True", "NameConflict")

    assert f"{resource.kind} {name}" in told["message"]
    assert world.phase(DITTOFS, "demo") == "Failed"
    world.until_event("demo", "Warning", "NameConflict")
    eventually(lambda: world.find(SERVICE, "demo-headless") is not None, PATIENCE_S, what="the children beside it")
    assert _specified(world.get(resource, name)) == _specified(theirs)

    world.delete(DITTOFS, "demo")
    world.until_gone(DITTOFS, "demo")
    assert _specified(world.get(resource, name)) == _specified(theirs)


def _settled(world: World, resource: Resource, name: str) -> Manifest | None:
    """The object once the cluster itself has done with it: controllers write statuses and bind claims."""
    found = world.get(resource, name)
    if resource == PERSISTENT_VOLUME_CLAIM:
        return found if found["spec"].get("volumeName") else None
    return found


def _specified(found: Manifest) -> Manifest:
    """The object without what controllers of the cluster write."""
    metadata = {key: found["metadata"].get(key) for key in ("uid", "labels", "annotations", "ownerReferences")}
    return {**{key: value for key, value in found.items() if key not in ("metadata", "status")}, "metadata": metadata}


@pytest.mark.usefixtures("nothing_else_goes_on")
def test_a_failing_instance_neither_storms_nor_holds_up_others(world: World, operator: Program) -> None:
    """The conflict, the missing Secret and the lost share are looked at again by the poll interval, not faster."""
    world.create(CONFIG_MAP, "conflicted-dittofs-config", data={})
    world.instance("conflicted")
    world.instance("keyless", auth={"jwtSecretRef": {"name": "nowhere"}})
    world.share("lost", instance="nowhere")
    world.until_told(DITTOFS, "conflicted", "Degraded", "True", "NameConflict")
    world.until_told(DITTOFS, "keyless", "ConfigReady", "False", "JwtSecretInvalid")

    world.instance("good")
    world.share("fine", instance="good")
    world.until_phase(DITTOFS_SHARE, "fine", "Ready")
    world.until_phase(DITTOFS, "good", "Running")

    def alone() -> bool:
        return {item["metadata"]["namespace"] for item in world.client.list(DITTOFS).items} == {world.namespace}

    eventually(alone, PATIENCE_S, what="the end of other tests' instances")
    began, before = time.monotonic(), _metrics(operator)
    eventually(lambda: _metrics(operator).passes("dittofs") - before.passes("dittofs") >= 4 * 3, PATIENCE_S)

    # Each of the three is due every second; what still happens around the new one may cost it a few more passes.
    assert time.monotonic() - began > 1
    errors = "controller_runtime_reconcile_errors_total"
    assert _metrics(operator).total(errors) == before.total(errors)
    assert _metrics(operator).total("controller_runtime_reconcile_panics_total") == 0


def _metrics(operator: Program) -> Metrics:
    server = operator.manager.metrics_server
    assert server is not None
    return Metrics.read(f"{server.host}:{server.port}")
