"""The Secrets: generated, given, missing, bad, changed; and the admin password that has to match the server's."""

from __future__ import annotations

import base64
import shutil

import pytest

from informers.errors import Conflict
from informers.resource import ObjectKey
from reconcilers.api.resources import DITTOFS, PERSISTENT_VOLUME_CLAIM, POD, SECRET, STATEFUL_SET
from reconcilers.dittofs import secret_reader
from reconcilers.dittofs.secret_reader import SecretReader
from tests.support.dittofs_world import NAMESPACE, World

GOOD_KEY = "0123456789abcdef0123456789abcdef"


def template(world: World) -> object:
    return world.get(STATEFUL_SET, "demo")["spec"]["template"]


def test_generated_values_are_long_and_differ(world: World) -> None:
    world.create_dittofs()
    world.reconcile()

    key, password = world.secret("demo-jwt-secret", "jwt-secret"), world.secret("demo-admin", "password")

    assert len(key) >= 32
    assert 8 <= len(password.encode()) <= 72
    assert key != password
    assert world.secret("demo-admin", "username") == "admin"


def test_generated_secrets_are_made_once(world: World) -> None:
    """A cache that does not show them yet leads to a second create, which the API server refuses."""
    world.create_dittofs()
    world.reconcile()
    before = world.get(SECRET, "demo-admin"), world.get(SECRET, "demo-jwt-secret")
    world.sync()
    world.stores[SECRET].replace([], "1")

    world.reconcile(sync=False)

    assert (world.get(SECRET, "demo-admin"), world.get(SECRET, "demo-jwt-secret")) == before


def test_a_given_signing_key_is_used_and_none_is_generated(world: World) -> None:
    world.create_secret("own", signing=GOOD_KEY)

    world.create_dittofs(auth={"jwtSecretRef": {"name": "own", "key": "signing"}})
    world.reconcile()

    assert not world.exists(SECRET, "demo-jwt-secret")
    reference = world.get(STATEFUL_SET, "demo")["spec"]["template"]["spec"]["containers"][0]["env"][0]
    assert reference["valueFrom"]["secretKeyRef"] == {"name": "own", "key": "signing"}
    assert "ownerReferences" not in world.get(SECRET, "own")["metadata"]


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (None, 'Secret "own" does not exist: create it with the key "jwt-secret", or name another Secret'),
        ({"other": GOOD_KEY}, 'Secret "own" has no key "jwt-secret": add it, or name another Secret or key'),
        (
            {"jwt_secret": "short"},
            (
                'Secret "own" has 5 characters under "jwt-secret", the server needs at least 32: '
                "put a longer random text there"
            ),
        ),
    ],
)
def test_a_bad_signing_key_makes_no_pod_and_says_what_to_do(
    world: World, data: dict[str, str] | None, message: str
) -> None:
    if data is not None:
        world.create_secret("own", **data)
    world.create_dittofs(auth={"jwtSecretRef": {"name": "own"}})

    world.reconcile()

    assert not world.exists(STATEFUL_SET, "demo")
    assert world.condition("ConfigReady") == ("False", "JwtSecretInvalid")
    assert world.message("ConfigReady") == message
    assert world.status["phase"] == "Failed"
    assert world.recorder.reasons().count("JwtSecretInvalid") == 1


def test_a_bad_signing_key_that_gets_good_starts_the_server(world: World) -> None:
    world.create_secret("own", jwt_secret="short")
    world.create_dittofs(auth={"jwtSecretRef": {"name": "own"}})
    world.reconcile()
    world.change_secret("own", jwt_secret=GOOD_KEY)

    world.reconcile()
    world.roll_out()
    world.start_server()
    world.settle()

    assert world.status["phase"] == "Running"


