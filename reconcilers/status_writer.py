"""Writes the status of objects, only when it says something else than before."""

from __future__ import annotations

import threading
from collections.abc import Container
from dataclasses import dataclass
from typing import Any

from informers.resource import ObjectKey, Resource, View
from informers.view import thaw
from reconcilers import names
from reconcilers.access import ApiClient


@dataclass(frozen=True, slots=True)
class _Written:
    uid: str
    #: The version of the cached object that the status was written for; while it is still seen, so is the old status.
    seen_version: str
    status: dict[str, Any]


class StatusWriter:
    """Knows the statuses that were written but are not in the cache yet. Safe for many threads.

    `conditions` are the types of the conditions of `resource` that are ours; those of others are left alone.
    """

    def __init__(self, *, client: ApiClient, resource: Resource, conditions: Container[str]) -> None:
        self._client = client
        self._resource = resource
        self._conditions = conditions
        self._lock = threading.Lock()
        self._written: dict[ObjectKey, _Written] = {}

    def last(self, view: View) -> dict[str, Any]:
        """The status that `view` has, or will have as soon as the cache catches up; conditions of others left out."""
        key, metadata = ObjectKey.of(view), view["metadata"]
        with self._lock:
            written = self._written.get(key)
        if written is not None and (written.uid, written.seen_version) == (
            metadata["uid"],
            metadata["resourceVersion"],
        ):
            return written.status
        status: dict[str, Any] = thaw(view.get("status") or {})
        if "conditions" in status:
            status["conditions"] = [entry for entry in status["conditions"] if entry["type"] in self._conditions]
        return status

    def write(self, view: View, status: dict[str, Any]) -> bool:
        """Give the object `view` this `status`; False when it had it.

        Raises a `ClientError`: NotFound when the object is gone, Conflict when others wrote at the same time.
        """
        if status == self.last(view):
            return False
        key, metadata = ObjectKey.of(view), view["metadata"]
        manifest = {
            "apiVersion": self._resource.api_version,
            "kind": self._resource.kind,
            # Without the uid, which kube-apiserver does not compare here: the next pass over a new object corrects it.
            "metadata": {"name": key.name, "namespace": key.namespace},
            "status": status,
        }
        self._client.apply(
            self._resource, manifest, field_manager=names.FIELD_MANAGER, force=True, subresource="status"
        )
        with self._lock:
            self._written[key] = _Written(metadata["uid"], metadata["resourceVersion"], status)
        return True

    def forget(self, key: ObjectKey) -> None:
        """Drop what was remembered of an object that is gone."""
        with self._lock:
            self._written.pop(key, None)
