"""The streamed first list (WatchList) against a scripted server, in virtual time (client-go's T57..T64 and more)."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from informers.client import Client
from informers.ending import INITIAL_REACTIONS, MAX_LOST, Ending, Reaction, initial_ending_of, initial_reaction
from informers.errors import Garbled, Silent, Unreachable, api_error
from informers.projection import Projection
from informers.resource import Manifest, ObjectKey, Resource
from informers.streamed import REMEMBERED_S, InitialEvents, StreamedLists, ends_initial_events
from tests.support.scripted_server import Answer, ScriptedServer, Stream, config_map, page, refusal, status

CONFIG_MAPS = Resource("", "v1", "configmaps", "ConfigMap")
SECRETS = Resource("", "v1", "secrets", "Secret")
END = "k8s.io/initial-events-end"

Reflect = Callable[..., Any]


def bookmark(version: str, **annotations: str) -> Manifest:
    metadata: Manifest = {
        "resourceVersion": version,
        "annotations": {END.replace("end", k): v for k, v in annotations.items()},
    }
    return {"kind": "ConfigMap", "apiVersion": "v1", "metadata": metadata}


def streamed(*objects: Manifest, version: str) -> Stream:
    """A streamed list of `objects`, with its end mark."""
    stream = Stream()
    for obj in objects:
        stream.event("ADDED", obj)
    return stream.event("BOOKMARK", bookmark(version, end="true"))


def asked(server: ScriptedServer) -> list[str]:
    """The requests so far, in words."""
    words = {"list": "list"}
    return [
        words.get(request.kind) or ("stream" if "sendInitialEvents" in request.query else "watch")
        for request in server.requests
    ]


def test_t57_without_its_end_mark_a_streamed_list_is_not_taken(server: ScriptedServer, reflect: Reflect) -> None:
    stream = Stream().event("ADDED", config_map("a", 1))
    stream.event("BOOKMARK", bookmark("5")).event("BOOKMARK", bookmark("6", end="True"))
    stream.event("BOOKMARK", {"kind": "ConfigMap", "metadata": {"annotations": {END: "true"}}})
    server.script("watch", stream.event("BOOKMARK", {"kind": "ConfigMap", "metadata": "odd"}).end())
    running = reflect(watch_list=True)

    running.waits_s()

    assert running.sink.calls == []
    assert running.reflector.unready_reason


def test_t58_one_request_gives_the_list_and_what_follows_it(server: ScriptedServer, reflect: Reflect) -> None:
    stream = streamed(config_map("a", 3), config_map("b", 4), version="7").event("ADDED", config_map("c", 8))
    server.script("watch", stream)
    running = reflect(watch_list=True)

    running.sink.until("put", "c")

    assert running.sink.calls == [("replace", (["a", "b"], "7")), ("put", "c")]
    (request,) = server.requests
    assert request.query.pop("timeoutSeconds")
    assert request.query == {
        "watch": "true",
        "allowWatchBookmarks": "true",
        "sendInitialEvents": "true",
        "resourceVersionMatch": "NotOlderThan",
    }
    assert running.reflector.unready_reason is None


def test_t59_changes_before_the_end_mark_are_part_of_the_list(server: ScriptedServer, reflect: Reflect) -> None:
    stream = Stream().event("ADDED", config_map("a", 1)).event("ADDED", config_map("b", 2))
    stream.event("MODIFIED", config_map("b", 3, data={"new": "x"})).event("DELETED", config_map("a", 4))
    server.script("watch", stream.event("BOOKMARK", bookmark("4", end="true")))
    running = reflect(watch_list=True)

    running.sink.until("replace", (["b"], "4"))

    assert running.sink.held[ObjectKey("default", "b")]["data"] == {"new": "x"}


@pytest.mark.parametrize(
    "answer",
    [
        refusal(
            422, "Invalid", "sendInitialEvents is forbidden for watch unless the WatchList feature gate is enabled"
        ),
        refusal(400, "BadRequest"),
        refusal(500, "InternalError"),
        refusal(403, "Forbidden"),
        Stream().event("ERROR", status(500, "InternalError", "etcd is too old")),
    ],
    ids=["invalid", "bad request", "internal error", "forbidden", "error event"],
)
def test_t60_whatever_refuses_the_stream_leads_to_a_plain_list_at_once_and_is_remembered(
    server: ScriptedServer, reflect: Reflect, client: Client, answer: Answer | Stream
) -> None:
    server.script("watch", answer)
    server.script("list", page(config_map("a", 1), version="5"), page(version="6"))
    first = reflect(watch_list=True)
    first.sink.until("replace", (["a"], "5"))
    server.until_seen("watch", 2)
    assert asked(server) == ["stream", "list", "watch"]

    second = reflect(watch_list=True)
    second.sink.until("replace", ([], "6"))

    assert asked(server).count("stream") == 1
    assert not client.streamed_lists.usable(CONFIG_MAPS, now=first.clock.monotonic() + REMEMBERED_S - 1)
    assert client.streamed_lists.usable(CONFIG_MAPS, now=first.clock.monotonic() + REMEMBERED_S + 1)
    assert client.streamed_lists.usable(SECRETS, now=first.clock.monotonic())


def test_a_server_that_is_down_teaches_nothing_about_its_streams(server: ScriptedServer, reflect: Reflect) -> None:
    server.script("watch", refusal(500, "InternalError"), streamed(version="7"))
    server.script("list", refusal(500, "InternalError"))
    running = reflect(watch_list=True)

    running.pass_the_wait()
    running.sink.until("replace", ([], "7"))

    assert asked(server) == ["stream", "list", "stream"]


def test_t61_too_many_requests_backs_off_and_streams_again(server: ScriptedServer, reflect: Reflect) -> None:
    server.script("watch", *[refusal(429, "TooManyRequests") for _ in range(2)], streamed(version="7"))
    running = reflect(watch_list=True)

    running.pass_the_wait()
    running.pass_the_wait()
    running.sink.until("replace", ([], "7"))

    assert asked(server) == ["stream"] * 3


@pytest.mark.parametrize("how", ["closed", "cut", "garbled"])
def test_t62_a_stream_lost_before_the_end_mark_begins_anew(server: ScriptedServer, reflect: Reflect, how: str) -> None:
    lost = Stream().event("ADDED", config_map("gone", 1))
    if how == "garbled":
        lost.raw(b'{"type":\n')
    else:
        (lost.end if how == "closed" else lost.cut)()
    server.script("watch", lost, streamed(config_map("a", 3), version="7"))
    running = reflect(watch_list=True)

    running.pass_the_wait()
    running.sink.until("replace", (["a"], "7"))

    assert running.sink.calls == [("replace", (["a"], "7"))]
    assert asked(server) == ["stream"] * 2


def test_streams_that_are_lost_again_and_again_give_way_to_a_plain_list(
    server: ScriptedServer, reflect: Reflect
) -> None:
    server.script("watch", *[Stream().event("ADDED", config_map("a", 1)).end() for _ in range(MAX_LOST)])
    server.script("list", page(config_map("a", 1), version="5"))
    running = reflect(watch_list=True)

    for _ in range(MAX_LOST - 1):
        running.pass_the_wait()
    running.sink.until("replace", (["a"], "5"))

    assert asked(server)[: MAX_LOST + 1] == ["stream"] * MAX_LOST + ["list"]


def test_t63_a_stream_lost_after_the_end_mark_is_taken_up_as_a_plain_watch(
    server: ScriptedServer, reflect: Reflect
) -> None:
    server.script("watch", streamed(version="7").event("ADDED", config_map("a", 8)).end())
    reflect(watch_list=True)

    server.until_seen("watch", 2)

    assert asked(server) == ["stream", "watch"]
    assert server.requests[1].query["resourceVersion"] == "8"


@pytest.mark.parametrize("watch_list", [True, False])
def test_t64_each_object_of_a_list_passes_the_transform_once_streamed_or_not(
    server: ScriptedServer, reflect: Reflect, *, watch_list: bool
) -> None:
    """client-go's passes the objects of a streamed list through it twice."""
    passed: list[str] = []

    def transform(obj: Manifest) -> Manifest:
        passed.append(obj["metadata"]["name"])
        return obj

    objects = [config_map("a", 1), config_map("b", 2)]
    if watch_list:
        server.script("watch", streamed(*objects, version="5"))
    else:
        server.script("list", page(*objects, version="5"))
    running = reflect(watch_list=watch_list, projection=Projection(CONFIG_MAPS, transform=transform))

    running.sink.until("replace", (["a", "b"], "5"))

    assert passed == ["a", "b"]


