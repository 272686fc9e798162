"""GET of an object or a collection: resourceVersion semantics, selectors, pages."""

from __future__ import annotations

import base64
from collections.abc import Callable
from typing import Any

import orjson

from hack.localcluster.apiserver.options import Query
from hack.localcluster.apiserver.registry import present
from hack.localcluster.apiserver.selectors import Predicate, field_selector, label_selector
from hack.localcluster.apiserver.shapes import Shape
from hack.localcluster.apiserver.status import (
    Cause,
    StatusError,
    bad_request,
    expired,
    invalid_options,
    not_found,
    server_error,
    too_large_version,
)
from hack.localcluster.apiserver.storage import Compacted, Storage
from hack.localcluster.apiserver.target import Target

Object = dict[str, Any]

_TOKEN_VERSION = "meta.k8s.io/v1"
EXPIRED_CONTINUE = (
    "The provided continue parameter is too old to display a consistent list result. You can start a new list "
    "without the continue parameter."
)


def selection(target: Target, query: Query) -> Predicate:
    """What the selectors of a request take, together."""
    by_label = label_selector(query.text("labelSelector"))
    by_field = field_selector(target.resource, query.text("fieldSelector"))
    return lambda obj: by_label(obj) and by_field(obj)


def version_of(query: Query, *, refuse: Callable[[str], StatusError] = bad_request) -> int:
    """The resourceVersion of a request, 0 when there is none; what is no number is answered as `refuse` says."""
    text = query.text("resourceVersion")
    if text and not (text.isascii() and text.isdigit()):
        why = f'strconv.ParseUint: parsing "{text}": invalid syntax'
        raise refuse(f'resourceVersion: Invalid value: "{text}": {why}')
    return int(text or 0)


def collection_metadata(target: Target, version: int) -> Object:
    """The metadata of a list; the real server shows an empty continue token with custom resources only."""
    return {"resourceVersion": str(version)} | ({"continue": ""} if target.resource.custom else {})


class Reader:
    """Reads from the storage."""

    def __init__(self, storage: Storage) -> None:
        self._storage = storage

    def get(self, target: Target, query: Query) -> Object:
        """One object; 404 when there is none."""
        self._check_version(query, refuse=server_error)
        found = self._storage.get(target.resource.table, target.key)
        if found is None:
            raise not_found(target.resource, target.name)
        return present(target.resource, found)

    def list(self, target: Target, query: Query, shape: Shape) -> Object:
        """A list, or one page of it."""
        chosen = selection(target, query)
        limit = query.number("limit") or 0
        at, start = self._where(query, limit)
        try:
            version, objects = self._storage.snapshot(target.resource.table, at)
        except Compacted as error:
            raise expired(EXPIRED_CONTINUE if query.text("continue") else str(error)) from error
        taken: list[tuple[tuple[str, str], Object]] = []
        for key in sorted(objects):
            if key <= start or (target.namespace and key[0] != target.namespace):
                continue
            shown = present(target.resource, objects[key])
            if chosen(shown):
                taken.append((key, shown))
        metadata = collection_metadata(target, version)
        if limit and len(taken) > limit:
            metadata["continue"] = _token(version, taken[limit - 1][0])
            if not query.text("labelSelector") and not query.text("fieldSelector"):
                metadata["remainingItemCount"] = len(taken) - limit
            taken = taken[:limit]
        return shape.many([obj for _, obj in taken], metadata)

    def _where(self, query: Query, limit: int) -> tuple[int | None, tuple[str, str]]:
        match = query.text("resourceVersionMatch")
        if query.text("continue"):
            if query.text("resourceVersion") not in ("", "0") or match:
                raise bad_request("specifying resource version is not allowed when using continue")
            return _read_token(query.text("continue"))
        version = self._check_version(query, refuse=_invalid_version)
        if match and not query.text("resourceVersion"):
            text = "Forbidden: resourceVersionMatch is forbidden unless resourceVersion is provided"
            raise invalid_options("ListOptions", Cause("resourceVersionMatch", "FieldValueForbidden", text))
        if match not in ("", "Exact", "NotOlderThan"):
            text = f'Unsupported value: "{match}": supported values: "Exact", "NotOlderThan", ""'
            raise invalid_options("ListOptions", Cause("resourceVersionMatch", "FieldValueNotSupported", text))
        if match == "Exact" and not version:
            text = 'Forbidden: resourceVersionMatch "exact" is forbidden for resourceVersion "0"'
            raise invalid_options("ListOptions", Cause("resourceVersionMatch", "FieldValueForbidden", text))
        # a limit with a version and no match reads exactly that version, for old clients' sake
        exact = match == "Exact" or (limit and version and not match)
        return (version or None) if exact else None, ("", "")

    def _check_version(self, query: Query, *, refuse: Callable[[str], StatusError] = bad_request) -> int:
        """The resourceVersion of the request; 504 when it lies in the future."""
        version = version_of(query, refuse=refuse)
        if version > self._storage.version:
            raise too_large_version(version, self._storage.version)
        return version


def _invalid_version(why: str) -> StatusError:
    return bad_request(f"invalid resource version: {why}")


def _token(version: int, last: tuple[str, str]) -> str:
    token = {"v": _TOKEN_VERSION, "rv": version, "start": last}
    return base64.urlsafe_b64encode(orjson.dumps(token)).decode().rstrip("=")


def _read_token(token: str) -> tuple[int, tuple[str, str]]:
    try:
        # as Go's RawURLEncoding: without padding
        read = orjson.loads(base64.urlsafe_b64decode(token + "=" * (-len(token) % 4)))
    except ValueError as error:
        raise bad_request(f"invalid continue token: continue key is not valid: {error}") from error
    if not isinstance(read, dict) or read.get("v") != _TOKEN_VERSION:
        found = read.get("v", "") if isinstance(read, dict) else ""
        why = f"server does not recognize this encoded version {found}"
        raise bad_request(f"invalid continue token: continue key is not valid: {why}")
    namespace, name = read["start"]
    return int(read["rv"]), (str(namespace), str(name))
