"""The end of objects: finalizers, graceful pods, and what goes with a namespace or a CustomResourceDefinition."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import orjson

from hack.localcluster.apiserver import dependents
from hack.localcluster.apiserver.builtin import ResourceType
from hack.localcluster.apiserver.crds import CLEANUP_FINALIZER, CRD_TABLE, served_types
from hack.localcluster.apiserver.metadata import timestamp
from hack.localcluster.apiserver.registry import Registry
from hack.localcluster.apiserver.storage import Storage

Object = dict[str, Any]

_NAMESPACES = ("", "namespaces")
_PODS = ("", "pods")


@dataclass(frozen=True, slots=True)
class Deletion:
    """How something is to be deleted: after how many seconds (None: its own), and what becomes of dependents."""

    grace_s: int | None = None
    policy: str = "Background"
    is_dry: bool = False


class Lifecycle:
    """Deletes objects. All methods are called with the storage's write lock held."""

    def __init__(self, *, storage: Storage, registry: Registry) -> None:
        self._storage = storage
        self._registry = registry

    def written(self, resource: ResourceType, obj: Object, live: Object | None) -> None:
        """What follows a write: a new or changed CRD is served as it now is."""
        # serving it anew ends its watches, as on the real server: only when there is a reason
        if resource.table == CRD_TABLE and (live is None or live["spec"] != obj["spec"]):
            spec = obj["spec"]
            self._registry.replace_custom(spec["group"], spec["names"]["plural"], served_types(obj))

    def is_finished(self, table: tuple[str, str], obj: Object) -> bool:
        """Whether nothing holds a deleted object any more."""
        metadata = obj["metadata"]
        if "deletionTimestamp" not in metadata or metadata.get("finalizers"):
            return False
        if metadata.get("deletionGracePeriodSeconds"):
            return False
        return table != _NAMESPACES or not self._content(metadata["name"])

    def delete(
        self, table: tuple[str, str], key: tuple[str, str], asked: Deletion | None = None
    ) -> tuple[Object, bool]:
        """Delete the object at `key`, which is there: the object as marked, and whether something still holds it."""
        asked = asked or Deletion()
        live = self._storage.get(table, key)
        if live is None:
            raise LookupError(f"{table} {key} is not there")
        marked = self._marked(table, live, asked)
        finished = self.is_finished(table, marked)
        if asked.is_dry:
            return marked, not finished
        if finished:
            self.remove(table, key)
            return marked, False
        if marked != live:
            self._storage.put(table, key, marked)
            self._cascade(table, marked)
            shown: Object = orjson.loads(orjson.dumps(marked))
            dependents.settle(self, self._storage, table, key)
            return shown, True
        return live, True

    def _marked(self, table: tuple[str, str], live: Object, asked: Deletion) -> Object:
        grace_s = _grace(table, live, asked.grace_s)
        marked: Object = orjson.loads(orjson.dumps(live))
        metadata = marked["metadata"]
        if "deletionTimestamp" not in metadata or grace_s < metadata.get("deletionGracePeriodSeconds", 0):
            if "deletionTimestamp" not in metadata and metadata.get("generation"):
                metadata["generation"] += 1
            metadata["deletionTimestamp"] = timestamp(datetime.now(UTC) + timedelta(seconds=grace_s))
            metadata["deletionGracePeriodSeconds"] = grace_s
        if finalizer := dependents.FINALIZERS.get(asked.policy):
            metadata["finalizers"] = list(dict.fromkeys([*metadata.get("finalizers", ()), finalizer]))
        if table == CRD_TABLE and CLEANUP_FINALIZER not in metadata.get("finalizers", ()) and self._instances(live):
            metadata["finalizers"] = [*metadata.get("finalizers", ()), CLEANUP_FINALIZER]
        if table == _NAMESPACES:
            marked["status"] = {"phase": "Terminating"}
        return marked

    def remove(self, table: tuple[str, str], key: tuple[str, str]) -> Object | None:
        """Take the object out of the storage, and let go what waited for that; returns it as it was."""
        last = self._storage.remove(table, key)
        if last is None:
            return None
        if table == CRD_TABLE:
            self._registry.replace_custom(last["spec"]["group"], last["spec"]["names"]["plural"], ())
        if key[0]:
            self._finish(_NAMESPACES, ("", key[0]))
        for owner_table, owner_key in dependents.owners(self._storage, self._registry, last):
            dependents.settle(self, self._storage, owner_table, owner_key)
        self._finish_definition(table)
        return last

    def _finish(self, table: tuple[str, str], key: tuple[str, str]) -> None:
        holder = self._storage.get(table, key)
        if holder is not None and self.is_finished(table, holder):
            self.remove(table, key)

    def _finish_definition(self, table: tuple[str, str]) -> None:
        key = ("", f"{table[1]}.{table[0]}")
        definition = self._storage.get(CRD_TABLE, key)
        if definition is None or "deletionTimestamp" not in definition["metadata"] or self._storage.count(table):
            return
        freed: Object = orjson.loads(orjson.dumps(definition))
        finalizers = [entry for entry in freed["metadata"].get("finalizers", ()) if entry != CLEANUP_FINALIZER]
        freed["metadata"]["finalizers"] = finalizers
        if not finalizers:
            self.remove(CRD_TABLE, key)
        elif freed != definition:
            self._storage.put(CRD_TABLE, key, freed)

    def _cascade(self, table: tuple[str, str], obj: Object) -> None:
        if table == _NAMESPACES:
            victims = self._content(obj["metadata"]["name"])
        elif table == CRD_TABLE:
            victims = self._instances(obj)
        else:
            return
        for victim_table, key in victims:
            # one victim's end may have been another's, too
            if self._storage.get(victim_table, key) is not None:
                self.delete(victim_table, key)

    def _content(self, namespace: str) -> list[tuple[tuple[str, str], tuple[str, str]]]:
        return [
            (table, key) for table in self._storage.tables() for key in self._storage.keys(table) if key[0] == namespace
        ]

    def _instances(self, definition: Object) -> list[tuple[tuple[str, str], tuple[str, str]]]:
        spec = definition["spec"]
        table = (spec["group"], spec["names"]["plural"])
        return [(table, key) for key in self._storage.keys(table)]


def _grace(table: tuple[str, str], obj: Object, asked_s: int | None) -> int:
    """Seconds that the object may go on: only a pod that a kubelet runs has any."""
    if table != _PODS or not obj["spec"].get("nodeName"):
        return 0
    if obj.get("status", {}).get("phase") in ("Succeeded", "Failed"):
        return 0
    if asked_s is not None:
        return asked_s
    return int(obj["spec"].get("terminationGracePeriodSeconds") or 0)
