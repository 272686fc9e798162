"""Pods of four kilobytes, as JSON: no two are the same, and what they have in common is what real ones have."""

from __future__ import annotations

import functools
import hashlib
import uuid
from typing import Any

import orjson

#: Bytes of one pod. It carries no managedFields, which a cache of the layer would leave out.
SIZE = 4096

_PADDING = "example.com/padding"
_NAMESPACES = 20


@functools.cache
def encoded(number: int, version: int) -> bytes:
    """Pod `number` at resourceVersion `version`, of exactly `SIZE` bytes."""
    pod = _pod(number, version)
    annotations: dict[str, str] = pod["metadata"]["annotations"]
    annotations[_PADDING] = ""
    missing = SIZE - len(orjson.dumps(pod))
    if missing < 0:
        raise ValueError(f"a pod of {SIZE - missing} bytes is too large")
    noise = hashlib.shake_128(f"{number}/{version}".encode()).hexdigest(missing // 2 + 1)
    annotations[_PADDING] = noise[:missing]
    return orjson.dumps(pod)


def _pod(number: int, version: int) -> dict[str, Any]:
    app = f"service-{number % 100}"
    name = f"{app}-{_hash('set', number)[:10]}-{_hash('pod', number)[:5]}"
    address = f"10.{number >> 16 & 255}.{number >> 8 & 255}.{number & 255}"
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {
            "name": name,
            "generateName": name[:-5],
            "namespace": f"team-{number % _NAMESPACES}",
            "uid": str(uuid.UUID(_hash("uid", number))),
            "resourceVersion": str(version),
            "creationTimestamp": "2030-01-02T03:04:05Z",
            "labels": {"app.kubernetes.io/name": app, "app.kubernetes.io/part-of": "shop", "pod-template-hash": "7d4b"},
            "annotations": {"prometheus.io/scrape": "true", "prometheus.io/port": "9090"},
            "ownerReferences": [
                {
                    "apiVersion": "apps/v1",
                    "kind": "ReplicaSet",
                    "name": name[:-6],
                    "uid": str(uuid.UUID(_hash("owner", number // 3))),
                    "controller": True,
                    "blockOwnerDeletion": True,
                }
            ],
        },
        "spec": {
            "containers": [_container(app, "main", number), _container(app, "proxy", number)],
            "volumes": [
                {"name": "config", "configMap": {"name": f"{app}-config", "defaultMode": 420}},
                {"name": "token", "projected": {"defaultMode": 420, "sources": [{"serviceAccountToken": _TOKEN}]}},
            ],
            "serviceAccountName": app,
            "nodeName": f"node-{number % 250}",
            "restartPolicy": "Always",
            "dnsPolicy": "ClusterFirst",
            "schedulerName": "default-scheduler",
            "terminationGracePeriodSeconds": 30,
            "securityContext": {"runAsNonRoot": True, "runAsUser": 65532, "fsGroup": 65532},
            "tolerations": [
                {"key": f"node.kubernetes.io/{taint}", "operator": "Exists", "effect": "NoExecute"}
                for taint in ("not-ready", "unreachable")
            ],
        },
        "status": {
            "phase": "Running",
            "hostIP": f"192.168.{number % 250}.1",
            "podIP": address,
            "podIPs": [{"ip": address}],
            "startTime": "2030-01-02T03:04:06Z",
            "qosClass": "Burstable",
            "conditions": [
                {"type": kind, "status": "True", "lastTransitionTime": f"2030-01-02T03:04:{number % 60:02}Z"}
                for kind in ("Initialized", "Ready", "ContainersReady", "PodScheduled")
            ],
            "containerStatuses": [_status(app, kind, number) for kind in ("main", "proxy")],
        },
    }


_TOKEN = {"path": "token", "expirationSeconds": 3607}


def _container(app: str, kind: str, number: int) -> dict[str, Any]:
    return {
        "name": kind,
        "image": f"registry.example.com/{app}/{kind}:v1.{number % 7}.0",
        "args": ["--listen=:8080", f"--shard={number}"],
        "env": [{"name": "LOG_LEVEL", "value": "info"}, {"name": "SHARD", "value": str(number)}],
        "ports": [{"name": "http", "containerPort": 8080, "protocol": "TCP"}],
        "resources": {"requests": {"cpu": "100m", "memory": "128Mi"}, "limits": {"memory": "256Mi"}},
        "readinessProbe": {"httpGet": {"path": "/ready", "port": "http", "scheme": "HTTP"}, "periodSeconds": 10},
        "volumeMounts": [{"name": "config", "mountPath": "/etc/app", "readOnly": True}],
        "imagePullPolicy": "IfNotPresent",
        "terminationMessagePolicy": "File",
    }


def _status(app: str, kind: str, number: int) -> dict[str, Any]:
    return {
        "name": kind,
        "image": f"registry.example.com/{app}/{kind}:v1.{number % 7}.0",
        "imageID": f"registry.example.com/{app}/{kind}@sha256:{_hash(kind, number)}",
        "containerID": f"containerd://{_hash('container' + kind, number)}",
        "ready": True,
        "started": True,
        "restartCount": number % 3,
        "state": {"running": {"startedAt": "2030-01-02T03:04:07Z"}},
    }


def _hash(what: str, number: int) -> str:
    return hashlib.md5(f"{what} {number}".encode(), usedforsecurity=False).hexdigest()
