"""The operator's own Deployment and what goes with it, as manifests."""

from __future__ import annotations

from importlib.metadata import version
from typing import Any

from dittofs_operator.rbac import NAME, operator_labels
from informers.resource import Manifest
from reconcilers import names

NAMESPACE = "dittofs-system"
METRICS_PORT = 8080
HEALTH_PORT = 8081


def image() -> str:
    """The operator's image, of the version of this code."""
    return f"{NAME}:{version(NAME)}"


def namespace() -> Manifest:
    """The namespace of the operator; it admits only pods of the restricted Pod Security Standard."""
    labels = {**operator_labels(), "pod-security.kubernetes.io/enforce": "restricted"}
    return {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": NAMESPACE, "labels": labels}}


def service_account() -> Manifest:
    """The identity that the roles of `rbac` are bound to."""
    return {"apiVersion": "v1", "kind": "ServiceAccount", "metadata": _metadata(NAME)}


def metrics_service() -> Manifest:
    """Where Prometheus finds the metrics of all replicas."""
    return {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": _metadata(f"{NAME}-metrics"),
        "spec": {
            "selector": _selector(),
            "ports": [{"name": "metrics", "port": METRICS_PORT, "targetPort": "metrics", "protocol": "TCP"}],
        },
    }


def deployment() -> Manifest:
    """Two replicas of the operator, of which one works and the other waits for the Lease."""
    return {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": _metadata(NAME),
        "spec": {
            "replicas": 2,
            "selector": {"matchLabels": _selector()},
            "template": {
                "metadata": {"labels": _labels()},
                "spec": {
                    "serviceAccountName": NAME,
                    "securityContext": {"runAsNonRoot": True, "seccompProfile": {"type": "RuntimeDefault"}},
                    # Longer than the operator's own graceful timeout, so that it ends by itself and frees the Lease.
                    "terminationGracePeriodSeconds": 45,
                    "topologySpreadConstraints": [
                        {
                            "maxSkew": 1,
                            "topologyKey": "kubernetes.io/hostname",
                            "whenUnsatisfiable": "ScheduleAnyway",
                            "labelSelector": {"matchLabels": _selector()},
                        }
                    ],
                    "containers": [_container()],
                    "volumes": [{"name": "tmp", "emptyDir": {"sizeLimit": "16Mi"}}],
                },
            },
        },
    }


def _container() -> dict[str, Any]:
    return {
        "name": "operator",
        "image": image(),
        "imagePullPolicy": "IfNotPresent",
        "args": [
            "run",
            "--leader-elect",
            f"--metrics-address=:{METRICS_PORT}",
            f"--health-address=:{HEALTH_PORT}",
        ],
        "env": [
            {"name": "DITTOFS_OPERATOR_NAMESPACE", "valueFrom": {"fieldRef": {"fieldPath": "metadata.namespace"}}},
            # Nothing in a pod says which image it runs.
            {"name": "DITTOFS_OPERATOR_IMAGE", "value": image()},
        ],
        "ports": [
            {"name": "metrics", "containerPort": METRICS_PORT, "protocol": "TCP"},
            {"name": "health", "containerPort": HEALTH_PORT, "protocol": "TCP"},
        ],
        "livenessProbe": {
            "httpGet": {"path": "/healthz", "port": "health"},
            "initialDelaySeconds": 10,
            "periodSeconds": 20,
            "timeoutSeconds": 5,
        },
        "readinessProbe": {
            "httpGet": {"path": "/readyz", "port": "health"},
            "periodSeconds": 5,
            "timeoutSeconds": 5,
        },
        # No CPU limit: throttling would make a leader miss the renewal of its Lease.
        "resources": {
            "requests": {"cpu": "50m", "memory": "128Mi", "ephemeral-storage": "32Mi"},
            "limits": {"memory": "512Mi", "ephemeral-storage": "64Mi"},
        },
        "securityContext": {
            "allowPrivilegeEscalation": False,
            "capabilities": {"drop": ["ALL"]},
            "readOnlyRootFilesystem": True,
        },
        # The Kubernetes client writes the certificates of a kubeconfig to files.
        "volumeMounts": [{"name": "tmp", "mountPath": "/tmp"}],  # noqa: S108 - a directory in the pod
    }


def _metadata(name: str) -> dict[str, Any]:
    return {"name": name, "namespace": NAMESPACE, "labels": _labels()}


def _labels() -> dict[str, str]:
    return {**operator_labels(), names.VERSION_LABEL: names.image_version(image())}


def _selector() -> dict[str, str]:
    return {names.NAME_LABEL: NAME, names.COMPONENT_LABEL: "operator"}
