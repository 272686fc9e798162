"""Makes a written object fit to be stored: reads it against its schema, fills defaults, checks every rule."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from hack.localcluster.apiserver import content_rules, metadata, strategies
from hack.localcluster.apiserver.builtin import ResourceType
from hack.localcluster.apiserver.crds import CustomSchema, check_definition
from hack.localcluster.apiserver.fields import read
from hack.localcluster.apiserver.schema.errors import FieldError, Reason
from hack.localcluster.apiserver.services import Services
from hack.localcluster.apiserver.status import Cause, Undecodable, forbidden

Object = dict[str, Any]


class Admission:
    """The steps between a request's object and the storage.

    `find_default_class` names the default StorageClass; `class_grows` says of a named one whether its volumes can grow.
    """

    def __init__(
        self,
        *,
        services: Services,
        find_default_class: Callable[[], str | None],
        class_grows: Callable[[str], bool],
    ) -> None:
        self._services = services
        self._class_grows = class_grows
        self._find_default_class = find_default_class

    def admit(self, resource: ResourceType, new: Object, live: Object | None, *, validation: str) -> AdmittedObject:
        """The object to store; 400 or 422 when it breaks a rule. `new` is not used afterwards."""
        if resource.custom is not None:
            return self._custom(resource, resource.custom, new, live, validation)
        return self._builtin(resource, new, live, validation)

    def complete(self, resource: ResourceType, obj: Object, live: Object | None) -> None:
        """Hand out what no writer owns and only an object that will be stored may take, such as addresses."""
        if resource.table == ("", "persistentvolumeclaims") and live is None:
            default_class = self._find_default_class()
            if "storageClassName" not in obj.get("spec", {}) and default_class:
                obj.setdefault("spec", {})["storageClassName"] = default_class
        if resource.table == ("", "namespaces") and live is None:
            obj["spec"] = {"finalizers": ["kubernetes"]}
        if resource.table == ("", "services"):
            self._services.allocate(obj, live)

    def _builtin(self, resource: ResourceType, new: Object, live: Object | None, validation: str) -> AdmittedObject:
        obj, findings = read(resource.definition, new)
        if findings.mismatched:
            raise _undecodable(resource, findings.mismatched[0])
        warnings = _unknown(resource, findings.unknown, validation)
        if prepare := strategies.PREPARE.get(resource.table):
            prepare(obj, live)
        causes = [*metadata.check(resource, obj, live), *findings.causes]
        if not causes:
            causes += content_rules.check_create(resource.table, obj)
            if resource.plural == "customresourcedefinitions":
                causes += check_definition(obj, live)
        if live is not None and (check := strategies.CHECK_UPDATE.get(resource.table)):
            causes += check(obj, live)
        metadata.raise_if_any(resource, obj["metadata"]["name"], causes)
        if live is not None and resource.table == ("", "persistentvolumeclaims"):
            self._check_growth(resource, obj, live)
        return AdmittedObject(obj, warnings)

    def _check_growth(self, resource: ResourceType, new: Object, live: Object) -> None:
        if new.get("spec", {}).get("resources") == live.get("spec", {}).get("resources"):
            return
        storage_class = live["spec"].get("storageClassName")
        # One without a class, which this server also makes where there is no default one, can grow here.
        if storage_class and not self._class_grows(storage_class):
            raise forbidden(resource, new["metadata"]["name"], _CANNOT_GROW)

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
        blocked = any(error.reason in _BLOCKING for error in errors)
        if not blocked:
            errors = [*errors, *schema.rules.validate(new, live)]
        causes += [Cause(error.field, str(error.reason), error.message) for error in errors]
        if blocked and schema.has_rules:
            causes.append(Cause("<nil>", "FieldValueInvalid", _NOT_CHECKED))
        metadata.raise_if_any(resource, name, causes)
        return AdmittedObject(new, warnings)


_CANNOT_GROW = (
    "only dynamically provisioned pvc can be resized and the storageclass that provisions the pvc must support resize"
)

#: Errors of the structure that leave rules nothing certain to look at.
_BLOCKING = frozenset((Reason.NOT_SUPPORTED, Reason.REQUIRED, Reason.TOO_LONG, Reason.TOO_MANY, Reason.TYPE_INVALID))
_NOT_CHECKED = (
    "Invalid value: null: some validation rules were not checked because the object was invalid; "
    "correct the existing errors to complete validation"
)


class AdmittedObject:
    """What may be stored, and the warnings for its writer."""

    def __init__(self, obj: Object, warnings: list[str]) -> None:
        self.obj = obj
        self.warnings = warnings


def _read_metadata(resource: ResourceType, obj: Object) -> None:
    cleaned, findings = read(_OBJECT_META, obj["metadata"])
    if findings.mismatched:
        raise _undecodable(resource, findings.mismatched[0])
    obj["metadata"] = cleaned


_OBJECT_META = "io.k8s.apimachinery.pkg.apis.meta.v1.ObjectMeta"


def _unknown(resource: ResourceType, paths: list[str], validation: str) -> list[str]:
    if not paths or validation == "Ignore":
        return []
    texts = [f'unknown field "{path}"' for path in paths]
    if validation == "Strict":
        raise _undecodable(resource, f"strict decoding error: {', '.join(texts)}")
    return texts


def _undecodable(resource: ResourceType, why: str) -> Undecodable:
    return Undecodable(f'{resource.kind} in version "{resource.version}" cannot be handled as a {resource.kind}: ', why)
