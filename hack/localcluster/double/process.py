"""The double as something that is started with arguments and an environment, listens, and ends."""

from __future__ import annotations

import contextlib
import socket
import ssl
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

from hack.localcluster.double import routes, tls, tokens
from hack.localcluster.double.answers import Answer, Problem, bad_request, text_answer, timestamp
from hack.localcluster.double.configuration import MIN_SECRET_CHARACTERS, StartFailed, load
from hack.localcluster.double.request import Request
from hack.localcluster.double.restores import undo_halves
from hack.localcluster.double.state import Row, State

_ANY_HOST = frozenset({"0.0.0.0", "::", ""})
_IDLE_TIMEOUT_S = 60.0


class Double:
    """One double that listens nowhere; construction is the start of its process, and raises StartFailed."""

    def __init__(
        self,
        arguments: Sequence[str],
        environment: Mapping[str, str],
        *,
        resolve: Callable[[str], Path],
        now: Callable[[], float] = time.time,
    ) -> None:
        self._configuration = load(arguments, environment, resolve)
        self._state = State(self._configuration, resolve)
        self._started_at = now()
        try:
            self._state.boot(self._configuration)
            undo_halves(self._state)
            # Only now, as on the server: the administrator of a first start exists already.
            _check_secret(self._configuration.secret)
        except StartFailed:
            self._state.close()
            raise

    def rows(self, table: str) -> dict[str, Row]:
        """The rows of `table` by name, for looking and for meddling."""
        return self._state.tables[table]

    def change_share(self, name: str, **fields: Any) -> None:
        """Change the row of the share `name`, as somebody else could."""
        self.rows("shares")[name].update(fields, updated_at=timestamp())
        self._state.save()

    def close(self) -> None:
        """End the process: its stores are closed when this returns."""
        self._state.close()

    def answer(self, method: str, path: str, authorization: str | None, body: bytes) -> Answer:
        """What the server would answer."""
        found = routes.find(path)
        if not found:
            return text_answer(HTTPStatus.NOT_FOUND, "404 page not found")
        chosen = next(((route, parameters) for route, parameters in found if route.method == method), None)
        if chosen is None:
            methods = ", ".join(sorted({route.method for route, _ in found}))
            return Answer(HTTPStatus.METHOD_NOT_ALLOWED.value, b"", {"Allow": methods})
        route, parameters = chosen
        claims: Mapping[str, Any] = {}
        if not route.open_to_all:
            if not authorization:
                return text_answer(HTTPStatus.UNAUTHORIZED, "Authorization header required")
            token = authorization.removeprefix("Bearer ")
            verified = tokens.verify(self._configuration.secret, token, token_type="access")
            if verified is None:
                return text_answer(HTTPStatus.UNAUTHORIZED, "Invalid or expired token")
            if verified.get("must_change_password") and not route.while_locked:
                account = f'"{verified.get("username")}"'
                words = (
                    f"account {account} must set a new password before performing other operations; "
                    f"run 'dfsctl user change-password' (as {account}) to set one"
                )
                return text_answer(HTTPStatus.FORBIDDEN, words)
            claims = verified
        with self._state.lock:
            request = Request(self._state, self._configuration, self._started_at, parameters, body, claims)
            try:
                return route.handler(request)
            except Problem as problem:
                return problem.answer()
            except ValueError:
                return bad_request("Invalid request body").answer()


class DoubleServer(Double):
    """One running double that listens on a port of 127.0.0.1."""

    def __init__(
        self,
        arguments: Sequence[str],
        environment: Mapping[str, str],
        *,
        resolve: Callable[[str], Path],
        now: Callable[[], float] = time.time,
    ) -> None:
        super().__init__(arguments, environment, resolve=resolve, now=now)
        try:
            tls.context(self._configuration, resolve)
        except StartFailed:
            self.close()
            raise
        self._http = _HttpServer(
            ("127.0.0.1", 0), self._handler_class(), tls=lambda: tls.context(self._configuration, resolve)
        )
        self._thread = threading.Thread(
            target=self._http.serve_forever, kwargs={"poll_interval": 0.05}, name="dittofs-double", daemon=True
        )
        self._thread.start()

    @property
    def port(self) -> int:
        """Where it really listens, on 127.0.0.1."""
        return int(self._http.server_address[1])

    @property
    def ports(self) -> Mapping[int, int]:
        """The ports that can be reached from outside the pod, and where they are on 127.0.0.1."""
        reachable = self._configuration.host in _ANY_HOST
        return {self._configuration.port: self.port} if reachable else {}

    def stop(self) -> None:
        """End the process; its stores are closed when this returns."""
        self._http.shutdown()
        self._http.hang_up()
        self._http.server_close()
        self._thread.join()
        self.close()

    def _handler_class(self) -> type[BaseHTTPRequestHandler]:
        double = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"
            timeout = _IDLE_TIMEOUT_S
            disable_nagle_algorithm = True

            def respond(self) -> None:
                length = int(self.headers.get("Content-Length") or 0)
                body = self.rfile.read(length)
                path = self.path.partition("?")[0]
                answer = double.answer(self.command, path, self.headers.get("Authorization"), body)
                self.send_response(answer.status)
                for name, value in answer.headers.items():
                    self.send_header(name, value)
                if answer.status != HTTPStatus.NO_CONTENT:
                    self.send_header("Content-Length", str(len(answer.body)))
                self.end_headers()
                self.wfile.write(answer.body)

            do_GET = do_POST = do_PUT = do_PATCH = do_DELETE = respond  # noqa: N815 - http.server's names

            def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - http.server's signature
                """Say nothing: a request may carry a password in its path by mistake."""

        return Handler


def _check_secret(secret: str) -> None:
    if len(secret) < MIN_SECRET_CHARACTERS:
        raise StartFailed(
            f"Error: failed to create API server: JWT secret must be at least {MIN_SECRET_CHARACTERS} characters; "
            "set via DITTOFS_CONTROLPLANE_SECRET env var or config"
        )


class _HttpServer(ThreadingHTTPServer):
    # Not daemons: server_close then waits for them, so nothing answers after the end of the "process".
    daemon_threads = False
    request_queue_size = 128

    def __init__(
        self,
        address: tuple[str, int],
        handler: type[BaseHTTPRequestHandler],
        *,
        tls: Callable[[], ssl.SSLContext | None],
    ) -> None:
        self._tls = tls
        super().__init__(address, handler)
        self._connections: set[socket.socket] = set()

    def get_request(self) -> tuple[socket.socket, Any]:
        connection, address = super().get_request()
        context = self._tls()
        if context is None:
            return connection, address
        # The handshake is made by the connection's own thread: one that says nothing holds up nobody else.
        return context.wrap_socket(connection, server_side=True, do_handshake_on_connect=False), address

    def process_request(self, request: Any, client_address: Any) -> None:
        self._connections.add(request)
        super().process_request(request, client_address)

    def shutdown_request(self, request: Any) -> None:
        self._connections.discard(request)
        super().shutdown_request(request)

    def hang_up(self) -> None:
        """Close the connections that are kept open; their threads end."""
        for connection in list(self._connections):
            with contextlib.suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A client that went away is no event."""
