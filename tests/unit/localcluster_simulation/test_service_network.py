"""The simulated network carries what it should, and leaves nothing open, in whatever moment it ends."""

from __future__ import annotations

import contextlib
import gc
import socket
import threading
import warnings
from collections.abc import Callable, Iterator, Sequence
from random import Random
from typing import Any

import pytest
import structlog

from hack.localcluster.network import ServiceNetwork
from hack.localcluster.pod_network import AddressPool, LocalRoute, PodNetwork, Route, SandboxRoute, random_networks
from informers.event import Event
from tests.support.eventually import eventually

SERVICES, TARGET = 20, 80


class Informer:
    """Objects that are there from the start."""

    has_synced = True

    def __init__(self, objects: Sequence[Any]) -> None:
        self.store = self
        self.has_synced = True
        self._objects = objects

    def list(self, namespace: str = "") -> Sequence[Any]:
        return self._objects

    def add_handler(self, handler: Callable[[Event], None], *, name: str) -> None:
        """Nothing ever changes."""


class Scene:
    """Many Services of one pod, which is behind `route`."""

    def __init__(self, route: Route) -> None:
        service_network, pod_network = random_networks(Random())
        pool, pods = AddressPool(service_network), PodNetwork(AddressPool(pod_network))
        self.addresses = [pool.take() for _ in range(SERVICES)]
        self.port = 20_000 + Random().randrange(10_000)
        address = pods.join()
        pods.publish(address, route)
        self.silence = lambda: pods.silence(address)
        self.publish = lambda: pods.publish(address, route)
        self.network = ServiceNetwork(
            services=Informer([self._service(number) for number in range(SERVICES)]),  # type: ignore[arg-type]
            pods=Informer([_pod(address)]),  # type: ignore[arg-type]
            pod_network=pods,
            addresses=pool,
            random=Random(0),
            logger=structlog.get_logger(),
            complain=lambda service, why: pytest.fail(why),
        )

    def dial(self, number: int = SERVICES - 1) -> socket.socket:
        def connected() -> socket.socket | None:
            with contextlib.suppress(OSError):
                return socket.create_connection((self.addresses[number], self.port), timeout=5)
            return None

        made = eventually(connected, timeout_s=10, what="the network to listen")
        assert made is not None
        return made

    def _service(self, number: int) -> Any:
        spec = {"clusterIP": self.addresses[number], "selector": {"app": "x"}}
        ports = [{"port": self.port, "targetPort": TARGET}]
        metadata = {"namespace": "default", "name": f"service-{number}", "uid": str(number)}
        return {"metadata": metadata, "spec": {**spec, "ports": ports}}


def _pod(address: str) -> Any:
    status = {"podIP": address, "conditions": [{"type": "Ready", "status": "True"}]}
    metadata = {"namespace": "default", "name": "pod", "labels": {"app": "x"}}
    return {"metadata": metadata, "spec": {"containers": [{"name": "x"}]}, "status": status}


@pytest.fixture
def nothing_stays_open() -> Iterator[None]:
    """Fail when a socket or connection is found that nobody closed."""
    gc.collect()
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always", ResourceWarning)
        yield
        gc.collect()
        assert [str(warning.message) for warning in caught if warning.category is ResourceWarning] == []


@pytest.mark.usefixtures("nothing_stays_open")
def test_a_network_that_ends_while_it_begins_to_listen_leaves_no_socket_open() -> None:
    for _ in range(20):
        scene = Scene(LocalRoute({}))
        scene.network.start()
        scene.network.stop()
        del scene


@pytest.mark.usefixtures("nothing_stays_open")
def test_a_connection_whose_client_reads_nothing_is_closed_with_the_network() -> None:
    with socket.create_server(("127.0.0.1", 0)) as pod:
        scene = Scene(LocalRoute({TARGET: pod.getsockname()[1]}))
        scene.network.start()
        with scene.dial() as client:
            inner, _ = pod.accept()
            inner.settimeout(0.2)
            with inner, contextlib.suppress(OSError):
                while True:
                    inner.send(b"x" * (1 << 20))  # until both ways are full
            assert client.recv(1) == b"x"
            scene.network.stop()
        del scene


@pytest.mark.usefixtures("nothing_stays_open")
def test_a_connection_to_a_sandbox_that_does_not_answer_is_closed_with_the_network(tmp_path: Any) -> None:
    path = str(tmp_path / "sandbox")
    with socket.socket(socket.AF_UNIX) as sandbox:
        sandbox.bind(path)
        sandbox.listen()
        scene = Scene(SandboxRoute(path))
        scene.network.start()
        with scene.dial():
            inner, _ = sandbox.accept()
            with inner:
                assert inner.recv(2) == TARGET.to_bytes(2, "big")
                scene.network.stop()
        del scene


@pytest.mark.usefixtures("nothing_stays_open")
def test_connections_accepted_at_the_very_end_are_closed_with_the_network() -> None:
    with socket.create_server(("127.0.0.1", 0)) as pod:
        scene = Scene(LocalRoute({TARGET: pod.getsockname()[1]}))
        scene.network.start()
        scene.dial().close()
        ended, there = threading.Event(), (scene.addresses[0], scene.port)

        def call() -> None:
            with contextlib.ExitStack() as calls:
                while not ended.is_set():
                    with contextlib.suppress(OSError):
                        calls.enter_context(socket.create_connection(there, timeout=1))

        caller = threading.Thread(target=call)
        caller.start()
        scene.network.stop()
        ended.set()
        caller.join()
        del scene


@pytest.mark.usefixtures("nothing_stays_open")
def test_a_pod_that_hangs_keeps_its_connections_and_says_nothing_until_it_is_started_again() -> None:
    with socket.create_server(("127.0.0.1", 0)) as pod:
        scene = Scene(LocalRoute({TARGET: pod.getsockname()[1]}))
        scene.network.start()
        with scene.dial() as client:
            inner, _ = pod.accept()
            with inner:
                inner.sendall(b"before")
                assert client.recv(6) == b"before"
                scene.silence()
                inner.sendall(b"hung")
                client.settimeout(0.05)
                with pytest.raises(TimeoutError):
                    client.recv(1)
        scene.publish()
        with scene.dial() as client:
            inner, _ = pod.accept()
            with inner:
                inner.sendall(b"after")
                assert client.recv(5) == b"after"
        scene.network.stop()
        del scene
