"""One watch request: what it yields, how it ends, and how it is ended from another thread."""

from __future__ import annotations

import gc
import threading
import time
from typing import Any

import pytest
from urllib3.connection import HTTPConnection

from informers.client import Client
from informers.errors import ApiError, Expired, Forbidden, Garbled, Silent, TooManyRequests, Unreachable
from informers.resource import Resource
from informers.watch import WatchEvent, WatchStream
from tests.support.scripted_server import LIMIT_S, Answer, ScriptedServer, Stream, config_map, line, refusal, status

CONFIG_MAPS = Resource("", "v1", "configmaps", "ConfigMap")


def watch(client: Client, **options: Any) -> WatchStream:
    return client.watch(CONFIG_MAPS, resource_version="1", timeout_s=300, **options)


def test_lines_come_out_whole_however_they_are_cut_into_chunks(server: ScriptedServer, client: Client) -> None:
    objects = [config_map("ä" * 50, 2), config_map("b", 3), config_map("c", 4)]
    data = b"".join(line("ADDED", obj) for obj in objects)
    stream = Stream()
    for start in range(0, len(data), 7):
        stream.raw(data[start : start + 7])
    server.script("watch", stream.end())

    assert list(watch(client)) == [WatchEvent("ADDED", obj) for obj in objects]


def test_many_lines_in_one_chunk_and_blank_lines_come_out_too(server: ScriptedServer, client: Client) -> None:
    objects = [config_map(f"o{n}", n) for n in range(1000)]
    server.script("watch", Stream().raw(b"\n".join(line("ADDED", obj) for obj in objects) + b"\n \n").end())

    assert [event.object for event in watch(client)] == objects


def test_an_answer_that_is_not_chunked_is_read_too(server: ScriptedServer, client: Client) -> None:
    objects = [config_map("a", 2), config_map("b", 3)]
    server.script("watch", Answer(b"".join(line("ADDED", obj) for obj in objects)))

    assert [event.object for event in watch(client)] == objects


def test_nothing_is_sent_before_the_first_event_is_asked_for(server: ScriptedServer, client: Client) -> None:
    stream = watch(client)
    assert server.requests == []
    assert not stream.established


@pytest.mark.parametrize(
    ("code", "reason", "kind"),
    [(410, "Expired", Expired), (429, "TooManyRequests", TooManyRequests), (500, "InternalError", ApiError)],
)
def test_an_error_event_becomes_an_exception_of_our_tree(
    server: ScriptedServer, client: Client, code: int, reason: str, kind: type[ApiError]
) -> None:
    server.script("watch", Stream().event("ADDED", config_map("a", 2)).event("ERROR", status(code, reason, "because")))
    stream = watch(client)
    next(stream)

    with pytest.raises(kind, match="because") as raised:
        next(stream)
    assert raised.value.status == code


def test_an_error_event_without_a_code_is_a_server_error(server: ScriptedServer, client: Client) -> None:
    """The plain helper raises KeyError here."""
    server.script("watch", Stream().event("ERROR", {"kind": "Status", "message": "odd"}))

    with pytest.raises(ApiError, match="odd"):
        next(watch(client))


def test_a_refused_request_raises_with_the_words_of_the_server(server: ScriptedServer, client: Client) -> None:
    server.script("watch", refusal(403, "Forbidden", "you may not"))

    with pytest.raises(Forbidden, match="you may not"):
        next(watch(client))


@pytest.mark.parametrize(
    "data",
    [
        b'{"type":"ADDED","obj\n',
        b"[]\n",
        b'{"type":"ADDED"}\n',
        b'{"object":{}}\n',
        b'{"type":"ADDED","object":{"data":"\xff"}}\n',
    ],
)
def test_a_line_that_is_no_event_raises_garbled(server: ScriptedServer, client: Client, data: bytes) -> None:
    server.script("watch", Stream().raw(data).event("ADDED", config_map("later", 3)))

    with pytest.raises(Garbled):
        next(watch(client))


def test_a_line_without_its_end_is_never_taken_for_whole(server: ScriptedServer, client: Client) -> None:
    server.script("watch", Stream().raw(line("ADDED", config_map("a", 2))[:-1]).end())

    with pytest.raises(Garbled, match="middle of a line"):
        list(watch(client))


