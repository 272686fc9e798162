"""What an informer says and does before its first list is in, and when that never comes."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from random import Random
from typing import Any

import pytest
import structlog
from prometheus_client import CollectorRegistry

from informers.client import Client
from informers.clock import SystemClock
from informers.controller import Controller
from informers.informer import SharedInformer
from informers.manager import Manager
from informers.mapper import own_key
from informers.metrics import Metrics
from informers.resource import ObjectKey, Resource
from informers.result import Result
from informers.store import NotSynced
from tests.support.scripted_server import LIMIT_S, Answer, ScriptedServer, config_map, page

CONFIG_MAPS = Resource("", "v1", "configmaps", "ConfigMap")
KEY = ObjectKey("default", "a")

Make = Callable[..., SharedInformer]


@pytest.fixture
def make(client: Client) -> Iterator[Make]:
    made: list[SharedInformer] = []

    def new(**options: Any) -> SharedInformer:
        parts: dict[str, Any] = {"clock": SystemClock(), "random": Random(1), "watch_list": False}
        made.append(SharedInformer(client, CONFIG_MAPS, logger=structlog.get_logger(), **(parts | options)))
        return made[-1]

    yield new
    for informer in made:
        assert informer.stop(5)


class NoWork:
    def reconcile(self, key: ObjectKey) -> Result:
        raise AssertionError(f"{key} was reconciled out of a cache that has not synced")


def test_t88_a_read_before_the_first_list_raises_and_after_it_a_missing_object_is_missing(
    server: ScriptedServer, make: Make
) -> None:
    held = threading.Event()
    server.script("list", Answer(page(config_map("a", 3), version="5").body, hold=held))
    informer = make()
    informer.start()
    server.until_seen("list", 1)
    for read in (informer.store.list, lambda: informer.store.get(KEY)):
        with pytest.raises(NotSynced, match="configmaps were read before their first list was in"):
            read()

    held.set()
    server.until_seen("watch", 1)

    assert informer.store.get(KEY) == config_map("a", 3)
    assert informer.store.get(ObjectKey("default", "missing")) is None


def test_t79_the_error_of_a_list_is_told_by_name_until_a_list_succeeds(server: ScriptedServer, make: Make) -> None:
    denied = {"kind": "Status", "code": 403, "reason": "Forbidden", "message": 'cannot list resource "configmaps"'}
    server.script("list", Answer(denied, status=403), page(config_map("a", 3), version="5"))
    informer = make()
    informer.start()
    deadline = time.monotonic() + LIMIT_S
    while not informer.last_error:
        assert time.monotonic() < deadline
    assert "list of configmaps" in informer.last_error
    assert 'cannot list resource "configmaps"' in informer.last_error
    assert informer.unready_reason == informer.last_error

    server.until_seen("watch", 1)

    assert not informer.last_error
    assert informer.unready_reason is None


@pytest.mark.parametrize("refused", [False, True], ids=["no answer", "forbidden"])
def test_tg_a_manager_that_is_stopped_while_a_cache_never_syncs_ends_at_once_and_cleanly(
    refused: bool,
    server: ScriptedServer,
    make: Make,
) -> None:
    never = threading.Event()
    denied = {"kind": "Status", "code": 403, "reason": "Forbidden", "message": "no"}
    server.script("list", *[Answer(denied, status=403) if refused else Answer({}, hold=never)] * 20)
    metrics = Metrics(CollectorRegistry())
    informer = make()
    parts: dict[str, Any] = {"clock": SystemClock(), "logger": structlog.get_logger(), "metrics": metrics}
    manager = Manager(**parts)
    controller = Controller(name="idle", reconciler=NoWork(), **parts)
    controller.watch(informer, own_key)
    manager.add_informer(informer)
    manager.add_controller(controller)
    stop = threading.Event()
    ended: list[BaseException | None] = []

    def run() -> None:
        try:
            manager.run(stop)
            ended.append(None)
        except BaseException as error:  # noqa: BLE001 - the test wants to see it, whatever it is
            ended.append(error)

    thread = threading.Thread(target=run)
    thread.start()
    server.until_seen("list", 1)

    asked = time.monotonic()
    stop.set()
    thread.join(LIMIT_S)

    assert ended == [None]
    assert time.monotonic() - asked < 5
    assert not informer.has_synced
    assert informer.stop(0)
    never.set()
