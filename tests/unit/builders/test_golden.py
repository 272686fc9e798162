"""What the builders give, byte for byte: a change here is a change that restarts or rewrites users' objects.

`DITTOFS_WRITE_GOLDEN=1` writes the files anew; the difference is then for a person to judge.
"""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path
from types import MappingProxyType
from typing import Any

import pytest
import yaml

from reconcilers.api.dittofs import DittoFS
from reconcilers.builders import secrets
from reconcilers.builders.children import Child, wanted_children
from reconcilers.builders.inputs import BuildFacts, ObservedClaim, PodInputs, PostgresSource
from reconcilers.share.declared import declared_shares

GOLDEN = Path(__file__).parents[2] / "golden" / "dittofs"

INPUTS = PodInputs(jwt_secret_name="demo-jwt-secret", jwt_secret_key="jwt-secret", config_hash="c0ffee")
SHARES = declared_shares(
    {"metadata": {"name": name}, "spec": spec}
    for name, spec in (
        ("export", {}),
        (
            "nested",
            {
                "path": "/a/b",
                "enabled": False,
                "readOnly": True,
                "defaultPermission": "read",
                "quota": {"size": "100Gi"},
                "nfs": {"squash": "all_to_guest"},
            },
        ),
    )
)

#: The name of each golden file, the specification, and the facts.
CASES: dict[str, tuple[dict[str, Any], BuildFacts]] = {
    "default": ({}, BuildFacts(pod=INPUTS)),
    "shares": ({}, BuildFacts(pod=INPUTS, shares=SHARES)),
    "sqlite-with-shares": (
        {"metadata": {"type": "sqlite"}},
        BuildFacts(pod=INPUTS, shares=SHARES),
    ),
    "memory": (
        {"metadata": {"type": "memory"}, "payload": {"type": "memory"}},
        BuildFacts(pod=INPUTS, shares=SHARES),
    ),
    "everything": (
        {
            "image": "registry.example/dittofs@sha256:0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef",
            "imagePullPolicy": "Always",
            "imagePullSecrets": [{"name": "pull"}],
            "replicas": 0,
            "database": {"sqlite": {"storage": {"size": "2Gi", "storageClassName": "fast"}}},
            "metadata": {
                "badger": {"blockCacheMB": 128, "indexCacheMB": 256},
                "storage": {"size": "20Gi", "storageClassName": "fast"},
            },
            "payload": {"storage": {"size": 1099511627776, "storageClassName": "slow"}},
            "adapters": {
                "nfs": {
                    "port": 12049,
                    "service": {
                        "type": "LoadBalancer",
                        "annotations": {"b.example/y": "2", "a.example/x": "1"},
                        "loadBalancerClass": "example.com/lb",
                        "loadBalancerSourceRanges": ["10.0.0.0/8"],
                        "externalTrafficPolicy": "Local",
                        "nodePort": 32049,
                    },
                },
                "smb": {"enabled": True, "port": 1445, "service": {"type": "NodePort", "nodePort": 30445}},
                "api": {"port": 443},
            },
            "auth": {
                "adminSecretRef": {"name": "own-admin"},
                "jwtSecretRef": {"name": "own-jwt", "key": "signing"},
                "accessTokenDuration": "5m",
                "refreshTokenDuration": "24h",
            },
            "logging": {"level": "DEBUG", "format": "text"},
            "resources": {"requests": {"cpu": "500m", "memory": "1Gi"}, "limits": {"memory": "2Gi"}},
            "shutdownTimeout": "1m30s",
            "volumeRetention": "Delete",
        },
        BuildFacts(
            pod=PodInputs(jwt_secret_name="own-jwt", jwt_secret_key="signing", config_hash="c0ffee"), shares=SHARES
        ),
    ),
    "grown-claims": (
        {"metadata": {"storage": {"size": "20Gi"}}},
        BuildFacts(
            pod=INPUTS,
            claims=MappingProxyType(
                {
                    "demo-controlplane": ObservedClaim("aa0000", "5Gi", ("ReadWriteOncePod",), "hand-made"),
                    "demo-metadata": ObservedClaim("aa0000", "10Gi", ("ReadWriteOnce",)),
                    "demo-payload": ObservedClaim("aa0000", "50Gi", ("ReadWriteOnce",)),
                }
            ),
        ),
    ),
    "pod-left-alone": ({}, BuildFacts()),
    "pod-additions": (
        {
            "pod": {
                "labels": {"team": "storage"},
                "annotations": {"example.com/note": "kept"},
                "nodeSelector": {"disk": "ssd"},
                "tolerations": [{"key": "storage", "operator": "Exists"}],
                "affinity": {"nodeAffinity": {}},
                "topologySpreadConstraints": [
                    {"maxSkew": 1, "topologyKey": "zone", "whenUnsatisfiable": "ScheduleAnyway"}
                ],
                "priorityClassName": "high",
                "runtimeClassName": "gvisor",
                "serviceAccountName": "own",
                "securityContext": {},
                "containerSecurityContext": {"runAsUser": 1000},
                "extraEnv": [
                    {"name": "TZ", "value": "UTC"},
                    {
                        "name": "DITTOFS_LDAP_BIND_PASSWORD",
                        "valueFrom": {"secretKeyRef": {"name": "ldap", "key": "password"}},
                    },
                ],
                "extraVolumes": [{"name": "scratch", "emptyDir": {}}, {"name": "ca", "configMap": {"name": "ca"}}],
                "extraVolumeMounts": [
                    {"name": "scratch", "mountPath": "/scratch"},
                    {"name": "ca", "mountPath": "/certificates", "readOnly": True},
                ],
            },
            "configOverrides": {"ldap": {"url": "ldaps://ldap.example"}, "gc": {"auto_interval": "5m"}},
        },
        BuildFacts(pod=INPUTS, operator_namespace="dittofs-system"),
    ),
    "s3": (
        {
            "payload": {
                "type": "s3",
                "s3": {
                    "bucket": "files",
                    "endpoint": "https://s3.example.com",
                    "caSecretRef": {"name": "s3-ca"},
                    "credentialsSecretRef": {"name": "s3-keys"},
                },
            },
            "cache": {"size": "4Gi", "storage": {"size": "20Gi", "storageClassName": "fast"}},
        },
        BuildFacts(pod=INPUTS, shares=SHARES),
    ),
    "s3-cache-lost": (
        {
            "metadata": {"type": "sqlite"},
            "payload": {"type": "s3", "s3": {"bucket": "files", "credentialsSecretRef": {"name": "s3-keys"}}},
        },
        BuildFacts(
            pod=replace(INPUTS, restarted="2030-01-02T03:04:05Z"),
            claims=MappingProxyType({"demo-metadata": ObservedClaim("aa0000", "10Gi", ("ReadWriteOnce",))}),
        ),
    ),
    "exposed": (
        {
            "metrics": {
                "enabled": True,
                "port": 9100,
                "path": "/m",
                "tokenSecretRef": {"name": "scrape"},
                "serviceMonitor": {"enabled": True},
            },
            "networkPolicy": {"from": [{"ipBlock": {"cidr": "10.0.0.0/8"}}]},
        },
        BuildFacts(pod=INPUTS, operator_namespace="dittofs-system", service_monitors=True),
    ),
    "postgres": (
        {"database": {"postgresRef": {"name": "pg"}}},
        BuildFacts(pod=replace(INPUTS, postgres=PostgresSource("pg-pguser-dittofs", "pg-cluster-cert"))),
    ),
    "mutual-tls": (
        {"adapters": {"api": {"tls": {"secretName": "a", "clientCASecretName": "b", "clientSecretName": "c"}}}},
        BuildFacts(pod=INPUTS),
    ),
    "tls": ({"adapters": {"api": {"tls": {"secretName": "a"}}}}, BuildFacts(pod=INPUTS)),
    "open": ({"networkPolicy": {"enabled": False}}, BuildFacts(pod=INPUTS)),
}


