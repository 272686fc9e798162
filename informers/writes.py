"""What the work of this thread has written: noted by the client, collected by who started the work."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from typing import Any

from informers.resource import ObjectKey, Resource


@dataclass(frozen=True, slots=True)
class Write:
    """A write that succeeded, and the object as it was answered; `gone`: by this write the object ceases to be.

    Of the object only what tells whether a watch shows it: contents, which may be secret, are not kept.
    """

    resource: Resource
    key: ObjectKey
    uid: str
    resource_version: str
    labels: Mapping[str, str]
    gone: bool = False

    def __str__(self) -> str:
        what = "deletion" if self.gone else f"version {self.resource_version}"
        return f"{what} of {self.resource.kind} {self.key}"


Writes = dict[tuple[Resource, ObjectKey], Write]

_noted: ContextVar[Writes | None] = ContextVar("writes", default=None)


@contextmanager
def noted() -> Iterator[Writes]:
    """Collects the writes that this thread makes meanwhile: of each object the last one."""
    writes: Writes = {}
    token = _noted.set(writes)
    try:
        yield writes
    finally:
        _noted.reset(token)


def note(resource: Resource, key: ObjectKey | None, answer: Mapping[str, Any], *, deleted: bool = False) -> None:
    """A write to `key` (None: to what the answer names), or its deletion, was answered so. Nobody may be collecting."""
    writes = _noted.get()
    if writes is None:
        return
    if deleted and answer.get("kind", "Status") == "Status" and key is not None:
        writes[(resource, key)] = _deletion(resource, key, answer)
    elif key is not None or (answer.get("metadata") or {}).get("name"):
        key = key or ObjectKey.of(answer)
        writes[(resource, key)] = _write(resource, key, answer)


def _deletion(resource: Resource, key: ObjectKey, status: Mapping[str, Any]) -> Write:
    uid = (status.get("details") or {}).get("uid") or ""
    return Write(resource, key, uid=uid, resource_version="", labels={}, gone=True)


def _write(resource: Resource, key: ObjectKey, obj: Mapping[str, Any]) -> Write:
    metadata = obj.get("metadata") or {}
    return Write(
        resource,
        key,
        uid=metadata.get("uid") or "",
        resource_version=metadata.get("resourceVersion") or "",
        labels=dict(metadata.get("labels") or {}),
        gone=_is_leaving(metadata),
    )


def _is_leaving(metadata: Mapping[str, Any]) -> bool:
    """Whether nothing holds the object any more. It is answered as it was before it went, with its old version."""
    held = metadata.get("finalizers") or metadata.get("deletionGracePeriodSeconds")
    return bool(metadata.get("deletionTimestamp")) and not held
