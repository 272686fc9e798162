"""Which differences are found, and when a request is sent; managedFields as kube-apiserver writes them."""

from __future__ import annotations

from typing import Any

import pytest

from informers.apply import Applier, Outcome, difference, is_applied
from informers.errors import Cause, Conflict
from informers.resource import Manifest, ObjectKey, Resource, View
from informers.view import freeze, thaw
from tests.support.clock import FakeClock

US = "operator"
SERVICES = Resource("", "v1", "services", "Service")

PORT = 'k:{"port":2049,"protocol":"TCP"}'

INTENT: Manifest = {
    "apiVersion": "v1",
    "kind": "Service",
    "metadata": {"name": "nfs", "namespace": "ns", "labels": {"app": "demo"}, "finalizers": ["us/keep"]},
    "spec": {
        "ports": [{"name": "nfs", "port": 2049, "targetPort": 12049}],
        "selector": {"app": "demo"},
        "sourceRanges": ["10.0.0.0/8"],
        "publish": True,
        "weight": 1,
        "empty": {},
    },
}

FIELDS: dict[str, Any] = {
    "f:metadata": {"f:labels": {"f:app": {}}, "f:finalizers": {'v:"us/keep"': {}}},
    "f:spec": {
        "f:ports": {PORT: {".": {}, "f:name": {}, "f:port": {}, "f:targetPort": {}}},
        "f:selector": {},
        "f:sourceRanges": {},
        "f:publish": {},
        "f:weight": {},
        "f:empty": {},
    },
}


def entry(fields: dict[str, Any] = FIELDS, **changes: Any) -> dict[str, Any]:
    return {
        "manager": US,
        "operation": "Apply",
        "apiVersion": "v1",
        "fieldsType": "FieldsV1",
        "fieldsV1": fields,
    } | changes


def live_object() -> dict[str, Any]:
    """INTENT as it stands in the server: with defaults, with what others added."""
    return {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": {
            "name": "nfs",
            "namespace": "ns",
            "uid": "u1",
            "resourceVersion": "7",
            "labels": {"app": "demo", "other": "x"},
            "finalizers": ["them/too", "us/keep"],
            "managedFields": [entry({"f:status": {}}, subresource="status"), entry()],
        },
        "spec": {
            "clusterIP": "10.1.1.1",
            "ports": [
                {"name": "more", "port": 1, "protocol": "TCP"},
                {"name": "nfs", "port": 2049, "protocol": "TCP", "targetPort": 12049, "nodePort": 30000},
            ],
            "selector": {"app": "demo"},
            "sourceRanges": ["10.0.0.0/8"],
            "publish": True,
            "weight": 1,
            "empty": {"filled": "by another"},
        },
        "status": {"ok": True},
    }


def changed(obj: dict[str, Any], path: str, value: Any) -> dict[str, Any]:
    """`obj` with one place set, or removed when `value` is ...; numbers in `path` are places in a list."""
    *parents, last = [int(part) if part.isdigit() else part for part in path.split("/")]
    place: Any = obj
    for parent in parents:
        place = place[parent]
    if value is ...:
        del place[last]
    else:
        place[last] = value
    return obj


def found(live: dict[str, Any], intent: Manifest = INTENT) -> str | None:
    return difference(intent, freeze(live), field_manager=US)


def test_what_was_applied_is_applied_whatever_defaults_and_others_added() -> None:
    assert found(live_object()) is None
    assert is_applied(INTENT, freeze(live_object()), field_manager=US)


