"""A DittoFS that the definitions of another version let in says of itself that it can't be read, and where."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from informers.errors import Forbidden
from informers.resource import Manifest, ObjectKey
from informers.result import RequeueAfter, Terminal
from reconcilers.api.resources import DITTOFS
from tests.support.dittofs_world import CRD, World

SECRET_WORD = "sesame"


@pytest.fixture
def definition(world: World) -> Callable[..., None]:
    """Gives the field at a path of the definition's schema another schema."""

    def change(*path: str, to: dict[str, Any]) -> None:
        found = world.client.get(CRD, ObjectKey("", "dittofs.dittofs.dittofs.io"))
        part: Manifest = found["spec"]["versions"][0]["schema"]["openAPIV3Schema"]
        for name in path[:-1]:
            part = part["properties"][name]
        part["properties"][path[-1]] = to
        world.client.replace(CRD, found)

    return change


@pytest.fixture
def unreadable(world: World, definition: Callable[..., None]) -> World:
    definition("spec", "logging", "level", to={"type": "string"})
    world.create_dittofs(logging={"level": SECRET_WORD})
    return world


def test_it_is_not_ready_and_its_message_names_the_field_but_not_what_stands_there(unreadable: World) -> None:
    assert isinstance(unreadable.reconcile(), Terminal)

    assert unreadable.condition("Ready") == ("False", "InvalidSpec")
    assert unreadable.condition("ConfigReady") == ("False", "InvalidSpec")
    assert unreadable.condition("Available") == ("Unknown", "InvalidSpec")
    assert unreadable.status["phase"] == "Failed"
    assert unreadable.status["observedGeneration"] == 1
    assert "spec.logging.level" in unreadable.message("Ready")
    assert "install the CustomResourceDefinitions" in unreadable.message("Ready")
    assert SECRET_WORD not in str(unreadable.status)


def test_it_is_told_once_by_an_event(unreadable: World) -> None:
    for _ in range(3):
        unreadable.reconcile()
    unreadable.reconcile(sync=False)

    assert unreadable.recorder.reasons() == ["InvalidSpec"]
    assert SECRET_WORD not in unreadable.recorder.note("InvalidSpec")


def test_once_corrected_it_is_what_it_is(unreadable: World) -> None:
    unreadable.reconcile()
    unreadable.change_spec(logging={"level": "INFO"})

    unreadable.reconcile()

    assert unreadable.condition("ConfigReady") == ("True", "Rendered")
    assert "InvalidSpec" not in str(unreadable.status)


def test_a_status_that_cannot_be_written_leaves_it_at_the_log(unreadable: World) -> None:
    unreadable.operator.refused["/demo/status"] = Forbidden(403, "Forbidden", "no")

    result = unreadable.reconcile()

    assert isinstance(result, Terminal)
    assert "its status can't say so: Forbidden: no" in result.reason
    assert unreadable.recorder.reasons() == []


def test_a_word_in_the_status_that_only_another_version_knows_is_written_anew(
    world: World, definition: Callable[..., None]
) -> None:
    world.run()
    definition("status", "phase", to={"type": "string"})
    world.change(DITTOFS, "demo", {"status": {"phase": "Dreaming"}}, subresource="status")

    assert isinstance(world.reconcile(), RequeueAfter)
    world.reconcile()

    assert world.status["phase"] == "Running"
    assert "InvalidSpec" not in world.recorder.reasons()
