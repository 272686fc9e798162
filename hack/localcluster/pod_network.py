"""The addresses of this run, and the ways to the pods behind them: known on this machine only, never by the API."""

from __future__ import annotations

import asyncio
import ipaddress
import random
import struct
import threading
from collections.abc import Mapping
from dataclasses import dataclass

_CONNECTED = b"\x00"


class AddressesExhausted(Exception):
    """All addresses of the range are taken."""


class AddressPool:
    """Hands out the addresses of one network, each to one holder at a time; threads may share it."""

    def __init__(self, network: ipaddress.IPv4Network) -> None:
        self.network = network
        # The least recently released comes last, so that a client rarely meets a stranger at an old address.
        self._free = [str(address) for address in network.hosts()]
        self._taken: set[str] = set()
        self._lock = threading.Lock()

    def take(self) -> str:
        """An address that nobody holds; raises AddressesExhausted."""
        with self._lock:
            if not self._free:
                raise AddressesExhausted(f"range is full: all addresses of {self.network} are allocated")
            address = self._free.pop(0)
            self._taken.add(address)
            return address

    def release(self, address: str) -> None:
        """Give `address` back; one that isn't ours or isn't taken is left alone."""
        with self._lock:
            if address in self._taken:
                self._taken.remove(address)
                self._free.append(address)


def random_networks(chance: random.Random) -> tuple[ipaddress.IPv4Network, ipaddress.IPv4Network]:
    """Two neighbours 127.a.b.0/24 at random, for Services and for pods, so that clusters rarely meet."""
    high, low = chance.randrange(2, 255), chance.randrange(0, 256, 2)
    return ipaddress.IPv4Network(f"127.{high}.{low}.0/24"), ipaddress.IPv4Network(f"127.{high}.{low + 1}.0/24")


@dataclass(frozen=True, slots=True)
class SandboxRoute:
    """The pod is behind this unix socket, on which a caller first says the port."""

    socket_name: str


@dataclass(frozen=True, slots=True)
class LocalRoute:
    """The pod's ports are ports of 127.0.0.1."""

    ports: Mapping[int, int]


Route = SandboxRoute | LocalRoute


class PodNetwork:
    """The pods' addresses, and the route to each pod that runs."""

    def __init__(self, pool: AddressPool) -> None:
        self._pool = pool
        self._routes: dict[str, Route] = {}
        self._silent: set[str] = set()
        self._lock = threading.Lock()

    def join(self) -> str:
        """An address for a new pod."""
        return self._pool.take()

    def leave(self, address: str) -> None:
        """The pod of `address` is gone."""
        self.withdraw(address)
        self._pool.release(address)

    def publish(self, address: str, route: Route) -> None:
        """The pod of `address` can be reached by `route` from now on."""
        with self._lock:
            self._routes[address] = route
            self._silent.discard(address)

    def withdraw(self, address: str) -> None:
        """Nothing runs in the pod of `address`."""
        with self._lock:
            self._routes.pop(address, None)

    def silence(self, address: str) -> None:
        """Let the pod of `address` hang, for all but its kubelet, until something is started in it again."""
        with self._lock:
            self._silent.add(address)

    def is_silent(self, address: str) -> bool:
        """Whether connections to the pod of `address` are open and carry nothing, in neither direction."""
        with self._lock:
            return address in self._silent

    def route(self, address: str) -> Route | None:
        """The way to the pod of `address`; None when nothing runs there."""
        with self._lock:
            return self._routes.get(address)


async def dial(route: Route, port: int) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    """A connection to `port` of the pod behind `route`; OSError when nothing listens there."""
    match route:
        case LocalRoute(ports=ports):
            if port not in ports:
                raise ConnectionRefusedError(f"nothing listens on port {port} of the pod")
            return await asyncio.open_connection("127.0.0.1", ports[port])
        case SandboxRoute(socket_name=name):
            reader, writer = await asyncio.open_unix_connection(name)
            connected = False
            try:
                writer.write(struct.pack("!H", port))
                connected = await reader.read(1) == _CONNECTED
            finally:
                if not connected:
                    writer.transport.abort()
            if not connected:
                raise ConnectionRefusedError(f"nothing listens on port {port} of the pod")
            return reader, writer
