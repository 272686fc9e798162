"""What the cases find in a server: the suite's custom resources, and ours under a group of the suite."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import yaml

from tests.parity.endpoint import Endpoint

_HERE = Path(__file__).parent
_MANIFESTS = _HERE.parents[1] / "manifests" / "crds"
_CRDS = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions"
_READY_S = 20.0
#: An operator that runs against the same server must not take the suite's objects for its own.
_GROUPS = ("dittofs.dittofs.io", "dittofs.parity.example.dev")


class Setting:
    """Installs the definitions, and removes them with all namespaces that were used."""

    def __init__(self, endpoint: Endpoint) -> None:
        self._endpoint = endpoint
        self.namespaces: list[str] = []
        self._definitions = list(_definitions())

    def install(self) -> None:
        """Create the definitions and wait until they are served."""
        for definition in self._definitions:
            path = f"{_CRDS}/{definition['metadata']['name']}"
            self._endpoint.call("DELETE", path)
            self._until(path, 404)
            answer = self._endpoint.call("POST", _CRDS, definition)
            assert answer.code == 201, answer.body
        for definition in self._definitions:
            spec = definition["spec"]
            self._until(f"/apis/{spec['group']}/{spec['versions'][0]['name']}/{spec['names']['plural']}", 200)

    def remove(self) -> None:
        """Delete what was made; the server finishes in the background."""
        for namespace in self.namespaces:
            self._endpoint.call("DELETE", f"/api/v1/namespaces/{namespace}")
        for definition in self._definitions:
            self._endpoint.call("DELETE", f"{_CRDS}/{definition['metadata']['name']}")

    def _until(self, path: str, code: int) -> None:
        deadline = time.monotonic() + _READY_S
        while (answer := self._endpoint.call("GET", path)).code != code:
            assert time.monotonic() < deadline, answer.body
            time.sleep(0.05)


def _definitions() -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = list(yaml.safe_load_all((_HERE / "definitions.yaml").read_text()))
    for path in sorted(_MANIFESTS.glob("dittofs*.yaml")):
        found += yaml.safe_load_all(path.read_text().replace(*_GROUPS))
    return found
