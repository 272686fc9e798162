"""A container's environment out of its spec; pure, what it refers to comes in through `Lookup`."""

from __future__ import annotations

import base64
import re
from collections.abc import Mapping
from typing import Any, Protocol

from informers.resource import View

_REFERENCE = re.compile(r"\$\$|\$\(([^)]+)\)")


class Lookup(Protocol):
    """Where objects of the pod's namespace are found."""

    def config_map(self, name: str) -> View | None:
        """The ConfigMap `name`, or None."""

    def secret(self, name: str) -> View | None:
        """The Secret `name`, or None."""


class ReferenceMissing(Exception):
    """A ConfigMap, a Secret, or a key of one, that has to be there, is not; the message is the kubelet's."""


def config_map_data(view: View) -> Mapping[str, bytes]:
    """The content of a ConfigMap."""
    binary = {key: base64.b64decode(value) for key, value in (view.get("binaryData") or {}).items()}
    return {key: value.encode() for key, value in (view.get("data") or {}).items()} | binary


def secret_data(view: View) -> Mapping[str, bytes]:
    """The content of a Secret."""
    return {key: base64.b64decode(value) for key, value in (view.get("data") or {}).items()}


def environment(container: View, pod: View, lookup: Lookup, *, pod_address: str) -> dict[str, str]:
    """The variables of `container`; raises ReferenceMissing."""
    values: dict[str, str] = {}
    for source in container.get("envFrom") or ():
        prefix = source.get("prefix") or ""
        for kind in ("configMapRef", "secretRef"):
            if kind in source:
                data = _data(kind.removesuffix("Ref"), source[kind], lookup)
                values.update({f"{prefix}{key}": value.decode() for key, value in (data or {}).items()})
    for variable in container.get("env") or ():
        value = _value(variable, values, pod, lookup, pod_address)
        if value is not None:
            values[variable["name"]] = value
    return values


def expand(text: str, values: Mapping[str, str]) -> str:
    """`text` with $(NAME) replaced; unknown names stay as they are, $$ is a plain $."""
    return _REFERENCE.sub(lambda m: "$" if m.group(0) == "$$" else values.get(m.group(1), m.group(0)), text)


def _value(variable: View, known: Mapping[str, str], pod: View, lookup: Lookup, pod_address: str) -> str | None:
    source = variable.get("valueFrom")
    if not source:
        return expand(variable.get("value") or "", known)
    if "fieldRef" in source:
        return field_of(source["fieldRef"]["fieldPath"], pod, pod_address)
    for kind in ("configMapKeyRef", "secretKeyRef"):
        if kind in source:
            return _key(kind.removesuffix("KeyRef"), source[kind], lookup, pod)
    raise ReferenceMissing(f"environment variable {variable['name']}: the local cluster can't resolve {list(source)}")


def _key(kind: str, reference: View, lookup: Lookup, pod: View) -> str | None:
    data = _data(kind, reference, lookup)
    if data is None:
        return None
    if reference["key"] in data:
        return data[reference["key"]].decode()
    if reference.get("optional"):
        return None
    noun = "ConfigMap" if kind == "configMap" else "Secret"
    namespace = pod["metadata"].get("namespace", "")
    raise ReferenceMissing(f"couldn't find key {reference['key']} in {noun} {namespace}/{reference['name']}")


def _data(kind: str, reference: View, lookup: Lookup) -> Mapping[str, bytes] | None:
    name = reference["name"]
    view = lookup.config_map(name) if kind == "configMap" else lookup.secret(name)
    if view is not None:
        return config_map_data(view) if kind == "configMap" else secret_data(view)
    if reference.get("optional"):
        return None
    raise ReferenceMissing(f'{kind.lower()} "{name}" not found')


def field_of(path: str, pod: View, pod_address: str) -> str:
    """The value of the pod's field at `path`, as the downward API gives it; empty when there is none."""
    match = re.fullmatch(r"metadata\.(labels|annotations)\['([^']+)'\]", path)
    if match:
        return str((pod["metadata"].get(match.group(1)) or {}).get(match.group(2), ""))
    if path in {"status.podIP", "status.podIPs"}:
        return pod_address
    node: Any = pod
    for part in path.split("."):
        node = node.get(part) if isinstance(node, Mapping) else None
    return "" if node is None else str(node)
