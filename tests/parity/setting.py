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
            self._free(definition)
            self._endpoint.call("DELETE", path)
            self._until(path, 404)
            answer = self._endpoint.call("POST", _CRDS, definition)
            assert answer.code == 201, answer.body
        for definition in self._definitions:
            self._until(_collection(definition), 200)

    def remove(self) -> None:
        """Delete what was made; the server finishes in the background."""
        for definition in self._definitions:
            self._free(definition)
        for namespace in self.namespaces:
            self._endpoint.call("DELETE", f"/api/v1/namespaces/{namespace}")
        for definition in self._definitions:
            self._endpoint.call("DELETE", f"{_CRDS}/{definition['metadata']['name']}")

    def _free(self, definition: dict[str, Any]) -> None:
        """Take the finalizers from all objects of a definition: nobody else does."""
        listed = self._endpoint.call("GET", _collection(definition)).body
        for obj in listed.get("items", ()) if isinstance(listed, dict) else ():
            if obj["metadata"].get("finalizers"):
                path = f"/namespaces/{obj['metadata']['namespace']}/".join(_collection(definition).rsplit("/", 1))
                self._endpoint.call(
                    "PATCH",
                    f"{path}/{obj['metadata']['name']}",
                    {"metadata": {"finalizers": None}},
                    content_type="application/merge-patch+json",
                )

    def _until(self, path: str, code: int) -> None:
        deadline = time.monotonic() + _READY_S
        while (answer := self._endpoint.call("GET", path)).code != code:
            assert time.monotonic() < deadline, answer.body
            time.sleep(0.05)


def _collection(definition: dict[str, Any]) -> str:
    spec = definition["spec"]
    return f"/apis/{spec['group']}/{spec['versions'][0]['name']}/{spec['names']['plural']}"


def _definitions() -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = list(yaml.safe_load_all((_HERE / "definitions.yaml").read_text()))
    for path in sorted(_MANIFESTS.glob("dittofs*.yaml")):
        found += yaml.safe_load_all(path.read_text().replace(*_GROUPS))
    return found
