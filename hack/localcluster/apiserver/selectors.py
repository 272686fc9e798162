"""Label and field selectors, read once into predicates."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from hack.localcluster.apiserver.builtin import ResourceType
from hack.localcluster.apiserver.label_selector import parse
from hack.localcluster.apiserver.status import bad_request

Predicate = Callable[[dict[str, Any]], bool]

#: Types without an extra entry of their own select by these two only, as the real server does.
_COMMON_FIELDS = ("metadata.name", "metadata.namespace")


def label_selector(text: str) -> Predicate:
    """The predicate of a label selector such as `app=x,tier in (a,b),!old`; 400 when it can't be read."""
    tests = parse(text)

    def matches(obj: dict[str, Any]) -> bool:
        labels = obj.get("metadata", {}).get("labels") or {}
        return all(test(labels) for test in tests)

    return matches


def field_selector(resource: ResourceType, text: str) -> Predicate:
    """The predicate of a field selector such as `metadata.name=x`; 400 for a field that can't be selected by."""
    tests = [_field_test(resource, part.strip(), text) for part in text.split(",") if part.strip()]
    return lambda obj: all(test(obj) for test in tests)


def _field_test(resource: ResourceType, part: str, text: str) -> Predicate:
    path, operator, value = _split(part, text)
    if path not in _COMMON_FIELDS and path not in resource.field_labels:
        if resource.custom or resource.field_labels:
            raise bad_request(f"field label not supported: {path}")
        raise bad_request(f'"{path}" is not a known field selector: only "metadata.name", "metadata.namespace"')
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