def instance(spec: dict[str, Any]) -> DittoFS:
    return DittoFS.from_view(
        {
            "apiVersion": "dittofs.dittofs.io/v1alpha1",
            "kind": "DittoFS",
            "metadata": {"name": "demo", "namespace": "storage", "uid": "11111111-2222-3333-4444-555555555555"},
            "spec": spec,
        }
    )


@pytest.mark.parametrize("case", CASES)
def test_children_are_as_recorded(case: str) -> None:
    spec, facts = CASES[case]

    text = rendered(wanted_children(instance(spec), facts))

    assert_golden(f"{case}.yaml", text)


@pytest.mark.parametrize("retention", ["Retain", "Delete"])
def test_secrets_are_as_recorded(retention: str) -> None:
    owner = instance({"volumeRetention": retention})

    manifests = [secrets.jwt_secret(owner, "k" * 43), secrets.admin_secret(owner, "not-a-real-password")]

    assert_golden(f"secrets-{retention.lower()}.yaml", yaml.safe_dump_all(manifests, sort_keys=False))


def test_no_golden_file_is_left_over() -> None:
    expected = {f"{case}.yaml" for case in CASES} | {"secrets-retain.yaml", "secrets-delete.yaml"}

    assert {path.name for path in GOLDEN.iterdir()} == expected


def rendered(children: list[Child]) -> str:
    return yaml.safe_dump_all([child.manifest for child in children], sort_keys=False, width=120)


def assert_golden(name: str, text: str) -> None:
    path = GOLDEN / name
    if os.environ.get("DITTOFS_WRITE_GOLDEN"):
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    assert text == path.read_text()
