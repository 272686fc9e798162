"""The real server with its control plane in a real PostgreSQL: behind a PerconaPGCluster, and behind a Secret alone.

Needs the server's binary and Debian's postgresql. Skipped without them, unless REQUIRE_REAL=1 turns that into
a failure.
"""

from __future__ import annotations

import base64
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest
import yaml

from hack.localcluster.cluster import LocalCluster
from hack.localcluster.kubelet.container import Pace
from hack.localcluster.kubelet.outside import OutsideServer
from hack.localcluster.resources import CUSTOM_RESOURCE_DEFINITION
from informers import configuration
from informers.client import Client
from informers.resource import ObjectKey
from reconcilers.api.resources import (
    DITTOFS,
    DITTOFS_SHARE,
    PERSISTENT_VOLUME_CLAIM,
    POD,
    POSTGRES_CLUSTER,
    SECRET,
    STATEFUL_SET,
)
from tests.support.acceptance import PATIENCE_S, USER, World
from tests.support.authority import Authority
from tests.support.eventually import eventually
from tests.support.installation import Installation
from tests.support.operator_process import operator_process
from tests.support.postgres import Postgres, postgres_server
from tests.support.real_server import dfs_or_skip

pytestmark = [
    pytest.mark.integration,
    pytest.mark.places("local", reason="it has a local cluster of its own, whose pods run the real server"),
]

#: As Percona Operator names the Service of a cluster, in the Secret and in the certificate.
HOST, PORT = "pg-primary.default.svc", 5432
#: Another way there, for which there is no certificate.
ADDRESS = "10.1.2.3"
DEFINITIONS = Path(__file__).parents[1] / "support" / "definitions"
#: Some of the tables that the server makes for its control plane.
TABLES = {"adapters", "shares", "users"}
CLUSTER_SPEC = {"postgresVersion": 15, "instances": [{"dataVolumeClaimSpec": {}}], "backups": {"enabled": False}}


@pytest.fixture(scope="module")
def authority() -> Authority:
    made = Authority()
    made.issue(HOST)
    return made


@pytest.fixture(scope="module")
def postgres(authority: Authority) -> Iterator[Postgres]:
    dfs_or_skip()
    with postgres_server(authority.issued) as running:
        yield running


@pytest.fixture(scope="module")
def cluster(postgres: Postgres, tmp_path_factory: pytest.TempPathFactory) -> Iterator[LocalCluster]:
    """A cluster whose pods reach the PostgreSQL, under the name of its Service and an address, and nothing else."""
    outside = [OutsideServer(host, PORT, postgres.port) for host in (HOST, ADDRESS)]
    pace = Pace(restart_backoff_initial_s=0.5, restart_backoff_max_s=1)
    directory = tmp_path_factory.mktemp("postgres")
    with LocalCluster(directory, dfs_binary=dfs_or_skip(), outside=outside, pace=pace) as running:
        Installation(running.kubeconfig).add_definitions()
        yield running
    assert running.leftovers() == []


