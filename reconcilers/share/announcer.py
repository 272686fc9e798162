"""Tells an instance that its declared shares changed: by one annotation, from which its ConfigMap is made anew.

A controller of its own, keyed by instance. Many changed shares make one write in `DEBOUNCE_S`.
"""

from __future__ import annotations

from dataclasses import dataclass

from informers.clock import Clock
from informers.errors import NotFound
from informers.resource import ObjectKey, View
from informers.result import Done, RequeueAfter, Result
from reconcilers import names
from reconcilers.access import ApiClient
from reconcilers.api.resources import DITTOFS
from reconcilers.share.caches import BY_INSTANCE, ShareCaches, instance_index_value
from reconcilers.share.declared import declared_shares, shares_hash

#: How long changes are gathered before they are announced, counted from the first of them.
DEBOUNCE_S = 2.0


@dataclass(frozen=True, slots=True)
class _Announced:
    """What was written, and the version of the instance that it was written over."""

    hash: str
    over_version: str


class SharesAnnouncer:
    """Keeps the shares-hash annotation of each DittoFS at the hash of its declared shares."""

    def __init__(self, *, caches: ShareCaches, client: ApiClient, clock: Clock, debounce_s: float = DEBOUNCE_S) -> None:
        self._caches = caches
        self._client = client
        self._clock = clock
        self._debounce_s = debounce_s
        self._due_at: dict[ObjectKey, float] = {}
        self._announced: dict[ObjectKey, _Announced] = {}

    def reconcile(self, key: ObjectKey) -> Result:
        """One pass over the DittoFS named `key`."""
        instance = self._caches.instances.get(key)
        if instance is None or instance["metadata"].get("deletionTimestamp"):
            return self._rest(key, forget=True)
        if (instance.get("spec") or {}).get("suspend"):
            return self._rest(key)
        # Every change of a share wakes this: to compare all shares each time would take the square of their number.
        now, due_at = self._clock.monotonic(), self._due_at.get(key)
        if due_at is not None and now < due_at:
            return RequeueAfter(due_at - now)
        declared = declared_shares(self._caches.shares.by_index(BY_INSTANCE, instance_index_value(key)))
        wanted, present = shares_hash(declared), _annotation(instance)
        never_had_any = not declared and not present
        if wanted == present or never_had_any or self._is_on_its_way(key, wanted, instance):
            return self._rest(key)
        if due_at is None:
            self._due_at[key] = now + self._debounce_s
            return RequeueAfter(self._debounce_s)
        self._write(key, wanted, instance)
        return self._rest(key)

    def _write(self, key: ObjectKey, wanted: str, instance: View) -> None:
        patch = {"metadata": {"annotations": {names.SHARES_HASH_ANNOTATION: wanted}}}
        try:
            self._client.merge_patch(DITTOFS, key, patch, field_manager=names.SHARES_FIELD_MANAGER)
        except NotFound:
            return
        self._announced[key] = _Announced(wanted, _version(instance))

    def _is_on_its_way(self, key: ObjectKey, wanted: str, instance: View) -> bool:
        # The cache may still hold the instance as it was before our write.
        return self._announced.get(key) == _Announced(wanted, _version(instance))

    def _rest(self, key: ObjectKey, *, forget: bool = False) -> Result:
        self._due_at.pop(key, None)
        if forget:
            self._announced.pop(key, None)
        return Done()


def _annotation(instance: View) -> str:
    return str((instance["metadata"].get("annotations") or {}).get(names.SHARES_HASH_ANNOTATION) or "")


def _version(instance: View) -> str:
    return str(instance["metadata"].get("resourceVersion") or "")
