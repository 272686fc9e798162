"""Writes the status of a DittoFS: at most once a pass, and only when it says something else than before."""

from __future__ import annotations

import threading
from dataclasses import dataclass
from typing import Any

from informers.clock import Clock
from informers.resource import ObjectKey, View
from informers.view import thaw
from reconcilers import names
from reconcilers.access import ApiClient
from reconcilers.api.dittofs import DittoFS
from reconcilers.api.dittofs_status import DittoFSCondition
from reconcilers.api.resources import DITTOFS
from reconcilers.conditions import to_status
from reconcilers.dittofs.status import Assessment

_OURS = frozenset(DittoFSCondition)


@dataclass(frozen=True, slots=True)
class _Written:
    uid: str
    #: The version of the cached object that the status was written for; while it is still seen, so is the old status.
    seen_version: str
    status: dict[str, Any]


class StatusWriter:
    """Knows the statuses that were written but are not in the cache yet. Safe for many threads."""

    def __init__(self, *, client: ApiClient, clock: Clock) -> None:
        self._client = client
        self._clock = clock
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
            status["conditions"] = [entry for entry in status["conditions"] if entry["type"] in _OURS]
        return status

    def write(self, view: View, instance: DittoFS, assessment: Assessment, fields: dict[str, Any]) -> bool:
        """Give `instance` the status of `assessment` and `fields`; False when it had it. Raises a `ClientError`."""
        before = self.last(view)
        status = {
            "observedGeneration": instance.metadata.generation,
            "ready": assessment.ready,
            "phase": assessment.phase.value,
            **fields,
            "conditions": to_status(
                assessment.conditions,
                previous=before.get("conditions") or (),
                observed_generation=instance.metadata.generation,
                now=self._clock.now(),
            ),
        }
        if status == before:
            return False
        metadata = {"name": instance.metadata.name, "namespace": instance.metadata.namespace}
        manifest = {
            "apiVersion": DITTOFS.api_version,
            "kind": DITTOFS.kind,
            # With the uid, so that a new object of this name never gets the status of an old one.
            "metadata": {**metadata, "uid": instance.metadata.uid},
            "status": status,
        }
        self._client.apply(DITTOFS, manifest, field_manager=names.FIELD_MANAGER, force=True, subresource="status")
        with self._lock:
            self._written[instance.key] = _Written(
                instance.metadata.uid, str(view["metadata"]["resourceVersion"]), status
            )
        return True

    def forget(self, key: ObjectKey) -> None:
        """Drop what was remembered of an object that is gone."""
        with self._lock:
            self._written.pop(key, None)
