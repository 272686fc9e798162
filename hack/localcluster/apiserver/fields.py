"""Reads an object of a built-in kind against its definition: drops and reports unknown fields, fills defaults."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from hack.localcluster.apiserver.defaults import DEFAULTS
from hack.localcluster.apiserver.definitions import INT_OR_STRING, QUANTITY, definitions, reference, resolve, type_of
from hack.localcluster.apiserver.encodings import unreadable
from hack.localcluster.apiserver.quantities import canonical_quantity
from hack.localcluster.apiserver.status import Cause

#: What a Go server calls a JSON value, in messages.
_GO_NAME = {dict: "object", list: "array", str: "string", bool: "bool", int: "number", float: "number"}
_PYTHON_TYPES: Mapping[str, tuple[type, ...]] = {
    "object": (dict,),
    "array": (list,),
    "string": (str,),
    "boolean": (bool,),
    "integer": (int,),
    "number": (int, float),
}
_INDEX = re.compile(r"\[[^\]]*\]")
_OPEN = frozenset(("x-kubernetes-preserve-unknown-fields", "x-kubernetes-embedded-resource"))


@dataclass(slots=True)
class Findings:
    """What a reading found: `unknown` dotted paths, `mismatched` messages, `causes` of a 422."""

    unknown: list[str] = field(default_factory=list)
    mismatched: list[str] = field(default_factory=list)
    causes: list[Cause] = field(default_factory=list)


def read(definition: str, obj: dict[str, Any]) -> tuple[dict[str, Any], Findings]:
    """A cleaned and defaulted copy of `obj`, and what was found on the way."""
    findings = Findings()
    value = _read({"$ref": f"#/$defs/{definition}"}, obj, "", "", findings)
    return value if isinstance(value, dict) else {}, findings


def _read(schema: dict[str, Any], value: Any, path: str, owner: str, findings: Findings) -> Any:
    name = reference(schema)
    if name == QUANTITY:
        return _quantity(value, path, owner, findings)
    if name == INT_OR_STRING:
        if isinstance(value, bool) or not isinstance(value, (int, str)):
            _mismatch(value, path, owner, "intstr.IntOrString", findings)
        return value
    schema = resolve(schema)
    wanted = type_of(schema)
    if wanted and not _fits(value, wanted):
        _mismatch(value, path, owner, _go_type(name, schema), findings)
        return value
    if isinstance(value, str) and (why := unreadable(name, schema, value)):
        findings.mismatched.append(why)
    if isinstance(value, dict):
        return _read_object(schema, name, value, path, name.rsplit(".", 1)[-1] or owner, findings)
    if isinstance(value, list) and "items" in schema:
        return [_read(schema["items"], item, f"{path}[{index}]", owner, findings) for index, item in enumerate(value)]
    return value


def _read_object(
    schema: dict[str, Any], name: str, value: dict[str, Any], path: str, owner: str, findings: Findings
) -> dict[str, Any]:
    properties = schema.get("properties")
    if properties is None:
        items = schema.get("additionalProperties")
        if not isinstance(items, dict):
            return value
        return {key: _read(items, item, f"{path}[{key}]", owner, findings) for key, item in value.items()}
    result: dict[str, Any] = {}
    for key, item in value.items():
        here = f"{path}.{key}" if path else key
        if key not in properties:
            if _OPEN & schema.keys():
                result[key] = item
            else:
                findings.unknown.append(here)
        elif item is not None:
            value_read = _read(properties[key], item, here, owner, findings)
            # Go's omitempty: an optional list or map that is empty is not there
            if value_read or key in schema.get("required", ()) or not _is_collection(properties[key]):
                result[key] = value_read
    _fill(name, result)
    findings.causes += _missing(schema, result, path)
    return result


def _missing(schema: dict[str, Any], value: dict[str, Any], path: str) -> list[Cause]:
    # a status is written by controllers bit by bit, and "required" there only says "always shown"
    if path.startswith("status"):
        return []
    return [
        Cause(f"{path}.{key}" if path else key, "FieldValueRequired", "Required value")
        for key in schema.get("required", ())
        if key not in value and not _has_zero_value(schema["properties"][key])
    ]


def _fill(name: str, value: dict[str, Any]) -> None:
    for key, default in DEFAULTS.get(name, {}).items():
        if key not in value:
            filled = default(value) if callable(default) else default
            if filled is not None:
                value[key] = filled.copy() if isinstance(filled, (dict, list)) else filled


def _has_zero_value(schema: dict[str, Any]) -> bool:
    """Whether leaving the field out means its zero value to a Go server, which shows it nevertheless."""
    return type_of(resolve(schema)) in ("integer", "boolean") or not definitions().get(
        reference(schema), {"required": True}
    ).get("required")


def _is_collection(schema: dict[str, Any]) -> bool:
    resolved = resolve(schema)
    return "items" in resolved or isinstance(resolved.get("additionalProperties"), dict)


def _fits(value: Any, wanted: str) -> bool:
    if isinstance(value, bool):
        return wanted == "boolean"
    return isinstance(value, _PYTHON_TYPES[wanted])


def _mismatch(value: Any, path: str, owner: str, wanted: str, findings: Findings) -> None:
    got = "null" if value is None else _GO_NAME[type(value)]
    field = f"{owner}.{_INDEX.sub('', path)}"
    findings.mismatched.append(f"json: cannot unmarshal {got} into Go struct field {field} of type {wanted}")


def _go_type(name: str, schema: dict[str, Any]) -> str:
    """What a Go server calls the type of a field."""
    kind = type_of(schema)
    if kind in ("integer", "number"):
        return str(schema.get("format", "int64")).replace("double", "float64")
    if kind == "array":
        items = schema["items"]
        return f"[]{_go_type(reference(items), resolve(items))}"
    if isinstance(schema.get("additionalProperties"), dict):
        items = schema["additionalProperties"]
        return f"map[string]{_go_type(reference(items), resolve(items))}"
    return ".".join(name.split(".")[-2:]) if name else {"boolean": "bool"}.get(kind, kind)


def _quantity(value: Any, path: str, owner: str, findings: Findings) -> Any:
    if isinstance(value, bool) or not isinstance(value, (str, int, float)):
        _mismatch(value, path, owner, "resource.Quantity", findings)
        return value
    try:
        return canonical_quantity(str(value))
    except ValueError:
        findings.mismatched.append(
            "quantities must match the regular expression '^([+-]?[0-9.]+)([eEinumkKMGTP]*[-+]?[0-9]*)$'"
        )
        return value
