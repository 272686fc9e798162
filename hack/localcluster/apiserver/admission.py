"""Makes a written object fit to be stored: reads it against its schema, fills defaults, checks every rule."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from hack.localcluster.apiserver import metadata, strategies
from hack.localcluster.apiserver.builtin import ResourceType
from hack.localcluster.apiserver.crds import CustomSchema, check_definition
from hack.localcluster.apiserver.fields import read
from hack.localcluster.apiserver.schema.errors import FieldError
from hack.localcluster.apiserver.services import Services
from hack.localcluster.apiserver.status import Cause, bad_request

Object = dict[str, Any]


class Admission:
    """The steps between a request's object and the storage. `find_default_class` names the default StorageClass."""

    def __init__(self, *, services: Services, find_default_class: Callable[[], str | None]) -> None:
        self._services = services
        self._find_default_class = find_default_class

    def admit(self, resource: ResourceType, new: Object, live: Object | None, *, validation: str) -> AdmittedObject:
        """The object to store; 400 or 422 when it breaks a rule. `new` is not used afterwards."""
        if resource.custom is not None:
            return self._custom(resource, resource.custom, new, live, validation)
        return self._builtin(resource, new, live, validation)

    def complete(self, resource: ResourceType, obj: Object, live: Object | None) -> None:
        """Hand out what only an object that will be stored may take: addresses and ports of a Service."""
        if resource.table == ("", "services"):
            self._services.allocate(obj, live)

    def _builtin(self, resource: ResourceType, new: Object, live: Object | None, validation: str) -> AdmittedObject:
        obj, findings = read(resource.definition, new)
        if findings.mismatched:
            raise bad_request(_cannot_handle(resource, findings.mismatched[0]))
        warnings = _unknown(resource, findings.unknown, validation)
        if prepare := strategies.PREPARE.get(resource.table):
            prepare(obj, live)
        if resource.table == ("", "persistentvolumeclaims") and live is None:
            default_class = self._find_default_class()
            if "storageClassName" not in obj.get("spec", {}) and default_class:
                obj.setdefault("spec", {})["storageClassName"] = default_class
        causes = [*metadata.check(resource, obj, live), *findings.causes]
        if not causes:
            causes += strategies.check_create(resource.table, obj)
            if resource.plural == "customresourcedefinitions":
                causes += check_definition(obj, live)
        if live is not None and (check := strategies.CHECK_UPDATE.get(resource.table)):
            causes += check(obj, live)
        metadata.raise_if_any(resource, obj["metadata"]["name"], causes)
        return AdmittedObject(obj, warnings)

    def _custom(
        self, resource: ResourceType, schema: CustomSchema, new: Object, live: Object | None, validation: str
    ) -> AdmittedObject:
        name = new["metadata"]["name"]
        unknown = schema.structural.prune(new)
        _read_metadata(resource, new)
        warnings = _unknown(resource, unknown, validation)
        schema.structural.default(new)
        causes = list(metadata.check(resource, new, live))
        errors: list[FieldError] = schema.structural.validate(new)
        if not errors:
            # the real server runs no rules on an object whose structure is wrong
            errors = schema.rules.validate(new, live)
        causes += [Cause(error.field, str(error.reason), error.message) for error in errors]
        metadata.raise_if_any(resource, name, causes)
        return AdmittedObject(new, warnings)


class AdmittedObject:
    """What may be stored, and the warnings for its writer."""

    def __init__(self, obj: Object, warnings: list[str]) -> None:
        self.obj = obj
        self.warnings = warnings


def _read_metadata(resource: ResourceType, obj: Object) -> None:
    cleaned, findings = read(_OBJECT_META, obj["metadata"])
    if findings.mismatched:
        raise bad_request(_cannot_handle(resource, findings.mismatched[0]))
    obj["metadata"] = cleaned


_OBJECT_META = "io.k8s.apimachinery.pkg.apis.meta.v1.ObjectMeta"


def _unknown(resource: ResourceType, paths: list[str], validation: str) -> list[str]:
    if not paths or validation == "Ignore":
        return []
    texts = [f'unknown field "{path}"' for path in paths]
    if validation == "Strict":
        raise bad_request(_cannot_handle(resource, f"strict decoding error: {', '.join(texts)}"))
    return texts


def _cannot_handle(resource: ResourceType, why: str) -> str:
    return f'{resource.kind} in version "{resource.version}" cannot be handled as a {resource.kind}: {why}'
