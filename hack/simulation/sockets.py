"""The client's end of a simulated connection."""

from __future__ import annotations

import io
import socket
from typing import Any, Protocol


class Wire(Protocol):
    """What a socket is the end of."""

    def send(self, data: bytes) -> None:
        """Send."""

    def receive(self, buffer: memoryview, timeout_s: float | None) -> int:
        """Wait for bytes."""

    def is_readable(self) -> bool:
        """Whether `receive` would not wait."""

    def close(self) -> None:
        """Close."""


class SimulatedSocket:
    """The client's end of a connection, with what http.client and urllib3 use of a socket."""

    def __init__(self, connection: Wire, timeout_s: float | None) -> None:
        self.connection: Wire = connection
        self._timeout_s = timeout_s
        self._io_refs = 0
        self._closed = False

    def forget(self) -> None:
        """The run is over: a pool that still holds this socket must not hold on to all of the run."""
        self.connection = _NOTHING

    def sendall(self, data: bytes) -> None:
        """Send all."""
        self.connection.send(bytes(data))

    def recv_into(self, buffer: Any) -> int:
        """Receive what fits."""
        return self.connection.receive(memoryview(buffer).cast("B"), self._timeout_s)

    def makefile(self, mode: str = "rb", buffering: int | None = None) -> io.BufferedReader:
        """A file to read from."""
        del mode, buffering
        self._io_refs += 1
        return io.BufferedReader(socket.SocketIO(self, "r"))  # type: ignore[arg-type]

    def _decref_socketios(self) -> None:
        self._io_refs -= 1
        if self._closed:
            self.close()

    def close(self) -> None:
        """Close, once the files are closed too."""
        self._closed = True
        if self._io_refs <= 0:
            self.connection.close()

    def shutdown(self, how: int) -> None:
        """End what waits to receive."""
        del how
        self.connection.close()

    def settimeout(self, seconds: float | None) -> None:
        """How long to wait for bytes."""
        self._timeout_s = seconds

    def gettimeout(self) -> float | None:
        """How long it waits for bytes."""
        return self._timeout_s

    def setsockopt(self, *_: Any) -> None:
        """Nothing to set."""

    def fileno(self) -> int:
        """There is no descriptor."""
        return -1

    def is_readable(self) -> bool:
        """Whether to receive would not wait."""
        return self.connection.is_readable()


class _Nothing:
    def send(self, data: bytes) -> None:  # noqa: ARG002 - a Wire
        raise BrokenPipeError(32, "Broken pipe")

    def receive(self, buffer: memoryview, timeout_s: float | None) -> int:  # noqa: ARG002 - a Wire
        return 0

    def is_readable(self) -> bool:
        return True

    def close(self) -> None:
        pass


_NOTHING = _Nothing()
