"""What is secret stays in Secrets: nothing of it in any other object, in the operator's log, or in its metrics."""

from __future__ import annotations

import base64
import itertools
import json
import secrets
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

from informers.client import Client
from reconcilers.api.resources import (
    DITTOFS,
    DITTOFS_BACKUP,
    DITTOFS_SHARE,
    LEASE,
    SECRET,
)
from tests.support.acceptance import EVERYTHING, PATIENCE_S, World
from tests.support.eventually import eventually
from tests.support.operator_process import OperatorProcess, may_lead_in, operator_process
from tests.support.place import Place

pytestmark = pytest.mark.integration

PUBLIC = (*(resource for resource in EVERYTHING if resource != SECRET), LEASE)


@pytest.fixture
def talkative(cluster: Place, client: Client, namespace: str, tmp_path: Path) -> Iterator[OperatorProcess]:
    """An operator that logs all it can."""
    may_lead_in(namespace, cluster, client)
    with operator_process(
        cluster.operator_kubeconfig, tmp_path / "log", lease_namespace=namespace, flags=("--log-level=debug",)
    ) as running:
        running.until_leading()
        yield running


def test_no_secret_is_anywhere_but_in_secrets(client: Client, talkative: OperatorProcess, namespace: str) -> None:
    """Through a whole life: generated, given, changed, deleted, wrong and malformed ones."""
    world = World(client, namespace)
    known = _Known(world)
    world.instance()
    world.share("export")
    world.until_phase(DITTOFS_SHARE, "export", "Ready")
    world.backup("first")
    world.until_phase(DITTOFS_BACKUP, "first", "Completed")
    known.look()

    own_key, own_password, next_password, short = (secrets.token_urlsafe(size) for size in (40, 20, 20, 5))
    known.values |= {own_key, own_password, next_password, short}
    world.secret("own", jwt_secret=own_key, password=own_password)
    world.patch(DITTOFS, "demo", spec={"auth": {"jwtSecretRef": {"name": "own"}, "adminSecretRef": {"name": "own"}}})
    eventually(
        lambda: world.secret_value("demo-admin", "password") == own_password, PATIENCE_S, what="the new password"
    )
    world.until_phase(DITTOFS, "demo", "Running")
    known.look()

    world.patch(SECRET, "own", data={"password": _base64(short)})
    world.until_told(DITTOFS, "demo", "ConfigReady", "False", "AdminSecretInvalid")
    world.patch(SECRET, "own", data={"password": _base64(next_password)})
    eventually(lambda: world.secret_value("demo-admin", "password") == next_password, PATIENCE_S, what="the next one")
    world.until_phase(DITTOFS, "demo", "Running")

    world.delete(SECRET, "demo-admin")  # comes back with the password in force
    eventually(lambda: world.secret_value("demo-admin", "password") == next_password, PATIENCE_S, what="the Secret")
    wrong = secrets.token_urlsafe(20)
    known.values.add(wrong)
    world.patch(DITTOFS, "demo", spec={"auth": None})
    world.until_phase(DITTOFS, "demo", "Running")
    world.patch(SECRET, "demo-admin", data={"password": _base64(wrong)})
    world.until_told(DITTOFS, "demo", "Available", "False", "AdminLockedOut")
    not_text = base64.b64encode(b"\xff\xfe" + secrets.token_bytes(20)).decode()
    known.encoded.add(not_text)
    world.patch(SECRET, "demo-admin", data={"password": not_text})
    eventually(
        lambda: world.told(DITTOFS, "demo", "Available")[1] != "AdminLockedOut", PATIENCE_S, what="another reason"
    )
    metrics = talkative.metrics().text
    talkative.signal(signal.SIGTERM)
    assert talkative.wait() == 0

    texts = {"the log": talkative.log.read_text(), "the metrics": metrics}
    for resource in PUBLIC:
        found = client.list(resource, namespace=namespace).items
        assert found, f"the scenario left no {resource.kind} to look at"
        texts |= {f"{resource.kind} {item['metadata']['name']}": json.dumps(item) for item in found}
    assert len(known.values) >= 6
    leaks = [
        (place, "…" + form[:4])
        for (place, text), form in itertools.product(texts.items(), known.forms())
        if form in text
    ]
    assert leaks == []


class _Known:
    """Every secret value that came up."""

    def __init__(self, world: World) -> None:
        self._world = world
        self.values: set[str] = set()
        self.encoded: set[str] = set()

    def look(self) -> None:
        """Take note of what the Secrets of the namespace hold now."""
        for secret in self._world.client.list(SECRET, namespace=self._world.namespace).items:
            for key, value in secret["data"].items():
                if key != "username":
                    self.values.add(base64.b64decode(value).decode())
        self.values.add(self._world.server().token)

    def forms(self) -> set[str]:
        """The values, and how base64 shows them."""
        return self.values | self.encoded | {_base64(value).rstrip("=") for value in self.values}


def _base64(value: str) -> str:
    return base64.b64encode(value.encode()).decode()
