"""The one tree of exceptions that the REST API of a DittoFS server raises, and one table of what is done about each.

ServerError
├── ServerUnreachable        no whole answer: the outcome of a write is unknown; `failure` says how it failed
└── ServerRefused            the server answered, and said no: `status` and, in its words, `detail`
    ├── LoginRefused         401 that a new login did not cure, or 400/401/403 on the login itself
    ├── PasswordChangeRequired   403 until the account has another password
    ├── NotFound             404
    └── Conflict             409
"""

from __future__ import annotations

import enum
from collections.abc import Mapping
from dataclasses import dataclass

#: Longest text of a server that is passed on, in characters: it ends up in conditions and events.
DETAIL_LIMIT = 512
#: Longest time that a server can ask to be left alone, in seconds.
LONGEST_RETRY_AFTER_S = 60.0


class Failure(enum.Enum):
    """How a call failed without a whole answer."""

    NO_CONNECTION = "refused, no route, or TLS that can't be agreed on"
    TIMED_OUT = "silent, or slower than a whole answer may be"
    CUT_OFF = "the connection broke off"
    NOT_UNDERSTOOD = "an answer that is none of this API"


class ServerError(Exception):
    """The root of everything that a call to a DittoFS server raises. Never carries a password or token.

    `retry_after_s`: asking again sooner is of no use; 0 when nobody said so.
    """

    retry_after_s: float = 0.0


class ServerUnreachable(ServerError):
    """No whole answer came back. A write may or may not have happened."""

    def __init__(self, text: str, *, failure: Failure = Failure.NOT_UNDERSTOOD) -> None:
        self.failure = failure
        super().__init__(text)


class ServerRefused(ServerError):
    """The server answered with an HTTP status that is no success."""

    def __init__(self, status: int, detail: str, *, call: str = "") -> None:
        self.status = status
        self.detail = detail[:DETAIL_LIMIT]
        self.call = call
        super().__init__(f"the server answered {status} to {call}: {self.detail}" if call else self.detail)


class LoginRefused(ServerRefused):
    """The credentials are not good, or the account is disabled."""


class PasswordChangeRequired(ServerRefused):
    """403: the login is good, but nothing is allowed before the account has changed its password."""


class NotFound(ServerRefused):
    """404: the server has no such row, or the share is a row that is not loaded."""


class Conflict(ServerRefused):
    """409: a row of that name is there already, or is in use."""


class Reaction(enum.Enum):
    """What is done about an error."""

    LOGIN_AGAIN = "log in again and repeat the call, once"
    CONFIRM_LOGIN = "give the account the password that it has once more, which lifts the demand"
    REPORT = "report in the server's words; only another specification or a person can help"
    TREAT_AS_ABSENT = "treat as absent"
    READ_AGAIN = "read again, then decide again: what was asked for may have happened"
    SPARE = "send nothing for as long as the server asks, or for as long as it kept the caller waiting"
    BACK_OFF = "try again later, and ever later"


@dataclass(frozen=True, slots=True)
class Treatment:
    """What is done about an error, and the reason that conditions give for it.

    `certain`: the server does not have what is wanted; else nobody can tell.
    """

    reaction: Reaction
    reason: str
    certain: bool = True


_REFUSED = Treatment(Reaction.REPORT, "Refused")
_BUSY = Treatment(Reaction.SPARE, "ServerBusy", certain=False)

#: By failure, or HTTP status (dittofs-server 3.0). Any other status: FAILED.
TREATMENTS: Mapping[Failure | int, Treatment] = {
    Failure.NO_CONNECTION: Treatment(Reaction.BACK_OFF, "ServerUnreachable", certain=False),
    Failure.TIMED_OUT: Treatment(Reaction.SPARE, "ServerUnreachable", certain=False),
    Failure.CUT_OFF: Treatment(Reaction.READ_AGAIN, "ServerUnreachable", certain=False),
    Failure.NOT_UNDERSTOOD: Treatment(Reaction.BACK_OFF, "ServerUnreachable", certain=False),
    400: _REFUSED,
    401: Treatment(Reaction.LOGIN_AGAIN, "LoginRefused"),
    403: _REFUSED,
    404: Treatment(Reaction.TREAT_AS_ABSENT, "ServerChanged"),
    405: _REFUSED,
    409: Treatment(Reaction.READ_AGAIN, "ServerChanged"),
    413: _REFUSED,
    422: _REFUSED,
    429: _BUSY,
    503: _BUSY,
}
PASSWORD_CHANGE = Treatment(Reaction.CONFIRM_LOGIN, "PasswordChangeRequired")
FAILED = Treatment(Reaction.BACK_OFF, "ServerFailed")

_BY_STATUS: Mapping[int, type[ServerRefused]] = {401: LoginRefused, 404: NotFound, 409: Conflict}
#: What stands in the 403 that a new password lifts: the server has no other sign for it (tried against v0.29.0).
_PASSWORD_CHANGE_TEXT = "must set a new password"  # noqa: S105 - words, no password


def treatment(error: ServerError) -> Treatment:
    """What is done about `error`."""
    match error:
        case LoginRefused():  # an account that is disabled is refused with 403, a login without a name with 400
            return TREATMENTS[401]
        case PasswordChangeRequired():
            return PASSWORD_CHANGE
        case ServerRefused():
            return TREATMENTS.get(error.status, FAILED)
        case ServerUnreachable():
            return TREATMENTS[error.failure]
        case _:
            return FAILED


def refused(status: int, detail: str, *, call: str, retry_after_s: float = 0.0) -> ServerRefused:
    """The exception for an answer of HTTP `status` to `call` (method and path)."""
    kind = _BY_STATUS.get(status, ServerRefused)
    if status == 403 and _PASSWORD_CHANGE_TEXT in detail:
        kind = PasswordChangeRequired
    error = kind(status, detail, call=call)
    error.retry_after_s = min(max(0.0, retry_after_s), LONGEST_RETRY_AFTER_S)
    return error


def repeated(error: ServerError, *, retry_after_s: float) -> ServerError:
    """`error` once more, for a caller whose call was not sent because of it; in the same words."""
    again: ServerError
    if isinstance(error, ServerRefused):
        again = type(error)(error.status, error.detail, call=error.call)
    else:
        failure = error.failure if isinstance(error, ServerUnreachable) else Failure.NOT_UNDERSTOOD
        again = ServerUnreachable(str(error), failure=failure)
    again.retry_after_s = retry_after_s
    return again
