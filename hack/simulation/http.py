"""HTTP as bytes: what a request says, and what an answer looks like on its way."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from http import HTTPStatus

from hack.simulation.scheduler import Process


@dataclass(frozen=True, slots=True)
class HttpRequest:
    """One request as it came over a connection."""

    process: Process
    method: str
    path: str
    raw_path: str
    query: str
    headers: dict[str, str]
    body: bytes
    number: int

    @property
    def writes(self) -> bool:
        """Whether it is there to change something."""
        return self.method != "GET"


@dataclass(frozen=True, slots=True)
class HttpResponse:
    """The answer: a whole body, or chunks as they come."""

    status: int
    body: bytes = b""
    stream: Iterator[bytes] | None = None
    headers: dict[str, str] = field(default_factory=dict)


def head(response: HttpResponse) -> bytes:
    """The status line and the headers."""
    phrase = HTTPStatus(response.status).phrase if response.status in HTTPStatus._value2member_map_ else "-"
    headers = dict(response.headers)
    if response.stream is not None:
        headers["Transfer-Encoding"] = "chunked"
    elif response.status != HTTPStatus.NO_CONTENT:
        headers["Content-Length"] = str(len(response.body))
    lines = [f"HTTP/1.1 {response.status} {phrase}", *(f"{name}: {value}" for name, value in headers.items())]
    return "\r\n".join([*lines, "", ""]).encode("latin-1")


def chunked(data: bytes) -> bytes:
    """One chunk of a stream."""
    return b"%x\r\n%b\r\n" % (len(data), data) if data else b""
