"""`diff` tells what this version would change, and changes nothing."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from kubernetes.client import Configuration

from dittofs_operator.diff import Comparison, diff
from informers.client import Client
from informers.resource import ObjectKey, Resource
from reconcilers.api import resources
from reconcilers.api.resources import CONFIG_MAP, DITTOFS, SECRET, SERVICE, STATEFUL_SET
from tests.support.dittofs_world import NAMESPACE, World, dittofs_world


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    with dittofs_world(tmp_path) as world:
        yield world


def compared(world: World) -> Comparison:
    configuration = Configuration(host=world.url)
    configuration.api_key["authorization"] = "Bearer token"
    client = Client(configuration, user_agent="diff", dry_run=True)
    try:
        return diff(client, clock=world.clock)
    finally:
        client.close()


def versions(world: World) -> dict[str, str]:
    found = {}
    for resource in (DITTOFS, *resources.CHILDREN):
        for item in world.client.list(resource, namespace=NAMESPACE).items:
            found[f"{resource.kind} {item['metadata']['name']}"] = item["metadata"]["resourceVersion"]
    return found


def overwrite(world: World, resource: Resource, name: str, patch: dict[str, object]) -> None:
    world.client.merge_patch(resource, ObjectKey(NAMESPACE, name), patch, field_manager="an-older-version")


def test_nothing_would_change_for_what_this_version_made(world: World) -> None:
    world.run()

    assert compared(world) == Comparison((), ())


def test_what_differs_is_told_with_its_lines_and_nothing_is_written(world: World) -> None:
    world.run()
    overwrite(world, CONFIG_MAP, "demo-dittofs-config", {"data": {"config.yaml": "older: true\n"}})
    world.delete(SERVICE, "demo-nfs")
    before = versions(world)

    found = compared(world)

    assert {change.what for change in found.changes} == {
        "ConfigMap storage/demo-dittofs-config",
        "Service storage/demo-nfs",
    }
    text = next(change.text for change in found.changes if change.what.startswith("ConfigMap"))
    assert "-    older: true\n" in text
    assert "+    shutdown_timeout: 30s\n" in text
    assert not any(change.restarts for change in found.changes)
    assert versions(world) == before


def test_a_change_that_restarts_the_server_says_so(world: World) -> None:
    world.run()
    template = {"spec": {"template": {"metadata": {"annotations": {"dittofs.dittofs.io/config-hash": "older"}}}}}
    overwrite(world, STATEFUL_SET, "demo", template)

    (change,) = compared(world).changes

    assert (change.what, change.restarts) == ("StatefulSet storage/demo", True)
    assert "-        dittofs.dittofs.io/config-hash: older" in change.text


def test_no_value_of_a_secret_is_shown(world: World) -> None:
    world.run()
    world.delete(SECRET, "demo-admin")
    key = world.secret("demo-jwt-secret", "jwt-secret")

    found = compared(world)

    text = "".join(change.text for change in found.changes)
    assert "+  password: (not shown" in text
    assert key not in text


def test_what_can_t_be_compared_is_told(world: World) -> None:
    world.run()
    world.change_spec(adapters={"nfs": {"service": {"annotations": {"not a key": "x"}}}})

    found = compared(world)

    assert [problem.partition(":")[0] for problem in found.problems] == ["DittoFS storage/demo"]
