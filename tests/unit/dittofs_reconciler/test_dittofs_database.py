"""The control-plane database: what is awaited, what reaches the pod, what never stops one that runs."""

from __future__ import annotations

from typing import Any

import pytest
import yaml

from reconcilers.api.resources import CONFIG_MAP, PERSISTENT_VOLUME_CLAIM, POSTGRES_CLUSTER, SECRET, STATEFUL_SET
from tests.support.dittofs_world import NAMESPACE, World

LOGIN = {"host": "pg-primary.storage.svc", "port": "5432", "dbname": "dittofs", "user": "dittofs", "password": "s3cr3t"}
CLUSTER: dict[str, Any] = {
    "postgresVersion": 17,
    "instances": [{"dataVolumeClaimSpec": {}}],
    "backups": {"enabled": False},
}


def cluster(world: World, state: str, **spec: Any) -> None:
    metadata = {"name": "pg", "namespace": NAMESPACE}
    world.create(POSTGRES_CLUSTER, {"metadata": metadata, "spec": {**CLUSTER, **spec}})
    set_state(world, state)


def set_state(world: World, state: str) -> None:
    world.change(POSTGRES_CLUSTER, "pg", {"status": {"state": state}}, subresource="status")


def everything(world: World) -> None:
    world.install(POSTGRES_CLUSTER)
    cluster(world, "ready")
    world.create_secret("pg-pguser-dittofs", **LOGIN)
    world.create_secret("pg-cluster-cert", **{"ca.crt": "authority"})


def pod(world: World) -> dict[str, Any]:
    template: dict[str, Any] = world.get(STATEFUL_SET, "demo")["spec"]["template"]["spec"]
    return template


def variables(world: World) -> dict[str, Any]:
    return {entry["name"]: entry.get("valueFrom") for entry in pod(world)["containers"][0]["env"]}


def settings(world: World) -> Any:
    text = world.get(CONFIG_MAP, "demo-dittofs-config")["data"]["config.yaml"]
    return yaml.safe_load(text)["database"]


REF = {"postgresRef": {"name": "pg"}}


def test_each_thing_that_is_awaited_is_named_in_turn_and_the_rest_goes_on(world: World) -> None:
    """Upstream D3: a missing operator or cluster made every reconcile fail and hid the status."""
    world.create_dittofs(database=REF)
    world.reconcile()
    assert world.condition("DatabaseReady") == ("False", "PerconaNotInstalled")
    assert world.status["phase"] == "WaitingForDatabase"
    assert world.exists(PERSISTENT_VOLUME_CLAIM, "demo-payload")
    assert not world.exists(STATEFUL_SET, "demo")

    world.install(POSTGRES_CLUSTER)
    world.reconcile()
    assert world.condition("DatabaseReady") == ("False", "ClusterNotFound")

    cluster(world, "initializing")
    world.reconcile()
    assert world.condition("DatabaseReady") == ("False", "ClusterNotReady")
    assert "initializing" in world.message("DatabaseReady")

    set_state(world, "ready")
    world.reconcile()
    assert world.condition("DatabaseReady") == ("False", "UserSecretNotReady")
    assert '"pg-pguser-dittofs" does not exist' in world.message("DatabaseReady")

    world.create_secret("pg-pguser-dittofs", **{**LOGIN, "password": ""})
    world.reconcile()
    assert 'is empty under "password"' in world.message("DatabaseReady")

    world.change_secret("pg-pguser-dittofs", password="s3cr3t")
    world.reconcile()
    assert '"pg-cluster-cert" does not exist' in world.message("DatabaseReady")
    assert not world.exists(STATEFUL_SET, "demo")

    world.create_secret("pg-cluster-cert", **{"ca.crt": "authority", "tls.key": "private"})
    world.reconcile()
    assert world.condition("DatabaseReady") == ("True", "ClusterReady")
    assert world.status["phase"] == "Provisioning"
    assert world.status["database"] == "postgres"


