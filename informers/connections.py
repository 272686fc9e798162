"""Connections whose blocked calls can be ended from another thread, whatever they wait for.

urllib3 has no handle on a request before its answer's headers arrived. Here each connection tells the `Interruption`
that its thread is under, which can then shut the socket down: the blocked read ends at once.
"""

from __future__ import annotations

import contextlib
import http.client
import io
import socket
import ssl
import threading
from collections.abc import Callable, Iterator
from typing import Any, cast

import urllib3
import urllib3.exceptions
from urllib3.connection import HTTPConnection

#: Bytes that are read from a socket at once, if there are so many.
READ_BYTES = 65536

#: What going wrong on the way looks like; none of it leaves the client.
TRANSPORT_ERRORS = (urllib3.exceptions.HTTPError, http.client.HTTPException, ssl.SSLError, OSError)


def explain(error: BaseException) -> str:
    """What is at the bottom of `error`, in one line; what urllib3 says of its pools and objects is left out."""
    inner = [cause for cause in (getattr(error, "reason", None), *error.args) if isinstance(cause, BaseException)]
    if inner:
        return explain(inner[0])
    text = str(error)
    if isinstance(error, urllib3.exceptions.HTTPError):
        text = text.rpartition(": ")[2]
    return " ".join(text.split()) or type(error).__name__


class Interruption:
    """Ends what one thread waits for, from another one. Lasting: after `interrupt` every further call fails too."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._socket: socket.socket | None = None
        #: Whether `interrupt` was called.
        self.interrupted = False

    def interrupt(self) -> None:
        """Ends the call in flight (it raises in its own thread) and refuses all later ones. Idempotent."""
        with self._lock:
            self.interrupted = True
            if self._socket is not None:
                _shut_down(self._socket)

    @contextlib.contextmanager
    def over_this_thread(self) -> Iterator[None]:
        """While inside, requests that the calling thread sends can be interrupted."""
        outer = _current()
        _THREAD.interruption = self
        try:
            yield
        finally:
            _THREAD.interruption = outer

    def attach(self, used: socket.socket) -> None:
        """From now on `used` is the socket to shut down; raises `InterruptedError` when already interrupted."""
        with self._lock:
            if self.interrupted:
                _shut_down(used)
                raise InterruptedError("interrupted before the request was sent")
            self._socket = used

    def set_timeout(self, seconds: float) -> None:
        """The longest silence that the call in flight takes from now on; for its own thread only."""
        with self._lock:
            if self._socket is not None and not self.interrupted:
                self._socket.settimeout(seconds)

    def release(self) -> None:
        """The call is over and its connection may serve another one: a later `interrupt` leaves it alone."""
        with self._lock:
            self._socket = None


@contextlib.contextmanager
def asked_before_sending(check: Callable[[], object]) -> Iterator[None]:
    """While inside, each request of this thread asks `check` and is sent in one piece: what that raises stops it.

    Opening a connection takes time, in which what allowed the request may have ended.
    """
    _THREAD.check = check
    try:
        yield
    finally:
        _THREAD.check = None


def make_interruptible(manager: urllib3.PoolManager) -> None:
    """Lets `manager` open only connections that obey the interruption of the thread that uses them."""
    manager.pool_classes_by_scheme = {
        scheme: _interruptible(cast("type[urllib3.HTTPConnectionPool]", pool))
        for scheme, pool in manager.pool_classes_by_scheme.items()
    }


def _interruptible(pool: type[urllib3.HTTPConnectionPool]) -> type[urllib3.HTTPConnectionPool]:
    connection = type("InterruptibleConnection", (_InterruptibleMixin, pool.ConnectionCls), {})
    return type("InterruptiblePool", (pool,), {"ConnectionCls": connection})


class _Answer(http.client.HTTPResponse):
    """Read from the socket in large pieces: a watch that has much to tell comes with few calls of the system."""

    def __init__(self, sock: socket.socket, *args: Any, **kwargs: Any) -> None:  # noqa: ANN401  # passed on as they are
        super().__init__(sock, *args, **kwargs)
        self.fp = io.BufferedReader(self.fp.detach(), READ_BYTES)


class _InterruptibleMixin(HTTPConnection):
    response_class = _Answer

    #: The pieces of a request that is asked about before it is sent.
    _held: list[bytes] | None = None

    def request(self, *args: Any, **kwargs: Any) -> None:  # noqa: ANN401  # passed on as they are
        interruption, check = _current(), getattr(_THREAD, "check", None)
        if self.sock is None and (interruption is not None or check is not None):
            self.connect()
        if interruption is not None:
            interruption.attach(self.sock)
        if check is None:
            super().request(*args, **kwargs)
            return
        # Nothing is between the question and the bytes: a process that is paused halfway would send the rest when it
        # wakes, as the leader that it no longer is.
        self._held = []
        try:
            super().request(*args, **kwargs)
            whole = b"".join(self._held)
        finally:
            self._held = None
        check()
        self.send(whole)

    def send(self, data: Any) -> None:  # noqa: ANN401  # as its base has it
        if self._held is None:
            super().send(data)
        else:
            self._held.append(data)


def _current() -> Interruption | None:
    return getattr(_THREAD, "interruption", None)


def _shut_down(used: socket.socket) -> None:
    # SSLSocket.shutdown would also drop the TLS state under the reading thread: shut down only what is below it
    with contextlib.suppress(OSError):
        if isinstance(used, socket.socket):
            socket.socket.shutdown(used, socket.SHUT_RDWR)


_THREAD = threading.local()