@pytest.mark.parametrize(
    ("path", "value", "said"),
    [
        ("spec/ports/1/targetPort", 1, "spec.ports[port=2049,protocol=TCP].targetPort differs"),
        ("spec/ports/1/name", ..., "spec.ports[port=2049,protocol=TCP].name is missing"),
        ("spec/ports/1", ..., "spec.ports[port=2049,protocol=TCP] is missing"),
        ("spec/ports", ..., "spec.ports is missing"),
        ("spec/ports", {"not": "a list"}, "spec.ports differs"),
        ("spec/selector/app", "other", "spec.selector differs"),
        ("spec/selector/more", "x", "spec.selector differs"),
        ("spec/sourceRanges", ["10.0.0.0/8", "0.0.0.0/0"], "spec.sourceRanges differs"),
        ("spec/sourceRanges", [], "spec.sourceRanges differs"),
        ("spec/publish", 1, "spec.publish differs"),
        ("spec/publish", None, "spec.publish is missing"),
        ("spec/weight", True, "spec.weight differs"),
        ("spec/weight", "1", "spec.weight differs"),
        ("spec/empty", ..., "spec.empty is missing"),
        ("spec", ..., "spec is missing"),
        ("metadata/labels/app", "x", "metadata.labels.app differs"),
        ("metadata/labels", ..., "metadata.labels is missing"),
        ("metadata/finalizers", ["them/too"], "metadata.finalizers lacks 'us/keep'"),
    ],
)
def test_every_change_to_what_is_ours_is_found_and_named(path: str, value: Any, said: str) -> None:
    assert found(changed(live_object(), path, value)) == said


@pytest.mark.parametrize(
    ("path", "value"),
    [
        ("spec/clusterIP", "10.9.9.9"),
        ("spec/ports/1/nodePort", 5),
        ("spec/ports/0", ...),
        ("spec/empty/filled", ...),
        ("metadata/labels/other", ...),
        ("metadata/finalizers", ["us/keep"]),
        ("metadata/resourceVersion", "9"),
        ("status", {"ok": False}),
    ],
)
def test_what_is_not_ours_does_not_matter(path: str, value: Any) -> None:
    assert found(changed(live_object(), path, value)) is None


@pytest.mark.parametrize(
    ("path", "value", "said"),
    [
        ("spec/weight", ..., "spec.weight is ours but no longer wanted"),
        ("spec/ports", [], "spec.ports[port=2049,protocol=TCP] is ours but no longer wanted"),
        ("spec/ports", ..., "spec.ports is ours but no longer wanted"),
        ("spec/ports/0/name", ..., "spec.ports[port=2049,protocol=TCP].name is ours but no longer wanted"),
        ("metadata/labels", {}, "metadata.labels.app is ours but no longer wanted"),
        ("metadata/labels", ..., "metadata.labels is ours but no longer wanted"),
        ("metadata/finalizers", [], 'metadata.finalizers has "us/keep", which is ours but no longer wanted'),
    ],
)
def test_what_is_ours_but_no_longer_wanted_is_found(path: str, value: Any, said: str) -> None:
    assert found(live_object(), changed(thaw(INTENT), path, value)) == said


@pytest.mark.parametrize(
    ("path", "value", "said"),
    [
        ("spec/clusterIP", "10.1.1.1", "spec.clusterIP is not ours"),
        ("metadata/labels", {"app": "demo", "other": "x"}, "metadata.labels.other is not ours"),
        ("metadata/finalizers", ["us/keep", "them/too"], "metadata.finalizers has a foreign 'them/too'"),
        ("metadata/annotations", {"a": "b"}, "metadata.annotations is missing"),
        ("spec/clusterIP", None, "spec.clusterIP should be absent"),
    ],
)
def test_what_is_wanted_must_also_be_ours(path: str, value: Any, said: str) -> None:
    assert found(live_object(), changed(thaw(INTENT), path, value)) == said


def test_null_and_missing_are_the_same_where_nothing_is_wanted() -> None:
    assert found(live_object(), changed(thaw(INTENT), "spec/absent", None)) is None
    assert found(changed(live_object(), "spec/absent", None), changed(thaw(INTENT), "spec/absent", None)) is None


@pytest.mark.parametrize(
    "entries",
    [
        [],
        [entry(manager="somebody")],
        [entry(operation="Update")],
        [entry(subresource="status")],
        [entry(apiVersion="v2")],
    ],
)
def test_without_our_own_apply_entry_nothing_counts_as_applied(entries: list[dict[str, Any]]) -> None:
    live = changed(live_object(), "metadata/managedFields", entries)
    assert found(live) == "operator has not applied it yet"