@pytest.fixture(scope="module")
def world(cluster: LocalCluster, tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    """The namespace default of it, looked after by an operator of its own."""
    client = Client(configuration.load(str(cluster.kubeconfig)).configuration, user_agent=USER)
    log = tmp_path_factory.mktemp("operator") / "log"
    with closing(client), operator_process(cluster.kubeconfig, log, lease_namespace="default"):
        yield World(client, "default")


def add_login(postgres: Postgres, name: str) -> dict[str, str]:
    """A database with an owner of the same name, as Percona Operator makes them: with a schema of its own."""
    postgres.query(f"CREATE ROLE {name} LOGIN PASSWORD 'first-{name}'; CREATE DATABASE {name}")
    postgres.query(f"CREATE SCHEMA {name} AUTHORIZATION {name}", database=name)
    return {"host": HOST, "port": str(PORT), "dbname": name, "user": name, "password": f"first-{name}"}


def make_secret(world: World, name: str, values: dict[str, str]) -> None:
    world.create(SECRET, name, data={key: encoded(value) for key, value in values.items()})


def encoded(value: str) -> str:
    return base64.b64encode(value.encode()).decode()


def set_state(world: World, state: str) -> None:
    key = ObjectKey(world.namespace, "pg")
    status = {"status": {"state": state}}
    world.client.merge_patch(POSTGRES_CLUSTER, key, status, field_manager=USER, subresource="status")


def generation(world: World, name: str) -> int:
    return int(world.get(STATEFUL_SET, name)["metadata"]["generation"])


def pod_uid(world: World, name: str) -> str:
    return str(world.get(POD, f"{name}-0")["metadata"]["uid"])


def sqlite_files(cluster: LocalCluster, world: World, name: str) -> list[Path]:
    """The databases in the volumes of the instance."""
    claims = (item for item in world.client.list(PERSISTENT_VOLUME_CLAIM, namespace=world.namespace).items)
    volumes = [item["spec"]["volumeName"] for item in claims if item["metadata"]["name"].startswith(f"{name}-")]
    assert volumes
    return [file for volume in volumes for file in (cluster.data_dir / "volumes" / volume).rglob("controlplane.db*")]


def test_a_cluster_of_percona_carries_the_control_plane_of_the_server(
    cluster: LocalCluster, world: World, postgres: Postgres, authority: Authority
) -> None:
    """Upstream D2: the server never used PostgreSQL, it had the address in a variable that it doesn't know."""
    world.instance(database={"postgresRef": {"name": "pg"}})
    world.until_told(DITTOFS, "demo", "DatabaseReady", "False", "PerconaNotInstalled")
    (definition,) = yaml.safe_load_all((DEFINITIONS / "perconapgclusters.yaml").read_text())
    world.client.create(CUSTOM_RESOURCE_DEFINITION, definition, field_manager=USER)
    world.until_told(DITTOFS, "demo", "DatabaseReady", "False", "ClusterNotFound")
    world.create(POSTGRES_CLUSTER, "pg", spec=CLUSTER_SPEC)
    set_state(world, "ready")
    make_secret(world, "pg-cluster-cert", authority.issued)
    make_secret(world, "pg-pguser-dittofs", add_login(postgres, "dittofs"))

    world.until_phase(DITTOFS, "demo", "Running")

    assert world.told(DITTOFS, "demo", "DatabaseReady") == ("True", "ClusterReady")
    assert postgres.tables("dittofs") >= TABLES
    assert sqlite_files(cluster, world, "demo") == []
    world.share("export")
    world.until_phase(DITTOFS_SHARE, "export", "Ready")
    assert postgres.query("SELECT name FROM dittofs.shares", database="dittofs") == "/export"

    before, pod = generation(world, "demo"), pod_uid(world, "demo")
    set_state(world, "initializing")
    world.until_told(DITTOFS, "demo", "DatabaseReady", "True", "InUse")
    assert (generation(world, "demo"), pod_uid(world, "demo")) == (before, pod)
    assert world.phase(DITTOFS, "demo") == "Running"

    postgres.query("ALTER ROLE dittofs PASSWORD 'se cond''\\'")
    world.patch(SECRET, "pg-pguser-dittofs", data={"password": encoded("se cond'\\")})
    eventually(lambda: pod_uid(world, "demo") != pod, PATIENCE_S, what="a pod with the next password")
    world.until_phase(DITTOFS, "demo", "Running")
    world.until_phase(DITTOFS_SHARE, "export", "Ready")
    assert generation(world, "demo") == before + 1
    assert world.status(POD, "demo-0")["containerStatuses"][0]["restartCount"] == 0


def test_a_login_alone_carries_the_control_plane_too(
    cluster: LocalCluster, world: World, postgres: Postgres, authority: Authority
) -> None:
    make_secret(world, "alone", {**add_login(postgres, "alone"), "ca.crt": authority.text})

    world.instance("alone", database={"postgresSecretRef": {"name": "alone", "sslMode": "verify-full"}})

    world.until_phase(DITTOFS, "alone", "Running")
    assert postgres.tables("alone") >= TABLES
    assert sqlite_files(cluster, world, "alone") == []
    assert (
        postgres.query("SELECT DISTINCT ssl FROM pg_stat_ssl JOIN pg_stat_activity USING (pid) WHERE datname='alone'")
        == "t"
    )


@pytest.mark.parametrize(
    ("wrong", "reason"),
    [
        ("authority", "CertificateNotTrusted"),
        ("host", "CertificateInvalid"),
        ("password", "LoginRefused"),
    ],
)
def test_what_postgresql_or_its_certificate_refuses_is_told_and_mended_in_the_secret(
    world: World, postgres: Postgres, authority: Authority, wrong: str, reason: str
) -> None:
    right = {**add_login(postgres, wrong), "ca.crt": authority.text}
    other = {"authority": {"ca.crt": Authority().text}, "host": {"host": ADDRESS}, "password": {"password": "no-n0"}}
    make_secret(world, wrong, {**right, **other[wrong]})
    world.instance(wrong, database={"postgresSecretRef": {"name": wrong, "sslMode": "verify-full"}})

    told = world.until_told(DITTOFS, wrong, "DatabaseReady", "False", reason)

    assert f'Secret "{wrong}"' in told["message"]
    assert "no-n0" not in str(world.status(DITTOFS, wrong))
    world.until_event(wrong, "Warning", reason)
    assert world.told(DITTOFS, wrong, "Ready") == ("False", reason)
    assert postgres.tables(wrong) == set()

    world.patch(SECRET, wrong, data={key: encoded(value) for key, value in right.items()})
    world.until_phase(DITTOFS, wrong, "Running")
    assert world.told(DITTOFS, wrong, "DatabaseReady") == ("True", "LoginSecretPresent")
