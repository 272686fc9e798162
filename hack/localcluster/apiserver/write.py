"""Create, replace and store: the one way by which an object gets into the storage."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass, field
from typing import Any

import orjson

from hack.localcluster.apiserver import metadata, ownership
from hack.localcluster.apiserver.admission import Admission
from hack.localcluster.apiserver.builtin import ResourceType
from hack.localcluster.apiserver.crds import CRD_TABLE, establish
from hack.localcluster.apiserver.lifecycle import Lifecycle
from hack.localcluster.apiserver.options import WriteOptions
from hack.localcluster.apiserver.registry import present, stored
from hack.localcluster.apiserver.scale import scale_of, set_scale
from hack.localcluster.apiserver.status import (
    Cause,
    StatusError,
    already_exists,
    forbidden,
    invalid,
    not_found,
    server_error,
)
from hack.localcluster.apiserver.storage import Storage
from hack.localcluster.apiserver.target import Target

Object = dict[str, Any]


@dataclass(slots=True)
class Outcome:
    """What a write answers."""

    code: int
    obj: Object
    warnings: list[str] = field(default_factory=list)


def copy(obj: Object) -> Object:
    """A deep copy of plain JSON."""
    result: Object = orjson.loads(orjson.dumps(obj))
    return result


class Writer:
    """Creates and updates objects."""

    def __init__(self, *, storage: Storage, admission: Admission, lifecycle: Lifecycle) -> None:
        self._storage = storage
        self._admission = admission
        self._lifecycle = lifecycle

    def create(self, target: Target, body: Object, options: WriteOptions, *, applied: bool = False) -> Outcome:
        """POST to a collection, or the first apply of an object."""
        resource = target.resource
        metadata.check_names(resource, body, name=target.name, namespace=target.namespace)
        metadata.require_name(resource, body["metadata"])
        if body["metadata"].get("resourceVersion"):
            raise server_error("resourceVersion should not be set on objects to be created")
        with self._storage.writing():
            self._require_namespace(target, body["metadata"].get("name", ""))
            metadata.begin(resource, body, now=metadata.timestamp())
            key = (target.namespace, body["metadata"]["name"])
            if resource.status:
                body.pop("status", None)
            if resource.generation:
                body["metadata"]["generation"] = 1
            managed = body["metadata"].pop("managedFields", None)
            admitted = self._admission.admit(resource, body, None, validation=options.validation)
            if (standing := self._storage.get(resource.table, key)) is not None:
                raise already_exists(resource, key[1], is_ending="deletionTimestamp" in standing["metadata"])
            obj = admitted.obj
            managed = managed if applied else ownership.record(resource, None, obj, options.manager, "")
            self._admission.complete(resource, obj, None)
            if managed:
                obj["metadata"]["managedFields"] = managed
            if resource.table == CRD_TABLE:
                establish(obj, None)
            obj = stored(resource, obj)
            if not options.dry_run:
                self._storage.put(resource.table, key, obj)
                self._lifecycle.written(resource, obj, None)
        return Outcome(201, present(resource, obj), admitted.warnings)

    def replace(self, target: Target, body: Object, options: WriteOptions) -> Outcome:
        """PUT of an object or a subresource."""
        resource = target.resource
        with self._storage.writing():
            live = self.live(target)
            if target.subresource == "scale":
                body = set_scale(resource, live, body, name=target.name)
            else:
                metadata.require_own_name(body, target.name)
                metadata.check_names(resource, body, name=target.name, namespace=target.namespace)
                if not body["metadata"].get("resourceVersion") and _requires_version(resource):
                    text = "Invalid value: 0: must be specified for an update"
                    cause = Cause("metadata.resourceVersion", "FieldValueInvalid", text)
                    # the real server takes the plural for the kind here
                    raise invalid(dataclasses.replace(resource, kind=resource.plural), target.name, [cause])
            return self.update(target, live, body, options)

    def live(self, target: Target) -> Object:
        """The object as its API shows it; 404 when there is none."""
        found = self._storage.get(target.resource.table, target.key)
        if found is None:
            raise not_found(target.resource, target.name)
        return present(target.resource, found)

    def update(
        self, target: Target, live: Object, new: Object, options: WriteOptions, *, managed: list[Object] | None = None
    ) -> Outcome:
        """Store `new` over `live` if anything changed; the caller holds the write lock.

        `managed` are the managed fields that an apply computed; otherwise they are tracked here.
        """
        resource = target.resource
        sent_managed = new["metadata"].pop("managedFields", None)
        metadata.carry_over(target, live, new)
        new = self._isolate(target, live, new)
        admitted = self._admission.admit(resource, new, live, validation=options.validation)
        new = admitted.obj
        if managed is None:
            if sent_managed is not None and ownership.is_readable(sent_managed):
                new["metadata"]["managedFields"] = sent_managed
            managed = ownership.record(resource, live, new, options.manager, target.subresource)
        self._admission.complete(resource, new, live)
        if resource.table == CRD_TABLE and not target.subresource:
            establish(new, live)
        if resource.generation and _desired(new, resource) != _desired(live, resource):
            new["metadata"]["generation"] = live["metadata"].get("generation", 0) + 1
        new["metadata"].pop("managedFields", None)
        if managed:
            new["metadata"]["managedFields"] = managed
        if ownership.is_same(live, new):
            return self._answer(target, live, admitted.warnings)
        if options.dry_run:
            return self._answer(target, new, admitted.warnings)
        kept = stored(resource, new)
        if self._lifecycle.is_finished(resource.table, kept):
            self._lifecycle.remove(resource.table, target.key)
        else:
            self._storage.put(resource.table, target.key, kept)
            self._lifecycle.written(resource, kept, live)
        return self._answer(target, present(resource, kept), admitted.warnings)

    def _answer(self, target: Target, obj: Object, warnings: list[str]) -> Outcome:
        shown = scale_of(target.resource, obj) if target.subresource == "scale" else obj
        return Outcome(200, shown, warnings)

    @staticmethod
    def _isolate(target: Target, live: Object, new: Object) -> Object:
        if target.subresource == "status":
            isolated = copy(live)
            isolated["metadata"].pop("managedFields", None)
            if "status" in new:
                isolated["status"] = new["status"]
            else:
                isolated.pop("status", None)
            return isolated
        if target.resource.status:
            new.pop("status", None)
            if "status" in live:
                new["status"] = copy(live["status"])
        return new

    def _require_namespace(self, target: Target, name: str) -> None:
        if not target.resource.namespaced:
            return
        namespace = self._storage.get(("", "namespaces"), ("", target.namespace))
        if namespace is None:
            raise StatusError(
                404,
                "NotFound",
                f'namespaces "{target.namespace}" not found',
                {"name": target.namespace, "kind": "namespaces"},
            )
        if "deletionTimestamp" in namespace["metadata"]:
            why = f"unable to create new content in namespace {target.namespace} because it is being terminated"
            text = f"namespace {target.namespace} is being terminated"
            raise forbidden(target.resource, name, why, [Cause("metadata.namespace", "NamespaceTerminating", text)])


def _requires_version(resource: ResourceType) -> bool:
    return resource.custom is not None or resource.plural in ("leases", "customresourcedefinitions")


def _desired(obj: Object, resource: ResourceType) -> Object:
    return {
        key: value
        for key, value in obj.items()
        if key != "metadata" and not (key == "status" and _has_status(resource))
    }


def _has_status(resource: ResourceType) -> bool:
    return resource.status or resource.custom is None
