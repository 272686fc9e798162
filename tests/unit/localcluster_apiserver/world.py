"""The plainest possible client of a local API server, the real kubectl, and manifests to send."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import orjson
import urllib3

from hack.localcluster.apiserver.server import ApiServer

TOKEN = "secret-token"
JSON_PATCH = "application/json-patch+json"
MERGE_PATCH = "application/merge-patch+json"
STRATEGIC = "application/strategic-merge-patch+json"
APPLY = "application/apply-patch+yaml"

WIDGETS = "/apis/example.org/v1/namespaces/default/widgets"


@dataclass(frozen=True)
class Answer:
    code: int
    body: Any
    headers: Any

    @property
    def reason(self) -> str:
        return str(self.body.get("reason", "")) if isinstance(self.body, dict) else ""


class Api:
    """Sends requests and reads JSON; `watch` reads a whole watch until the server ends it."""

    def __init__(self, server: ApiServer) -> None:
        self.server = server
        self._pool = urllib3.PoolManager(retries=False, timeout=10, maxsize=4)

    def call(
        self, method: str, path: str, body: Any = None, *, kind: str = "application/json", **headers: str
    ) -> Answer:
        sent = body if body is None or isinstance(body, bytes) else orjson.dumps(body)
        all_headers = {"Authorization": f"Bearer {TOKEN}", "Content-Type": kind, "User-Agent": "tester/1"} | headers
        answer = self._pool.request(method, self.server.url + path, body=sent, headers=all_headers)
        read = orjson.loads(answer.data) if "json" in answer.headers.get("Content-Type", "") else answer.data
        return Answer(answer.status, read, answer.headers)

    def ok(self, method: str, path: str, body: Any = None, *, kind: str = "application/json", **headers: str) -> Any:
        answer = self.call(method, path, body, kind=kind, **headers)
        assert answer.code in (200, 201), answer.body
        return answer.body

    def watch(
        self, path: str, *, count: int = 0, timeout_s: int = 1, accept: str = "application/json"
    ) -> list[dict[str, Any]]:
        """The first `count` events of a watch; without a count all, until the server ends it."""
        joint = "&" if "?" in path else "?"
        answer = self._pool.request(
            "GET",
            f"{self.server.url}{path}{joint}watch=1&timeoutSeconds={timeout_s}",
            headers={"Authorization": f"Bearer {TOKEN}", "Accept": accept},
            preload_content=False,
        )
        events: list[dict[str, Any]] = []
        for chunk in answer.read_chunked():
            assert answer.status == 200, chunk
            events.append(orjson.loads(chunk))
            if count and len(events) == count:
                break
        answer.close()
        return events

    def apply(self, path: str, manifest: dict[str, Any], *, manager: str = "applier", force: bool = False) -> Answer:
        query = f"?fieldManager={manager}" + ("&force=true" if force else "")
        return self.call("PATCH", path + query, manifest, kind=APPLY)

    def close(self) -> None:
        self._pool.clear()


def config_map(name: str, data: dict[str, str] | None = None, **metadata: Any) -> dict[str, Any]:
    return {
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": {"name": name} | metadata,
        "data": data or {"key": "value"},
    }


def stateful_set(name: str = "web", image: str = "nginx:1") -> dict[str, Any]:
    labels = {"app": name}
    return {
        "apiVersion": "apps/v1",
        "kind": "StatefulSet",
        "metadata": {"name": name},
        "spec": {
            "serviceName": name,
            "selector": {"matchLabels": labels},
            "template": {
                "metadata": {"labels": labels},
                "spec": {"containers": [{"name": "main", "image": image, "ports": [{"containerPort": 80}]}]},
            },
        },
    }


def widget_definition(**version: Any) -> dict[str, Any]:
    schema = {
        "type": "object",
        "properties": {
            "spec": {
                "type": "object",
                "properties": {
                    "size": {"type": "integer", "minimum": 0, "default": 1},
                    "color": {
                        "type": "string",
                        "x-kubernetes-validations": [{"rule": "self == oldSelf", "message": "color is fixed"}],
                    },
                    "replicas": {"type": "integer", "default": 1},
                },
            },
            "status": {
                "type": "object",
                "properties": {
                    "replicas": {"type": "integer"},
                    "phase": {"type": "string"},
                    "conditions": {
                        "type": "array",
                        "items": {
                            "type": "object",
                            "properties": {"type": {"type": "string"}, "status": {"type": "string"}},
                        },
                    },
                },
            },
        },
    }
    return {
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": {"name": "widgets.example.org"},
        "spec": {
            "group": "example.org",
            "scope": "Namespaced",
            "names": {"kind": "Widget", "plural": "widgets", "shortNames": ["wd"]},
            "versions": [
                {
                    "name": "v1",
                    "served": True,
                    "storage": True,
                    "schema": {"openAPIV3Schema": schema},
                    "subresources": {
                        "status": {},
                        "scale": {"specReplicasPath": ".spec.replicas", "statusReplicasPath": ".status.replicas"},
                    },
                    "additionalPrinterColumns": [
                        {"name": "Size", "type": "integer", "jsonPath": ".spec.size"},
                        {
                            "name": "Ready",
                            "type": "string",
                            "jsonPath": '.status.conditions[?(@.type=="Ready")].status',
                        },
                    ],
                }
                | version
            ],
        },
    }


CRDS = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions"


def widget(name: str = "one", spec: dict[str, Any] | None = None, **metadata: Any) -> dict[str, Any]:
    return {
        "apiVersion": "example.org/v1",
        "kind": "Widget",
        "metadata": {"name": name} | metadata,
        "spec": spec if spec is not None else {},
    }


class Kubectl:
    """The real kubectl, with a kubeconfig for the server and a home of its own."""

    def __init__(self, server: ApiServer, home: Path) -> None:
        kubeconfig = home / "kubeconfig"
        kubeconfig.write_text(json.dumps(server.kubeconfig))
        self._environment = {"HOME": str(home), "KUBECONFIG": str(kubeconfig), "PATH": os.environ["PATH"]}
        self._program = Path(sys.executable).parent / "kubectl"

    def run(self, *arguments: str, manifest: Any = None) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [self._program, *arguments],
            env=self._environment,
            input="" if manifest is None else json.dumps(manifest),
            capture_output=True,
            text=True,
            timeout=30,
            check=False,
        )

    def start(self, *arguments: str) -> subprocess.Popen[str]:
        return subprocess.Popen([self._program, *arguments], env=self._environment, stdout=subprocess.PIPE, text=True)

    def __call__(self, *arguments: str, manifest: Any = None) -> str:
        done = self.run(*arguments, manifest=manifest)
        assert done.returncode == 0, done.stderr
        return done.stdout
