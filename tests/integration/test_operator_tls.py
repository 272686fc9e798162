"""TLS between the operator and its servers; with `--server=real` the server that speaks it is the real one."""

from __future__ import annotations

import base64
import socket
import ssl

import pytest

from dittofs_operator.program import Program
from informers.client import Client
from reconcilers.api.resources import DITTOFS, DITTOFS_SHARE, POD, SECRET
from tests.support.acceptance import PATIENCE_S, World
from tests.support.authority import Authority
from tests.support.eventually import eventually

pytestmark = [
    pytest.mark.integration,
    pytest.mark.places("local", "controlplane", reason="the test itself connects to the address of a Service"),
]


@pytest.fixture
def world(client: Client, operator: Program, namespace: str) -> World:
    return World(client, namespace)


def put(world: World, name: str, values: dict[str, str]) -> None:
    world.patch(SECRET, name, data={key: base64.b64encode(value.encode()).decode() for key, value in values.items()})


def host(world: World) -> str:
    return f"demo-api.{world.namespace}.svc"


def test_a_server_that_asks_for_certificates_is_served_and_takes_up_a_new_one_without_a_restart(world: World) -> None:
    authority = Authority()
    world.secret("api", **authority.issue(host(world)))
    world.secret("clients", **{"ca.crt": authority.text})
    world.secret("own", **authority.issue("operator"))
    tls = {"secretName": "api", "clientCASecretName": "clients", "clientSecretName": "own"}
    world.instance(adapters={"api": {"tls": tls}})
    world.share("export")
    world.until_phase(DITTOFS, "demo", "Running")
    world.until_phase(DITTOFS_SHARE, "export", "Ready")
    pod = world.get(POD, "demo-0")["metadata"]["uid"]
    assert issuer(world, authority.text)

    renewed = Authority()
    put(world, "api", renewed.issue(host(world)))

    eventually(lambda: issuer(world, renewed.text), PATIENCE_S, what="the new certificate")
    world.share("later")
    world.until_phase(DITTOFS_SHARE, "later", "Ready")
    assert world.get(POD, "demo-0")["metadata"]["uid"] == pod


def issuer(world: World, authority: str) -> bool:
    """Whether the server shows a certificate that this authority signed."""
    endpoint = world.status(DITTOFS, "demo")["endpoints"]["api"]
    context = ssl.create_default_context(cadata=authority)
    with socket.create_connection((endpoint["clusterIP"], endpoint["port"]), timeout=5) as connection:
        try:
            with context.wrap_socket(connection, server_hostname=host(world)):
                return True
        except ssl.SSLCertVerificationError:
            return False