def test_a_signing_key_that_vanishes_leaves_the_running_pod_alone(world: World) -> None:
    """Upstream D11: a deleted Secret rolled a healthy pod, which then could not start."""
    world.create_secret("own", jwt_secret=GOOD_KEY)
    world.run(auth={"jwtSecretRef": {"name": "own"}})
    before = template(world)
    world.delete(SECRET, "own")
    world.change_spec(adapters={"nfs": {"port": 20490}})

    world.reconcile()

    assert template(world) == before
    assert world.condition("ConfigReady") == ("False", "JwtSecretInvalid")
    assert world.condition("Available") == ("True", "ServerHealthy")
    assert world.status["phase"] == "Degraded"
    assert world.status["apiReachable"] is True
    assert world.status["endpoint"] == "demo-nfs.storage.svc:20490"


def test_a_server_whose_signing_key_vanished_can_still_be_stopped(world: World) -> None:
    world.create_secret("own", jwt_secret=GOOD_KEY)
    world.run(auth={"jwtSecretRef": {"name": "own"}})
    world.delete(SECRET, "own")
    world.change_spec(replicas=0)

    world.reconcile()

    assert world.get(STATEFUL_SET, "demo")["spec"]["replicas"] == 0


def test_a_changed_signing_key_rolls_the_pod(world: World) -> None:
    world.create_secret("own", jwt_secret=GOOD_KEY)
    world.run(auth={"jwtSecretRef": {"name": "own"}})
    before = template(world)
    world.change_secret("own", jwt_secret=GOOD_KEY[::-1])

    world.reconcile()

    assert template(world) != before


def test_a_label_on_a_secret_rolls_nothing(world: World) -> None:
    world.create_secret("own", jwt_secret=GOOD_KEY)
    world.run(auth={"jwtSecretRef": {"name": "own"}})
    before = template(world)
    world.change(SECRET, "own", {"metadata": {"labels": {"a": "b"}}})

    world.reconcile()

    assert template(world) == before


def test_a_deleted_generated_signing_key_is_made_anew_and_rolls_the_pod(world: World) -> None:
    world.run()
    before = template(world)
    world.delete(SECRET, "demo-jwt-secret")

    world.reconcile()

    assert len(world.secret("demo-jwt-secret", "jwt-secret")) >= 32
    assert template(world) != before


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (None, "does not exist"),
        ({"other": "long enough"}, 'has no key "password"'),
        ({"password": "short"}, "has 5 bytes"),
        ({"password": "ä" * 37}, "has 74 bytes"),
    ],
)
def test_a_bad_admin_password_makes_no_pod_and_says_what_to_do(
    world: World, data: dict[str, str] | None, words: str
) -> None:
    if data is not None:
        world.create_secret("own", **data)
    world.create_dittofs(auth={"adminSecretRef": {"name": "own"}})

    world.reconcile()

    assert not world.exists(STATEFUL_SET, "demo")
    assert not world.exists(SECRET, "demo-admin")
    assert world.condition("ConfigReady") == ("False", "AdminSecretInvalid")
    assert words in world.message("ConfigReady")


def test_a_bad_admin_password_does_not_disturb_a_running_server(world: World) -> None:
    world.run()
    password = world.secret("demo-admin", "password")
    world.change_spec(auth={"adminSecretRef": {"name": "missing"}}, adapters={"smb": {"enabled": True}})

    world.settle()

    assert world.secret("demo-admin", "password") == password
    assert world.condition("ConfigReady") == ("False", "AdminSecretInvalid")
    assert world.condition("Available") == ("True", "ServerHealthy")
    assert set(world.status["endpoints"]) == {"nfs", "smb", "api"}


def test_the_wanted_password_is_the_first_one_in_force(world: World) -> None:
    world.create_secret("own", password="wanted-by-me")

    world.run(auth={"adminSecretRef": {"name": "own"}})

    assert world.secret("demo-admin", "password") == "wanted-by-me"
    assert world.status["phase"] == "Running"


