"""The one tree of exceptions that access to the API server raises.

ClientError
├── ApiError                 the API server answered, and said no
│   ├── BadRequest           400
│   ├── Unauthorized         401
│   ├── Forbidden            403
│   ├── NotFound             404
│   ├── Conflict             409, somebody else wrote first: read again
│   │   └── AlreadyExists    409, told apart by the reason
│   ├── Expired              410, the resourceVersion or continue token is too old: list again
│   ├── Invalid              422, `causes` names the fields
│   ├── TooManyRequests      429, `retry_after_s` says when
│   └── ServerError          5xx
├── Unreachable              no whole answer: the outcome of a write is unknown
│   ├── Garbled              an answer came that is no JSON
│   └── Silent               nothing came for too long
├── DeadlineExceeded         the time for the work under way is over: nothing was sent
├── WriteRefused             our own write gate is closed: this process does not hold the lease
└── ConfigurationError       there is no usable description of where the API server is
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class Cause:
    """One entry of a Status' `details.causes`: which field, why, in the server's words."""

    field: str
    reason: str
    message: str


class ClientError(Exception):
    """The root of everything that access to the API server raises."""


class ApiError(ClientError):
    """The API server answered with a Status that is no success (meta/v1 Status)."""

    def __init__(
        self,
        status: int,
        reason: str,
        message: str,
        *,
        causes: tuple[Cause, ...] = (),
        retry_after_s: float | None = None,
    ) -> None:
        super().__init__(f"{reason or status}: {message}")
        self.status = status
        self.reason = reason
        self.message = message
        self.causes = causes
        self.retry_after_s = retry_after_s

    @property
    def namespace_is_terminating(self) -> bool:
        """Whether it was refused because its namespace is being deleted, where nothing can be made any more."""
        return any(cause.reason == "NamespaceTerminating" for cause in self.causes)


class BadRequest(ApiError):
    """400: the request itself is wrong."""


class Unauthorized(ApiError):
    """401: the credentials are missing or no longer good."""


class Forbidden(ApiError):
    """403: this identity may not do it, or the namespace is terminating."""


class NotFound(ApiError):
    """404: no such object, or no such resource type."""


class Conflict(ApiError):
    """409: somebody else wrote first, or owns the field; 422 when the name is another object's by now. Read again."""


class AlreadyExists(Conflict):
    """409 with reason AlreadyExists: an object of that name is there."""


class Expired(ApiError):
    """410: the resourceVersion or the continue token is too old; list again."""


class Invalid(ApiError):
    """422: the object breaks a rule; `causes` holds field and message as the server gave them."""


class TooManyRequests(ApiError):
    """429: come back after `retry_after_s` seconds, when given."""


class ServerError(ApiError):
    """5xx: the API server failed."""


class Unreachable(ClientError):
    """No whole answer came back: refused, reset, timed out. A write may or may not have happened."""


class Garbled(Unreachable):
    """An answer, or a line of a watch, that is no JSON or ends in the middle."""


class Silent(Unreachable):
    """Nothing, or nothing of use, came for longer than was to be waited."""


class DeadlineExceeded(ClientError):
    """The time given to the work under way is over (`informers.deadline`), so nothing was sent."""


class WriteRefused(ClientError):
    """The write gate is closed: another process may be the leader, so nothing was sent."""


class ConfigurationError(ClientError):
    """No usable kubeconfig or service account; the message is one line that says what to do."""


_BY_STATUS: Mapping[int, type[ApiError]] = {
    400: BadRequest,
    401: Unauthorized,
    403: Forbidden,
    404: NotFound,
    409: Conflict,
    410: Expired,
    422: Invalid,
    429: TooManyRequests,
}


#: For a Status that has lost its code: what kube-apiserver sends with each reason that somebody here looks at.
_STATUS_BY_REASON: Mapping[str, int] = {
    "BadRequest": 400,
    "Unauthorized": 401,
    "Forbidden": 403,
    "NotFound": 404,
    "Conflict": 409,
    "AlreadyExists": 409,
    "Expired": 410,
    "Gone": 410,
    "Invalid": 422,
    "TooManyRequests": 429,
}


def status_code(body: Mapping[str, Any]) -> int | None:
    """The code of the Status object `body`; None when there is none."""
    code = body.get("code")
    return code if isinstance(code, int) and not isinstance(code, bool) and code > 0 else None


def status_error(body: Mapping[str, Any]) -> ApiError:
    """The exception for a Status object in a stream; one without a code is judged by its reason, else as 500."""
    return api_error(status_code(body) or _STATUS_BY_REASON.get(str(body.get("reason") or ""), 500), body)


def api_error(status: int, body: Mapping[str, Any], *, retry_after_s: float | None = None) -> ApiError:
    """The exception for an answer with HTTP `status` and the Status object `body`; empty when it was no JSON."""
    reason = str(body.get("reason") or "")
    details = body.get("details")
    details = details if isinstance(details, Mapping) else {}
    kind: type[ApiError] = _BY_STATUS.get(status, ServerError if status >= 500 else ApiError)
    if kind is Conflict and reason == "AlreadyExists":
        kind = AlreadyExists
    told_s = details.get("retryAfterSeconds")
    if retry_after_s is None and isinstance(told_s, int) and told_s > 0:
        retry_after_s = float(told_s)
    listed = details.get("causes")
    causes = tuple(
        Cause(str(cause.get("field") or ""), str(cause.get("reason") or ""), str(cause.get("message") or ""))
        for cause in (listed if isinstance(listed, list) else ())
        if isinstance(cause, Mapping)
    )
    if kind is Invalid and causes and all(cause.field == "metadata.uid" for cause in causes):
        # So kube-apiserver tells a write that names the uid of an object which another one has replaced since.
        kind = Conflict
    message = str(body.get("message") or f"the API server answered {status}")
    return kind(status, reason, message, causes=causes, retry_after_s=retry_after_s)
