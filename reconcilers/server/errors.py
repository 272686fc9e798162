"""The one tree of exceptions that the REST API of a DittoFS server raises, and what to do about each answer.

ServerError
├── ServerUnreachable    no whole answer: the outcome of a write is unknown, read again
└── ServerRefused        the server answered, and said no: `status` and, in its words, `detail`
    ├── LoginRefused     401 that a new login did not cure, or 401/403 on the login itself
    ├── NotFound         404
    └── Conflict         409
"""

from __future__ import annotations

import enum
from collections.abc import Mapping

#: Longest text of a server that is passed on, in characters: it ends up in conditions and events.
DETAIL_LIMIT = 512


class ServerError(Exception):
    """The root of everything that a call to a DittoFS server raises. Never carries a password or token."""


class ServerUnreachable(ServerError):
    """No whole answer came back: refused, reset, timed out, cut off. A write may or may not have happened."""


class ServerRefused(ServerError):
    """The server answered with an HTTP status that is no success."""

    def __init__(self, status: int, detail: str, *, call: str = "") -> None:
        self.status = status
        self.detail = detail[:DETAIL_LIMIT]
        self.call = call
        super().__init__(f"the server answered {status} to {call}: {self.detail}" if call else self.detail)


class LoginRefused(ServerRefused):
    """The credentials are not good, or the account is disabled."""


class NotFound(ServerRefused):
    """404: the server has no such row, or the share is a row that is not loaded."""


class Conflict(ServerRefused):
    """409: a row of that name is there already, or is in use."""


class Reaction(enum.Enum):
    """What a caller does about an answer."""

    LOGIN_AGAIN = "login again, once"
    REPORT = "report in the server's words; only another specification or a person can help"
    TREAT_AS_ABSENT = "treat as absent"
    READ_AGAIN = "read again, then decide again"
    BACK_OFF = "try again later"


#: What to do with an answer of the server, by status (dittofs-server 3.0). Anything not listed: BACK_OFF.
ON_STATUS: Mapping[int, Reaction] = {
    400: Reaction.REPORT,
    401: Reaction.LOGIN_AGAIN,
    403: Reaction.REPORT,
    404: Reaction.TREAT_AS_ABSENT,
    405: Reaction.REPORT,
    409: Reaction.READ_AGAIN,
    413: Reaction.REPORT,
    422: Reaction.REPORT,
}

_BY_STATUS: Mapping[int, type[ServerRefused]] = {401: LoginRefused, 404: NotFound, 409: Conflict}


def reaction(status: int) -> Reaction:
    """What to do with an answer of HTTP `status`."""
    return ON_STATUS.get(status, Reaction.BACK_OFF)


def refused(status: int, detail: str, *, call: str) -> ServerRefused:
    """The exception for an answer of HTTP `status` to `call` (method and path)."""
    return _BY_STATUS.get(status, ServerRefused)(status, detail, call=call)
