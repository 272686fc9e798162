"""The errors of the API: each is a Status object with the reason, details and words of the real server."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from hack.localcluster.apiserver.builtin import ResourceType


@dataclass(frozen=True, slots=True)
class Cause:
    """One entry of `details.causes`."""

    field: str
    reason: str
    message: str

    def manifest(self) -> dict[str, str]:
        """The cause as it stands in the answer."""
        return {"reason": self.reason, "message": self.message, "field": self.field}


class StatusError(Exception):
    """A request that ends with HTTP `code` and a Status body."""

    def __init__(self, code: int, reason: str, message: str, details: dict[str, Any] | None = None) -> None:
        super().__init__(message)
        self.code = code
        self.reason = reason
        self.message = message
        self.details = details

    def body(self) -> dict[str, Any]:
        """The Status object."""
        body: dict[str, Any] = {
            "kind": "Status",
            "apiVersion": "v1",
            "metadata": {},
            "status": "Failure",
            "message": self.message,
            "code": self.code,
        }
        if self.reason:
            body["reason"] = self.reason
        if self.details is not None:
            body["details"] = self.details
        return body


class Undecodable(StatusError):
    """400 for an object that doesn't fit its type; `why` in the decoder's words."""

    def __init__(self, intro: str, why: str) -> None:
        super().__init__(400, "BadRequest", f"{intro}{why}")
        self.why = why


class PageNotFound(StatusError):
    """404 as plain text: the path reached none of the servers behind the API."""

    def __init__(self) -> None:
        super().__init__(404, "NotFound", "404 page not found\n")


def success(resource: ResourceType, name: str, uid: str) -> dict[str, Any]:
    """The answer to a deletion that took effect at once."""
    return {
        "kind": "Status",
        "apiVersion": "v1",
        "metadata": {},
        "status": "Success",
        "details": _details(resource, name) | {"uid": uid},
    }


def _details(resource: ResourceType, name: str) -> dict[str, Any]:
    details = {"name": name, "group": resource.group, "kind": resource.plural}
    return {key: value for key, value in details.items() if value}


def not_found(resource: ResourceType, name: str) -> StatusError:
    """404 for an object."""
    return StatusError(404, "NotFound", f'{resource} "{name}" not found', _details(resource, name))


def no_such_path() -> StatusError:
    """404 for a path that nothing serves."""
    return StatusError(404, "NotFound", "the server could not find the requested resource", {})


def already_exists(resource: ResourceType, name: str, *, is_ending: bool = False) -> StatusError:
    """409 for a create."""
    text = f'{"object is being deleted: " if is_ending else ""}{resource} "{name}" already exists'
    return StatusError(409, "AlreadyExists", text, _details(resource, name))


def conflict(resource: ResourceType, name: str, why: str) -> StatusError:
    """409 for a write that lost a race."""
    message = f'Operation cannot be fulfilled on {resource} "{name}": {why}'
    return StatusError(409, "Conflict", message, _details(resource, name))


def stale(resource: ResourceType, name: str) -> StatusError:
    """409 for an old resourceVersion."""
    return conflict(
        resource, name, "the object has been modified; please apply your changes to the latest version and try again"
    )


def invalid(resource: ResourceType, name: str, causes: Iterable[Cause]) -> StatusError:
    """422 that names each wrong field."""
    causes = list(causes)
    texts = list(dict.fromkeys(f"{cause.field or '<nil>'}: {cause.message}" for cause in causes))
    listed = texts[0] if len(texts) == 1 else f"[{', '.join(texts)}]"
    kind = f"{resource.kind}.{resource.group}" if resource.group else resource.kind
    details = {"name": name, "group": resource.group, "kind": resource.kind}
    return StatusError(
        422,
        "Invalid",
        f'{kind} "{name}" is invalid: {listed}',
        {key: value for key, value in details.items() if value} | {"causes": [cause.manifest() for cause in causes]},
    )


def invalid_options(options: str, *causes: Cause) -> StatusError:
    """422 for request options, such as PatchOptions."""
    texts = [f"{cause.field}: {cause.message}" for cause in causes]
    listed = texts[0] if len(texts) == 1 else f"[{', '.join(texts)}]"
    return StatusError(
        422,
        "Invalid",
        f'{options}.meta.k8s.io "" is invalid: {listed}',
        {"group": "meta.k8s.io", "kind": options, "causes": [cause.manifest() for cause in causes]},
    )


def unfit_for_patch() -> StatusError:
    """422 for a patch that can't be applied to the object."""
    return StatusError(422, "Invalid", "the server rejected our request due to an error in our request", {})


def unsupported_patch() -> StatusError:
    """415 for a patch of a kind that the resource doesn't take."""
    return StatusError(415, "UnsupportedMediaType", "415: Unsupported Media Type", {})


def server_error(message: str) -> StatusError:
    """500 without a reason: what the real server refuses without having a better word for it."""
    return StatusError(500, "", message)


def bad_request(message: str) -> StatusError:
    """400."""
    return StatusError(400, "BadRequest", message)


def expired(message: str) -> StatusError:
    """410: list again."""
    return StatusError(410, "Expired", message)


def forbidden(resource: ResourceType, name: str, why: str, causes: Iterable[Cause] = ()) -> StatusError:
    """403."""
    details = _details(resource, name)
    listed = [cause.manifest() for cause in causes]
    if listed:
        details["causes"] = listed
    return StatusError(403, "Forbidden", f'{resource} "{name}" is forbidden: {why}', details)


def not_implemented(what: str) -> StatusError:
    """501: this server leaves it out rather than getting it wrong."""
    return StatusError(501, "NotImplemented", f"the local API server does not implement {what}")


def unsupported_media_type(supported: Iterable[str]) -> StatusError:
    """415, with what would be accepted."""
    message = f"the body of the request was in an unknown format - accepted media types include: {', '.join(supported)}"
    return StatusError(415, "UnsupportedMediaType", message)


def method_not_allowed() -> StatusError:
    """405."""
    return StatusError(405, "MethodNotAllowed", "the server does not allow this method on the requested resource", {})


def too_large_version(wanted: int, current: int) -> StatusError:
    """504 as the real server answers a resourceVersion it has not reached yet."""
    return StatusError(
        504,
        "Timeout",
        f"Timeout: Too large resource version: {wanted}, current: {current}",
        {
            "causes": [{"reason": "ResourceVersionTooLarge", "message": "Too large resource version"}],
            "retryAfterSeconds": 1,
        },
    )


def unauthorized() -> StatusError:
    """401."""
    return StatusError(401, "Unauthorized", "Unauthorized")
