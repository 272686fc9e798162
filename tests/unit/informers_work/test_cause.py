"""What a log line says about why a key is reconciled."""

from __future__ import annotations

import logging
from typing import Any

import orjson
import pytest
import structlog

from informers.cause import MAX_CAUSES, OTHERS, Cause, Change, Told, changed_fields, merged
from informers.event import Added, Deleted, Event, Updated
from informers.resource import Resource, View
from informers.view import freeze

PODS = Resource("", "v1", "pods", "Pod")
SECRETS = Resource("", "v1", "secrets", "Secret")


def obj(version: str, name: str = "a", metadata: dict[str, Any] | None = None, **fields: Any) -> View:
    view: View = freeze(
        {"metadata": {"namespace": "default", "name": name, "resourceVersion": version, **(metadata or {})}, **fields}
    )
    return view


def told(causes: tuple[Cause, ...]) -> str:
    return str(Told(causes))


def change(event: Event) -> Change:
    return Change(PODS, event)


@pytest.mark.parametrize(
    ("event", "text"),
    [
        (Added(obj("7")), "Pod default/a added 7"),
        (Added(obj("7"), initial=True), "Pod default/a initial 7"),
        (Updated(obj("7", spec=1), obj("9", spec=2, status=1)), "Pod default/a updated 7->9 spec,status"),
        (Updated(obj("7"), obj("7")), "Pod default/a resync 7"),
        (Updated(obj("7"), obj("8")), "Pod default/a updated 7->8 no kept field"),
        (Deleted(obj("9")), "Pod default/a deleted 9"),
        (Deleted(obj("9"), final_state_unknown=True), "Pod default/a deleted 9 unseen"),
    ],
)
def test_a_change_tells_object_type_versions_and_fields(event: Event, text: str) -> None:
    assert told((change(event),)) == text


def test_changed_fields_of_metadata_are_told_by_name_and_what_always_changes_is_not() -> None:
    old = obj("1", metadata={"generation": 1, "labels": {"a": "b"}, "managedFields": [1]}, spec={"a": [1]}, kind="Pod")
    new = obj("2", metadata={"generation": 2, "finalizers": ["x"], "managedFields": [2]}, spec={"a": [1]}, kind="Pod")

    assert changed_fields(old, new) == ("metadata.labels", "metadata.finalizers")


def test_no_value_and_no_name_inside_of_a_secret_is_told() -> None:
    old, new = obj("1", data={"password": "aaa"}), obj("2", data={"password": "bbb", "token": "ccc"})

    assert told((Change(SECRETS, Updated(old, new)),)) == "Secret default/a updated 1->2 data"


@pytest.mark.parametrize(
    ("causes", "text"),
    [
        ([change(Updated(obj("1"), obj("2", spec=1))), change(Updated(obj("2", spec=1), obj("3", spec=1, status=1)))],
         "Pod default/a updated 1->3 spec,status"),
        ([change(Added(obj("1"), initial=True)), change(Updated(obj("1"), obj("2")))], "Pod default/a initial 2"),
        ([change(Added(obj("1"), initial=True))] * 2, "Pod default/a initial 1"),
        ([change(Deleted(obj("1"))), change(Added(obj("2")))], "Pod default/a deleted 1; Pod default/a added 2"),
        ([change(Added(obj("1"))), change(Added(obj("1", "b")))], "Pod default/a added 1; Pod default/b added 1"),
        (["retry 2: no answer", "retry 2: no answer"], "retry 2: no answer"),
        ([], ""),
    ],
    ids=["updates", "initial", "twice", "recreated", "two objects", "text", "none"],
)  # fmt: skip
def test_what_follows_on_a_change_of_the_same_object_is_told_as_one(causes: list[Cause], text: str) -> None:
    assert told(merged((), tuple(causes))) == text


def test_no_more_than_some_causes_are_kept_and_that_there_were_others_is_told() -> None:
    causes: tuple[Cause, ...] = ()
    for number in range(50):
        causes = merged(causes, (f"cause {number}",))

    assert causes == (*(f"cause {number}" for number in range(MAX_CAUSES)), OTHERS)


def test_both_kinds_of_log_lines_show_the_causes() -> None:
    line = {"event": "reconciled", "cause": Told((change(Added(obj("7"))), "retry 1: x"))}

    text = structlog.processors.JSONRenderer(orjson.dumps)(None, "info", dict(line))
    assert orjson.loads(text)["cause"] == "Pod default/a added 7; retry 1: x"
    shown = structlog.dev.ConsoleRenderer(colors=False)(None, "info", dict(line))
    assert "cause=Pod default/a added 7; retry 1: x" in shown


def test_objects_are_not_compared_unless_a_line_is_written() -> None:
    class Unread(dict[str, Any]):
        def __getitem__(self, field: str) -> Any:
            raise AssertionError("read")

    log = structlog.wrap_logger(
        None,
        processors=[structlog.contextvars.merge_contextvars, structlog.processors.JSONRenderer(orjson.dumps)],
        wrapper_class=structlog.make_filtering_bound_logger(logging.INFO),
    )
    with structlog.contextvars.bound_contextvars(cause=Told((change(Updated(Unread(), Unread())),))):
        log.debug("reconciled")