def test_the_server_gets_the_login_as_variables_and_of_the_certificate_the_authority_alone(world: World) -> None:
    everything(world)
    world.create_dittofs(database=REF)

    world.reconcile()

    reference = variables(world)["DITTOFS_DATABASE_POSTGRES_PASSWORD"]["secretKeyRef"]
    assert reference == {"name": "pg-pguser-dittofs", "key": "password"}
    assert {"DITTOFS_DATABASE_POSTGRES_HOST", "DITTOFS_DATABASE_POSTGRES_DATABASE"} <= variables(world).keys()
    assert settings(world) == {
        "type": "postgres",
        "postgres": {"sslmode": "verify-full", "ssl_root_cert": "/run/dittofs/database/ca.crt"},
    }
    volume = next(volume for volume in pod(world)["volumes"] if volume["name"] == "database-ca")
    assert volume["secret"]["secretName"] == "pg-cluster-cert"
    assert volume["secret"]["items"] == [{"key": "ca.crt", "path": "ca.crt"}]
    assert not world.exists(PERSISTENT_VOLUME_CLAIM, "demo-controlplane")


def test_a_user_with_a_secret_of_its_own_is_followed(world: World) -> None:
    world.install(POSTGRES_CLUSTER)
    cluster(world, "ready", users=[{"name": "dittofs", "secretName": "mine"}])
    world.create_secret("mine", **LOGIN)

    world.create_dittofs(database={"postgresRef": {"name": "pg", "sslMode": "require"}})
    world.reconcile()

    assert variables(world)["DITTOFS_DATABASE_POSTGRES_HOST"]["secretKeyRef"]["name"] == "mine"
    assert settings(world) == {"type": "postgres", "postgres": {"sslmode": "require"}}


@pytest.mark.parametrize("what", ["state", "secret", "cluster"])
def test_a_server_that_runs_is_left_alone_whatever_becomes_of_its_cluster(world: World, what: str) -> None:
    everything(world)
    world.run(database=REF)
    before = world.get(STATEFUL_SET, "demo")["spec"]
    match what:
        case "state":
            set_state(world, "initializing")
        case "secret":
            world.delete(SECRET, "pg-pguser-dittofs")
        case _:
            world.delete(POSTGRES_CLUSTER, "pg")

    world.reconcile()

    assert world.get(STATEFUL_SET, "demo")["spec"] == before
    assert world.condition("Available") == ("True", "ServerHealthy")
    assert (
        world.condition("DatabaseReady")[1]
        == {
            "state": "InUse",
            "secret": "UserSecretNotReady",
            "cluster": "ClusterNotFound",
        }[what]
    )


def test_a_rotated_password_rolls_the_pod_once(world: World) -> None:
    everything(world)
    world.run(database=REF)
    before = world.get(STATEFUL_SET, "demo")["metadata"]["generation"]
    world.change_secret("pg-pguser-dittofs", password="an0ther")

    for _ in range(3):
        world.reconcile()

    assert world.get(STATEFUL_SET, "demo")["metadata"]["generation"] == before + 1


def test_a_login_of_any_postgresql_is_used_with_the_authority_that_it_names(world: World) -> None:
    world.create_secret("login", **LOGIN, **{"ca.crt": "authority"})

    world.create_dittofs(database={"postgresSecretRef": {"name": "login", "sslMode": "verify-full"}})
    world.reconcile()

    assert world.condition("DatabaseReady") == ("True", "LoginSecretPresent")
    assert settings(world)["postgres"]["ssl_root_cert"] == "/run/dittofs/database/ca.crt"


def test_a_login_that_lacks_a_key_is_awaited(world: World) -> None:
    world.create_secret("login", **{key: value for key, value in LOGIN.items() if key != "host"})

    world.create_dittofs(database={"postgresSecretRef": {"name": "login"}})
    world.reconcile()

    assert world.condition("DatabaseReady") == ("False", "LoginSecretInvalid")
    assert "s3cr3t" not in str(world.status)


def test_the_cluster_is_never_written_to(world: World) -> None:
    everything(world)
    world.run(database=REF)
    world.reconcile()

    assert not [request for request in world.operator.requests if "perconapgclusters" in request]
