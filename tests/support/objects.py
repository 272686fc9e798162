"""Manifests of built-in objects for tests against a cluster, and short ways to read what became of them."""

from __future__ import annotations

import base64
from dataclasses import dataclass
from typing import Any

from informers.client import Client
from informers.errors import NotFound
from informers.resource import Manifest, ObjectKey, Resource
from reconcilers.api.resources import CONFIG_MAP, PERSISTENT_VOLUME_CLAIM, POD, SECRET, SERVICE, STATEFUL_SET

SERVER_IMAGE = "marmos91c/dittofs:v0.29.0"
PASSWORD = "correct-horse"
JWT_SECRET = "0123456789" * 4

CONFIG = """\
logging: {level: INFO, format: json, output: stdout}
shutdown_timeout: 5s
database: {type: sqlite, sqlite: {path: /data/controlplane/cp.db}}
controlplane: {host: 0.0.0.0, port: 8080}
metadata: {badger: {block_cache_mb: 64, index_cache_mb: 32}}
"""


@dataclass(frozen=True)
class Objects:
    """Makes and reads objects of one namespace."""

    api: Client
    namespace: str

    def create(self, resource: Resource, name: str, **content: Any) -> Manifest:
        metadata = {"name": name, "namespace": self.namespace, **content.pop("metadata", {})}
        manifest = {"apiVersion": resource.api_version, "kind": resource.kind, "metadata": metadata, **content}
        return self.api.create(resource, manifest, field_manager="tests")

    def get(self, resource: Resource, name: str) -> Manifest:
        return self.api.get(resource, ObjectKey(self.namespace, name))

    def find(self, resource: Resource, name: str) -> Manifest | None:
        try:
            return self.get(resource, name)
        except NotFound:
            return None

    def list(self, resource: Resource) -> list[Manifest]:
        return self.api.list(resource, namespace=self.namespace).items

    def patch(self, resource: Resource, name: str, patch: dict[str, Any]) -> Manifest:
        return self.api.merge_patch(resource, ObjectKey(self.namespace, name), patch, field_manager="tests")

    def delete(self, resource: Resource, name: str) -> None:
        self.api.delete(resource, ObjectKey(self.namespace, name))

    def claim(self, name: str, size: str = "1Gi") -> Manifest:
        spec = {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": size}}}
        return self.create(PERSISTENT_VOLUME_CLAIM, name, spec=spec)

    def secret(self, name: str, **data: str) -> Manifest:
        encoded = {key: base64.b64encode(value.encode()).decode() for key, value in data.items()}
        return self.create(SECRET, name, data=encoded)

    def stateful_set(self, name: str, *, container: dict[str, Any] | None = None, **spec: Any) -> Manifest:
        labels = {"app": name}
        pod = {"containers": [{"name": "main", "image": "example.com/app:v1", **(container or {})}]}
        pod |= spec.pop("pod", {})
        whole = {
            "serviceName": name,
            "selector": {"matchLabels": labels},
            "template": {"metadata": {"labels": labels}, "spec": pod},
            **spec,
        }
        return self.create(STATEFUL_SET, name, spec=whole)

    def server(self, name: str = "demo", *, secret: bool = True) -> None:
        """A DittoFS server as a StatefulSet with its config, claims and Services; like the operator's, but smaller."""
        self.create(CONFIG_MAP, f"{name}-config", data={"config.yaml": CONFIG})
        if secret:
            self.secret(f"{name}-jwt", key=JWT_SECRET)
        for claim in ("controlplane", "metadata", "payload"):
            self.claim(f"{name}-{claim}")
        volumes = [{"name": "config", "configMap": {"name": f"{name}-config"}}, {"name": "tmp", "emptyDir": {}}]
        mounts = [
            {"name": "config", "mountPath": "/etc/dittofs", "readOnly": True},
            {"name": "tmp", "mountPath": "/tmp"},
        ]
        for claim in ("controlplane", "metadata", "payload"):
            volumes.append({"name": claim, "persistentVolumeClaim": {"claimName": f"{name}-{claim}"}})
            mounts.append({"name": claim, "mountPath": f"/data/{claim}"})
        probe = {"httpGet": {"path": "/health", "port": "api"}}
        self.stateful_set(
            name,
            container={
                "image": SERVER_IMAGE,
                "args": ["start", "--foreground", "--config", "/etc/dittofs/config.yaml"],
                "env": [
                    {
                        "name": "DITTOFS_CONTROLPLANE_SECRET",
                        "valueFrom": {"secretKeyRef": {"name": f"{name}-jwt", "key": "key"}},
                    },
                    {"name": "DITTOFS_ADMIN_INITIAL_PASSWORD", "value": PASSWORD},
                ],
                "ports": [{"name": "api", "containerPort": 8080}, {"name": "nfs", "containerPort": 12049}],
                "startupProbe": probe | {"periodSeconds": 5, "failureThreshold": 30},
                "readinessProbe": {"httpGet": {"path": "/health/ready", "port": "api"}, "periodSeconds": 1},
                "livenessProbe": probe,
                "volumeMounts": mounts,
                "securityContext": {"readOnlyRootFilesystem": True},
            },
            pod={"volumes": volumes, "terminationGracePeriodSeconds": 20, "securityContext": {"runAsUser": 65532}},
            podManagementPolicy="Parallel",
        )
        ports = [{"name": "api", "port": 8080, "targetPort": "api"}]
        self.create(SERVICE, f"{name}-api", spec={"selector": {"app": name}, "ports": ports})
        ports = [{"name": "nfs", "port": 2049, "targetPort": "nfs"}]
        self.create(SERVICE, f"{name}-nfs", spec={"selector": {"app": name}, "ports": ports, "type": "LoadBalancer"})

    def ready_pod(self, name: str) -> Manifest | None:
        """The pod, when it is ready and not leaving."""
        pod = self.find(POD, name)
        if pod is None or "deletionTimestamp" in pod["metadata"]:
            return None
        conditions = (pod.get("status") or {}).get("conditions") or []
        return pod if any(c["type"] == "Ready" and c["status"] == "True" for c in conditions) else None

    def waiting_reason(self, name: str) -> str:
        """Why the pod's first container waits; empty when it doesn't."""
        pod = self.find(POD, name) or {}
        statuses = (pod.get("status") or {}).get("containerStatuses") or [{}]
        return str((statuses[0].get("state") or {}).get("waiting", {}).get("reason", ""))
