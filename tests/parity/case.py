"""The cases as data: what is asked of an API server step by step, and what must be answered.

`cases/README.md` says what a step can hold.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

#: In the place of a method: the rest of the line is arguments of kubectl.
KUBECTL = "kubectl"

FOLDER = Path(__file__).parent / "cases"

MEDIA_TYPES = {
    "json": "application/json",
    "yaml": "application/yaml",
    "json-patch": "application/json-patch+json",
    "merge": "application/merge-patch+json",
    "strategic": "application/strategic-merge-patch+json",
    "apply": "application/apply-patch+yaml",
    "table": "application/json;as=Table;v=v1;g=meta.k8s.io",
    "partial": "application/json;as=PartialObjectMetadata;v=v1;g=meta.k8s.io",
    "partial-list": "application/json;as=PartialObjectMetadataList;v=v1;g=meta.k8s.io",
    "discovery": "application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList",
}


@dataclass(frozen=True, slots=True)
class Expected:
    """The status code (0: any success) and the Status reason (empty: not looked at) of an answer.

    The code of kubectl is its exit status.
    """

    code: int = 0
    reason: str = ""

    @classmethod
    def of(cls, text: object) -> Expected:
        """Read `409 Conflict`, `201` or nothing."""
        code, _, reason = str(text or "0").partition(" ")
        return cls(int(code), reason)

    def is_met(self, code: int, reason: str) -> bool:
        """Whether an answer is as expected."""
        right_code = code == self.code if self.code else code == 0 or 200 <= code < 300
        return right_code and (not self.reason or reason == self.reason)


@dataclass(frozen=True, slots=True)
class Step:
    """One request and what is expected of its answer."""

    method: str
    path: str
    body: Any
    content_type: str
    accept: str
    token: str | None
    expected: Expected
    ours: Expected
    only: tuple[str, ...] | None
    has: Mapping[str, Any]
    keep: Mapping[str, str]
    differs: Mapping[str, str]
    events: int | None
    retry: bool


@dataclass(frozen=True, slots=True)
class Case:
    """A named sequence of requests; `topic` is the file it stands in."""

    topic: str
    name: str
    steps: tuple[Step, ...] = field(repr=False)

    @property
    def id(self) -> str:
        """How the case is called in a report."""
        return f"{self.topic}: {self.name}"


_KEYS = frozenset(
    ("do", "send", "as", "accept", "token", "expect", "ours", "only", "has", "keep", "differs", "events", "retry")
)


def load() -> tuple[Case, ...]:
    """All cases, by file and in order."""
    return tuple(case for path in sorted(FOLDER.glob("*.yaml")) for case in _read(path))


def _read(path: Path) -> Iterator[Case]:
    document = yaml.load(path.read_text(), _Loader)
    for name, steps in document["cases"].items():
        yield Case(path.stem, name, tuple(_step(step, f"{path.stem}: {name}") for step in steps))


def _step(data: Mapping[str, Any], where: str) -> Step:
    if unknown := data.keys() - _KEYS:
        raise ValueError(f"{where}: unknown keys {sorted(unknown)}")
    method, _, path = str(data["do"]).partition(" ")
    expected = Expected.of(data.get("expect"))
    kind = str(data.get("as", "json"))
    accept = str(data.get("accept", "json"))
    return Step(
        method=method,
        path=path,
        body=data.get("send"),
        content_type=MEDIA_TYPES.get(kind, kind),
        accept=MEDIA_TYPES.get(accept, accept),
        token=data.get("token"),
        expected=expected,
        ours=Expected.of(data["ours"]) if "ours" in data else expected,
        only=tuple(data["only"]) if "only" in data else None,
        has=data.get("has", {}),
        keep=data.get("keep", {}),
        differs=data.get("differs", {}),
        events=data.get("events"),
        retry=bool(data.get("retry")),
    )


class _Loader(yaml.SafeLoader):
    """YAML in which a date is a string, and a key that stands twice is an error."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
        names = [key.value for key, _ in node.value if key.tag != "tag:yaml.org,2002:merge"]
        if twice := {name for name in names if names.count(name) > 1}:
            raise ValueError(f"{node.start_mark}: written twice: {sorted(twice)}")
        return super().construct_mapping(node, deep)


_Loader.yaml_implicit_resolvers = {
    first: [(tag, pattern) for tag, pattern in resolvers if tag != "tag:yaml.org,2002:timestamp"]
    for first, resolvers in yaml.SafeLoader.yaml_implicit_resolvers.items()
}
