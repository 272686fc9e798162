"""Foreground and orphan deletion: what a real cluster's garbage collector does to dependents, done at once.

Background deletion is not here: there, dependents go when their owner has gone, and a controller sees to that.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import orjson

from hack.localcluster.apiserver.registry import Registry
from hack.localcluster.apiserver.storage import Key, Storage, TableName

if TYPE_CHECKING:
    from hack.localcluster.apiserver.lifecycle import Lifecycle

Object = dict[str, Any]

_FOREGROUND, _ORPHAN = "foregroundDeletion", "orphan"
#: What a policy hangs on the owner until its dependents are seen to.
FINALIZERS = {"Foreground": _FOREGROUND, "Orphan": _ORPHAN}


def settle(lifecycle: Lifecycle, storage: Storage, table: TableName, key: Key) -> None:
    """See to the dependents of an owner that waits for that, and let it go when nothing keeps it."""
    owner = storage.get(table, key)
    if owner is None or "deletionTimestamp" not in owner["metadata"]:
        return
    waiting = set(owner["metadata"].get("finalizers") or ()) & set(FINALIZERS.values())
    uid = owner["metadata"]["uid"]
    if _ORPHAN in waiting:
        for dependent_table, dependent_key in list(_dependents(storage, uid)):
            _orphan(storage, dependent_table, dependent_key, uid)
        _let_go(lifecycle, storage, table, key, _ORPHAN)
    elif _FOREGROUND in waiting:
        for dependent_table, dependent_key in list(_dependents(storage, uid)):
            dependent = storage.get(dependent_table, dependent_key)
            if dependent is not None and "deletionTimestamp" not in dependent["metadata"]:
                lifecycle.delete(dependent_table, dependent_key)
        if not any(_blocks(storage, *found, uid) for found in _dependents(storage, uid)):
            _let_go(lifecycle, storage, table, key, _FOREGROUND)


def owners(storage: Storage, registry: Registry, obj: Object) -> Iterator[tuple[TableName, Key]]:
    """Where the owners of an object are stored, as far as they are there."""
    for reference in obj["metadata"].get("ownerReferences") or ():
        resource = registry.of_kind(reference["apiVersion"], reference["kind"])
        if resource is None:
            continue
        key = (obj["metadata"].get("namespace", "") if resource.namespaced else "", reference["name"])
        owner = storage.get(resource.table, key)
        if owner is not None and owner["metadata"]["uid"] == reference["uid"]:
            yield resource.table, key


def _dependents(storage: Storage, uid: str) -> Iterator[tuple[TableName, Key]]:
    for table in storage.tables():
        for key, obj in storage.snapshot(table)[1].items():
            if any(reference["uid"] == uid for reference in obj["metadata"].get("ownerReferences") or ()):
                yield table, key


def _blocks(storage: Storage, table: TableName, key: Key, uid: str) -> bool:
    obj = storage.get(table, key)
    return obj is not None and any(
        reference["uid"] == uid and reference.get("blockOwnerDeletion")
        for reference in obj["metadata"].get("ownerReferences") or ()
    )


def _orphan(storage: Storage, table: TableName, key: Key, uid: str) -> None:
    orphan: Object = orjson.loads(orjson.dumps(storage.get(table, key)))
    left = [reference for reference in orphan["metadata"]["ownerReferences"] if reference["uid"] != uid]
    if left:
        orphan["metadata"]["ownerReferences"] = left
    else:
        del orphan["metadata"]["ownerReferences"]
    storage.put(table, key, orphan)


def _let_go(lifecycle: Lifecycle, storage: Storage, table: TableName, key: Key, finalizer: str) -> None:
    owner = storage.get(table, key)
    if owner is None:
        return
    freed: Object = orjson.loads(orjson.dumps(owner))
    freed["metadata"]["finalizers"] = [entry for entry in freed["metadata"]["finalizers"] if entry != finalizer]
    if lifecycle.is_finished(table, freed):
        lifecycle.remove(table, key)
    else:
        storage.put(table, key, freed)
