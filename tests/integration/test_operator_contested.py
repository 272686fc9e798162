"""Somebody who never gives in: the operator slows down, says who it is, and wins once the other one stops."""

from __future__ import annotations

import pytest

from dittofs_operator.program import Program
from informers.client import Client
from reconcilers.api.resources import DITTOFS, SERVICE
from tests.support.acceptance import USER, World
from tests.support.eventually import eventually

pytestmark = pytest.mark.integration


def test_a_fight_over_a_field_is_told_with_the_field_and_the_other_manager(
    client: Client, operator: Program, namespace: str
) -> None:
    world = World(client, namespace)
    world.instance()
    world.until_phase(DITTOFS, "demo", "Running")

    def contested() -> bool:
        world.patch(SERVICE, "demo-api", metadata={"labels": {"app.kubernetes.io/component": "theirs"}})
        assert world.told(DITTOFS, "demo", "Degraded") == ("True", "Contested")
        return True

    eventually(contested, timeout_s=30)

    message = world.condition(DITTOFS, "demo", "Degraded")["message"]
    assert f'.metadata.labels.app.kubernetes.io/component: conflict with "{USER}" using v1' in message
    labels = world.get(SERVICE, "demo-api")["metadata"]["labels"]
    assert labels["app.kubernetes.io/component"] == "theirs", "left as it is for a minute"
    world.until_event("demo", "Warning", "Contested")
