"""DELETE of an object or of a collection."""

from __future__ import annotations

from typing import Any

from hack.localcluster.apiserver.builtin import ResourceType
from hack.localcluster.apiserver.lifecycle import Lifecycle
from hack.localcluster.apiserver.options import Query, dry_run, propagation
from hack.localcluster.apiserver.registry import present
from hack.localcluster.apiserver.selectors import Predicate
from hack.localcluster.apiserver.status import bad_request, conflict, forbidden, not_found, success
from hack.localcluster.apiserver.storage import Storage
from hack.localcluster.apiserver.target import Target

Object = dict[str, Any]

_PROTECTED = frozenset(("default", "kube-system", "kube-public"))


class Deleter:
    """Deletes what a request names."""

    def __init__(self, *, storage: Storage, lifecycle: Lifecycle) -> None:
        self._storage = storage
        self._lifecycle = lifecycle

    def delete(self, target: Target, options: Object, query: Query) -> Object:
        """Delete one object: a Status when it is gone, the marked object when something holds it."""
        resource = target.resource
        is_dry, grace_s = _read(options, query)
        with self._storage.writing():
            live = self._storage.get(resource.table, target.key)
            if live is None:
                raise not_found(resource, target.name)
            _check_preconditions(target, live, options.get("preconditions") or {})
            if resource.table == ("", "namespaces") and target.name in _PROTECTED:
                raise forbidden(resource, target.name, "this namespace may not be deleted")
            if is_dry:
                return present(resource, live)
            held = self._lifecycle.delete(resource.table, target.key, grace_s=grace_s)
            if held is not None:
                return present(resource, held)
            return success(resource, target.name, live["metadata"]["uid"])

    def delete_collection(
        self, resource: ResourceType, namespace: str, chosen: Predicate, options: Object, query: Query
    ) -> list[Object]:
        """Delete all objects in `namespace` (empty: everywhere) that `chosen` takes; returns them."""
        is_dry, grace_s = _read(options, query)
        with self._storage.writing():
            _, objects = self._storage.snapshot(resource.table)
            victims = [
                (key, shown)
                for key, obj in sorted(objects.items())
                if (not namespace or key[0] == namespace) and chosen(shown := present(resource, obj))
            ]
            if not is_dry:
                for key, _ in victims:
                    self._lifecycle.delete(resource.table, key, grace_s=grace_s)
        return [shown for _, shown in victims]


def _read(options: Object, query: Query) -> tuple[bool, int | None]:
    if options.get("kind", "DeleteOptions") != "DeleteOptions":
        raise bad_request(f"{options['kind']} cannot be handled as a DeleteOptions")
    policy = options.get("propagationPolicy") or query.text("propagationPolicy")
    propagation(policy, orphan_dependents=bool(options.get("orphanDependents")) or query.flag("orphanDependents"))
    dry = options.get("dryRun") or []
    if dry not in ([], ["All"]):
        raise bad_request(f"dryRun: Unsupported value: {dry}: supported values: All")
    grace_s = options.get("gracePeriodSeconds", query.number("gracePeriodSeconds"))
    if grace_s is not None and (isinstance(grace_s, bool) or not isinstance(grace_s, int)):
        raise bad_request("json: cannot unmarshal into Go struct field DeleteOptions.gracePeriodSeconds of type int64")
    return bool(dry) or dry_run(query, options="DeleteOptions"), grace_s


def _check_preconditions(target: Target, live: Object, wanted: Object) -> None:
    metadata = live["metadata"]
    if wanted.get("uid") and wanted["uid"] != metadata["uid"]:
        why = f"Precondition failed: UID in precondition: {wanted['uid']}, UID in object meta: {metadata['uid']}"
        raise conflict(target.resource, target.name, why)
    if wanted.get("resourceVersion") and wanted["resourceVersion"] != metadata["resourceVersion"]:
        why = (
            f"Precondition failed: ResourceVersion in precondition: {wanted['resourceVersion']}, "
            f"ResourceVersion in object meta: {metadata['resourceVersion']}"
        )
        raise conflict(target.resource, target.name, why)
