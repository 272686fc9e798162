"""TLS of the REST API: what the pod gets, how the operator gets in, and what a new certificate costs."""

from __future__ import annotations

from typing import Any

import yaml

from reconcilers.api.resources import CONFIG_MAP, SECRET, STATEFUL_SET
from tests.support.authority import Authority
from tests.support.dittofs_world import World

HOST = "demo-api.storage.svc"
TLS = {"adapters": {"api": {"tls": {"secretName": "api"}}}}
MUTUAL = {
    "adapters": {"api": {"tls": {"secretName": "api", "clientCASecretName": "clients", "clientSecretName": "own"}}}
}


def container(world: World) -> dict[str, Any]:
    found: dict[str, Any] = world.get(STATEFUL_SET, "demo")["spec"]["template"]["spec"]["containers"][0]
    return found


def generation(world: World) -> int:
    return int(world.get(STATEFUL_SET, "demo")["metadata"]["generation"])


def test_the_operator_gets_in_by_tls_and_checks_the_name(world: World, authority: Authority) -> None:
    world.create_secret("api", **authority.issue(HOST))

    world.run(**TLS)

    assert world.condition("Available") == ("True", "ServerHealthy")
    assert container(world)["livenessProbe"]["httpGet"]["scheme"] == "HTTPS"
    settings = yaml.safe_load(world.get(CONFIG_MAP, "demo-dittofs-config")["data"]["config.yaml"])
    assert settings["controlplane"]["tls"] == {
        "cert_file": "/run/dittofs/api/tls.crt",
        "key_file": "/run/dittofs/api/tls.key",
    }


def test_a_certificate_for_another_name_is_refused_in_words(world: World, authority: Authority) -> None:
    world.create_secret("api", **authority.issue("elsewhere.example"))

    world.run(**TLS)

    assert world.condition("Available") == ("False", "ServerUnreachable")
    assert "TLS failed: Hostname mismatch" in world.message("Available")


def test_a_new_certificate_is_taken_up_without_a_restart(world: World, authority: Authority) -> None:
    """Upstream kept the certificate of the start until somebody restarted the pod."""
    world.create_secret("api", **authority.issue(HOST))
    world.run(**TLS)
    before = generation(world)
    renewed = Authority()

    world.change_secret("api", **renewed.issue(HOST))
    world.mount_secrets()
    world.reconcile()

    assert generation(world) == before
    assert world.condition("Available") == ("True", "ServerHealthy")


def test_with_a_client_authority_the_operator_presents_its_own_certificate(world: World, authority: Authority) -> None:
    """Upstream D7: it had none, so that such an instance never became ready."""
    world.create_secret("api", **authority.issue(HOST))
    world.create_secret("clients", **{"ca.crt": authority.text})
    world.create_secret("own", **authority.issue("operator"))

    world.run(**MUTUAL)

    assert world.condition("Available") == ("True", "ServerHealthy")
    assert container(world)["readinessProbe"]["tcpSocket"] == {"port": "api"}


def test_a_client_certificate_that_nobody_trusts_is_told(world: World, authority: Authority) -> None:
    world.create_secret("api", **authority.issue(HOST))
    world.create_secret("clients", **{"ca.crt": authority.text})
    stranger = {key: value for key, value in Authority().issue("operator").items() if key != "ca.crt"}
    world.create_secret("own", **stranger)

    world.run(**MUTUAL)

    assert world.condition("Available") == ("False", "ServerUnreachable")
    assert "PRIVATE" not in str(world.status)


def test_a_changed_client_authority_rolls_the_pod(world: World, authority: Authority) -> None:
    world.create_secret("api", **authority.issue(HOST))
    world.create_secret("clients", **{"ca.crt": authority.text})
    world.create_secret("own", **authority.issue("operator"))
    world.run(**MUTUAL)
    before = generation(world)

    world.change_secret("clients", **{"ca.crt": Authority().text})
    world.reconcile()

    assert generation(world) == before + 1


def test_a_certificate_that_is_not_there_makes_no_pod_and_is_named(world: World) -> None:
    world.create_dittofs(**TLS)

    world.reconcile()

    assert not world.exists(STATEFUL_SET, "demo")
    assert world.condition("ConfigReady") == ("False", "SecretInvalid")
    assert 'spec.adapters.api.tls.secretName: Secret "api" does not exist' in world.message("ConfigReady")


def test_a_certificate_that_vanishes_leaves_the_running_pod_alone(world: World, authority: Authority) -> None:
    world.create_secret("api", **authority.issue(HOST))
    world.run(**TLS)
    before = generation(world)
    world.delete(SECRET, "api")

    world.reconcile()

    assert generation(world) == before
    assert world.condition("ConfigReady") == ("False", "SecretInvalid")
