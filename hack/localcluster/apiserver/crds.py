"""CustomResourceDefinitions: what they must say, and the resource types that an established one serves."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import orjson

from hack.localcluster.apiserver.apply.types import FieldType, TypeResolver
from hack.localcluster.apiserver.builtin import Column, ResourceType
from hack.localcluster.apiserver.definitions import OBJECT_META, description
from hack.localcluster.apiserver.metadata import timestamp
from hack.localcluster.apiserver.schema.cel import CelRules, check_defaults, compile_rules
from hack.localcluster.apiserver.schema.errors import SchemaError
from hack.localcluster.apiserver.schema.structural import StructuralSchema, prepare
from hack.localcluster.apiserver.status import Cause

Object = dict[str, Any]

CRD_TABLE = ("apiextensions.k8s.io", "customresourcedefinitions")
CLEANUP_FINALIZER = "customresourcecleanup.apiextensions.k8s.io"


@dataclass(frozen=True, slots=True)
class CustomSchema:
    """One served version of a CRD, ready to use."""

    definition: Object
    structural: StructuralSchema
    rules: CelRules
    field_type: FieldType
    columns: tuple[Column, ...]
    scale: Object | None
    has_rules: bool


@lru_cache(maxsize=64)
def _compiled(schema: bytes) -> tuple[StructuralSchema, CelRules]:
    definition = orjson.loads(schema)
    structural, rules = prepare(definition), compile_rules(definition)
    refused = check_defaults(definition)
    if refused:
        raise SchemaError(refused)
    return structural, rules


def check_definition(crd: Object, live: Object | None) -> Iterator[Cause]:
    """What is wrong with a CRD, field by field."""
    spec = crd.get("spec") or {}
    names, versions = spec.get("names") or {}, spec.get("versions") or []
    expected = f"{names.get('plural')}.{spec.get('group')}"
    if live is None and crd["metadata"]["name"] != expected:
        text = f'Invalid value: "{crd["metadata"]["name"]}": must be spec.names.plural+"."+spec.group'
        yield Cause("metadata.name", "FieldValueInvalid", text)
    if spec.get("scope") not in ("Namespaced", "Cluster"):
        text = f'Unsupported value: "{spec.get("scope", "")}": supported values: "Cluster", "Namespaced"'
        yield Cause("spec.scope", "FieldValueNotSupported", text)
    if (spec.get("conversion") or {}).get("strategy", "None") != "None":
        text = "Unsupported value: the local API server has no conversion webhooks: use strategy None"
        yield Cause("spec.conversion.strategy", "FieldValueNotSupported", text)
    if sum(1 for version in versions if version.get("storage")) != 1:
        text = "Invalid value: must have exactly one version marked as storage version"
        yield Cause("spec.versions", "FieldValueInvalid", text)
    same = all(version.get("schema") == versions[0].get("schema") for version in versions)
    for index, version in enumerate(versions):
        found = _check_version(version, f"spec.versions[{index}]", "spec.validation" if same else "")
        yield from found
    if live is not None:
        yield from _check_fixed(spec, live["spec"])


def _check_version(version: Object, path: str, common: str) -> Iterator[Cause]:
    """`common` is where the real server looks for a schema that all versions share."""
    schema = (version.get("schema") or {}).get("openAPIV3Schema")
    if schema is None:
        yield Cause(f"{path}.schema.openAPIV3Schema", "FieldValueRequired", "Required value")
        return
    try:
        _compiled(orjson.dumps(schema))
    except SchemaError as error:
        for entry in error.errors:
            yield Cause(f"{common or f'{path}.schema'}.{entry.field}", str(entry.reason), entry.message)


def _check_fixed(spec: Object, before: Object) -> Iterator[Cause]:
    for field in ("group", "scope"):
        if spec.get(field) != before.get(field):
            yield Cause(f"spec.{field}", "FieldValueInvalid", f'Invalid value: "{spec.get(field)}": field is immutable')


def served_types(crd: Object) -> list[ResourceType]:
    """The resource types of a CRD that passed `check_definition`, one for each served version."""
    return [_type(crd["spec"], version) for version in crd["spec"]["versions"] if version.get("served")]


def _type(spec: Object, version: Object) -> ResourceType:
    names = spec["names"]
    subresources = version.get("subresources") or {}
    definition = version["schema"]["openAPIV3Schema"]
    structural, rules = _compiled(orjson.dumps(definition))
    columns = tuple(_column(column) for column in version.get("additionalPrinterColumns") or ()) or (_AGE,)
    return ResourceType(
        group=spec["group"],
        version=version["name"],
        plural=names["plural"],
        kind=names["kind"],
        namespaced=spec["scope"] == "Namespaced",
        short_names=tuple(names.get("shortNames") or ()),
        categories=tuple(names.get("categories") or ()),
        status="status" in subresources,
        scale="scale" in subresources,
        generation=True,
        field_labels=tuple(
            field["jsonPath"].removeprefix(".")
            for field in version.get("selectableFields") or ()
            if "jsonPath" in field
        ),
        singular=names.get("singular") or names["kind"].lower(),
        list_kind=names.get("listKind") or f"{names['kind']}List",
        custom=CustomSchema(
            definition,
            structural,
            rules,
            TypeResolver().custom(definition),
            columns,
            subresources.get("scale"),
            has_rules=b'"x-kubernetes-validations"' in orjson.dumps(definition),
        ),
    )


_AGE = Column("Age", "date", ".metadata.creationTimestamp", description=description(OBJECT_META, "creationTimestamp"))


def _column(column: Object) -> Column:
    return Column(
        name=column["name"],
        type=column["type"],
        path=column["jsonPath"],
        priority=column.get("priority", 0),
        description=column.get("description")
        or f"Custom resource definition column (in JSONPath format): {column['jsonPath']}",
        format=column.get("format", ""),
    )


def establish(crd: Object, live: Object | None) -> None:
    """Write the status of a CRD: accepted and established at once, with the times of an earlier status kept."""
    spec = crd["spec"]
    before = (live or {}).get("status", {})
    known = {condition["type"]: condition for condition in before.get("conditions") or ()}
    stored = next(version["name"] for version in spec["versions"] if version.get("storage"))
    versions = list(before.get("storedVersions") or [])
    crd["status"] = {
        "acceptedNames": spec["names"],
        "conditions": [
            known.get(kind)
            or {"type": kind, "status": "True", "reason": reason, "message": message}
            | {"lastTransitionTime": timestamp()}
            for kind, reason, message in _CONDITIONS
        ],
        "storedVersions": versions if stored in versions else [*versions, stored],
    }


_CONDITIONS = (
    ("NamesAccepted", "NoConflicts", "no conflicts found"),
    ("Established", "InitialNamesAccepted", "the initial names have been accepted"),
)