class FakeServer:
    """Answers applies with what the test says the object became."""

    def __init__(self) -> None:
        self.answer: dict[str, Any] = {}
        self.sent: list[tuple[Manifest, bool]] = []

    def apply(self, resource: Resource, manifest: Manifest, *, field_manager: str, force: bool) -> Manifest:
        assert (resource, field_manager) == (SERVICES, US)
        self.sent.append((manifest, force))
        return self.answer


def stored(version: str, **changes: Any) -> View:
    """INTENT as a server stores it that rewrites one value, so that the pure comparison always finds a difference."""
    live = live_object()
    live["metadata"]["resourceVersion"] = version
    live["spec"]["sourceRanges"] = ["10.0.0.0/08"]
    view: View = freeze(live | changes)
    return view


def test_what_is_applied_sends_nothing() -> None:
    server = FakeServer()
    view = freeze(live_object())
    applied = Applier(server, US).ensure(SERVICES, INTENT, view)
    assert (applied.outcome, applied.object, server.sent) == (Outcome.UNCHANGED, view, [])


def test_an_absent_object_is_made_without_force() -> None:
    server = FakeServer()
    server.answer = live_object()
    applied = Applier(server, US).ensure(SERVICES, INTENT, None)
    assert (applied.outcome, applied.object) == (Outcome.CREATED, live_object())
    assert server.sent == [(INTENT, False)]


def test_a_drifted_object_is_repaired_with_force_and_only_while_it_is_the_same_object() -> None:
    server = FakeServer()
    server.answer = changed(live_object(), "metadata/resourceVersion", "9")
    before = {**INTENT, "metadata": dict(INTENT["metadata"])}

    applied = Applier(server, US).ensure(SERVICES, INTENT, freeze(changed(live_object(), "spec/weight", 5)))

    assert (applied.outcome, applied.reason) == (Outcome.UPDATED, "spec.weight differs")
    ((sent, force),) = server.sent
    assert force
    assert sent["metadata"]["uid"] == "u1"
    assert before == INTENT, "the caller's manifest is untouched"


def test_an_intent_for_one_object_is_never_given_to_another_of_its_name() -> None:
    server = FakeServer()
    server.answer = live_object()
    intent = {**INTENT, "metadata": {**INTENT["metadata"], "uid": "u0"}}

    Applier(server, US).ensure(SERVICES, intent, freeze(changed(live_object(), "spec/weight", 5)))
    Applier(server, US).ensure(SERVICES, intent, None)

    assert [sent["metadata"]["uid"] for sent, _ in server.sent] == ["u0", "u0"]


def test_what_the_server_rewrites_is_applied_once_and_remembered() -> None:
    server, applier = FakeServer(), None
    applier = Applier(server, US)
    server.answer = dict(stored("9"))
    assert applier.ensure(SERVICES, INTENT, stored("7")).outcome is Outcome.UPDATED

    seen = [
        applier.ensure(SERVICES, INTENT, stored("9")),
        applier.ensure(SERVICES, INTENT, stored("12", status={"other": 1})),
        applier.ensure(SERVICES, INTENT, stored("7")),
    ]

    assert {applied.outcome for applied in seen} == {Outcome.UNCHANGED}
    assert len(server.sent) == 1


def test_a_cache_that_has_not_seen_the_repair_yet_does_not_repeat_it() -> None:
    server = FakeServer()
    applier = Applier(server, US)
    server.answer = changed(live_object(), "metadata/resourceVersion", "9")
    drifted = freeze(changed(live_object(), "spec/weight", 5))

    outcomes = [applier.ensure(SERVICES, INTENT, drifted).outcome for _ in range(3)]

    assert outcomes == [Outcome.UPDATED, Outcome.UNCHANGED, Outcome.UNCHANGED]
    again = freeze(changed(changed(live_object(), "spec/weight", 5), "metadata/resourceVersion", "11"))
    assert applier.ensure(SERVICES, INTENT, again).outcome is Outcome.UPDATED


