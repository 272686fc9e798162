"""The simulated network: sockets whose bytes take time, and servers that answer HTTP without listening anywhere.

Everything above the socket is real: urllib3, http.client, chunks, time-outs, broken connections.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol
from urllib.parse import unquote

from hack.simulation.http import HttpRequest, HttpResponse, chunked, head
from hack.simulation.scheduler import Process, Scheduler, Task
from hack.simulation.sockets import SimulatedSocket

#: How long a hop takes at least and at most.
HOP_S = (0.0002, 0.003)


class Server(Protocol):
    """What answers at an address."""

    name: str

    def answer(self, request: HttpRequest) -> HttpResponse:
        """The answer to one request; never waits, except within a stream."""


@dataclass(frozen=True, slots=True)
class Chunk:
    """What becomes of one chunk of a stream: which bytes go out, after how long, and whether it is the last."""

    parts: tuple[bytes, ...]
    delay_s: float = 0.0
    reset: bool = False
    silence: bool = False


class Disturbance(Protocol):
    """What goes wrong; every method is asked once for each thing that happens."""

    def on_connect(self, process: Process, server: str) -> str:
        """Empty, `refused` or `silent`."""

    def handle(self, server: Server, request: HttpRequest) -> tuple[HttpResponse | None, float, bool]:
        """Answer in the place of the server: an answer (None: never), its delay, and whether the connection breaks."""

    def on_chunk(self, connection: Connection, chunk: bytes) -> Chunk:
        """What becomes of a chunk of a stream."""


class Connection:
    """One TCP connection, both ends of it."""

    def __init__(self, network: Network, process: Process, server: Server) -> None:
        self.network = network
        self.process = process
        self.server = server
        self.watching: HttpRequest | None = None
        self.silenced = False
        self._inbox: deque[bytes] = deque()
        self._sent = bytearray()
        self._arrives_at = 0.0
        self._reader: Task | None = None
        self.is_reset = False
        self._has_ended = False
        self.closed = False
        self._streams: list[Task] = []

    # --- the client's end

    def send(self, data: bytes) -> None:
        """Send; raises what a broken connection raises."""
        if self.is_reset:
            raise ConnectionResetError(104, "Connection reset by peer")
        if self._has_ended or self.closed:
            raise BrokenPipeError(32, "Broken pipe")
        self._sent += data
        while (request := self._next_request()) is not None:
            self.network.take(self, request)

    def receive(self, buffer: memoryview, timeout_s: float | None) -> int:
        """Wait for bytes; 0 at the end, TimeoutError after `timeout_s` seconds of silence."""
        scheduler = self.network.scheduler
        while not self._inbox:
            if self.is_reset:
                raise ConnectionResetError(104, "Connection reset by peer")
            if self._has_ended or self.closed:
                return 0
            self._reader = scheduler.current
            woken = scheduler.block(timeout_s)
            self._reader = None
            if not woken and not self._inbox and not self.is_reset and not self._has_ended and not self.closed:
                raise TimeoutError("timed out")
        data = self._inbox.popleft()
        size = min(len(data), len(buffer))
        buffer[:size] = data[:size]
        if size < len(data):
            self._inbox.appendleft(data[size:])
        return size

    def is_readable(self) -> bool:
        """Whether `receive` would not wait."""
        return bool(self._inbox) or self.is_reset or self._has_ended or self.closed

    def close(self) -> None:
        """The client's end is closed; the server's side of a stream notices."""
        if not self.closed:
            self.closed = True
            self.network.connections.pop(self, None)
            self._wake()

    # --- the server's end

    def deliver(self, data: bytes, delay_s: float = 0.0, *, then: str = "") -> None:
        """Let `data` arrive after what was sent before it, and then `end` or `reset` the connection."""
        scheduler = self.network.scheduler
        at = max(self._arrives_at, scheduler.now + self.network.hop_s() + delay_s)
        self._arrives_at = at

        def arrive() -> None:
            if self.closed or self.is_reset or self._has_ended or self.silenced:
                return
            if data:
                self._inbox.append(data)
            if then == "end":
                self._has_ended = True
            if then == "reset":
                self.is_reset = True
            self._wake()

        scheduler.at(at - scheduler.now, arrive)

    def reset(self) -> None:
        """Break it, at once."""
        self.is_reset = True
        self.network.connections.pop(self, None)
        self._wake()

    @property
    def is_open(self) -> bool:
        """Whether the server may still send something."""
        return not (self.closed or self.is_reset or self._has_ended)

    def _wake(self) -> None:
        if self._reader is not None:
            self.network.scheduler.wake(self._reader)

    def _next_request(self) -> HttpRequest | None:
        start, separator, rest = bytes(self._sent).partition(b"\r\n\r\n")
        if not separator:
            return None
        first, *lines = start.decode("latin-1").split("\r\n")
        headers = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in lines)}
        length = int(headers.get("content-length") or 0)
        if len(rest) < length:
            return None
        self._sent = bytearray(rest[length:])
        method, target, _ = first.split(" ")
        path, _, query = target.partition("?")
        number = self.network.next_number()
        return HttpRequest(self.process, method, unquote(path), path, query, headers, rest[:length], number)


class Network:
    """Connects processes with servers. `find` gives the server at an address, None where nobody listens."""

    def __init__(
        self,
        scheduler: Scheduler,
        *,
        find: Callable[[str, int], Server | None],
        disturbance: Disturbance,
        trace: Callable[[str, str], None],
    ) -> None:
        self.scheduler = scheduler
        self.disturbance = disturbance
        self.trace = trace
        #: Those that are open, in the order of their making.
        self.connections: dict[Connection, None] = {}
        self._find = find
        self._requests = 0
        self._sockets: list[SimulatedSocket] = []

    def hop_s(self) -> float:
        """How long the next hop takes."""
        low, high = HOP_S
        return low + (high - low) * self.scheduler.random.random()

    def next_number(self) -> int:
        """Numbers requests."""
        self._requests += 1
        return self._requests

    def connect(self, address: tuple[str, int], timeout_s: float | None) -> SimulatedSocket:
        """Open a connection for the process that asks."""
        process = self.scheduler.process
        server = self._find(*address)
        fate = self.disturbance.on_connect(process, server.name if server is not None else address[0])
        if fate == "silent":
            self.scheduler.sleep(timeout_s or 0.0)
            raise TimeoutError("timed out")
        self.scheduler.sleep(self.hop_s())
        if server is None or fate == "refused":
            raise ConnectionRefusedError(111, "Connection refused")
        connection = Connection(self, process, server)
        self.connections[connection] = None
        self._sockets.append(SimulatedSocket(connection, timeout_s))
        return self._sockets[-1]

    def take(self, connection: Connection, request: HttpRequest) -> None:
        """Let `request` arrive."""

        def arrive() -> None:
            # A request that is under way arrives even if its sender dies meanwhile; what is reset does not.
            if connection.is_reset:
                return
            response, delay_s, breaks = self.disturbance.handle(connection.server, request)
            code = "never answered" if response is None else str(response.status)
            self.trace(
                request.process.name,
                f"#{request.number} {request.method} {connection.server.name} {request.path} -> {code}"
                + (" (connection breaks)" if breaks else ""),
            )
            if response is None:
                if breaks:
                    connection.deliver(b"", delay_s, then="reset")
                return
            if response.stream is not None:
                self._stream(connection, request, response, delay_s)
                return
            connection.deliver(head(response) + response.body, delay_s, then="reset" if breaks else "")

        self.scheduler.at(self.hop_s(), arrive)

    def _stream(self, connection: Connection, request: HttpRequest, response: HttpResponse, delay_s: float) -> None:
        connection.watching = request
        connection.deliver(head(response), delay_s)
        chunks = response.stream
        assert chunks is not None

        def send() -> None:
            for chunk in chunks:
                if not connection.is_open:
                    return
                fate = self.disturbance.on_chunk(connection, chunk)
                for part in fate.parts:
                    connection.deliver(chunked(part), fate.delay_s)
                if fate.silence:
                    connection.silenced = True
                if fate.reset:
                    connection.deliver(b"", then="reset")
                    return
            connection.deliver(b"0\r\n\r\n")
            connection.watching = None

        self.scheduler.spawn(send, name=f"stream {request.path}", process=self.scheduler.machine)

    def end(self) -> None:
        """Let nothing outside hold on to what is inside."""
        for made in self._sockets:
            made.forget()
        self._sockets.clear()
        self.connections.clear()

    def break_all(self, chosen: Callable[[Connection], bool]) -> None:
        """Reset the open connections that `chosen` takes."""
        for connection in [connection for connection in self.connections if chosen(connection)]:
            connection.reset()
