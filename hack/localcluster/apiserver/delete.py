"""DELETE of an object or of a collection."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from hack.localcluster.apiserver.builtin import ResourceType
from hack.localcluster.apiserver.crds import CRD_TABLE
from hack.localcluster.apiserver.lifecycle import Deletion, Lifecycle
from hack.localcluster.apiserver.options import Query, dry_run, dry_runs, propagation
from hack.localcluster.apiserver.registry import present
from hack.localcluster.apiserver.selectors import Predicate
from hack.localcluster.apiserver.status import bad_request, conflict, forbidden, not_found, success
from hack.localcluster.apiserver.storage import Storage
from hack.localcluster.apiserver.target import Target

Object = dict[str, Any]

_FINISHED_LATER = frozenset((("", "namespaces"), CRD_TABLE))
_PROTECTED = frozenset(("default", "kube-system", "kube-public"))


class Deleter:
    """Deletes what a request names."""

    def __init__(self, *, storage: Storage, lifecycle: Lifecycle) -> None:
        self._storage = storage
        self._lifecycle = lifecycle

    def delete(self, target: Target, options: Object, query: Query) -> Object:
        """Delete one object: a Status when it is gone, the marked object when something holds it."""
        resource = target.resource
        asked = _read(options, query)
        with self._storage.writing():
            live = self._storage.get(resource.table, target.key)
            if live is None:
                raise not_found(resource, target.name)
            _check_preconditions(target, live, options.get("preconditions") or {})
            if resource.table == ("", "namespaces") and target.name in _PROTECTED:
                raise forbidden(resource, target.name, "this namespace may not be deleted")
            marked, held = self._lifecycle.delete(resource.table, target.key, asked)
            # what controllers of the real server finish is shown as marked, although it is gone here at once
            if held or resource.table in _FINISHED_LATER:
                return present(resource, marked)
            return success(resource, target.name, live["metadata"]["uid"])

    def delete_collection(
        self, resource: ResourceType, namespace: str, chosen: Predicate, options: Object, query: Query
    ) -> list[Object]:
        """Delete all objects in `namespace` (empty: everywhere) that `chosen` takes; returns them."""
        asked = _read(options, query)
        with self._storage.writing():
            _, objects = self._storage.snapshot(resource.table)
            victims = [
                (key, shown)
                for key, obj in sorted(objects.items())
                if (not namespace or key[0] == namespace) and chosen(shown := present(resource, obj))
            ]
            for key, _ in victims:
                self._lifecycle.delete(resource.table, key, asked)
        return [shown for _, shown in victims]


def _read(options: Object, query: Query) -> Deletion:
    kind, version = options.get("kind", "DeleteOptions"), options.get("apiVersion", "v1")
    if kind != "DeleteOptions":
        scheme = 'in scheme "pkg/runtime/scheme.go:111"'
        raise bad_request(f'no kind "{kind}" is registered for version "{version}" {scheme}')
    orphan = options.get("orphanDependents", query.flag("orphanDependents") if query.text("orphanDependents") else None)
    policy = propagation(options.get("propagationPolicy") or query.text("propagationPolicy"), orphan)
    is_dry = dry_runs(options.get("dryRun") or []) or dry_run(query, options="DeleteOptions")
    grace_s = options.get("gracePeriodSeconds", query.number("gracePeriodSeconds"))
    if grace_s is not None and (isinstance(grace_s, bool) or not isinstance(grace_s, int)):
        got = {str: "string", bool: "bool", dict: "object", list: "array"}.get(type(grace_s), "number")
        field = "DeleteOptions.gracePeriodSeconds of type int64"
        raise bad_request(f"json: cannot unmarshal {got} into Go struct field {field}")
    return Deletion(grace_s=grace_s, policy=policy, is_dry=is_dry)


def _check_preconditions(target: Target, live: Object, wanted: Object) -> None:
    metadata = live["metadata"]
    for field, name, end in (
        ("uid", "UID", "deleted and then recreated"),
        ("resourceVersion", "ResourceVersion", "modified"),
    ):
        if wanted.get(field) and wanted[field] != metadata[field]:
            why = (
                f"the {name} in the precondition ({wanted[field]}) does not match the {name} in record "
                f"({metadata[field]}). The object might have been {end}"
            )
            # the real server takes the kind for the plural here
            raise conflict(replace(target.resource, plural=target.resource.kind), target.name, why)