def test_another_wanted_password_is_set_on_the_server_and_written_down_without_a_restart(world: World) -> None:
    world.run()
    before = template(world)
    world.create_secret("own", password="wanted-by-me")
    world.change_spec(auth={"adminSecretRef": {"name": "own"}})

    world.settle()

    assert world.secret("demo-admin", "password") == "wanted-by-me"
    world.session("wanted-by-me").login()
    assert template(world) == before
    assert world.status["phase"] == "Running"
    assert world.recorder.note("ServerConfigured") == "set on the server: admin password"
    assert world.requests_of(passes=2) == []


def test_a_crash_between_changing_the_password_and_writing_it_down_heals(world: World) -> None:
    world.run()
    old = world.secret("demo-admin", "password")
    world.create_secret("own", password="wanted-by-me")
    world.session(old).change_password(old, "wanted-by-me")
    world.change_spec(auth={"adminSecretRef": {"name": "own"}})
    world.sessions.close()
    world.restarted()

    world.settle()

    assert world.secret("demo-admin", "password") == "wanted-by-me"
    assert world.status["phase"] == "Running"


def test_a_second_change_of_mind_after_a_crash_locks_nobody_out(world: World) -> None:
    """The first change was made on the server and not written down when the wanted password became another one."""
    world.run()
    world.create_secret("own", password="first-wanted")
    world.operator.refused["/secrets/demo-admin"] = Conflict(409, "Conflict", "somebody else wrote first")
    world.change_spec(auth={"adminSecretRef": {"name": "own"}})
    world.reconcile()
    assert world.session(world.secret("demo-admin", "password")).adapters()
    old = world.secret("demo-admin", "password")
    world.operator.refused.clear()
    encoded = base64.b64encode(b"first-wanted").decode()
    world.change(SECRET, "demo-admin", {"data": {"next-password": encoded}})
    world.session(old).change_password(old, "first-wanted")

    world.change_secret("own", password="second-wanted")
    world.sessions.close()
    world.restarted()
    world.settle()

    assert world.secret("demo-admin", "password") == "second-wanted"
    assert "next-password" not in world.get(SECRET, "demo-admin")["data"]
    assert world.status["phase"] == "Running"


def test_a_server_that_takes_no_known_password_is_reported_with_the_secrets_to_look_at(world: World) -> None:
    world.run()
    old = world.secret("demo-admin", "password")
    world.session(old).change_password(old, "changed-by-hand")
    world.create_secret("own", password="wanted-by-me")
    world.change_spec(auth={"adminSecretRef": {"name": "own"}})
    world.sessions.close()

    world.reconcile()

    assert world.condition("Available") == ("False", "AdminLockedOut")
    assert '"demo-admin" and "own"' in world.message("Available")
    assert world.status["phase"] == "Failed"
    assert world.status["apiReachable"] is False
    world.change_secret("own", password="changed-by-hand")
    world.settle()
    assert world.status["phase"] == "Running"
    assert world.secret("demo-admin", "password") == "changed-by-hand"


def test_a_deleted_admin_secret_comes_back_with_the_password_that_works(world: World) -> None:
    world.run()
    password = world.secret("demo-admin", "password")
    world.delete(SECRET, "demo-admin")

    world.reconcile()
    assert world.condition("Available") == ("True", "ServerHealthy")
    world.settle()

    assert world.secret("demo-admin", "password") == password
    assert world.status["phase"] == "Running"


def test_an_admin_secret_that_was_deleted_while_no_operator_ran_is_told_with_a_way_out_that_works(world: World) -> None:
    world.run()
    world.delete(SECRET, "demo-admin")
    world.sessions.close()
    world.restarted()

    world.settle()

    assert world.condition("Available") == ("False", "AdminLockedOut")
    message = world.message("Available")
    assert "put the password in force there, under the key password" in message
    assert "dfsctl user password admin" in message
    assert "set spec.replicas to 0, delete the claim demo-controlplane, set it to 1 again" in message
    assert len(message) < 1000

    world.stop_server()
    world.change_spec(replicas=0)
    world.reconcile()
    world.roll_out()
    world.delete(PERSISTENT_VOLUME_CLAIM, "demo-controlplane")
    shutil.rmtree(world.directory / "data" / "controlplane")
    world.change_spec(replicas=1)
    world.reconcile()
    world.roll_out()
    world.start_server()
    world.settle()

    assert world.status["phase"] == "Running"
    assert world.exists(PERSISTENT_VOLUME_CLAIM, "demo-controlplane")


