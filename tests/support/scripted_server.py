"""A real HTTP server on loopback whose every answer a test has written down, chunk by chunk."""

from __future__ import annotations

import contextlib
import http.server
import json
import queue
import socket
import ssl
import struct
import threading
from collections import deque
from dataclasses import dataclass, field
from types import TracebackType
from typing import Any, Self
from urllib.parse import parse_qsl, urlsplit

#: A test that would hang fails after this many real seconds.
LIMIT_S = 20.0


@dataclass(frozen=True)
class Request:
    """One request as the server read it."""

    method: str
    path: str
    query: dict[str, str]
    headers: dict[str, str]
    body: Any

    @property
    def kind(self) -> str:
        """`watch`, `list` (any other GET) or the method."""
        if self.method == "GET":
            return "watch" if "watch" in self.query else "list"
        return self.method


@dataclass(frozen=True)
class Answer:
    """A whole answer; `hold` delays its first byte until set."""

    body: Any = None
    status: int = 200
    headers: dict[str, str] = field(default_factory=dict)
    hold: threading.Event | None = None


class Drop:
    """Instead of an answer: the connection is reset after the request was read."""


class Stream:
    """A chunked answer that the test writes while it is being read. `hold` delays its headers until set."""

    def __init__(self, *, hold: threading.Event | None = None) -> None:
        self.hold = hold
        self.steps: queue.SimpleQueue[bytes | str] = queue.SimpleQueue()

    def event(self, kind: str, obj: dict[str, Any]) -> Stream:
        """Send one event in one chunk."""
        return self.raw(line(kind, obj))

    def raw(self, data: bytes) -> Stream:
        """Send `data` as one chunk."""
        self.steps.put(data)
        return self

    def end(self) -> Stream:
        """End the answer in good order."""
        self.steps.put("end")
        return self

    def cut(self) -> Stream:
        """Reset the connection."""
        self.steps.put("cut")
        return self


Script = Answer | Drop | Stream


class ScriptedServer:
    """Answers requests from scripts, one script per kind of request (`Request.kind`), in order.

    When a script is used up, a watch gets an idle stream and everything else a 501 that says so.
    """

    def __init__(self, *, tls: ssl.SSLContext | None = None) -> None:
        self.requests: list[Request] = []
        self._scripts: dict[str, deque[Script]] = {}
        self._changed = threading.Condition()
        self._streams: list[Stream] = []
        self._closing = threading.Event()
        owner = self

        class Handler(_Handler):
            server_owner = owner

        self._server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self._server.block_on_close = False
        if tls is not None:
            self._server.socket = tls.wrap_socket(self._server.socket, server_side=True)
        self.url = f"{'https' if tls else 'http'}://127.0.0.1:{self._server.server_port}"
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.02,), daemon=True)
        self._thread.start()

    def script(self, kind: str, *answers: Script) -> None:
        """Append `answers` to what requests of `kind` get."""
        with self._changed:
            self._scripts.setdefault(kind, deque()).extend(answers)

    def seen(self, kind: str) -> list[Request]:
        """The requests of `kind` so far."""
        with self._changed:
            return [request for request in self.requests if request.kind == kind]

    def until_seen(self, kind: str, count: int) -> list[Request]:
        """Block until `count` requests of `kind` came; give them all."""
        with self._changed:
            came = self._changed.wait_for(
                lambda: sum(request.kind == kind for request in self.requests) >= count, LIMIT_S
            )
        assert came, f"{len(self.seen(kind))} instead of {count} requests of kind {kind}"
        return self.seen(kind)

    def close(self) -> None:
        """Break off everything and stop listening."""
        self._closing.set()
        with self._changed:
            for stream in self._streams:
                stream.cut()
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def take(self, request: Request) -> Script:
        """What to answer to `request`, which is recorded."""
        with self._changed:
            self.requests.append(request)
            self._changed.notify_all()
            script = self._scripts.get(request.kind)
            if script:
                answer = script.popleft()
            elif request.kind == "watch":
                answer = Stream()
            else:
                answer = Answer(status(501, "NotImplemented", f"no script for {request}"), status=501)
            if isinstance(answer, Stream):
                self._streams.append(answer)
            return answer

    def hold(self, until: threading.Event | None) -> None:
        """Block until the event is set or the server closes."""
        while until is not None and not until.wait(0.02) and not self._closing.is_set():
            pass


class _Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    server_owner: ScriptedServer

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002  # the base class's name
        pass

    def handle(self) -> None:
        with contextlib.suppress(OSError):
            super().handle()

    def _answer(self) -> None:
        url = urlsplit(self.path)
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        request = Request(
            self.command,
            url.path,
            dict(parse_qsl(url.query)),
            {name.lower(): value for name, value in self.headers.items()},
            json.loads(body) if body else None,
        )
        answer = self.server_owner.take(request)
        match answer:
            case Drop():
                self._reset()
            case Answer():
                self.server_owner.hold(answer.hold)
                self._whole(answer)
            case Stream():
                self.server_owner.hold(answer.hold)
                self._stream(answer)

    do_GET = do_POST = do_PUT = do_PATCH = do_DELETE = _answer  # noqa: N815  # the base class's names

    def _whole(self, answer: Answer) -> None:
        data = answer.body if isinstance(answer.body, bytes) else json.dumps(answer.body).encode()
        self.send_response(answer.status)
        for name, value in {"Content-Length": str(len(data)), **answer.headers}.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(data)

    def _stream(self, stream: Stream) -> None:
        self.send_response(200)
        self.send_header("Transfer-Encoding", "chunked")
        self.end_headers()
        while True:
            match stream.steps.get():
                case bytes() as data:
                    self.wfile.write(b"%x\r\n%s\r\n" % (len(data), data))
                    self.wfile.flush()
                case "end":
                    self.wfile.write(b"0\r\n\r\n")
                    return
                case _:
                    self._reset()
                    return

    def _reset(self) -> None:
        self.close_connection = True
        self.wfile.flush()
        self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.connection.close()


def line(kind: str, obj: dict[str, Any]) -> bytes:
    """One event of a watch, as it is sent."""
    return json.dumps({"type": kind, "object": obj}).encode() + b"\n"


def status(code: int, reason: str, message: str = "", **details: Any) -> dict[str, Any]:
    """A Status object."""
    return {
        "kind": "Status",
        "apiVersion": "v1",
        "status": "Failure",
        "code": code,
        "reason": reason,
        "message": message or reason,
        "details": details,
    }


def refusal(
    code: int, reason: str, message: str = "", *, headers: dict[str, str] | None = None, **details: Any
) -> Answer:
    """An answer that refuses, with its Status."""
    return Answer(status(code, reason, message, **details), status=code, headers=headers or {})


def page(*objects: dict[str, Any], version: str, continue_token: str = "") -> Answer:
    """One page of a list."""
    metadata = {"resourceVersion": version} | ({"continue": continue_token} if continue_token else {})
    return Answer({"kind": "ConfigMapList", "apiVersion": "v1", "metadata": metadata, "items": list(objects)})


def config_map(
    name: str, version: str | int, *, uid: str = "", namespace: str = "default", **more: Any
) -> dict[str, Any]:
    """A small object, as the server sends it."""
    metadata = {
        "name": name,
        "namespace": namespace,
        "uid": uid or f"uid-{name}",
        "resourceVersion": str(version),
    }
    return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": metadata | more.pop("metadata", {}), **more}
