"""How a subject gets at a server, and how it waits."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from random import Random
from typing import Any

import structlog
from kubernetes import client as official

from informers.client import Client
from informers.clock import SystemClock
from informers.informer import SharedInformer
from informers.resource import Resource

PODS = Resource(group="", version="v1", plural="pods", kind="Pod")

#: How long a subject may take; on a busy machine, too.
LIMIT_S = 120.0

#: How often the end of something is looked for: seldom enough to cost nothing.
_LOOK_S = 0.02


def configuration_of(url: str) -> official.Configuration:
    """How both clients are told where the server is."""
    configuration = official.Configuration()
    configuration.host = url
    return configuration


@contextmanager
def informer_of(url: str) -> Iterator[SharedInformer]:
    """An informer of the pods, not started."""
    client = Client(configuration_of(url), user_agent="bench")
    informer = SharedInformer(client, PODS, clock=SystemClock(), random=Random(0), logger=structlog.get_logger())
    try:
        yield informer
    finally:
        informer.stop()
        client.close()


@contextmanager
def official_api(url: str) -> Iterator[Any]:
    """The official client's typed API."""
    with official.ApiClient(configuration_of(url)) as client:
        yield official.CoreV1Api(client)


def until(true: Callable[[], bool]) -> None:
    """Wait for it; TimeoutError when it takes too long."""
    deadline = time.monotonic() + LIMIT_S
    pause = threading.Event()
    while not true():
        if time.monotonic() > deadline:
            raise TimeoutError(f"not done within {LIMIT_S:g} s")
        pause.wait(_LOOK_S)