def test_a_cut_stream_is_unreachable(server: ScriptedServer, client: Client) -> None:
    scripted = Stream().event("ADDED", config_map("a", 2)).raw(b'{"type"')
    server.script("watch", scripted)
    stream = watch(client)
    next(stream)
    scripted.cut()

    with pytest.raises(Unreachable, match="the watch of configmaps: "):
        next(stream)


def test_silence_ends_the_stream_after_the_read_timeout(server: ScriptedServer, client: Client) -> None:
    server.script("watch", Stream().event("ADDED", config_map("a", 2)))
    stream = watch(client, read_timeout_s=0.1)
    next(stream)

    with pytest.raises(Silent, match="Read timed out"):
        next(stream)


@pytest.mark.parametrize("state", ["before the headers", "idle", "before the first next"])
def test_close_from_another_thread_ends_the_iteration_at_once(
    server: ScriptedServer, client: Client, state: str
) -> None:
    held = threading.Event() if state == "before the headers" else None
    server.script("watch", Stream(hold=held))
    stream = watch(client)
    seen: list[object] = []

    def read() -> None:
        try:
            seen.extend(stream)
            seen.append("ended in good order")
        except BaseException as error:  # noqa: BLE001  # whatever it is, the test shows it
            seen.append(error)

    reader = threading.Thread(target=read, daemon=True)
    if state == "before the first next":
        stream.close()
        reader.start()
    else:
        reader.start()
        server.until_seen("watch", 1)
        if state == "idle":
            while not stream.established:
                assert reader.is_alive()
        started = time.monotonic()
        stream.close()
        reader.join(LIMIT_S)
        assert time.monotonic() - started < 0.5
    reader.join(LIMIT_S)

    assert seen == ["ended in good order"]
    stream.close()


def test_closing_a_finished_watch_leaves_the_connection_to_whoever_uses_it_now(
    server: ScriptedServer, client: Client
) -> None:
    """The pool hands the same connection to the next request; a late close must not shut it down."""
    server.script(
        "watch", Stream().event("ADDED", config_map("a", 2)).end(), Stream().event("ADDED", config_map("b", 3))
    )
    first = watch(client)
    list(first)
    second = watch(client)
    next(second)

    first.close()
    server.script("watch", Stream())
    reading = threading.Thread(target=lambda: next(second, None), daemon=True)
    reading.start()
    reading.join(0.1)

    assert reading.is_alive()
    second.close()
    reading.join(LIMIT_S)


def test_leaving_a_watch_early_closes_its_connection(server: ScriptedServer, client: Client) -> None:
    scripted = Stream().event("ADDED", config_map("a", 2))
    server.script("watch", scripted)
    with watch(client) as stream:
        next(stream)

    assert list(stream) == []


@pytest.mark.parametrize("at", [1, 2])
def test_what_the_listener_for_progress_raises_ends_the_stream_and_closes_its_connection(
    server: ScriptedServer, client: Client, at: int
) -> None:
    """It is called when the server accepts, and for every piece, even one that ends no line."""
    calls: list[None] = []

    def progress() -> None:
        calls.append(None)
        if len(calls) == at:
            raise Silent("enough")

    server.script("watch", Stream().raw(b" "))
    # Other tests' clients may still keep theirs for a next request.
    before = open_connections()
    stream = watch(client, progress=progress)
    with pytest.raises(Silent, match="enough") as raised:
        next(stream)

    assert len(calls) == at
    assert raised.traceback, "what is kept of it must not keep the connection open"
    assert [connection for connection in open_connections() if connection not in before] == []


def open_connections() -> list[HTTPConnection]:
    return [thing for thing in gc.get_objects() if isinstance(thing, HTTPConnection) and thing.sock is not None]


def test_the_longest_silence_can_be_changed_while_reading(server: ScriptedServer, client: Client) -> None:
    server.script("watch", Stream().event("ADDED", config_map("a", 2)))
    stream = watch(client, read_timeout_s=10)
    next(stream)
    stream.set_read_timeout(0.05)

    with pytest.raises(Silent):
        next(stream)


@pytest.mark.parametrize(
    ("reason", "kind"), [("Expired", Expired), ("TooManyRequests", TooManyRequests), ("Forbidden", Forbidden)]
)
def test_an_error_event_without_a_code_is_judged_by_its_reason(
    server: ScriptedServer, client: Client, reason: str, kind: type[ApiError]
) -> None:
    server.script("watch", Stream().event("ERROR", {"kind": "Status", "reason": reason, "code": "410"}))
    stream = watch(client)

    with pytest.raises(kind):
        next(stream)
    assert stream.uncoded
