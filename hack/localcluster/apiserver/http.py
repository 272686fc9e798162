"""The transport: HTTP/1.1 with keep-alive on a loopback socket, one daemon thread for each connection."""

from __future__ import annotations

import contextlib
import socket
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import orjson

from hack.localcluster.apiserver.options import Query
from hack.localcluster.apiserver.status import StatusError, bad_request

#: The real server's limit for a request body.
MAX_BODY_BYTES = 3 * 1024 * 1024
#: How long a server that stops waits for the answers under way: a watch says its last word then.
_LAST_WORDS_S = 1.0


@dataclass(frozen=True, slots=True)
class Request:
    """One request, with its body read."""

    method: str
    path: str
    query: Query
    accept: str
    content_type: str
    user_agent: str
    authorization: str
    host: str
    body: bytes


@dataclass(frozen=True, slots=True)
class Response:
    """One answer: `body` as bytes, or `stream`, an endless body of which each item is a chunk."""

    code: int = 200
    body: bytes = b""
    stream: Iterator[bytes] | None = None
    content_type: str = "application/json"
    warnings: tuple[str, ...] = ()
    headers: dict[str, str] = field(default_factory=dict)

    @classmethod
    def json(cls, value: Any, *, code: int = 200, warnings: tuple[str, ...] = ()) -> Response:
        """A JSON answer."""
        return cls(code=code, body=orjson.dumps(value) + b"\n", warnings=warnings)


Handle = Callable[[Request], Response]


class HttpServer:
    """Serves `handle` on 127.0.0.1; `port` 0 takes a free one."""

    def __init__(self, handle: Handle, *, port: int = 0) -> None:
        self._server = _Server(("127.0.0.1", port), handle)
        self._thread = threading.Thread(
            target=self._server.serve_forever, kwargs={"poll_interval": 0.05}, name="apiserver", daemon=True
        )

    @property
    def port(self) -> int:
        """The port it listens on."""
        return int(self._server.server_address[1])

    def start(self) -> None:
        """Accept connections from now on."""
        self._thread.start()

    def stop(self) -> None:
        """Accept none any more and end those that are open."""
        if self._thread.is_alive():
            self._server.shutdown()
            self._thread.join()
        self._server.server_close()
        self._server.await_answers()
        self._server.close_connections()


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    block_on_close = False
    request_queue_size = 128

    def __init__(self, address: tuple[str, int], handle: Handle) -> None:
        self.handle = handle
        self._connections: set[socket.socket] = set()
        self._guard = threading.Lock()
        self._answered = threading.Condition(self._guard)
        self._answering = 0
        super().__init__(address, _Handler)

    def process_request(self, request: Any, client_address: Any) -> None:
        with self._guard:
            self._connections.add(request)
        super().process_request(request, client_address)

    def shutdown_request(self, request: Any) -> None:
        with self._guard:
            self._connections.discard(request)
        super().shutdown_request(request)

    @contextlib.contextmanager
    def answering(self) -> Iterator[None]:
        """An answer is under way."""
        with self._guard:
            self._answering += 1
        try:
            yield
        finally:
            with self._answered:
                self._answering -= 1
                self._answered.notify_all()

    def await_answers(self) -> None:
        with self._answered:
            self._answered.wait_for(lambda: not self._answering, _LAST_WORDS_S)

    def close_connections(self) -> None:
        with self._guard:
            still_open = list(self._connections)
        for connection in still_open:
            with contextlib.suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Keep quiet about clients that went away: nothing else raises outside of `handle`."""


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    wbufsize = -1
    server: _Server

    def _serve(self) -> None:
        try:
            request = self._read()
        except StatusError as error:
            self.close_connection = True
            self._write(Response.json(error.body(), code=error.code))
            return
        try:
            with self.server.answering():
                self._write(self.server.handle(request))
        except (BrokenPipeError, ConnectionResetError):
            self.close_connection = True

    do_GET = do_POST = do_PUT = do_PATCH = do_DELETE = do_OPTIONS = do_HEAD = _serve  # noqa: N815 - names that the base class calls

    def _read(self) -> Request:
        length = self.headers.get("Content-Length", "0")
        if self.headers.get("Transfer-Encoding"):
            body = self._read_chunks()
        elif not length.isdigit():
            raise bad_request("invalid Content-Length")
        elif int(length) > MAX_BODY_BYTES:
            raise _too_large()
        else:
            body = self.rfile.read(int(length))
        url = urlsplit(self.path)
        query: dict[str, str] = {}
        for key, value in parse_qsl(url.query, keep_blank_values=True):
            query.setdefault(key, value)
        return Request(
            method=self.command,
            path=url.path,
            query=Query(query),
            accept=self.headers.get("Accept", ""),
            content_type=self.headers.get("Content-Type", ""),
            user_agent=self.headers.get("User-Agent", ""),
            authorization=self.headers.get("Authorization", ""),
            host=self.headers.get("Host", ""),
            body=body,
        )

    def _read_chunks(self) -> bytes:
        body = b""
        while True:
            try:
                size = int(self.rfile.readline(64).split(b";")[0], 16)
            except ValueError as error:
                raise bad_request("malformed chunked encoding") from error
            if size < 0 or len(body) + size > MAX_BODY_BYTES:
                raise _too_large()
            body += self.rfile.read(size)
            self.rfile.readline(8)
            if size == 0:
                return body

    def _write(self, response: Response) -> None:
        self.send_response_only(response.code)
        if response.content_type:
            self.send_header("Content-Type", response.content_type)
        for warning in response.warnings:
            self.send_header("Warning", f"299 - {orjson.dumps(warning).decode()}")
        for name, value in response.headers.items():
            self.send_header(name, value)
        if response.stream is None:
            self.send_header("Content-Length", str(len(response.body)))
            self.end_headers()
            if self.command != "HEAD":
                self.wfile.write(response.body)
            self.wfile.flush()
            return
        self.send_header("Transfer-Encoding", "chunked")
        self.end_headers()
        self.wfile.flush()
        for chunk in response.stream:
            self.wfile.write(b"%x\r\n%b\r\n" % (len(chunk), chunk))
            self.wfile.flush()
        self.wfile.write(b"0\r\n\r\n")
        self.wfile.flush()

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - the base class's name
        """Keep quiet: the answers say it all."""


def _too_large() -> StatusError:
    text = f"Request entity too large: limit is {MAX_BODY_BYTES}"
    return StatusError(413, "RequestEntityTooLarge", text)
