"""The reflector against a scripted server, in virtual time (behaviours T37..T56 of client-go's tests)."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any

import pytest

from informers.listwatch import Scope
from informers.projection import Projection
from informers.resource import Resource, View
from tests.support.scripted_server import Answer, Drop, ScriptedServer, Stream, config_map, page, refusal, status

CONFIG_MAPS = Resource("", "v1", "configmaps", "ConfigMap")
SECRETS = Resource("", "v1", "secrets", "Secret")

Reflect = Callable[..., Any]


def versions(server: ScriptedServer, kind: str) -> list[str]:
    return [request.query.get("resourceVersion", "") for request in server.seen(kind)]


def test_t37_a_reflector_stopped_before_it_runs_asks_for_nothing(server: ScriptedServer, reflect: Reflect) -> None:
    server.script("list", page(version="1"))
    running = reflect()
    running.stop()
    before = len(server.requests)
    running.reflector.run()
    assert len(server.requests) == before


def test_t38_a_watch_that_closes_at_once_costs_a_back_off_and_a_list(server: ScriptedServer, reflect: Reflect) -> None:
    server.script("list", page(version="1"), page(version="2"))
    server.script("watch", Stream().end())
    running = reflect()

    assert 0.8 <= running.pass_the_wait() <= 1.6
    server.until_seen("watch", 2)

    assert versions(server, "list") == ["0", "1"]


def test_t39_events_of_a_foreign_kind_are_ignored_and_the_following_applied(
    server: ScriptedServer, reflect: Reflect
) -> None:
    foreign = {**config_map("odd", 2), "kind": "Table", "apiVersion": "meta.k8s.io/v1"}
    server.script("list", page(version="1"))
    server.script(
        "watch", Stream().event("ADDED", foreign).event("WEIRD", config_map("b", 3)).event("ADDED", config_map("a", 4))
    )
    running = reflect()

    running.sink.until("put", "a")

    assert running.sink.calls == [("replace", ([], "1")), ("put", "a")]


def test_t40_the_next_watch_begins_at_the_last_event_not_at_the_highest_version(
    server: ScriptedServer, reflect: Reflect
) -> None:
    server.script("list", page(version="1"))
    server.script("watch", Stream().event("ADDED", config_map("a", 5)).event("ADDED", config_map("b", 3)).end())
    reflect()

    server.until_seen("watch", 2)

    assert versions(server, "watch") == ["1", "3"]
    assert versions(server, "list") == ["0"]


def test_t41_the_first_list_takes_any_version_in_pages_and_the_watch_asks_for_bookmarks(
    server: ScriptedServer, reflect: Reflect
) -> None:
    server.script("list", page(version="17"))
    reflect(scope=Scope(CONFIG_MAPS, ("here",), label_selector="a=b", field_selector="metadata.name=x"))

    (watch,) = server.until_seen("watch", 1)
    (listing,) = server.seen("list")

    selectors = {"labelSelector": "a=b", "fieldSelector": "metadata.name=x"}
    assert listing.path == watch.path == "/api/v1/namespaces/here/configmaps"
    assert listing.query == {"resourceVersion": "0", "limit": "500", **selectors}
    timeout = watch.query.pop("timeoutSeconds")
    assert watch.query == {"watch": "true", "allowWatchBookmarks": "true", "resourceVersion": "17", **selectors}
    assert 300 <= int(timeout) <= 600


def test_t42_whatever_fails_the_next_cycle_brings_the_store_in_line(server: ScriptedServer, reflect: Reflect) -> None:
    server.script("list", refusal(500, "InternalError"), Drop(), page(config_map("a", 1), version="1"))
    server.script("watch", refusal(403, "Forbidden"), Stream().event("DELETED", config_map("a", 4)))
    running = reflect()

    running.pass_the_wait()
    running.pass_the_wait()
    running.sink.until("replace", (["a"], "1"))
    server.script("list", page(config_map("b", 3), version="3"))
    running.pass_the_wait()
    running.sink.until("remove", "a")

    assert ("replace", (["b"], "3")) in running.sink.calls
    assert "" not in versions(server, "list")


def test_t43_refused_connections_are_tried_again_with_growing_delays_without_a_list(
    server: ScriptedServer, reflect: Reflect
) -> None:
    server.script("list", page(version="1"))
    server.script("watch", *[Drop() for _ in range(8)])
    running = reflect()

    waits = [running.pass_the_wait() for _ in range(8)]
    server.until_seen("watch", 9)

    for wait, base in zip(waits, [0.8, 1.6, 3.2, 6.4, 12.8, 25.6, 30, 30], strict=True):
        assert base <= wait <= 2 * base
    assert len(server.seen("list")) == 1


def test_t44_too_many_requests_backs_off_and_watches_again_without_a_list(
    server: ScriptedServer, reflect: Reflect
) -> None:
    server.script("list", page(version="1"))
    busy = status(429, "TooManyRequests")
    server.script("watch", refusal(429, "TooManyRequests"), Stream().event("ERROR", busy))
    running = reflect()

    running.pass_the_wait()
    running.pass_the_wait()
    server.until_seen("watch", 3)

    assert len(server.seen("list")) == 1
    assert versions(server, "watch") == ["1", "1", "1"]


def test_the_time_that_the_server_names_is_waited(server: ScriptedServer, reflect: Reflect) -> None:
    server.script("list", page(version="1"))
    server.script("watch", refusal(429, "TooManyRequests", headers={"Retry-After": "77"}))

    assert reflect().waits_s() == pytest.approx(77)


def test_the_time_that_the_server_names_is_not_waited_for_ever(server: ScriptedServer, reflect: Reflect) -> None:
    server.script("list", refusal(503, "ServiceUnavailable", headers={"Retry-After": "86400"}))

    assert reflect().waits_s() == pytest.approx(300)


def test_t47_a_list_comes_in_pages(server: ScriptedServer, reflect: Reflect) -> None:
    objects = [config_map(f"o{n}", n) for n in range(10)]
    server.script(
        "list",
        page(*objects[:4], version="20", continue_token="c1"),
        page(*objects[4:8], version="20", continue_token="c2"),
        page(*objects[8:], version="20"),
    )
    running = reflect(page_size=4)

    running.sink.until("replace", ([f"o{n}" for n in range(10)], "20"))

    asked = [
        (r.query.get("limit"), r.query.get("continue"), r.query.get("resourceVersion")) for r in server.seen("list")
    ]
    assert asked == [("4", None, "0"), ("4", "c1", None), ("4", "c2", None)]


def test_t48_t50_a_list_at_a_concrete_version_has_no_limit(server: ScriptedServer, reflect: Reflect) -> None:
    server.script("list", page(version="10"), page(version="11"))
    server.script("watch", refusal(500, "InternalError"))
    running = reflect()

    running.pass_the_wait()
    server.until_seen("watch", 2)

    assert [request.query for request in server.seen("list")] == [
        {"resourceVersion": "0", "limit": "500"},
        {"resourceVersion": "10"},
    ]


def test_t49_a_server_that_pages_version_0_is_asked_for_pages_ever_after(
    server: ScriptedServer, reflect: Reflect
) -> None:
    server.script("list", page(version="10", continue_token="c"), page(version="10"), page(version="11"))
    server.script("watch", refusal(500, "InternalError"))
    running = reflect(page_size=4)

    running.pass_the_wait()
    server.until_seen("watch", 2)

    assert server.seen("list")[-1].query == {"resourceVersion": "10", "limit": "4"}


def test_t51_a_list_whose_version_expired_is_repeated_at_once_with_the_newest(
    server: ScriptedServer, reflect: Reflect
) -> None:
    server.script("list", page(version="10"), refusal(410, "Expired"), page(config_map("a", 12), version="12"))
    server.script("watch", refusal(500, "InternalError"))
    running = reflect()

    running.pass_the_wait()
    running.sink.until("replace", (["a"], "12"))

    assert versions(server, "list") == ["0", "10", ""]


def test_after_an_expired_list_the_newest_is_asked_for_until_a_list_succeeds(
    server: ScriptedServer, reflect: Reflect
) -> None:
    expired_then_failed = [refusal(410, "Expired"), refusal(500, "InternalError")]
    server.script("list", page(version="10"), *expired_then_failed, page(version="12"), page(version="13"))
    server.script("watch", refusal(500, "InternalError"), refusal(500, "InternalError"))
    running = reflect()

    for _ in range(3):
        running.pass_the_wait()
    server.until_seen("watch", 3)

    assert versions(server, "list") == ["0", "10", "", "", "12"]


def test_t52_pages_that_expire_are_replaced_by_one_whole_list(server: ScriptedServer, reflect: Reflect) -> None:
    whole = [config_map(f"o{n}", n) for n in range(8)]
    server.script(
        "list",
        page(*whole[:4], version="10", continue_token="c"),
        refusal(410, "Expired"),
        page(*whole, version="11"),
    )
    running = reflect(page_size=4)

    running.sink.until("replace", ([f"o{n}" for n in range(8)], "11"))

    assert [request.query for request in server.seen("list")] == [
        {"resourceVersion": "0", "limit": "4"},
        {"limit": "4", "continue": "c"},
        {"resourceVersion": "0"},
    ]


def test_t53_a_version_that_is_too_large_is_given_up_for_the_newest_in_all_three_forms(
    server: ScriptedServer, reflect: Reflect
) -> None:
    text = "Too large resource version"
    forms = [
        refusal(504, "Timeout", "later", causes=[{"reason": "ResourceVersionTooLarge", "message": text}]),
        refusal(504, "Timeout", "later", causes=[{"message": text}]),
        refusal(504, "Timeout", f"Timeout: {text}: 40, current: 30"),
    ]
    server.script("list", page(version="20"))
    for number, form in enumerate(forms):
        server.script("list", form, page(version=str(30 + 10 * number)))
        server.script("watch", refusal(500, "InternalError"))
    running = reflect()

    for _ in forms:
        running.pass_the_wait()
    server.until_seen("watch", 4)

    assert versions(server, "list") == ["0", "20", "", "30", "", "40", ""]


def test_t54_the_time_of_a_watch_is_random_between_five_and_ten_minutes(
    server: ScriptedServer, reflect: Reflect
) -> None:
    server.script("list", page(version="1"))
    server.script("watch", *[Stream().event("BOOKMARK", config_map("x", n)).end() for n in range(30)])
    reflect()

    timeouts = {int(request.query["timeoutSeconds"]) for request in server.until_seen("watch", 30)}

    assert min(timeouts) >= 300
    assert max(timeouts) <= 600
    assert len(timeouts) > 20


def test_t55_bookmarks_move_the_version_and_nothing_else(server: ScriptedServer, reflect: Reflect) -> None:
    bookmark = {"kind": "ConfigMap", "apiVersion": "v1", "metadata": {"resourceVersion": "60"}}
    server.script("list", page(config_map("a", 10), version="10"))
    server.script("watch", Stream().event("BOOKMARK", bookmark).end())
    running = reflect()

    server.until_seen("watch", 2)

    assert running.sink.calls == [("replace", (["a"], "10")), ("advance", "60")]
    assert versions(server, "watch") == ["10", "60"]


def test_t56_an_error_in_the_stream_leads_to_a_list(server: ScriptedServer, reflect: Reflect) -> None:
    server.script("list", page(config_map("corrupt", 1), version="5"), page(version="6"))
    server.script("watch", Stream().event("ERROR", status(500, "InternalError", "cannot decode")))
    running = reflect()

    running.pass_the_wait()

    running.sink.until("replace", ([], "6"))


@pytest.mark.parametrize("how", ["as an event", "as an answer"])
def test_a_version_that_expired_during_the_watch_leads_to_a_list_at_once(
    server: ScriptedServer, reflect: Reflect, how: str
) -> None:
    gone = status(410, "Expired", "too old resource version: 1 (5)")
    server.script("list", page(version="1"), page(version="9"))
    server.script("watch", Stream().event("ERROR", gone) if how == "as an event" else refusal(410, "Expired"))
    reflect()

    server.until_seen("watch", 2)

    assert versions(server, "list") == ["0", ""]
    assert versions(server, "watch") == ["1", "9"]


def test_a_version_that_expires_again_right_after_the_list_backs_off(server: ScriptedServer, reflect: Reflect) -> None:
    """The client's own informer sent 7375 list and watch pairs in half a second here."""
    server.script("list", *[page(version="1") for _ in range(4)])
    server.script("watch", *[refusal(410, "Expired") for _ in range(3)])
    running = reflect()

    running.pass_the_wait()
    running.pass_the_wait()
    server.until_seen("watch", 4)

    assert len(server.seen("list")) == 4


