"""The CustomResourceDefinitions, generated from the pydantic models.

pydantic's JSON schema becomes a structural one: references resolved in place, null dropped (absent means the same),
defaults complete, since the API server checks a default against the rules before nested defaults are filled in.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import yaml

from informers.resource import Manifest
from reconcilers.api.backup import DittoFSBackup
from reconcilers.api.common import CustomResource
from reconcilers.api.dittofs import DittoFS
from reconcilers.api.schema import Column, without_empty
from reconcilers.api.share import DittoFSShare

KINDS: tuple[type[CustomResource], ...] = (DittoFS, DittoFSShare, DittoFSBackup)

#: The keywords of a structural schema that our models need, in the order in which they are written: what a reader
#: looks for comes first, the fields of an object last. Any other keyword is a mistake of the model.
_KEYWORDS = (
    "type",
    "x-kubernetes-int-or-string",
    "x-kubernetes-preserve-unknown-fields",
    "description",
    "default",
    "enum",
    "format",
    "minimum",
    "maximum",
    "minLength",
    "maxLength",
    "pattern",
    "maxItems",
    "maxProperties",
    "x-kubernetes-list-type",
    "x-kubernetes-list-map-keys",
    "x-kubernetes-validations",
    "required",
    "items",
    "additionalProperties",
    "properties",
)
_DROPPED = frozenset({"title", "$defs"})

_TYPE_META = {
    "apiVersion": {"type": "string", "description": "Group and version of the object's schema."},
    "kind": {"type": "string", "description": "The kind of the object."},
    "metadata": {"type": "object"},
}


def all_crds() -> tuple[Manifest, ...]:
    """The CustomResourceDefinitions of all our kinds."""
    return tuple(crd(kind) for kind in KINDS)


def crd(kind: type[CustomResource]) -> Manifest:
    """The CustomResourceDefinition of `kind`."""
    resource, definition = kind.resource, kind.definition
    subresources: dict[str, Any] = {"status": {}}
    if definition.scale is not None:
        subresources["scale"] = {
            "specReplicasPath": definition.scale.spec_replicas_path,
            "statusReplicasPath": definition.scale.status_replicas_path,
        }
    return {
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": {"name": f"{resource.plural}.{resource.group}"},
        "spec": {
            "group": resource.group,
            "names": {
                "kind": resource.kind,
                "listKind": f"{resource.kind}List",
                "plural": resource.plural,
                "singular": resource.kind.lower(),
                "shortNames": list(definition.short_names),
                "categories": list(definition.categories),
            },
            "scope": "Namespaced" if resource.namespaced else "Cluster",
            "versions": [
                {
                    "name": resource.version,
                    "served": True,
                    "storage": True,
                    "subresources": subresources,
                    "additionalPrinterColumns": [_column(column) for column in definition.columns],
                    "schema": {"openAPIV3Schema": schema(kind)},
                }
            ],
        },
    }


def schema(kind: type[CustomResource]) -> dict[str, Any]:
    """The structural schema of the objects of `kind`."""
    source = kind.model_json_schema(by_alias=True, mode="validation")
    whole = _structural(source, source.get("$defs", {}))
    parts = {name: part for name, part in whole["properties"].items() if name not in _TYPE_META}
    parts["status"] = _without_defaults(parts["status"])
    root: dict[str, Any] = {"type": "object", "description": whole["description"], "required": ["spec"]}
    if kind.definition.rules:
        root["x-kubernetes-validations"] = [rule.manifest() for rule in kind.definition.rules]
    return {**root, "properties": {**_TYPE_META, **parts}}


def as_yaml() -> str:
    """All CustomResourceDefinitions as one stream of YAML documents, as `dittofs-operator crds` prints it."""
    return dump(*all_crds())


def dump(*manifests: Manifest) -> str:
    """`manifests` as YAML documents: the order of keys is theirs, the same input gives the same text."""
    return "".join(f"---\n{dump_part(manifest)}" for manifest in manifests)


def dump_part(part: Any) -> str:  # noqa: ANN401 - JSON of any shape
    """The JSON `part` as YAML, without the mark of a document's start."""
    text: str = yaml.dump(part, Dumper=_Dumper, sort_keys=False, width=120, allow_unicode=True)
    return text


def _structural(source: Mapping[str, Any], definitions: Mapping[str, Any]) -> dict[str, Any]:
    node = dict(source)
    if "anyOf" in node:
        node = _without_null(node)
    if "$ref" in node:
        referred = definitions[node.pop("$ref").removeprefix("#/$defs/")]
        rules = [*referred.get("x-kubernetes-validations", ()), *node.pop("x-kubernetes-validations", ())]
        node = {**referred, **node, **({"x-kubernetes-validations": rules} if rules else {})}
    unknown = node.keys() - _DROPPED - set(_KEYWORDS)
    if unknown:
        raise ValueError(f"no structural schema has the keywords {sorted(unknown)}: {source!r}")
    result = {}
    for keyword in _KEYWORDS:
        value = _keyword(keyword, node.get(keyword), definitions)
        if value is not None:
            result[keyword] = value
    return result


def _keyword(keyword: str, value: Any, definitions: Mapping[str, Any]) -> Any:  # noqa: ANN401 - JSON of any shape
    if value is None:
        return None
    match keyword:
        case "properties":
            return {name: _structural(field, definitions) for name, field in value.items()}
        case "items" | "additionalProperties":
            return _structural(value, definitions)
        case "x-kubernetes-validations":
            return [{key: rule[key] for key in ("rule", "message", "fieldPath") if key in rule} for rule in value]
        case "default":
            default = without_empty(value)
            return None if default in ({}, []) else default
        case _:
            return value


def _without_null(node: dict[str, Any]) -> dict[str, Any]:
    choices = [choice for choice in node.pop("anyOf") if choice != {"type": "null"}]
    if len(choices) != 1:
        raise ValueError(f"no structural schema has a choice of types: {choices!r}")
    return {**choices[0], **node}


def _without_defaults(node: Mapping[str, Any]) -> dict[str, Any]:
    # The status is what the operator wrote: the API server adds nothing to it.
    result = {keyword: value for keyword, value in node.items() if keyword != "default"}
    if "properties" in result:
        result["properties"] = {name: _without_defaults(field) for name, field in result["properties"].items()}
    if "items" in result:
        result["items"] = _without_defaults(result["items"])
    return result


def _column(column: Column) -> dict[str, Any]:
    entry: dict[str, Any] = {
        "name": column.name,
        "type": column.type,
        "description": column.description,
        "jsonPath": column.json_path,
    }
    return {**entry, "priority": column.priority} if column.priority else entry


class _Dumper(yaml.SafeDumper):
    """Writes what is used twice twice, and lines as lines: manifests are read without looking up anchors."""

    def ignore_aliases(self, data: object) -> bool:  # noqa: ARG002 - the parent's signature
        return True


def _text(dumper: yaml.SafeDumper, text: str) -> yaml.ScalarNode:
    return dumper.represent_scalar("tag:yaml.org,2002:str", text, style="|" if "\n" in text else None)


_Dumper.add_representer(str, _text)
