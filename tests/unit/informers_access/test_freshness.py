"""How old the news of a watch may get: silence is found, the stream replaced, and readiness tells."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from informers.listwatch import WatchOptions
from tests.support.eventually import eventually
from tests.support.scripted_server import Drop, ScriptedServer, Stream, config_map, page, refusal

Reflect = Callable[..., Any]

BOOKMARK = {"kind": "ConfigMap", "apiVersion": "v1", "metadata": {"resourceVersion": "9"}}


def test_te_a_watch_whose_connection_died_silently_is_made_anew_and_then_gives_way_to_a_list(
    server: ScriptedServer, reflect: Reflect
) -> None:
    """The server's side of a black hole: requests arrive and are accepted, and nothing comes back."""
    server.script("list", page(version="1"), page(config_map("missed", 3), version="5"))
    running = reflect(read_timeout_s=0.1)

    running.pass_the_wait()
    server.until_seen("watch", 2)
    assert len(server.seen("list")) == 1
    running.pass_the_wait()
    running.sink.until("replace", (["missed"], "5"))
    running.pass_the_wait()
    server.until_seen("watch", 4)

    assert len(server.seen("list")) == 2, "after a list the first silence costs no other"
    assert [request.query["resourceVersion"] for request in server.seen("watch")][:2] == ["1", "1"]


def test_te_the_silent_connection_is_closed(server: ScriptedServer, reflect: Reflect) -> None:
    silent = Stream()
    server.script("list", page(version="1"))
    server.script("watch", silent, Stream().event("ADDED", config_map("a", 2)))
    running = reflect(read_timeout_s=0.1)
    running.pass_the_wait()
    running.sink.until("put", "a")

    silent.event("ADDED", config_map("too-late", 3)).event("ADDED", config_map("too-late", 4))
    running.pass_the_wait()

    assert ("put", "too-late") not in running.sink.calls


def test_one_silent_watch_in_between_costs_no_list(server: ScriptedServer, reflect: Reflect) -> None:
    server.script("list", page(version="1"))
    server.script("watch", Stream(), Stream().event("BOOKMARK", BOOKMARK))
    running = reflect(read_timeout_s=0.1)

    for _ in range(2):
        running.pass_the_wait()
    server.until_seen("watch", 3)

    assert len(server.seen("list")) == 1


def test_a_stream_that_drips_without_saying_anything_is_replaced(server: ScriptedServer, reflect: Reflect) -> None:
    """A proxy may keep a dead watch alive with blank lines: bytes alone are no news."""
    drip = Stream()
    server.script("list", page(version="1"))
    server.script("watch", drip.event("ADDED", config_map("a", 2)))
    running = reflect()
    running.sink.until("put", "a")

    running.clock.advance(179)
    drip.raw(b"\n")
    running.clock.advance(2)
    drip.raw(b"\n")
    running.pass_the_wait()
    server.until_seen("watch", 2)

    assert len(server.seen("list")) == 1


def test_without_news_for_too_long_what_is_held_is_not_ready_and_ready_again_with_the_next(
    server: ScriptedServer, reflect: Reflect
) -> None:
    server.script("list", page(version="1"))
    server.script("watch", Stream().event("BOOKMARK", BOOKMARK).cut(), Drop(), Stream())
    running = reflect()
    running.sink.until("advance", "9")
    running.waits_s()
    assert running.reflector.unready_reason is None

    running.clock.advance(181)
    running.waits_s()
    assert "no news of configmaps for 181 s: watch of configmaps: " in str(running.reflector.unready_reason)
    running.clock.advance(120)

    server.until_seen("watch", 3)
    eventually(lambda: running.reflector.unready_reason is None, what="ready again")
    assert running.reflector.last_contact == running.clock.monotonic()


@pytest.mark.parametrize("what", ["list", "event", "bookmark", "accepted watch"])
def test_what_counts_as_news(server: ScriptedServer, reflect: Reflect, what: str) -> None:
    stream = Stream()
    server.script("list", page(version="1"))
    server.script("watch", stream, Stream())
    running = reflect()
    server.until_seen("watch", 1)
    eventually(lambda: running.reflector._accepted)
    running.clock.advance(50)
    match what:
        case "list":
            server.script("list", page(version="2"))
            stream.event("ERROR", {"code": 410, "reason": "Expired"})
        case "event":
            stream.event("ADDED", config_map("a", 2))
        case "bookmark":
            stream.event("BOOKMARK", BOOKMARK)
        case _:
            stream.end()

    eventually(lambda: running.reflector.last_contact == running.clock.monotonic(), what=what)


def test_before_the_first_list_readiness_says_what_keeps_it_away(server: ScriptedServer, reflect: Reflect) -> None:
    server.script("list", refusal(500, "InternalError", "no luck"))
    running = reflect()
    running.waits_s()
    assert running.reflector.unready_reason == "list of configmaps: InternalError: no luck"


def test_options_that_cannot_work_are_refused() -> None:
    for wrong in ({"page_size": 0}, {"page_size": -1}, {"read_timeout_s": 0}, {"end_timeout_s": -1.0}):
        with pytest.raises(ValueError, match=next(iter(wrong)).partition("_")[0]):
            WatchOptions(**wrong)
    with pytest.raises(ValueError, match="twice the read timeout"):
        WatchOptions(read_timeout_s=100)
