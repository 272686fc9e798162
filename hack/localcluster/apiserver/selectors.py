"""Label and field selectors, parsed once into predicates."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Any

from hack.localcluster.apiserver.builtin import ResourceType
from hack.localcluster.apiserver.status import bad_request

Labels = Mapping[str, str]
Predicate = Callable[[dict[str, Any]], bool]
_LabelTest = Callable[[Labels], bool]

_NAME = r"[A-Za-z0-9]([-A-Za-z0-9_.]*[A-Za-z0-9])?"
_KEY = rf"(?P<key>({_NAME}/)?{_NAME})"
_VALUE = rf"({_NAME})?"
_SET = re.compile(rf"{_KEY}\s+(?P<operator>in|notin)\s*\((?P<values>[^()]*)\)")
_EQUALS = re.compile(rf"{_KEY}\s*(?P<operator>==|=|!=)\s*(?P<value>{_VALUE})")
_EXISTS = re.compile(rf"(?P<absent>!\s*)?{_KEY}")
_COMMA = re.compile(r",(?![^()]*\))")

#: Types without an extra entry of their own select by these two only, as the real server does.
_COMMON_FIELDS = ("metadata.name", "metadata.namespace")


def label_selector(text: str) -> Predicate:
    """The predicate of a label selector such as `app=x,tier in (a,b),!old`; 400 when it can't be read."""
    tests = [_label_test(part.strip(), text) for part in _COMMA.split(text) if part.strip()]

    def matches(obj: dict[str, Any]) -> bool:
        labels = obj.get("metadata", {}).get("labels") or {}
        return all(test(labels) for test in tests)

    return matches


def _label_test(part: str, text: str) -> _LabelTest:
    if found := _SET.fullmatch(part):
        key, values = found["key"], {value.strip() for value in found["values"].split(",")}
        if not all(re.fullmatch(_VALUE, value) for value in values):
            raise bad_request(f"unable to parse requirement: invalid label value in {text!r}")
        if found["operator"] == "in":
            return lambda labels: labels.get(key) in values
        return lambda labels: labels.get(key) not in values
    if found := _EQUALS.fullmatch(part):
        key, value = found["key"], found["value"]
        if found["operator"] == "!=":
            return lambda labels: labels.get(key) != value
        return lambda labels: labels.get(key) == value
    if found := _EXISTS.fullmatch(part):
        key, present = found["key"], not found["absent"]
        return lambda labels: (key in labels) is present
    raise bad_request(f"unable to parse requirement: found {part!r} in the label selector {text!r}")


def field_selector(resource: ResourceType, text: str) -> Predicate:
    """The predicate of a field selector such as `metadata.name=x`; 400 for a field that can't be selected by."""
    tests = [_field_test(resource, part.strip(), text) for part in text.split(",") if part.strip()]
    return lambda obj: all(test(obj) for test in tests)


def _field_test(resource: ResourceType, part: str, text: str) -> Predicate:
    path, operator, value = _split(part, text)
    if path not in _COMMON_FIELDS and path not in resource.field_labels:
        raise bad_request(f'field label not supported: "{path}" for {resource}')
    equal = operator != "!="
    return lambda obj: (_field(obj, path) == value) is equal


def _split(part: str, text: str) -> tuple[str, str, str]:
    for operator in ("!=", "==", "="):
        if operator in part:
            path, value = part.split(operator, 1)
            return path.strip(), operator, value.strip()
    raise bad_request(f"invalid selector: {text!r}; can't understand {part!r}")


def _field(obj: Any, path: str) -> str:
    if path == "source":
        path = "source.component"
    for name in path.split("."):
        obj = obj.get(name) if isinstance(obj, dict) else None
    if isinstance(obj, bool):
        return str(obj).lower()
    return "" if obj is None else str(obj)
