"""An API server of pods that costs next to nothing: every byte it sends is made before it is asked for.

The first part of the path says how many: `/OBJECTS-EVENTS/api/v1/pods` lists OBJECTS pods, and a watch of it sends
EVENTS events (each pod appears, then each changes, and so on), then only bookmarks. One Lease is kept as well.
`python -m hack.bench.server OBJECTS EVENTS` prints its URL and ends when its standard input does.
"""

from __future__ import annotations

import functools
import http.server
import itertools
import sys
import threading
from collections.abc import Iterator
from types import TracebackType
from typing import Any, Self
from urllib.parse import parse_qsl, urlsplit

import orjson

from hack.bench import pods

BOOKMARK_INTERVAL_S = 10.0

#: Pods among which the events of a watch go round.
CHANGING = 1000

#: Events in one write.
_BATCH = 256

#: The version that bookmarks tell: later than every other.
_LATEST = 1_000_000

_PODS = "/api/v1/pods"
_LEASES = "/apis/coordination.k8s.io/v1/namespaces/default/leases"
_NO_LEASE = {"kind": "Status", "apiVersion": "v1", "status": "Failure", "reason": "NotFound", "code": 404}


class PodServer:
    """The server, on a free port of loopback, in threads of this process."""

    def __init__(self) -> None:
        self._server = _Server(("127.0.0.1", 0), _Handler)
        self._thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)

    def url(self, *, objects: int = 0, events: int = 0) -> str:
        """Where an API server with this content is."""
        return f"http://127.0.0.1:{self._server.server_port}/{objects}-{events}"

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._server.stopping.set()
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()


def event(number: int) -> bytes:
    """Event `number` of a watch, as one line."""
    return _line(b"ADDED" if number < CHANGING else b"MODIFIED", pods.encoded(number % CHANGING, number + 1))


@functools.cache
def _initial(objects: int) -> list[bytes]:
    return _pieces(_line(b"ADDED", pods.encoded(number, number + 1)) for number in range(objects))


@functools.cache
def _events(events: int) -> list[bytes]:
    return _pieces(event(number) for number in range(events))


def _pieces(lines: Iterator[bytes]) -> list[bytes]:
    """Many in one piece, so that no reader is measured waiting for this server."""
    return list(iter(lambda: b"".join(_chunk(line) for line in itertools.islice(lines, _BATCH)), b""))


def _line(kind: bytes, obj: bytes) -> bytes:
    return b'{"type":"' + kind + b'","object":' + obj + b"}\n"


def _bookmark(version: int, annotations: dict[str, str]) -> bytes:
    metadata = {"resourceVersion": str(version), "annotations": annotations}
    return _line(b"BOOKMARK", orjson.dumps({"apiVersion": "v1", "kind": "Pod", "metadata": metadata}))


class _Server(http.server.ThreadingHTTPServer):
    daemon_threads = True

    def __init__(self, *arguments: Any) -> None:
        super().__init__(*arguments)
        self.stopping = threading.Event()
        self.lease: dict[str, Any] | None = None


class _Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    server: _Server

    def do_GET(self) -> None:
        url = urlsplit(self.path)
        query = dict(parse_qsl(url.query))
        scenario, path = url.path.removeprefix("/").split("/", 1)
        objects, events = (int(part) for part in scenario.split("-"))
        if f"/{path}".startswith(_LEASES):
            lease = self.server.lease
            self._answer(200 if lease else 404, orjson.dumps(lease or _NO_LEASE))
        elif f"/{path}" != _PODS:
            self._answer(404, b"{}")
        elif query.get("watch", "").lower() != "true":
            self._answer(200, _page(objects, int(query.get("limit", 0)), int(query.get("continue", 0))))
        else:
            self._stream(objects if "sendInitialEvents" in query else None, events)

    def do_POST(self) -> None:
        self._keep_lease(201)

    def do_PUT(self) -> None:
        self._keep_lease(200)

    def log_message(self, format: str, *arguments: Any) -> None:  # noqa: A002  # the base class' name
        """Say nothing."""

    def _keep_lease(self, code: int) -> None:
        lease = orjson.loads(self.rfile.read(int(self.headers["Content-Length"])))
        version = int(lease["metadata"].get("resourceVersion") or 0) + 1
        lease["metadata"] |= {"resourceVersion": str(version), "uid": "lease"}
        self.server.lease = lease
        self._answer(code, orjson.dumps(lease))

    def _answer(self, code: int, body: bytes) -> None:
        self.send_response(code)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def _stream(self, initial: int | None, events: int) -> None:
        """Each event is a chunk of its own, as kube-apiserver sends them; first the `initial` ones with their end."""
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Transfer-Encoding", "chunked")
        self.end_headers()
        self.close_connection = True
        try:
            if initial is not None:
                self.wfile.writelines(_initial(initial))
                self.wfile.write(_chunk(_bookmark(initial + 1, {"k8s.io/initial-events-end": "true"})))
            self.wfile.writelines(_events(events))
            while not self.server.stopping.wait(BOOKMARK_INTERVAL_S):
                self.wfile.write(_chunk(_bookmark(_LATEST, {})))
        except OSError:
            return  # the watcher has seen enough


def _page(objects: int, limit: int, start: int) -> bytes:
    end = min(objects, start + limit) if limit else objects
    metadata = {"resourceVersion": str(objects + 1), "continue": str(end) if end < objects else ""}
    items = b",".join(pods.encoded(number, number + 1) for number in range(start, end))
    head = orjson.dumps({"apiVersion": "v1", "kind": "PodList", "metadata": metadata})
    return head[:-1] + b',"items":[' + items + b"]}"


def _chunk(data: bytes) -> bytes:
    return f"{len(data):x}\r\n".encode() + data + b"\r\n"


def _main(objects: int, events: int) -> None:
    for number in range(objects):
        pods.encoded(number, number + 1)
    _initial(objects)
    _events(events)
    with PodServer() as server:
        print(server.url().removesuffix("/0-0"), flush=True)
        sys.stdin.read()


if __name__ == "__main__":
    _main(*(int(argument) for argument in sys.argv[1:]))
