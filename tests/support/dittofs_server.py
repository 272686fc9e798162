"""DittoFS servers for tests: one that answers what a test scripts, the double, and the real `dfs` as a process."""

from __future__ import annotations

import json
import socket
import subprocess
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

from hack.localcluster.double.process import Double, DoubleServer

PASSWORD = "correct-horse"


class _Server(ThreadingHTTPServer):
    def handle_error(self, request: Any, client_address: Any) -> None:
        """A client that gave up is what some tests are about."""


@dataclass(frozen=True)
class Request:
    method: str
    path: str
    token: str
    host: str
    body: Any


@dataclass(frozen=True)
class Answer:
    status: int
    body: bytes = b""
    content_type: str = "application/json"
    #: Send only this much of the body, then hang up.
    cut_after: int | None = None
    headers: tuple[tuple[str, str], ...] = ()


def ok(document: object, status: int = 200) -> Answer:
    return Answer(status, json.dumps(document).encode())


def problem(status: int, detail: str) -> Answer:
    body = {"type": "about:blank", "title": "No", "status": status, "detail": detail}
    return Answer(status, json.dumps(body).encode(), "application/problem+json")


def plain(status: int, text: str) -> Answer:
    return Answer(status, text.encode(), "text/plain; charset=utf-8")


@dataclass
class ScriptedServer:
    """Answers by `answer`, remembers every request."""

    url: str
    answer: Callable[[Request], Answer] = field(default=lambda request: ok({}))
    requests: list[Request] = field(default_factory=list)

    def calls(self) -> list[str]:
        return [f"{request.method} {request.path}" for request in self.requests]


@contextmanager
def scripted_server() -> Iterator[ScriptedServer]:
    """A ScriptedServer that listens on loopback."""

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        disable_nagle_algorithm = True

        def _serve(self) -> None:
            content = self.rfile.read(int(self.headers.get("Content-Length") or 0))
            token = (self.headers.get("Authorization") or "").removeprefix("Bearer ")
            request = Request(
                self.command, self.path, token, self.headers["Host"], json.loads(content) if content else None
            )
            script.requests.append(request)
            answer = script.answer(request)
            self.send_response(answer.status)
            self.send_header("Content-Type", answer.content_type)
            self.send_header("Content-Length", str(len(answer.body)))
            for name, value in answer.headers:
                self.send_header(name, value)
            self.end_headers()
            if answer.cut_after is None:
                self.wfile.write(answer.body)
            else:
                self.wfile.write(answer.body[: answer.cut_after])
                self.close_connection = True

        do_GET = do_POST = do_PUT = do_PATCH = do_DELETE = _serve  # noqa: N815 - http.server looks these names up

        def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - http.server's name
            pass

    server = _Server(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    script = ScriptedServer(f"http://127.0.0.1:{server.server_address[1]}")
    thread = threading.Thread(target=server.serve_forever, args=(0.01,))
    thread.start()
    try:
        yield script
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


@dataclass(frozen=True)
class LiveServer:
    """A server that keeps what it is told: its address, and the directory that its stores may use."""

    url: str
    data: Path
    password: str = PASSWORD
    #: The server itself, where it is the double.
    double: Double | None = None
    #: Ends the process and starts it again, as many seconds later by its own clock.
    again: Callable[[float], LiveServer] | None = None
    #: The process of the real one.
    process: subprocess.Popen[bytes] | None = None


@contextmanager
def double_dittofs_server(directory: Path, *, container_paths: bool = False) -> Iterator[LiveServer]:
    """The double of hack/ in the empty `directory`; with `container_paths` absolute paths are taken to be inside it."""
    config = directory / "config.yaml"
    _prepare(directory, port=8080, root="" if container_paths else str(directory))

    def resolve(path: str) -> Path:
        return directory / path.lstrip("/") if container_paths else Path(path)

    arguments = ["start", "--foreground", "--config", "/config.yaml" if container_paths else str(config)]

    def start(later_s: float) -> DoubleServer:
        return DoubleServer(arguments, _environment(directory), resolve=resolve, now=lambda: time.time() + later_s)

    def again(later_s: float) -> LiveServer:
        nonlocal double
        double.stop()
        double = start(later_s)
        return live()

    def live() -> LiveServer:
        return LiveServer(f"http://127.0.0.1:{double.port}", directory, double=double, again=again)

    double = start(0.0)
    try:
        yield live()
    finally:
        double.stop()


@contextmanager
def real_dittofs_server(binary: str, directory: Path, *, authorities: Path | None = None) -> Iterator[LiveServer]:
    """The real `dfs` at `binary`, with everything it keeps in `directory`: empty, or what another one left there.

    It trusts those who sign with the certificates in the file `authorities`, without one those of the system.
    """
    port = _free_port()
    _prepare(directory, port=port, root=str(directory))
    with (directory / "log").open("wb") as log:
        process = subprocess.Popen(
            [binary, "start", "--foreground", "--config", str(directory / "config.yaml")],
            env=_environment(directory) | ({"SSL_CERT_FILE": str(authorities)} if authorities else {}),
            stdout=log,
            stderr=log,
        )
    try:
        url = f"http://127.0.0.1:{port}"
        _await_health(url, process, directory / "log")
        yield LiveServer(url, directory, process=process)
    finally:
        process.terminate()
        try:
            process.wait(15)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def _prepare(directory: Path, *, port: int, root: str) -> None:
    (directory / "metadata").mkdir(exist_ok=True)
    (directory / "config.yaml").write_text(
        "logging: {level: INFO, format: json, output: stdout}\n"
        "shutdown_timeout: 5s\n"
        f"database: {{type: sqlite, sqlite: {{path: {root}/controlplane.db}}}}\n"
        f"controlplane: {{host: 127.0.0.1, port: {port}}}\n"
        "metadata: {badger: {block_cache_mb: 64, index_cache_mb: 32}}\n"
    )


def _environment(directory: Path) -> dict[str, str]:
    return {
        "HOME": str(directory),
        "DITTOFS_CONTROLPLANE_SECRET": "0123456789abcdef0123456789abcdef",
        "DITTOFS_ADMIN_INITIAL_PASSWORD": PASSWORD,
    }


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _await_health(url: str, process: subprocess.Popen[bytes], log: Path) -> None:
    for _ in range(300):
        assert process.poll() is None, log.read_text()
        try:
            with urllib.request.urlopen(f"{url}/health", timeout=2):
                return
        except urllib.error.URLError:
            time.sleep(0.05)  # a process of its own: nothing here can be notified when it listens
    raise AssertionError(log.read_text())
