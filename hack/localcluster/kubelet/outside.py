"""Servers of this machine that pods reach under a name: the only way out of a sandbox.

The sandbox listens, where its process connects to, and hands the listening sockets over; who calls there is connected
to the server from this side.
"""

from __future__ import annotations

import asyncio
import contextlib
import ipaddress
import socket
import threading
from collections.abc import Sequence
from dataclasses import dataclass

_BUFFER_BYTES = 1 << 18
#: Where names are reached in every sandbox; no pod and no Service has these addresses.
_NETWORK = ipaddress.IPv4Network("10.255.0.0/24")


@dataclass(frozen=True, slots=True)
class OutsideServer:
    """What pods reach as `host`, a name or an IPv4 address, at `port`: `local_port` of this machine's 127.0.0.1."""

    host: str
    port: int
    local_port: int


def addresses(servers: Sequence[OutsideServer]) -> dict[str, str]:
    """The address in a sandbox of each host."""
    free = _NETWORK.hosts()
    return {host: _literal(host) or str(next(free)) for host in dict.fromkeys(server.host for server in servers)}


class WayOut:
    """Connects the callers of one sandbox, in a thread that ends with the sandbox."""

    def __init__(self, servers: Sequence[OutsideServer]) -> None:
        self._servers = servers
        self._ours, self._theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_STREAM)
        self._connections: set[asyncio.Task[None]] = set()
        self._thread = threading.Thread(target=self._run, name="way-out", daemon=True)

    @property
    def channel(self) -> int:
        """The open socket over which the sandbox's first process sends its listening ones, in the servers' order."""
        return self._theirs.fileno()

    def start(self) -> None:
        """Begin, once the sandbox has the channel."""
        self._theirs.close()
        self._thread.start()

    def join(self) -> None:
        """Wait for the end, which the sandbox's end brings."""
        self._thread.join()

    def _run(self) -> None:
        with contextlib.closing(self._ours):
            _, numbers, _, _ = socket.recv_fds(self._ours, 1, len(self._servers))
            listeners = [socket.socket(fileno=number) for number in numbers]
            with contextlib.ExitStack() as stack:
                for listener in listeners:
                    stack.enter_context(listener)
                if listeners:  # none: it ended before it had any
                    asyncio.run(self._serve(listeners))

    async def _serve(self, listeners: Sequence[socket.socket]) -> None:
        loop, ended = asyncio.get_running_loop(), asyncio.Event()
        loop.add_reader(self._ours, ended.set)
        for listener, server in zip(listeners, self._servers, strict=True):
            listener.setblocking(False)
            loop.add_reader(listener, self._accept, listener, server.local_port)
        await ended.wait()
        for reader in (self._ours, *listeners):
            loop.remove_reader(reader)
        for connection in self._connections:
            connection.cancel()
        await asyncio.gather(*self._connections, return_exceptions=True)
        await asyncio.sleep(0)  # what was aborted is closed

    def _accept(self, listener: socket.socket, port: int) -> None:
        try:
            accepted, _ = listener.accept()
        except (BlockingIOError, ConnectionAbortedError):
            return  # The caller is gone again.
        connection = asyncio.get_running_loop().create_task(_connect(accepted, port))
        self._connections.add(connection)
        connection.add_done_callback(self._connections.discard)


async def _connect(accepted: socket.socket, port: int) -> None:
    writers = []
    try:
        reader, writer = await asyncio.open_connection(sock=accepted)
        writers.append(writer)
        with contextlib.suppress(OSError):  # the caller finds its connection closed
            outer_reader, outer_writer = await asyncio.open_connection("127.0.0.1", port)
            writers.append(outer_writer)
            await asyncio.gather(_copy(reader, outer_writer), _copy(outer_reader, writer))
    finally:
        for writer in writers:
            writer.transport.abort()


async def _copy(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    try:
        while data := await reader.read(_BUFFER_BYTES):
            writer.write(data)
            await writer.drain()
        writer.write_eof()
    except OSError:
        # One half broke: the other one must not wait for ever for its end.
        writer.transport.abort()


def _literal(host: str) -> str:
    try:
        return str(ipaddress.IPv4Address(host))
    except ipaddress.AddressValueError:
        return ""
