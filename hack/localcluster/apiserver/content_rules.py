"""Rules of the built-in kinds that their definitions don't hold, for new and for changed objects."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import Any

from hack.localcluster.apiserver.status import Cause

Object = dict[str, Any]

_KEY = re.compile(r"[-._a-zA-Z0-9]+")
_KEY_TEXT = (
    "a valid config key must consist of alphanumeric characters, '-', '_' or '.' (e.g. 'key.name',  or 'KEY_NAME',  "
    "or 'key-name', regex used for validation is '[-._a-zA-Z0-9]+')"
)
_SERVICE_TYPES = ("ClusterIP", "ExternalName", "LoadBalancer", "NodePort")


def check_create(table: tuple[str, str], obj: Object) -> Iterator[Cause]:
    """Rules of a new or changed object that its definition doesn't hold."""
    spec = obj.get("spec") or {}
    if table[0] == "apps" and table[1] != "controllerrevisions":
        yield from _check_selector_matches(spec)
    if table == ("", "services"):
        yield from _check_ports(spec)
    if table in (("", "configmaps"), ("", "secrets")):
        yield from _check_keys(obj)
    if table == ("", "secrets"):
        yield from _check_secret_type(obj)
    if table == ("", "persistentvolumeclaims"):
        yield from _check_claim_spec(spec)
    if table == ("coordination.k8s.io", "leases"):
        yield from _check_lease(spec)
    if obj.get("apiVersion") == "events.k8s.io/v1":
        yield from _check_event(obj)


def _check_selector_matches(spec: Object) -> Iterator[Cause]:
    if not spec.get("selector"):
        yield Cause("spec.selector", "FieldValueRequired", "Required value")
    wanted = (spec.get("selector") or {}).get("matchLabels")
    labels = spec.get("template", {}).get("metadata", {}).get("labels") or {}
    # no selector selects nothing
    if not spec.get("selector") or not (wanted or {}).items() <= labels.items():
        text = (
            f"Invalid value: {json.dumps(labels, separators=(',', ':'))}: `selector` does not match template `labels`"
        )
        yield Cause("spec.template.metadata.labels", "FieldValueInvalid", text)


def _check_ports(spec: Object) -> Iterator[Cause]:
    ports = spec.get("ports") or []
    if not ports and spec.get("clusterIP") != "None" and spec.get("type") != "ExternalName":
        yield Cause("spec.ports", "FieldValueRequired", "Required value")
    if spec.get("type") not in _SERVICE_TYPES:
        supported = ", ".join(f'"{name}"' for name in _SERVICE_TYPES)
        text = f'Unsupported value: "{spec.get("type")}": supported values: {supported}'
        yield Cause("spec.type", "FieldValueNotSupported", text)
    names: set[str] = set()
    numbers: set[tuple[Any, Any]] = set()
    for index, port in enumerate(ports):
        if len(ports) > 1 and not port.get("name"):
            yield Cause(f"spec.ports[{index}].name", "FieldValueRequired", "Required value")
        elif port.get("name") in names:
            text = f'Duplicate value: "{port["name"]}"'
            yield Cause(f"spec.ports[{index}].name", "FieldValueDuplicate", text)
        names.add(port.get("name", ""))
        number = port.get("port", 0)
        if not 1 <= number <= 65535:
            text = f"Invalid value: {number}: must be between 1 and 65535, inclusive"
            yield Cause(f"spec.ports[{index}].port", "FieldValueInvalid", text)
        target = port.get("targetPort")
        if isinstance(target, int) and not 1 <= target <= 65535:
            text = f"Invalid value: {target}: must be between 1 and 65535, inclusive"
            yield Cause(f"spec.ports[{index}].targetPort", "FieldValueInvalid", text)
        if (identity := (port.get("protocol"), number)) in numbers:
            shown = {"Name": "", "Protocol": identity[0], "AppProtocol": None, "Port": number}
            shown |= {"TargetPort": 0, "NodePort": 0}
            text = f"Duplicate value: {json.dumps(shown, separators=(',', ':'))}"
            yield Cause(f"spec.ports[{index}]", "FieldValueDuplicate", text)
        numbers.add((port.get("protocol"), number))


def _check_keys(obj: Object) -> Iterator[Cause]:
    for field in ("data", "binaryData"):
        for key in obj.get(field) or {}:
            if not _KEY.fullmatch(key):
                yield Cause(f"{field}[{key}]", "FieldValueInvalid", f'Invalid value: "{key}": {_KEY_TEXT}')


_REQUIRED_KEYS = {
    "kubernetes.io/basic-auth": (),
    "kubernetes.io/dockerconfigjson": (".dockerconfigjson",),
    "kubernetes.io/tls": ("tls.crt", "tls.key"),
}


def _check_secret_type(secret: Object) -> Iterator[Cause]:
    for key in _REQUIRED_KEYS.get(secret.get("type", ""), ()):
        if key not in (secret.get("data") or {}):
            yield Cause(f"data[{key}]", "FieldValueRequired", "Required value")


def _check_claim_spec(spec: Object) -> Iterator[Cause]:
    if not spec.get("accessModes"):
        yield Cause("spec.accessModes", "FieldValueRequired", "Required value: at least 1 access mode is required")
    if not ((spec.get("resources") or {}).get("requests") or {}).get("storage"):
        yield Cause("spec.resources[storage]", "FieldValueRequired", "Required value")


def _check_lease(spec: Object) -> Iterator[Cause]:
    duration, transitions = spec.get("leaseDurationSeconds"), spec.get("leaseTransitions")
    if duration is not None and duration <= 0:
        text = f"Invalid value: {duration}: must be greater than 0"
        yield Cause("spec.leaseDurationSeconds", "FieldValueInvalid", text)
    if transitions is not None and transitions < 0:
        text = f"Invalid value: {transitions}: must be greater than or equal to 0"
        yield Cause("spec.leaseTransitions", "FieldValueInvalid", text)


def _check_event(event: Object) -> Iterator[Cause]:
    if not event.get("eventTime") and not event.get("deprecatedFirstTimestamp"):
        yield Cause("eventTime", "FieldValueRequired", "Required value")
    if (kind := event.get("type", "")) not in ("Normal", "Warning"):
        yield Cause("type", "FieldValueInvalid", f'Invalid value: "{kind}": has invalid value: {kind}')
