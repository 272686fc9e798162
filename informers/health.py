"""The HTTP side of a manager: /healthz and /readyz as kubelet and kubectl know them, and /metrics for Prometheus."""

from __future__ import annotations

import socket
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlsplit

from prometheus_client import CollectorRegistry
from prometheus_client.exposition import choose_encoder

REQUEST_TIMEOUT_S = 10.0
STOP_POLL_S = 0.1
TEXT = "text/plain; charset=utf-8"


@dataclass(frozen=True, slots=True)
class Answer:
    """What a path answers."""

    status: HTTPStatus
    body: bytes
    content_type: str = TEXT


#: A check gives what is wrong, or None.
Check = Callable[[], str | None]

#: From the path below the route, the query and the headers (names in lower case) to an answer.
Route = Callable[[str, Mapping[str, list[str]], Mapping[str, str]], Answer]


class Checks:
    """Named checks under one path. All at the path itself, each at its own sub-path; `ping` is always there."""

    def __init__(self, title: str, *, logger: Any) -> None:  # noqa: ANN401 - structlog's bound loggers share no type
        self._title = title
        self._logger = logger
        self._checks: dict[str, Check] = {"ping": lambda: None}

    def add(self, name: str, check: Check) -> None:
        """Add a check; ValueError when there is one of that name."""
        if name in self._checks:
            raise ValueError(f"there is a check {name!r} already")
        self._checks[name] = check

    def answer(self, path: str, query: Mapping[str, list[str]], headers: Mapping[str, str]) -> Answer:  # noqa: ARG002 - a Route
        """`?verbose` lists the checks, `?exclude=name` leaves one out; failures are listed always, reasons never."""
        name = path.strip("/")
        if name:
            if name not in self._checks:
                return _NOT_FOUND
            failed = self._fails(name)
            return Answer(HTTPStatus.INTERNAL_SERVER_ERROR, b"failed: reason withheld\n") if failed else _OK
        excluded = set(query.get("exclude", ()))
        lines = []
        ok = True
        for known in tuple(self._checks):
            if known in excluded:
                lines.append(f"[+]{known} excluded: ok")
            elif self._fails(known):
                ok = False
                lines.append(f"[-]{known} failed: reason withheld")
            else:
                lines.append(f"[+]{known} ok")
        lines += [f"warn: no check {unknown!r} to exclude" for unknown in sorted(excluded - set(self._checks))]
        if ok and "verbose" not in query:
            return _OK
        lines.append(f"{self._title} check {'passed' if ok else 'failed'}")
        status = HTTPStatus.OK if ok else HTTPStatus.INTERNAL_SERVER_ERROR
        return Answer(status, ("\n".join(lines) + "\n").encode())

    def _fails(self, name: str) -> bool:
        try:
            wrong = self._checks[name]()
        except Exception:
            self._logger.exception("check raised", title=self._title, check=name)
            return True
        if wrong is not None:
            self._logger.warning("check failed", title=self._title, check=name, reason=wrong)
        return wrong is not None


def metrics_route(registry: CollectorRegistry) -> Route:
    """What /metrics answers: everything in `registry`, in the format that the Accept header asks for."""

    def answer(path: str, query: Mapping[str, list[str]], headers: Mapping[str, str]) -> Answer:  # noqa: ARG001 - a Route
        if path:
            return _NOT_FOUND
        encode, content_type = choose_encoder(headers.get("accept") or "")
        return Answer(HTTPStatus.OK, encode(registry), content_type)

    return answer


class HttpServer:
    """Answers GET and HEAD on one address, in threads; slow clients are cut off."""

    def __init__(self, address: str, routes: Mapping[str, Route]) -> None:
        """Bind `address` (`host:port`, `:port` for all interfaces, port 0 for any); OSError when it can't be."""
        host, port = parse_address(address)

        class Handler(_Handler):
            pass

        Handler.routes = dict(routes)
        self._server = _Server(host, port, Handler)
        self._started = False
        self.host: str = self._server.server_name
        self.port: int = self._server.server_port

    def start(self) -> None:
        """Answer from now on."""
        self._started = True
        serve = self._server.serve_forever
        threading.Thread(target=serve, args=(STOP_POLL_S,), name=f"http-{self.port}", daemon=True).start()

    def stop(self) -> None:
        """Answer no more and let go of the address."""
        if self._started:  # the server's own shutdown would wait for ever otherwise
            self._server.shutdown()
        self._server.server_close()


def is_off(address: str) -> bool:
    """Whether `address` means that there is to be no server: empty or `0`."""
    return address in ("", "0")


def parse_address(address: str) -> tuple[str, int]:
    """Host and port of `host:port`, `:port` or `[v6]:port`; ValueError with a remedy for anything else."""
    host, colon, port = address.rpartition(":")
    if not colon or not port.isascii() or not port.isdigit() or int(port) > 65535:
        raise ValueError(f"address {address!r} must look like 127.0.0.1:8080 or :8080, or be 0 to switch it off")
    return host.removeprefix("[").removesuffix("]"), int(port)


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    block_on_close = False

    def __init__(self, host: str, port: int, handler: type[BaseHTTPRequestHandler]) -> None:
        everywhere = not host
        if ":" in host or (everywhere and socket.has_dualstack_ipv6()):
            self.address_family = socket.AF_INET6
        self._dual_stack = everywhere and self.address_family is socket.AF_INET6
        super().__init__((host, port), handler)

    def server_bind(self) -> None:
        # HTTPServer would look up its own name here, which can take seconds where there is no resolver.
        if self._dual_stack:
            self.socket.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 0)
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        self.socket.bind(self.server_address)
        bound = self.socket.getsockname()
        self.server_address = bound
        self.server_name, self.server_port = bound[:2]

    def handle_error(self, request: Any, client_address: Any) -> None:  # noqa: ANN401 - the base class' signature
        """A client that went away is nobody's concern."""


class _Handler(BaseHTTPRequestHandler):
    routes: Mapping[str, Route] = {}
    timeout = REQUEST_TIMEOUT_S
    server_version = ""
    sys_version = ""

    def do_GET(self) -> None:
        self._answer(body=True)

    def do_HEAD(self) -> None:
        self._answer(body=False)

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the base class' signature
        """Probes and scrapes are not worth a line each."""

    def _answer(self, *, body: bool) -> None:
        url = urlsplit(self.path)
        answer = _NOT_FOUND
        for prefix, route in self.routes.items():
            if url.path == prefix or url.path.startswith(f"{prefix}/"):
                query = parse_qs(url.query, keep_blank_values=True)
                answer = route(
                    url.path[len(prefix) :], query, {name.lower(): value for name, value in self.headers.items()}
                )
        self.send_response(answer.status)
        self.send_header("Content-Type", answer.content_type)
        self.send_header("X-Content-Type-Options", "nosniff")
        self.send_header("Content-Length", str(len(answer.body)))
        self.end_headers()
        if body:
            self.wfile.write(answer.body)


_OK = Answer(HTTPStatus.OK, b"ok")
_NOT_FOUND = Answer(HTTPStatus.NOT_FOUND, b"404 page not found\n")
