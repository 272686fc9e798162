"""A type that the API server doesn't serve, no longer, and again: its informer waits quietly, and goes on."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from random import Random
from typing import Any

import pytest
import structlog
from structlog.testing import CapturingLogger

from informers.client import Client
from informers.event import Added, Deleted
from informers.informer import SharedInformer
from informers.resource import Resource
from tests.support.clock import FakeClock
from tests.support.event_handler import RecordingHandler
from tests.support.scripted_server import ScriptedServer, Stream, config_map, page, refusal

CONFIG_MAPS = Resource("", "v1", "configmaps", "ConfigMap")
MISSING = "the server could not find the requested resource"

Reflect = Callable[..., Any]


def missing() -> Any:
    return refusal(404, "NotFound", MISSING)


def said(captured: CapturingLogger, level: str) -> list[str]:
    """The texts of the log lines of `level`."""
    return [call.args[0] for call in captured.calls if call.method_name == level]


@pytest.fixture
def captured() -> CapturingLogger:
    return CapturingLogger()


@pytest.fixture
def plain(captured: CapturingLogger) -> Any:
    """A logger that remembers each line as the text and its fields."""
    return structlog.wrap_logger(captured, processors=[lambda _, __, fields: ((fields.pop("event"),), fields)])


def test_an_optional_type_that_is_not_there_counts_as_synced_and_empty_after_the_second_look(
    server: ScriptedServer, reflect: Reflect
) -> None:
    server.script("list", missing(), missing())
    running = reflect(optional=True)

    running.waits_s()
    assert (running.sink.calls, running.reflector.absent) == ([], False)
    assert "isn't served" in running.reflector.unready_reason
    running.pass_the_wait()
    running.waits_s()

    assert (running.sink.calls, running.reflector.absent) == ([("replace", ([], ""))], True)
    assert running.reflector.unready_reason is None
    assert running.reflector.last_error == ""


def test_a_required_type_that_is_not_there_keeps_its_informer_from_syncing_and_says_what_to_do(
    server: ScriptedServer, reflect: Reflect
) -> None:
    server.script("list", missing(), missing())
    running = reflect()
    running.pass_the_wait()
    running.waits_s()

    assert (running.sink.calls, running.reflector.absent) == ([], True)
    expected = "configmaps isn't served: is its CustomResourceDefinition installed?"
    assert running.reflector.unready_reason == running.reflector.last_error == expected


def test_it_looks_again_ever_less_often_up_to_a_minute_and_says_so_once_for_each_change(
    server: ScriptedServer, reflect: Reflect, captured: CapturingLogger, plain: Any
) -> None:
    server.script("list", *[missing() for _ in range(10)], page(config_map("a", 5), version="7"))
    running = reflect(optional=True, logger=plain)

    waits = [running.pass_the_wait() for _ in range(10)]
    running.sink.until("replace", (["a"], "7"))
    server.until_seen("watch", 1)

    for wait, base in zip(waits, [0.8, 1.6, 3.2, 6.4, 12.8, 25.6, 30, 30, 30, 30], strict=True):
        assert base <= wait <= 2 * base
    assert said(captured, "info") == ["the type isn't served: waiting for it", "the type is served again"]
    assert said(captured, "warning") == said(captured, "error") == []
    assert running.reflector.absent is False
    assert [request.query["resourceVersion"] for request in server.seen("watch")] == ["7"]


@pytest.mark.parametrize("optional", [True, False])
def test_a_type_that_goes_away_empties_the_store_and_one_that_comes_back_fills_it(
    server: ScriptedServer, reflect: Reflect, *, optional: bool
) -> None:
    stream = Stream()
    server.script("list", page(config_map("a", 1), version="5"), missing(), missing())
    server.script("watch", stream, missing())
    running = reflect(optional=optional)
    running.sink.until("replace", (["a"], "5"))
    server.until_seen("watch", 1)

    running.clock.advance(5)
    stream.end()
    for _ in range(2):
        running.pass_the_wait()
    running.waits_s()
    assert running.sink.calls == [("replace", (["a"], "5")), ("replace", ([], "5"))]
    assert (running.reflector.unready_reason is None) is optional

    server.script("list", page(config_map("b", 8), version="9"))
    running.pass_the_wait()
    running.sink.until("replace", (["b"], "9"))
    assert running.reflector.unready_reason is None
    assert "resourceVersion" not in server.seen("list")[-1].query, "versions of before mean nothing any more"


def test_one_404_alone_empties_nothing(server: ScriptedServer, reflect: Reflect) -> None:
    """A server that is starting may not know its types yet."""
    server.script("list", page(config_map("a", 1), version="5"), missing(), page(config_map("a", 1), version="6"))
    server.script("watch", missing())
    running = reflect(optional=True)

    running.pass_the_wait()
    running.pass_the_wait()
    running.sink.until("replace", (["a"], "6"))

    assert running.sink.calls == [("replace", (["a"], "5")), ("replace", (["a"], "6"))]


def test_an_absent_type_is_asked_for_once_each_time_and_its_streamed_list_is_not_given_up(
    server: ScriptedServer, reflect: Reflect
) -> None:
    end = {"resourceVersion": "7", "annotations": {"k8s.io/initial-events-end": "true"}}
    back = Stream().event("ADDED", config_map("a", 3)).event("BOOKMARK", {"kind": "ConfigMap", "metadata": end})
    server.script("watch", *[missing() for _ in range(4)], back)
    running = reflect(optional=True, watch_list=True)

    for _ in range(4):
        running.pass_the_wait()
    running.sink.until("replace", (["a"], "7"))
    assert running.sink.calls == [("replace", ([], "")), ("replace", (["a"], "7"))]

    assert server.seen("list") == []


def test_absent_is_news_but_an_absent_server_is_none(server: ScriptedServer, reflect: Reflect) -> None:
    server.script("list", *[missing() for _ in range(9)], refusal(500, "InternalError", "down"))
    running = reflect(optional=True)
    for _ in range(9):
        running.pass_the_wait()
        assert running.reflector.absent or running.reflector.unready_reason

    running.waits_s()
    assert running.reflector.unready_reason is None
    running.clock.advance(181)
    assert "no news of configmaps" in str(running.reflector.unready_reason)


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock()


@pytest.fixture
def optional(client: Client, clock: FakeClock) -> Iterator[SharedInformer]:
    informer = SharedInformer(
        client,
        CONFIG_MAPS,
        clock=clock,
        random=Random(1),
        logger=structlog.get_logger(),
        watch_list=False,
        optional=True,
    )
    yield informer
    assert informer.stop(5)


def test_handlers_of_an_absent_type_are_synced_and_hear_what_comes_and_what_goes(
    server: ScriptedServer, optional: SharedInformer, clock: FakeClock
) -> None:
    reflector = optional._feeds[0].reflector

    def pass_the_wait() -> None:
        clock.until_waiting(condition=reflector._condition)
        clock.advance(61)

    server.script("list", missing(), missing(), page(config_map("a", 1), version="5"), missing(), missing())
    stream = Stream()
    server.script("watch", stream, missing())
    heard = RecordingHandler()
    registration = optional.add_handler(heard, name="heard")
    optional.start()
    pass_the_wait()
    clock.until_waiting(condition=reflector._condition)

    assert optional.has_synced
    assert registration.has_synced
    assert optional.store.list() == ()
    assert optional.unready_reason is None

    pass_the_wait()
    assert heard.until(1) == [Added(config_map("a", 1))]
    stream.event("ERROR", {"code": 404, "reason": "NotFound"})
    for _ in range(3):
        pass_the_wait()
    assert isinstance(heard.until(2)[1], Deleted)
    assert optional.store.list() == ()