def test_a_remembered_object_is_applied_again_when_it_or_the_intent_changes() -> None:
    server = FakeServer()
    applier = Applier(server, US)
    server.answer = dict(stored("9"))
    applier.ensure(SERVICES, INTENT, stored("7"))

    applier.ensure(SERVICES, INTENT, stored("13", spec={"drifted": True}))
    applier.ensure(SERVICES, {**INTENT, "spec": {"weight": 2}}, stored("9"))

    assert len(server.sent) == 3


def test_an_apply_that_changed_nothing_is_reported_so() -> None:
    server = FakeServer()
    server.answer = dict(stored("7"))
    assert Applier(server, US).ensure(SERVICES, INTENT, stored("7")).outcome is Outcome.UNCHANGED


def test_a_refused_apply_is_not_remembered() -> None:
    class Refusing(FakeServer):
        def apply(self, *args: Any, **kwargs: Any) -> Manifest:
            super().apply(*args, **kwargs)
            raise Conflict(409, "Conflict", "no")

    server = Refusing()
    applier = Applier(server, US)
    for _ in range(2):
        with pytest.raises(Conflict):
            applier.ensure(SERVICES, INTENT, stored("7"))
    assert len(server.sent) == 2
    assert ObjectKey.of(INTENT) == ObjectKey("ns", "nfs")


class Opponent(FakeServer):
    """A server on which somebody else changes the weight back after each of our writes, at a new version."""

    def __init__(self) -> None:
        super().__init__()
        self.version = 9

    def apply(self, resource: Resource, manifest: Manifest, *, field_manager: str, force: bool) -> Manifest:
        super().apply(resource, manifest, field_manager=field_manager, force=force)
        if not force:
            cause = Cause(".spec.weight", "FieldManagerConflict", 'conflict with "balancer" using v1')
            raise Conflict(409, "Conflict", "Apply failed with 1 conflict", causes=(cause,))
        self.version += 1
        return changed(live_object(), "metadata/resourceVersion", str(self.version))

    def changes_it_back(self) -> View:
        self.version += 1
        drifted = changed(live_object(), "metadata/resourceVersion", str(self.version))
        return freeze(changed(drifted, "spec/weight", 5))


def test_a_field_that_somebody_else_changes_back_each_time_is_set_right_once_a_minute() -> None:
    clock, server = FakeClock(), Opponent()
    applier = Applier(server, US, clock=clock)

    outcomes = []
    for _ in range(600):
        applied = applier.ensure(SERVICES, INTENT, server.changes_it_back())
        outcomes.append(applied.outcome)
        clock.advance(1)

    assert outcomes[:6] == [Outcome.UPDATED] * 6, "a few in passing are set right at once"
    assert outcomes.count(Outcome.UPDATED) in range(14, 17)
    assert len(server.sent) <= 30
    assert applied.outcome is Outcome.CONTESTED
    assert applied.reason == "spec.weight differs"
    assert applied.opponent == '.spec.weight: conflict with "balancer" using v1'


def test_once_the_other_one_stops_corrections_are_made_at_once_again() -> None:
    clock, server = FakeClock(), Opponent()
    applier = Applier(server, US, clock=clock)
    for _ in range(20):
        applier.ensure(SERVICES, INTENT, server.changes_it_back())

    clock.advance(60)
    applied = applier.ensure(SERVICES, INTENT, server.changes_it_back())
    assert applied.outcome is Outcome.UPDATED
    clock.advance(3600)

    assert [applier.ensure(SERVICES, INTENT, server.changes_it_back()).outcome for _ in range(5)] == [
        Outcome.UPDATED
    ] * 5


def test_a_changed_intent_is_applied_whoever_contests_the_old_one() -> None:
    server = Opponent()
    applier = Applier(server, US, clock=FakeClock())
    for _ in range(20):
        applier.ensure(SERVICES, INTENT, server.changes_it_back())

    wanted = {**INTENT, "spec": {**INTENT["spec"], "weight": 7}}

    assert applier.ensure(SERVICES, wanted, server.changes_it_back()).outcome is Outcome.UPDATED
