"""What a server should never send: counted, said once, left out; and everything else goes on."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import structlog
from structlog.testing import CapturingLogger

from informers.backoff import BackoffPolicy
from informers.projection import Projection
from informers.resource import Manifest, ObjectKey, Resource
from tests.support.eventually import eventually
from tests.support.scripted_server import Answer, ScriptedServer, Stream, config_map, page

CONFIG_MAPS = Resource("", "v1", "configmaps", "ConfigMap")

Reflect = Callable[..., Any]

UNNAMED: list[Any] = [
    {"kind": "ConfigMap"},
    {"kind": "ConfigMap", "metadata": None},
    {"kind": "ConfigMap", "metadata": []},
    {"kind": "ConfigMap", "metadata": {"namespace": "default"}},
    {"kind": "ConfigMap", "metadata": {"name": ""}},
    {"kind": "ConfigMap", "metadata": {"name": 7}},
    {"kind": "ConfigMap", "metadata": {"name": "a", "namespace": ["default"]}},
]


def fails_on_odd(obj: Manifest) -> Manifest:
    if "odd" in obj.get("data", {}):
        raise KeyError("spec")
    return obj


@pytest.mark.parametrize("item", [*UNNAMED, None, "text", 7, []])
def test_what_is_no_object_in_a_list_is_counted_and_left_out(
    server: ScriptedServer, reflect: Reflect, item: Any
) -> None:
    server.script("list", page(item, config_map("a", 2), version="2"))
    running = reflect()

    running.sink.until("replace", (["a"], "2"))

    assert running.left_out == ["unnamed"]


@pytest.mark.parametrize("item", UNNAMED)
def test_an_event_of_nobody_is_counted_the_stream_goes_on_and_a_list_tells_what_happened(
    server: ScriptedServer, reflect: Reflect, item: Any
) -> None:
    stream = Stream().event("MODIFIED", item).event("ADDED", config_map("a", 4))
    server.script("list", page(version="1"), page(config_map("b", 5), version="5"))
    server.script("watch", stream)
    running = reflect()

    running.sink.until("put", "a")
    assert running.reflector.unready_reason == (
        "an event of configmaps named no object: a list has to tell what there is"
    )
    running.clock.advance(2)
    stream.event("ADDED", config_map("c", 6))
    running.sink.until("replace", (["b"], "5"))

    eventually(lambda: running.reflector.unready_reason is None)
    assert running.left_out.count("unnamed") == 1


def test_after_an_event_of_nobody_the_list_comes_soon_also_when_nothing_else_does(
    server: ScriptedServer, reflect: Reflect
) -> None:
    server.script("list", page(version="1"), page(config_map("b", 5), version="5"))
    server.script("watch", Stream().event("DELETED", {"kind": "ConfigMap"}))
    running = reflect(backoff=BackoffPolicy(initial_s=0.05, jitter=0))

    running.pass_the_wait()
    running.sink.until("replace", (["b"], "5"))


def test_events_of_nobody_again_and_again_cost_lists_ever_less_often(server: ScriptedServer, reflect: Reflect) -> None:
    server.script("list", *[page(version="1") for _ in range(5)])
    server.script("watch", *[Stream().event("ADDED", {"kind": "ConfigMap"}).end() for _ in range(5)])
    running = reflect(backoff=BackoffPolicy(jitter=0))

    assert [running.pass_the_wait() for _ in range(4)] == pytest.approx([0.8, 1.6, 3.2, 6.4])


@pytest.mark.parametrize("metadata", [{}, {"resourceVersion": None}, {"resourceVersion": 12}, None, "odd"])
def test_a_bookmark_without_a_version_keeps_the_one_from_before(
    server: ScriptedServer, reflect: Reflect, metadata: Any
) -> None:
    bookmark = {"kind": "ConfigMap", "apiVersion": "v1", "metadata": metadata}
    server.script("list", page(version="5"))
    server.script("watch", Stream().event("BOOKMARK", bookmark).event("ADDED", config_map("a", 9)).end())
    running = reflect()

    server.until_seen("watch", 2)

    assert running.sink.calls == [("replace", ([], "5")), ("advance", "5"), ("put", "a")]
    assert running.left_out == ["unversioned"]


def test_an_object_that_the_transform_fails_on_stays_as_it_was_in_the_watch_and_in_a_list(
    server: ScriptedServer, reflect: Reflect
) -> None:
    odd = config_map("a", 3, data={"odd": "x"})
    expired = {"code": 410, "reason": "Expired"}
    server.script("list", page(config_map("a", 1), version="1"), page(odd, config_map("b", 4), version="5"))
    server.script("watch", Stream().event("MODIFIED", odd).event("ADDED", config_map("b", 4)).event("ERROR", expired))
    running = reflect(projection=Projection(CONFIG_MAPS, transform=fails_on_odd))

    running.sink.until("replace", (["b", "a"], "5"))

    assert running.sink.held[ObjectKey("default", "a")]["metadata"]["resourceVersion"] == "1"
    assert running.left_out == ["transform", "transform"]
    assert running.reflector.unready_reason is None


def test_an_object_that_the_transform_fails_on_is_deleted_all_the_same(
    server: ScriptedServer, reflect: Reflect
) -> None:
    server.script("list", page(config_map("a", 1), version="1"))
    server.script("watch", Stream().event("DELETED", config_map("a", 3, data={"odd": "x"})))
    running = reflect(projection=Projection(CONFIG_MAPS, transform=fails_on_odd))

    running.sink.until("remove", "a")
    running.sink.until("advance", "3")


def test_a_transform_that_gives_another_name_is_a_failed_one(server: ScriptedServer, reflect: Reflect) -> None:
    server.script("list", page(config_map("a", 1), version="1"))
    running = reflect(projection=Projection(CONFIG_MAPS, transform=lambda obj: {**obj, "metadata": {"name": "x"}}))

    running.sink.until("replace", ([], "1"))

    assert running.left_out == ["transform"]


def test_a_foreign_object_of_the_name_of_ours_does_not_delete_ours(server: ScriptedServer, reflect: Reflect) -> None:
    foreign = {**config_map("a", 3), "kind": "Secret"}
    server.script("list", page(config_map("a", 1), version="1"))
    server.script("watch", Stream().event("DELETED", foreign).event("ADDED", config_map("b", 4)))
    running = reflect()

    running.sink.until("put", "b")

    assert set(running.sink.held) == {ObjectKey("default", "a"), ObjectKey("default", "b")}
    assert running.left_out == ["foreign"]


def test_each_oddity_has_its_reason(server: ScriptedServer, reflect: Reflect) -> None:
    server.script("list", page(version="1"), page(version="2"), page(version="3"))
    server.script(
        "watch",
        Stream().event("WEIRD", config_map("a", 2)).event("ERROR", {"kind": "Status", "reason": "Expired"}),
        Stream().raw(b'{"type":"ADDED","object":{,}}\n'),
    )
    running = reflect()

    running.pass_the_wait()
    server.until_seen("watch", 3)

    assert running.left_out == ["unknown-event", "uncoded-status", "malformed"]
    assert len(server.seen("list")) == 2


@pytest.mark.parametrize(
    "answer",
    [
        {"kind": "ConfigMapList"},
        {"kind": "ConfigMapList", "metadata": {"resourceVersion": "5"}, "items": {"a": {}}},
        {"kind": "ConfigMapList", "metadata": {"resourceVersion": "5"}, "items": "ab"},
        {"kind": "ConfigMapList", "metadata": [], "items": []},
        {"kind": "ConfigMapList", "metadata": {}, "items": []},
        b"<html>",
    ],
)
def test_an_answer_that_is_no_list_empties_nothing(server: ScriptedServer, reflect: Reflect, answer: Any) -> None:
    server.script("list", page(config_map("a", 1), version="1"), Answer(answer), page(config_map("a", 1), version="7"))
    server.script("watch", Stream().event("ERROR", {"code": 410, "reason": "Expired"}))
    running = reflect()

    running.pass_the_wait()
    running.sink.until("replace", (["a"], "7"))

    assert running.sink.calls == [("replace", (["a"], "1")), ("replace", (["a"], "7"))]
    assert running.left_out == ["malformed"]


def test_an_oddity_is_a_warning_the_first_time_and_then_only_for_debugging(
    server: ScriptedServer, reflect: Reflect
) -> None:
    captured = CapturingLogger()
    stream = Stream()
    for version in range(2, 6):
        stream.event("WEIRD", config_map("a", version)).event("ADDED", {**config_map("b", version), "kind": "Secret"})
    server.script("list", page(version="1"))
    server.script("watch", stream.event("ADDED", config_map("last", 9)))
    running = reflect(logger=structlog.wrap_logger(captured, processors=[_reason]))
    running.sink.until("put", "last")

    warnings = [call.args[0] for call in captured.calls if call.method_name == "warning"]
    assert warnings == ["unknown-event", "foreign"]
    assert len(running.left_out) == 8


def _reason(_: Any, __: str, fields: Any) -> Any:
    return ((fields.get("reason", ""),), {})
