"""The defaults of the built-in kinds that others rely on, by definition: a value, or a function of the object.

From k8s.io/kubernetes pkg/apis/*/v1/defaults.go. A function that returns None leaves the field out.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

Fields = Mapping[str, Any]


def _image_pull_policy(container: Fields) -> str:
    image = str(container.get("image", "")).rsplit("/", 1)[-1]
    tag = image.partition(":")[2]
    return "Always" if "@" not in image and tag in ("", "latest") else "IfNotPresent"


def _service_account(pod: Fields) -> Any:
    return pod.get("serviceAccountName")


def _empty_dir(volume: Fields) -> Any:
    return {} if volume.keys() <= {"name"} else None


def _only_external(value: Any) -> Any:
    return lambda service: value if service.get("type") in ("NodePort", "LoadBalancer") else None


def _only_load_balancer(service: Fields) -> Any:
    return True if service.get("type") == "LoadBalancer" else None


def _unless_external_name(value: Any) -> Any:
    return lambda service: None if service.get("type") == "ExternalName" else value


def _policy_types(policy: Fields) -> list[str]:
    return ["Ingress", "Egress"] if policy.get("egress") else ["Ingress"]


def _subject_group(subject: Fields) -> Any:
    return "rbac.authorization.k8s.io" if subject.get("kind") in ("User", "Group") else None


def _rolling(strategy: Fields, values: dict[str, Any]) -> Any:
    return dict(values) if strategy.get("type", "RollingUpdate") == "RollingUpdate" else None


_CORE = "io.k8s.api.core.v1."
_APPS = "io.k8s.api.apps.v1."
_BATCH = "io.k8s.api.batch.v1."
_DEFAULT_MODE = {"defaultMode": 0o644}
_SURGE = {"maxSurge": "25%", "maxUnavailable": "25%"}
_TCP = {"protocol": "TCP"}
_CONTAINER = {
    "imagePullPolicy": _image_pull_policy,
    "resources": {},
    "terminationMessagePath": "/dev/termination-log",
    "terminationMessagePolicy": "File",
}

DEFAULTS: Mapping[str, Fields] = {
    _CORE + "ConfigMapVolumeSource": _DEFAULT_MODE,
    _CORE + "Container": _CONTAINER,
    _CORE + "ContainerPort": _TCP,
    _CORE + "DownwardAPIVolumeSource": _DEFAULT_MODE,
    _CORE + "EndpointPort": _TCP,
    _CORE + "HTTPGetAction": {"path": "/", "scheme": "HTTP"},
    _CORE + "HostPathVolumeSource": {"type": ""},
    _CORE + "ObjectFieldSelector": {"apiVersion": "v1"},
    _CORE + "PersistentVolumeClaimSpec": {"volumeMode": "Filesystem"},
    _CORE + "PersistentVolumeSpec": {"persistentVolumeReclaimPolicy": "Retain", "volumeMode": "Filesystem"},
    _CORE + "PodSpec": {
        "dnsPolicy": "ClusterFirst",
        "restartPolicy": "Always",
        "schedulerName": "default-scheduler",
        "securityContext": {},
        "serviceAccount": _service_account,
        "terminationGracePeriodSeconds": 30,
    },
    _CORE + "Probe": {"failureThreshold": 3, "periodSeconds": 10, "successThreshold": 1, "timeoutSeconds": 1},
    _CORE + "ProjectedVolumeSource": _DEFAULT_MODE,
    _CORE + "Secret": {"type": "Opaque"},
    _CORE + "SecretVolumeSource": _DEFAULT_MODE,
    _CORE + "ServiceAccountTokenProjection": {"expirationSeconds": 3600},
    _CORE + "ServicePort": _TCP | {"targetPort": lambda port: port.get("port")},
    _CORE + "ServiceSpec": {
        "type": "ClusterIP",
        "sessionAffinity": "None",
        "internalTrafficPolicy": _unless_external_name("Cluster"),
        "externalTrafficPolicy": _only_external("Cluster"),
        "allocateLoadBalancerNodePorts": _only_load_balancer,
    },
    _CORE + "Volume": {"emptyDir": _empty_dir},
    _APPS + "DaemonSetSpec": {"revisionHistoryLimit": 10, "updateStrategy": {"type": "RollingUpdate"}},
    _APPS + "DeploymentSpec": {
        "progressDeadlineSeconds": 600,
        "replicas": 1,
        "revisionHistoryLimit": 10,
        "strategy": {"rollingUpdate": _SURGE, "type": "RollingUpdate"},
    },
    _APPS + "DeploymentStrategy": {"type": "RollingUpdate", "rollingUpdate": lambda value: _rolling(value, _SURGE)},
    _APPS + "ReplicaSetSpec": {"replicas": 1},
    _APPS + "StatefulSetSpec": {
        "persistentVolumeClaimRetentionPolicy": {"whenDeleted": "Retain", "whenScaled": "Retain"},
        "podManagementPolicy": "OrderedReady",
        "replicas": 1,
        "revisionHistoryLimit": 10,
        "updateStrategy": {"rollingUpdate": {"partition": 0}, "type": "RollingUpdate"},
    },
    _APPS + "StatefulSetPersistentVolumeClaimRetentionPolicy": {"whenDeleted": "Retain", "whenScaled": "Retain"},
    _APPS + "StatefulSetUpdateStrategy": {
        "type": "RollingUpdate",
        "rollingUpdate": lambda value: _rolling(value, {"partition": 0}),
    },
    _BATCH + "CronJobSpec": {
        "concurrencyPolicy": "Allow",
        "failedJobsHistoryLimit": 1,
        "successfulJobsHistoryLimit": 3,
        "suspend": False,
    },
    _BATCH + "JobSpec": {
        "backoffLimit": 6,
        "completionMode": "NonIndexed",
        "completions": lambda job: 1 if "parallelism" not in job else None,
        "parallelism": 1,
        "podReplacementPolicy": "TerminatingOrFailed",
        "suspend": False,
    },
    "io.k8s.api.discovery.v1.EndpointPort": _TCP,
    "io.k8s.api.networking.v1.NetworkPolicyPort": _TCP,
    "io.k8s.api.networking.v1.NetworkPolicySpec": {"podSelector": {}, "policyTypes": _policy_types},
    "io.k8s.api.rbac.v1.RoleRef": {"apiGroup": "rbac.authorization.k8s.io"},
    "io.k8s.api.rbac.v1.Subject": {"apiGroup": _subject_group},
    "io.k8s.api.storage.v1.StorageClass": {
        "reclaimPolicy": "Delete",
        "volumeBindingMode": "Immediate",
    },
    "io.k8s.apiextensions-apiserver.pkg.apis.apiextensions.v1.CustomResourceConversion": {"strategy": "None"},
    "io.k8s.apiextensions-apiserver.pkg.apis.apiextensions.v1.CustomResourceDefinitionNames": {
        "listKind": lambda names: f"{names['kind']}List" if "kind" in names else None,
        "singular": lambda names: str(names["kind"]).lower() if "kind" in names else None,
    },
    "io.k8s.apiextensions-apiserver.pkg.apis.apiextensions.v1.CustomResourceDefinitionSpec": {
        "conversion": {"strategy": "None"},
    },
}
