"""What the typed calls to a server have in common: who sends them, how their paths and lists are read."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Protocol
from urllib.parse import quote

from reconcilers.server.errors import ServerUnreachable
from reconcilers.server.rows import Row

API = "/api/v1"


class Caller(Protocol):
    """Sends one request, with or without a login."""

    def call(
        self,
        method: str,
        path: str,
        body: Mapping[str, Any] | None = None,
        *,
        patience_s: float | None = None,
    ) -> object:
        """The decoded answer to an authenticated request; `patience_s`: how long it may take, beyond what is usual."""

    def call_openly(self, method: str, path: str, body: Mapping[str, Any] | None = None) -> object:
        """The decoded answer to a request that needs no login."""


def path_of(*segments: str) -> str:
    """The path of the API with these segments, percent-encoded."""
    return "/".join((API, *(quote(segment, safe="") for segment in segments)))


def rows_of(answer: object, parse: Callable[[object], Row]) -> tuple[Row, ...]:
    """The rows of a list; an empty list may come as `null`. Raises ServerUnreachable when it is none."""
    if answer is None:
        return ()
    if not isinstance(answer, list):
        raise ServerUnreachable("the answer is no list: is it a DittoFS server of a known version?")
    return tuple(parse(row) for row in answer)
