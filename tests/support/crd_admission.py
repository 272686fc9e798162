"""What the API server would do with an object of one of our kinds: prune, default, validate, check the rules."""

from __future__ import annotations

import copy
from functools import cache
from typing import Any

from dittofs_operator import crds
from hack.localcluster.apiserver.schema import cel, structural
from reconcilers.api.common import CustomResource


class Refused(Exception):
    """The API server's answer to a write that breaks a rule: one line for each field."""


def admit(kind: type[CustomResource], obj: dict[str, Any], old: dict[str, Any] | None = None) -> dict[str, Any]:
    """The object as it would be stored, with its defaults; raises Refused. With `old` it is an update of that one."""
    schema, rules = _prepared(kind)
    stored = copy.deepcopy(obj)
    schema.prune(stored)
    schema.default(stored)
    errors = schema.validate(stored) or rules.validate(stored, old)
    if errors:
        raise Refused("\n".join(str(error) for error in errors))
    return stored


def manifest(kind: type[CustomResource], spec: dict[str, Any], *, name: str = "demo") -> dict[str, Any]:
    """An object of `kind` as a user would write it."""
    resource = kind.resource
    metadata = {"name": name, "namespace": "default"}
    return {"apiVersion": resource.api_version, "kind": resource.kind, "metadata": metadata, "spec": spec}


@cache
def _prepared(kind: type[CustomResource]) -> tuple[structural.StructuralSchema, cel.CelRules]:
    schema = crds.schema(kind)
    return structural.prepare(schema), cel.compile_rules(schema)