def test_a_relist_streams_what_is_not_older_than_what_was_seen_and_the_newest_when_that_expired(
    server: ScriptedServer, reflect: Reflect
) -> None:
    first = streamed(version="7").event("ERROR", status(500, "InternalError"))
    too_large = refusal(504, "Timeout", "Timeout: Too large resource version: 7, current: 6")
    server.script("watch", first, too_large, streamed(version="9"))
    running = reflect(watch_list=True)

    running.pass_the_wait()
    running.sink.until("replace", ([], "9"))

    assert [request.query.get("resourceVersion") for request in server.seen("watch")] == [None, "7", None]
    assert asked(server) == ["stream"] * 3


def test_td_a_streamed_list_that_never_says_where_it_ends_is_given_up_for_a_plain_one(
    server: ScriptedServer, reflect: Reflect
) -> None:
    """k/k#140890: a server or proxy that doesn't know the parameters answers with a plain watch, for ever."""
    stream = Stream().event("ADDED", config_map("a", 1))
    server.script("watch", stream)
    server.script("list", page(config_map("a", 1), version="5"))
    running = reflect(watch_list=True)
    server.until_seen("watch", 1)

    running.clock.advance(29)
    stream.event("MODIFIED", config_map("a", 2))
    running.clock.advance(2)
    for version in range(3, 50):
        stream.event("MODIFIED", config_map("a", version))
    running.sink.until("replace", (["a"], "5"))
    server.until_seen("watch", 2)

    assert asked(server) == ["stream", "list", "watch"]


