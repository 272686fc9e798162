"""Pods and their surroundings for the tests of the simulated kubelet."""

from __future__ import annotations

import base64
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from informers.resource import View


class FakeLookup:
    """ConfigMaps, Secrets and claims of one namespace, by name."""

    def __init__(self) -> None:
        self.config_maps: dict[str, Mapping[str, str]] = {}
        self.secrets: dict[str, Mapping[str, str]] = {}
        self.claims: dict[str, Path] = {}

    def config_map(self, name: str) -> View | None:
        return {"data": self.config_maps[name]} if name in self.config_maps else None

    def secret(self, name: str) -> View | None:
        if name not in self.secrets:
            return None
        return {"data": {k: base64.b64encode(v.encode()).decode() for k, v in self.secrets[name].items()}}

    def claim_folder(self, name: str) -> Path | None:
        return self.claims.get(name)


def pod(*containers: Mapping[str, Any], **spec: Any) -> dict[str, Any]:
    metadata = {"name": "demo-0", "namespace": "default", "uid": "uid-1", "labels": {"app": "demo"}}
    return {"metadata": metadata, "spec": {"containers": list(containers), **spec}}
