"""The simulated cluster network: each Service's addresses listen on this machine and forward TCP to its ready pods.

A Service without a ready pod doesn't listen, so its callers are refused as in a real cluster.
"""

from __future__ import annotations

import asyncio
import contextlib
import functools
import socket
import threading
from collections.abc import Callable
from dataclasses import dataclass
from random import Random
from typing import Any

from hack.localcluster.controllers.surroundings import is_ready
from hack.localcluster.kubelet.probes import port_number
from hack.localcluster.pod_network import AddressPool, PodNetwork, dial
from informers.event import Deleted, Event
from informers.informer import SharedInformer
from informers.resource import View

_BUFFER_BYTES = 1 << 18
_STOP_TIMEOUT_S = 5.0


@dataclass(frozen=True, slots=True)
class Endpoint:
    """Where a Service listens, and for which Service and target that is."""

    address: str
    port: int
    namespace: str
    name: str
    uid: str
    target: int | str


#: Tells people that an address can't be listened on: the Service, and why.
Complain = Callable[[View, str], None]


class ServiceNetwork:
    """Listens for all Services, in one thread with an event loop of its own."""

    def __init__(
        self,
        *,
        services: SharedInformer,
        pods: SharedInformer,
        pod_network: PodNetwork,
        addresses: AddressPool,
        random: Random,
        logger: Any,
        complain: Complain,
    ) -> None:
        self._services = services
        self._pods = pods
        self._pod_network = pod_network
        self._addresses = addresses
        self._random = random
        self._logger = logger.bind(component="network")
        self._complain = complain
        self._listening: dict[Endpoint, socket.socket] = {}
        self._refused: set[Endpoint] = set()
        self._connections: set[asyncio.Task[None]] = set()
        self._loop = asyncio.new_event_loop()
        self._dirty = asyncio.Event()
        self._thread = threading.Thread(target=self._run, name="service-network", daemon=True)
        self._stopping = False

    def start(self) -> None:
        """Begin to listen for what there is and will be."""
        self._thread.start()
        self._services.add_handler(self._service_changed, name="network")
        self._pods.add_handler(lambda _: self._wake(), name="network")

    def stop(self) -> None:
        """Close everything; nothing listens when this returns."""
        self._stopping = True
        self._wake()
        self._thread.join(_STOP_TIMEOUT_S)

    def _service_changed(self, event: Event) -> None:
        if isinstance(event, Deleted):
            address = event.object["spec"].get("clusterIP")
            if address:
                self._addresses.release(address)
        self._wake()

    def _wake(self) -> None:
        with contextlib.suppress(RuntimeError):  # the loop is closed: the cluster is ending
            self._loop.call_soon_threadsafe(self._dirty.set)

    def _run(self) -> None:
        with contextlib.closing(self._loop):
            self._loop.run_until_complete(self._follow())

    async def _follow(self) -> None:
        try:
            while not self._stopping:
                self._sync()
                await self._dirty.wait()
                self._dirty.clear()
        finally:
            for endpoint in tuple(self._listening):
                self._close(endpoint)
            await asyncio.sleep(0)  # each connection has begun, and so will end what it holds
            for connection in self._connections:
                connection.cancel()
            await asyncio.gather(*self._connections, return_exceptions=True)
            await asyncio.sleep(0)  # what was aborted is closed

    def _sync(self) -> None:
        if not (self._services.has_synced and self._pods.has_synced):
            return  # their first objects come with events, which wake this loop
        services = {(s["metadata"]["namespace"], s["metadata"]["name"]): s for s in self._services.store.list()}
        wanted = {
            endpoint: service
            for service in services.values()
            for endpoint in endpoints(service)
            if self._backends(endpoint)
        }
        for endpoint in set(self._listening) - set(wanted):
            self._close(endpoint)
        self._refused &= set(wanted)
        for endpoint in set(wanted) - set(self._listening) - self._refused:
            try:
                self._listen(endpoint)
            except OSError as error:
                self._refused.add(endpoint)
                why = f"can't listen on {endpoint.address}:{endpoint.port} on this machine: {error.strerror}"
                self._logger.warning("a Service can't be reached", service=endpoint.name, reason=why)
                self._complain(wanted[endpoint], why)

    # Not asyncio's own server: one that is closed forgets the sockets that it accepted in the same round of the loop.
    def _listen(self, endpoint: Endpoint) -> None:
        listener = socket.create_server((endpoint.address, endpoint.port), backlog=128)
        listener.setblocking(False)
        self._listening[endpoint] = listener
        self._loop.add_reader(listener, self._accept, endpoint, listener)

    def _close(self, endpoint: Endpoint) -> None:
        listener = self._listening.pop(endpoint)
        self._loop.remove_reader(listener)
        listener.close()

    def _accept(self, endpoint: Endpoint, listener: socket.socket) -> None:
        try:
            accepted, _ = listener.accept()
        except (BlockingIOError, ConnectionAbortedError):
            return  # The caller is gone again.
        connection = self._loop.create_task(self._serve(endpoint, accepted))
        self._connections.add(connection)
        connection.add_done_callback(self._connections.discard)

    async def _serve(self, endpoint: Endpoint, accepted: socket.socket) -> None:
        reader, writer = await asyncio.open_connection(sock=accepted)
        try:
            with contextlib.suppress(OSError):
                await self._forward(endpoint, reader, writer)
                writer.close()
                await writer.wait_closed()
        finally:
            writer.transport.abort()

    async def _forward(self, endpoint: Endpoint, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        backends = self._backends(endpoint)
        self._random.shuffle(backends)
        for address, port in backends:
            route = self._pod_network.route(address)
            if route is None:
                continue
            try:
                inner_reader, inner_writer = await dial(route, port)
            except OSError:
                continue
            silent = functools.partial(self._pod_network.is_silent, address)
            try:
                await asyncio.gather(_copy(reader, inner_writer, silent), _copy(inner_reader, writer, silent))
            finally:
                inner_writer.transport.abort()
            break

    def _backends(self, endpoint: Endpoint) -> list[tuple[str, int]]:
        """Address and port of each pod that may serve it now."""
        key = (endpoint.namespace, endpoint.name)
        service = next((s for s in self._services.store.list(endpoint.namespace) if _key(s) == key), None)
        if service is None:
            return []
        selector = dict(service["spec"].get("selector") or {})
        found = []
        for pod in self._pods.store.list(endpoint.namespace):
            labels = pod["metadata"].get("labels") or {}
            address = (pod.get("status") or {}).get("podIP")
            ready = is_ready(pod) or service["spec"].get("publishNotReadyAddresses")
            leaving = pod["metadata"].get("deletionTimestamp")
            if address and ready and not leaving and selector and selector.items() <= dict(labels).items():
                port = _target_port(endpoint.target, pod)
                if port is not None:
                    found.append((address, port))
        return found


def endpoints(service: View) -> list[Endpoint]:
    """All addresses and TCP ports at which `service` is to be reached; none for a headless one."""
    spec, metadata = service["spec"], service["metadata"]
    ingress = ((service.get("status") or {}).get("loadBalancer") or {}).get("ingress") or ()
    addresses = [spec.get("clusterIP"), *(entry.get("ip") for entry in ingress)]
    return [
        Endpoint(
            address=address,
            port=int(port["port"]),
            namespace=metadata["namespace"],
            name=metadata["name"],
            uid=metadata["uid"],
            target=port.get("targetPort") or int(port["port"]),
        )
        for address in addresses
        if address and address != "None" and spec.get("type") != "ExternalName"
        for port in spec.get("ports") or ()
        if port.get("protocol", "TCP") == "TCP"
    ]


def _key(obj: View) -> tuple[str, str]:
    return obj["metadata"]["namespace"], obj["metadata"]["name"]


def _target_port(target: int | str, pod: View) -> int | None:
    for container in pod["spec"]["containers"]:
        with contextlib.suppress(OSError):
            return port_number(target, container)
    return None


async def _copy(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, silent: Callable[[], bool]) -> None:
    try:
        while data := await reader.read(_BUFFER_BYTES):
            if silent():
                continue
            writer.write(data)
            await writer.drain()
        writer.write_eof()
    except OSError:
        # One half broke: the other one must not wait for ever for its end.
        writer.transport.abort()
