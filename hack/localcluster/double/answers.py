"""The answers of the server: JSON, RFC 7807 problems from its handlers, plain text from what stands before them."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from http import HTTPStatus
from typing import Any


@dataclass(frozen=True, slots=True)
class Answer:
    """One HTTP answer."""

    status: int
    body: bytes = b""
    headers: Mapping[str, str] = field(default_factory=dict)


class Problem(Exception):
    """A handler's refusal: an answer of type `application/problem+json`."""

    def __init__(self, status: HTTPStatus, detail: str) -> None:
        super().__init__(detail)
        self.status = status
        self.detail = detail

    def answer(self) -> Answer:
        """The refusal as the server sends it."""
        body = {"type": "about:blank", "title": self.status.phrase, "status": self.status.value, "detail": self.detail}
        return _json(self.status, body, "application/problem+json")


def bad_request(detail: str) -> Problem:
    """400."""
    return Problem(HTTPStatus.BAD_REQUEST, detail)


def not_found(detail: str) -> Problem:
    """404."""
    return Problem(HTTPStatus.NOT_FOUND, detail)


def conflict(detail: str) -> Problem:
    """409."""
    return Problem(HTTPStatus.CONFLICT, detail)


def json_answer(body: Any, status: HTTPStatus = HTTPStatus.OK) -> Answer:
    """A JSON answer; `null` for None, as the server writes an empty list of permissions."""
    return _json(status, body, "application/json")


def text_answer(status: HTTPStatus, text: str) -> Answer:
    """A plain text answer, as the router and the authentication middleware give."""
    headers = {"Content-Type": "text/plain; charset=utf-8", "X-Content-Type-Options": "nosniff"}
    return Answer(status.value, f"{text}\n".encode(), headers)


def timestamp(moment: datetime | None = None) -> str:
    """`moment` (default: now) in RFC 3339 with fractions, UTC."""
    return (moment or datetime.now(UTC)).isoformat().replace("+00:00", "Z")


def _json(status: HTTPStatus, body: Any, content_type: str) -> Answer:
    return Answer(status.value, json.dumps(body).encode() + b"\n", {"Content-Type": content_type})