def test_a_watch_that_ends_in_good_order_is_taken_up_where_it_ended(server: ScriptedServer, reflect: Reflect) -> None:
    first = Stream()
    server.script("list", page(version="1"))
    server.script("watch", first)
    running = reflect()
    server.until_seen("watch", 1)

    running.clock.advance(400)
    first.end()
    server.until_seen("watch", 2)

    assert len(server.seen("list")) == 1


def test_a_cut_stream_is_taken_up_after_the_last_whole_event(server: ScriptedServer, reflect: Reflect) -> None:
    stream = Stream().event("ADDED", config_map("a", 2)).raw(b'{"type":"ADDED","object":{"ki')
    server.script("list", page(version="1"))
    server.script("watch", stream)
    running = reflect()
    running.sink.until("put", "a")

    stream.cut()
    running.pass_the_wait()
    server.until_seen("watch", 2)

    assert versions(server, "watch") == ["1", "2"]
    assert len(server.seen("list")) == 1


def test_a_garbled_line_is_never_skipped_and_when_it_stays_a_list_gets_past_it(
    server: ScriptedServer, reflect: Reflect
) -> None:
    garbled = b'{"type":"ADDED","object":{,}}\n'
    server.script("list", page(version="1"), page(config_map("b", 4), version="4"))
    server.script("watch", Stream().event("ADDED", config_map("a", 2)).raw(garbled), Stream().raw(garbled))
    running = reflect()

    running.pass_the_wait()
    running.pass_the_wait()
    running.sink.until("replace", (["b"], "4"))

    assert versions(server, "watch")[:2] == ["1", "2"]


