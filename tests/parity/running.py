"""Runs cases against an API server and compares what two servers answered."""

from __future__ import annotations

import re
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from tests.parity.case import KUBECTL, Case, Step
from tests.parity.endpoint import Answer, Endpoint
from tests.parity.kubectl import Kubectl
from tests.parity.masking import Mask

_VARIABLE = re.compile(r"\$(\w+)")
_RETRY_S = 20.0
_MISSING = "<absent>"

PATHS = {
    "cm": "/api/v1/namespaces/$ns/configmaps",
    "secrets": "/api/v1/namespaces/$ns/secrets",
    "services": "/api/v1/namespaces/$ns/services",
    "claims": "/api/v1/namespaces/$ns/persistentvolumeclaims",
    "pods": "/api/v1/namespaces/$ns/pods",
    "accounts": "/api/v1/namespaces/$ns/serviceaccounts",
    "events": "/api/v1/namespaces/$ns/events",
    "newevents": "/apis/events.k8s.io/v1/namespaces/$ns/events",
    "leases": "/apis/coordination.k8s.io/v1/namespaces/$ns/leases",
    "sets": "/apis/apps/v1/namespaces/$ns/statefulsets",
    "crds": "/apis/apiextensions.k8s.io/v1/customresourcedefinitions",
    "gadgets": "/apis/parity.example.dev/v1/namespaces/$ns/gadgets",
    "dittofs": "/apis/dittofs.parity.example.dev/v1alpha1/namespaces/$ns/dittofs",
    "shares": "/apis/dittofs.parity.example.dev/v1alpha1/namespaces/$ns/dittofsshares",
}


@dataclass(frozen=True, slots=True)
class Record:
    """A step's answer, as it came and as it is compared."""

    answer: Answer
    masked: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Difference:
    """One place in which two answers differ."""

    path: str
    real: Any
    ours: Any

    def __str__(self) -> str:
        return f"{self.path}:\n      real: {self.real}\n      ours: {self.ours}"


def run(case: Case, endpoint: Endpoint, kubectl: Kubectl, *, namespace: str) -> list[Record]:
    """The answers to all steps of a case; `namespace` is made when a step needs it."""
    variables = {"ns": namespace} | {name: path.replace("$ns", namespace) for name, path in PATHS.items()}
    if any(namespace in substitute(step.path, variables) for step in case.steps):
        endpoint.call("POST", "/api/v1/namespaces", {"metadata": {"name": namespace}})
    kept = {namespace: "$ns"}
    mask = Mask(kept)
    records = []
    for step in case.steps:
        answer = _ask(step, endpoint, kubectl, variables)
        for name, path in step.keep.items():
            value = str(find(answer.body, path))
            variables[name] = value
            if len(value) > 8:
                kept[value] = f"${name}"
        records.append(Record(answer, _comparable(step, answer, mask)))
    return records


def _ask(step: Step, endpoint: Endpoint, kubectl: Kubectl, variables: Mapping[str, str]) -> Answer:
    deadline = time.monotonic() + _RETRY_S
    while True:
        answer = _ask_once(step, endpoint, kubectl, variables)
        done = step.expected.is_met(answer.code, answer.reason) and not list(_unmet(step, answer))
        if done or not step.retry or time.monotonic() > deadline:
            return answer
        time.sleep(0.1)


def _ask_once(step: Step, endpoint: Endpoint, kubectl: Kubectl, variables: Mapping[str, str]) -> Answer:
    path = substitute(step.path, variables)
    if step.method == KUBECTL:
        return kubectl(path)
    return endpoint.call(
        step.method,
        path,
        substitute(step.body, variables),
        content_type=step.content_type,
        accept=step.accept,
        token=step.token,
        events=step.events,
    )


def substitute(value: Any, variables: Mapping[str, str]) -> Any:
    """`value` with each `$name` of a known variable replaced; a text that is a variable alone may become a number."""
    if isinstance(value, dict):
        return {substitute(key, variables): substitute(item, variables) for key, item in value.items()}
    if isinstance(value, list):
        return [substitute(item, variables) for item in value]
    if not isinstance(value, str):
        return value
    return _VARIABLE.sub(lambda found: variables.get(found[1], found[0]), value)


def _comparable(step: Step, answer: Answer, mask: Mask) -> Mapping[str, Any]:
    body = mask(answer.body)
    if step.only is not None:
        body = {path: find(body, path) for path in step.only}
    return {
        "code": answer.code,
        "type": answer.content_type,
        "warnings": list(answer.warnings),
        "body": body,
    }


def find(value: Any, path: str) -> Any:
    """What is at a dotted path; `name[key=value]` picks an item of a list, a number the item at that index."""
    for part in re.findall(r"\[[^\]]*\]|[^.\[\]]+", path):
        if part.startswith("["):
            key, _, wanted = part[1:-1].partition("=")
            value = next((item for item in value or () if str(find(item, key)) == wanted), _MISSING)
        elif isinstance(value, list):
            value = value[int(part)] if int(part) < len(value) else _MISSING
        elif isinstance(value, dict):
            value = value.get(part, _MISSING)
        else:
            return _MISSING
    return value


def unexpected(case: Case, records: list[Record], *, ours: bool) -> list[str]:
    """What is not as the data of the case say, one line for each."""
    found = []
    for number, (step, record) in enumerate(zip(case.steps, records, strict=True), start=1):
        expected, answer = (step.ours if ours else step.expected), record.answer
        where = f"step {number} {step.method} {step.path}"
        if not expected.is_met(answer.code, answer.reason):
            found.append(
                f"{where}: expected {expected.code or '2xx'} {expected.reason}, got {answer.code} {answer.body}"
            )
        elif expected == step.expected:
            found += [f"{where}: {line}" for line in _unmet(step, answer)]
    return found


def _unmet(step: Step, answer: Answer) -> Iterator[str]:
    for path, wanted in step.has.items():
        got = find(answer.body, path)
        if got != wanted:
            yield f"{path} is {got!r}, expected {wanted!r}"


def differences(real: Any, ours: Any, path: str = "") -> Iterator[Difference]:
    """Where two masked answers differ."""
    if isinstance(real, dict) and isinstance(ours, dict):
        for key in sorted(real.keys() | ours.keys()):
            below = f"{path}.{key}" if path else str(key)
            yield from differences(real.get(key, _MISSING), ours.get(key, _MISSING), below)
    elif isinstance(real, list) and isinstance(ours, list) and len(real) == len(ours):
        for index, (one, other) in enumerate(zip(real, ours, strict=True)):
            yield from differences(one, other, f"{path}.{index}")
    elif real != ours or isinstance(real, bool) is not isinstance(ours, bool):
        yield Difference(path, real, ours)


def surprises(step: Step, real: Record, ours: Record) -> list[str]:
    """Differences that the step doesn't list, and listed ones that are none."""
    found = list(differences(real.masked, ours.masked))
    if real.answer.code != ours.answer.code and "code" not in step.differs:
        return [f"answers\n      real: {_short(real)}\n      ours: {_short(ours)}"]
    lines = [str(entry) for entry in found if not any(_covers(path, entry.path) for path in step.differs)]
    lines += [
        f"{path}: listed as a difference, but both servers answer the same"
        for path in step.differs
        if not any(_covers(path, entry.path) for entry in found)
    ]
    return lines


def _short(record: Record) -> str:
    body = record.masked["body"]
    return f"{record.answer.code} {body.get('message', '') if isinstance(body, dict) else body}"


def _covers(listed: str, path: str) -> bool:
    return path == listed or path.startswith(f"{listed}.")
