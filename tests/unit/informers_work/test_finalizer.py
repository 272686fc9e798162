"""A finalizer goes on and off without touching those of others, and never over somebody's write."""

from __future__ import annotations

from typing import Any

import jsonpatch
import pytest

from informers.errors import Cause, Conflict, Invalid, NotFound
from informers.finalizer import Finalizer
from informers.resource import Manifest, ObjectKey, Resource

THINGS = Resource("demo.io", "v1", "things", "Thing")
OURS, THEIRS = "demo.io/finalizer", "example.com/first"


class Server:
    """Holds one object and patches it as the API server does."""

    def __init__(self, *finalizers: str) -> None:
        metadata: dict[str, Any] = {"name": "a", "namespace": "ns", "resourceVersion": "7"}
        self.object: Manifest = {"metadata": metadata | ({"finalizers": list(finalizers)} if finalizers else {})}
        self.error: Exception | None = None

    def json_patch(
        self,
        resource: Resource,
        key: ObjectKey,
        operations: list[dict[str, Any]],
        *,
        field_manager: str,
        subresource: str = "",
    ) -> Manifest:
        if self.error:
            raise self.error
        try:
            self.object = jsonpatch.apply_patch(self.object, operations)
        except jsonpatch.JsonPatchTestFailed as error:
            raise Invalid(422, "Invalid", str(error)) from error
        return self.object

    def finalizers(self) -> list[str]:
        return list(self.object["metadata"].get("finalizers", []))


def finalizer(server: Server) -> Finalizer:
    return Finalizer(OURS, THINGS, server, field_manager="m")


@pytest.mark.parametrize("others", [(), (THEIRS,)])
def test_it_is_added_after_those_of_others(others: tuple[str, ...]) -> None:
    server = Server(*others)

    written = finalizer(server).add(server.object)

    assert written == server.object
    assert server.finalizers() == [*others, OURS]
    assert finalizer(server).is_on(server.object)


@pytest.mark.parametrize(("present", "left"), [((OURS,), []), ((THEIRS, OURS), [THEIRS]), ((OURS, THEIRS), [THEIRS])])
def test_it_alone_is_dropped(present: tuple[str, ...], left: list[str]) -> None:
    server = Server(*present)

    assert finalizer(server).drop(server.object)
    assert server.finalizers() == left


def test_an_object_that_changed_meanwhile_is_left_as_it_is() -> None:
    server = Server(THEIRS, OURS)
    stale = {"metadata": server.object["metadata"] | {"resourceVersion": "6"}}

    assert finalizer(server).add(stale) is None
    assert not finalizer(server).drop(stale)
    assert server.finalizers() == [THEIRS, OURS]


def test_a_conflict_means_read_again_and_a_vanished_object_is_let_go() -> None:
    server = Server(OURS)

    server.error = Conflict(409, "Conflict", "somebody wrote")
    assert finalizer(server).add(server.object) is None
    server.error = NotFound(404, "NotFound", "gone")
    assert finalizer(server).drop(server.object)


def test_an_object_that_breaks_a_rule_is_a_failure_and_no_change_meanwhile() -> None:
    """Read again would never help: the caller has to back off and say so."""
    server = Server(OURS)
    server.error = Invalid(422, "Invalid", "spec.x is wrong", causes=(Cause("spec.x", "FieldValueInvalid", "wrong"),))

    with pytest.raises(Invalid):
        finalizer(server).drop(server.object)