def test_te_silence_longer_than_the_read_timeout_leads_to_a_new_watch(server: ScriptedServer, reflect: Reflect) -> None:
    server.script("list", page(version="1"))
    running = reflect(read_timeout_s=0.2)

    running.pass_the_wait()
    server.until_seen("watch", 2)

    assert len(server.seen("list")) == 1


@pytest.mark.parametrize("error", [ZeroDivisionError("a bug in our own code"), SystemExit(1)])
def test_an_exception_of_any_kind_leads_to_a_list_and_never_ends_the_reflector(
    server: ScriptedServer, reflect: Reflect, error: BaseException
) -> None:
    class Breaking:
        def __init__(self) -> None:
            self.broken = 0

        def replace(self, views: list[View], resource_version: str) -> None:
            pass

        def put(self, view: View) -> None:
            self.broken += 1
            raise error

    sink = Breaking()
    server.script("list", page(version="1"), page(version="2"))
    server.script("watch", Stream().event("ADDED", config_map("a", 3)))
    running = reflect(sink=sink)

    running.pass_the_wait()
    server.until_seen("watch", 2)

    assert sink.broken == 1
    assert len(server.seen("list")) == 2


def test_an_object_that_the_transform_fails_on_harms_no_other(server: ScriptedServer, reflect: Reflect) -> None:
    def transform(obj: dict[str, Any]) -> dict[str, Any]:
        if obj["metadata"]["name"] == "odd":
            raise KeyError("spec")
        return obj

    server.script("list", page(config_map("odd", 1), config_map("a", 2), version="2"))
    server.script("watch", Stream().event("ADDED", config_map("odd", 3)).event("ADDED", config_map("b", 4)))
    running = reflect(projection=Projection(CONFIG_MAPS, transform=transform))

    running.sink.until("put", "b")

    assert running.sink.calls == [("replace", (["a"], "2")), ("advance", "3"), ("put", "b")]


