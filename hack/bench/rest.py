"""What watching costs while nothing happens: a whole operator, and the official client's informer."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from random import Random
from typing import Protocol

import structlog
from kubernetes import informer as official_informer
from prometheus_client import CollectorRegistry

from hack.bench.setting import configuration_of, informer_of, official_api, until
from hack.bench.subjects import Figures
from informers import election, lease
from informers.client import Client
from informers.clock import SystemClock
from informers.controller import Controller
from informers.manager import Manager
from informers.mapper import own_key
from informers.metrics import Metrics
from informers.resource import ObjectKey
from informers.result import Done, Result

#: How long rest is watched.
REST_S = 25.0

#: Between the last work of the start and the begin of the measurement.
_SETTLE_S = 2.0


class Resting(Protocol):
    """A subject that can be told how long to rest."""

    def __call__(self, url: str, count: int, *, rest_s: float = ..., settle_s: float = ...) -> Figures:
        """Give the figures of the rest."""


def of_the_layer(url: str, count: int, *, rest_s: float = REST_S, settle_s: float = _SETTLE_S) -> Figures:
    """An informer, a controller with eight workers, probes, metrics and a lease that is renewed."""
    clock, logger, metrics = SystemClock(), structlog.get_logger(), Metrics(CollectorRegistry())
    lease_client = Client(configuration_of(url), user_agent="bench-lease", timeout_s=5)
    lock = lease.ClientLeaseLock(lease_client, ObjectKey("default", "bench"), field_manager="bench")
    elector = election.LeaseElector(
        lock=lock, identity=election.own_identity(), random=Random(0), clock=clock, logger=logger
    )
    with informer_of(url) as informer:
        counting = _Counting()
        controller = Controller(
            name="bench", reconciler=counting, metrics=metrics, clock=clock, logger=logger, workers=8
        )
        controller.watch(informer, own_key)
        manager = Manager(
            metrics=metrics,
            elector=elector,
            metrics_address="127.0.0.1:0",
            health_address="127.0.0.1:0",
            clock=clock,
            logger=logger,
        )
        manager.add_informer(informer)
        manager.add_controller(controller)
        stop = threading.Event()
        thread = threading.Thread(target=manager.run, args=(stop,))
        thread.start()
        try:
            until(lambda: counting.passes >= count)
            return _at_rest(rest_s, settle_s)
        finally:
            stop.set()
            thread.join()
            lease_client.close()


def of_the_official_client(url: str, count: int, *, rest_s: float = REST_S, settle_s: float = _SETTLE_S) -> Figures:
    """`kubernetes.informer.SharedInformer` alone."""
    with official_api(url) as api:
        informer = official_informer.SharedInformer(api.list_pod_for_all_namespaces)  # type: ignore[no-untyped-call]
        informer.start()  # type: ignore[no-untyped-call]
        try:
            until(lambda: len(informer.cache.list_keys()) >= count)
            return _at_rest(rest_s, settle_s)
        finally:
            informer.stop()  # type: ignore[no-untyped-call]


class _Counting:
    """A reconciler that finds everything in order."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self.passes = 0

    def reconcile(self, key: ObjectKey) -> Result:
        """Count."""
        del key
        with self._lock:
            self.passes += 1
        return Done()


def _at_rest(rest_s: float, settle_s: float) -> Figures:
    pause: Callable[[float], bool] = threading.Event().wait
    pause(settle_s)
    cpu, wall = time.process_time(), time.monotonic()
    pause(rest_s)
    share = (time.process_time() - cpu) / (time.monotonic() - wall)
    return {"CPU s/min": 60 * share, "% of a core": 100 * share}