def test_td_a_streamed_list_that_falls_silent_is_given_up_for_a_plain_one_and_remembered(
    server: ScriptedServer, reflect: Reflect
) -> None:
    server.script("watch", Stream().event("ADDED", config_map("a", 1)))
    server.script("list", page(config_map("a", 1), version="5"), page(version="6"))
    reflect(watch_list=True, end_timeout_s=0.1).sink.until("replace", (["a"], "5"))
    reflect(watch_list=True, end_timeout_s=0.1).sink.until("replace", ([], "6"))

    assert asked(server).count("stream") == 1


def test_td_the_deadline_grows_with_the_objects_and_not_with_their_changes() -> None:
    initial = InitialEvents(started=100.0)
    assert initial.deadline == 130.0
    for number in range(1000):
        initial.put(config_map(f"o{number}", number))
    assert initial.deadline == 140.0
    for number in range(1000):
        initial.put(config_map("o1", number))
    assert initial.deadline == 140.0


def test_after_the_end_mark_silence_may_last_as_long_as_in_any_watch(server: ScriptedServer, reflect: Reflect) -> None:
    stream = streamed(version="7")
    server.script("watch", stream)
    running = reflect(watch_list=True, end_timeout_s=0.05)
    running.sink.until("replace", ([], "7"))

    running.thread.join(0.15)
    stream.event("ADDED", config_map("a", 8))
    running.sink.until("put", "a")

    assert len(server.requests) == 1


def test_the_streamed_list_can_be_switched_off(server: ScriptedServer, reflect: Reflect) -> None:
    server.script("list", page(version="5"))
    reflect(watch_list=False)
    server.until_seen("watch", 1)
    assert asked(server) == ["list", "watch"]


def test_each_early_end_of_a_streamed_list_has_its_reaction() -> None:
    assert set(INITIAL_REACTIONS) == set(Ending)
    again, plain = Reaction(relist=True, back_off=True), Reaction(relist=True, back_off=False, plain=True)
    at_once = Reaction(relist=True, back_off=False)

    def after(error: Any, *, accepted: bool = True, newest: bool = True, lost: int = 1) -> Reaction:
        return initial_reaction(initial_ending_of(error, accepted=accepted, newest=newest), lost=lost)

    assert after(None) == after(Unreachable("")) == after(Garbled("")) == again
    assert after(None, lost=3) == after(Unreachable(""), lost=3) == after(Garbled(""), lost=3) == plain
    assert after(api_error(429, {}), lost=9) == again
    assert after(Silent("")) == plain
    assert after(Silent(""), accepted=False) == again
    assert after(api_error(410, {}), newest=False) == at_once
    assert after(api_error(410, {})) == plain
    assert [after(api_error(code, {})) for code in (400, 401, 403, 422, 500, 503)] == [plain] * 6


def test_a_mark_is_a_mark_only_with_exactly_its_value() -> None:
    assert ends_initial_events(bookmark("1", end="true"))
    for odd in ({}, {"metadata": None}, {"metadata": {"annotations": "x"}}, bookmark("1", end="false")):
        assert not ends_initial_events(odd)


def test_what_one_client_learned_of_its_server_another_client_did_not() -> None:
    learned, other = StreamedLists(), StreamedLists()
    learned.failed(CONFIG_MAPS, now=5.0)
    assert not learned.usable(CONFIG_MAPS, now=6.0)
    assert other.usable(CONFIG_MAPS, now=6.0)