def test_metadata_only_asks_for_metadata_and_drops_whole_objects(server: ScriptedServer, reflect: Reflect) -> None:
    partial = {**config_map("pw", 2), "kind": "PartialObjectMetadata", "apiVersion": "meta.k8s.io/v1"}
    whole = {**config_map("leak", 3), "kind": "Secret", "data": {"password": "c2VjcmV0"}}
    server.script("list", page(partial, whole, version="5"))
    server.script("watch", Stream().event("MODIFIED", {**whole}).event("MODIFIED", {**partial}))
    running = reflect(scope=Scope(SECRETS, metadata_only=True))

    running.sink.until("put", "pw")

    assert running.sink.calls == [("replace", (["pw"], "5")), ("put", "pw")]
    assert (
        server.seen("list")[0].headers["accept"] == "application/json;as=PartialObjectMetadataList;g=meta.k8s.io;v=v1"
    )
    assert server.seen("watch")[0].headers["accept"] == "application/json;as=PartialObjectMetadata;g=meta.k8s.io;v=v1"


LIST = page(version="1")

#: What the reflector does when it is stopped: the answers that lead it there, and how to see that it is there.
STATES: dict[str, tuple[dict[str, list[Any]], Callable[[ScriptedServer, Any], object]]] = {
    "listing": ({"list": [Answer(hold=threading.Event())]}, lambda server, _: server.until_seen("list", 1)),
    "between pages": (
        {"list": [page(version="1", continue_token="c"), Answer(hold=threading.Event())]},
        lambda server, _: server.until_seen("list", 2),
    ),
    "waiting for headers": (
        {"list": [LIST], "watch": [Stream(hold=threading.Event())]},
        lambda server, _: server.until_seen("watch", 1),
    ),
    "watching": (
        {"list": [LIST], "watch": [Stream().event("ADDED", config_map("a", 2))]},
        lambda _, running: running.sink.until("put", "a"),
    ),
    "backing off": ({"list": [refusal(500, "InternalError")]}, lambda _, running: running.waits_s()),
}