def test_removed_labels_of_a_secret_come_back(world: World) -> None:
    world.run(volumeRetention="Delete")
    world.change(SECRET, "demo-admin", {"metadata": {"labels": None}})

    world.reconcile()

    assert world.get(SECRET, "demo-admin")["metadata"]["labels"]["app.kubernetes.io/instance"] == "demo"
    assert world.requests_of() == []


def test_secrets_are_read_only_after_they_changed(world: World) -> None:
    world.create_secret("own", jwt_secret=GOOD_KEY)
    world.create_secret("mine", password="wanted-by-me")
    world.run(auth={"jwtSecretRef": {"name": "own"}, "adminSecretRef": {"name": "mine"}})

    assert world.requests_of(passes=3) == []
    assert world.exists(POD, "demo-0")
    assert world.exists(DITTOFS, "demo")


def test_a_foreign_admin_secret_stays_as_it_is_even_when_the_wanted_password_works(world: World) -> None:
    world.create_secret("mine", password="correct horse battery")
    world.run(auth={"adminSecretRef": {"name": "mine"}})
    world.delete(SECRET, "demo-admin")
    world.create_secret("demo-admin", username="admin", password="somebody else's")
    theirs = world.get(SECRET, "demo-admin")
    world.sessions.close()
    world.restarted()

    world.settle()

    assert world.get(SECRET, "demo-admin") == theirs
    assert world.condition("Degraded") == ("True", "NameConflict")


def test_what_is_remembered_of_secrets_is_bounded(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(secret_reader, "MEMORY_SIZE", 2)
    world.create_dittofs()
    world.sync()
    for name in ("one", "two", "three"):
        world.create_secret(name, password="x" * 10)
    world.sync()
    reader = SecretReader(client=world.operator, secrets=world.stores[SECRET])
    for name in ("one", "two", "three"):
        reader.look(ObjectKey(NAMESPACE, name), "password")
    world.operator.requests.clear()

    reader.look(ObjectKey(NAMESPACE, "three"), "password")
    assert world.operator.requests == []
    reader.look(ObjectKey(NAMESPACE, "one"), "password")
    assert len(world.operator.requests) == 1


def test_a_changed_metrics_token_rolls_the_pod_and_another_key_of_its_secret_does_not(world: World) -> None:
    world.create_secret("scrape", token="t" * 20, other="1")
    world.run(metrics={"enabled": True, "tokenSecretRef": {"name": "scrape"}})
    before = template(world)

    world.change_secret("scrape", other="2")
    world.reconcile()
    assert template(world) == before

    world.change_secret("scrape", token="u" * 20)
    world.reconcile()
    assert template(world) != before


def test_a_variable_whose_secret_is_missing_leaves_the_running_pod_alone_until_it_is_there(world: World) -> None:
    world.run()
    before = template(world)
    reference = {"secretKeyRef": {"name": "ldap", "key": "password"}}
    world.change_spec(
        pod={"extraEnv": [{"name": "DITTOFS_LDAP_BIND_PASSWORD", "valueFrom": reference}]},
        resources={"limits": {"memory": "2Gi"}},
    )

    world.reconcile()

    assert template(world) == before
    assert world.condition("ConfigReady") == ("False", "SecretInvalid")
    assert "spec.pod.extraEnv[DITTOFS_LDAP_BIND_PASSWORD]" in world.message("ConfigReady")
    assert world.condition("Available") == ("True", "ServerHealthy")

    world.create_secret("ldap", password="p" * 20)
    world.reconcile()

    assert template(world) != before
    assert world.condition("ConfigReady")[0] == "True"