@pytest.mark.parametrize("state", STATES)
def test_stop_takes_less_than_a_second_in_any_state(server: ScriptedServer, reflect: Reflect, state: str) -> None:
    scripts, until_there = STATES[state]
    for kind, answers in scripts.items():
        server.script(kind, *answers)
    running = reflect()
    until_there(server, running)

    running.reflector.stop()
    running.thread.join(1.0)

    assert not running.thread.is_alive()


def test_what_goes_wrong_is_said_with_type_and_reason_until_it_is_well_again(
    server: ScriptedServer, reflect: Reflect
) -> None:
    server.script("list", refusal(403, "Forbidden", 'configmaps is forbidden: User "x" cannot list'), page(version="1"))
    running = reflect()

    running.waits_s()
    assert (
        running.reflector.last_error == 'list of configmaps: Forbidden: configmaps is forbidden: User "x" cannot list'
    )
    running.pass_the_wait()
    running.sink.until("replace", ([], "1"))
    server.until_seen("watch", 1)

    assert running.reflector.last_error == ""


def test_a_refusal_for_want_of_rights_is_told_with_the_advice(server: ScriptedServer, reflect: Reflect) -> None:
    server.script("list", refusal(403, "Forbidden", "no"), refusal(500, "InternalError", "no"), page(version="1"))
    running = reflect(forbidden_advice="ask Jane")

    running.waits_s()
    assert running.reflector.last_error == "list of configmaps: Forbidden: no (ask Jane)"
    running.pass_the_wait()
    running.waits_s()
    assert running.reflector.last_error == "list of configmaps: InternalError: no"
