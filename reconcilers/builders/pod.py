"""The server's pod: restricted, with everything that it consumes named, and with what the specification adds.

Every change restarts the server, so it depends on nothing that a running server can take up.
"""

from __future__ import annotations

import math
from typing import Any

from informers.resource import Manifest
from reconcilers import names
from reconcilers.api.dittofs import DittoFS
from reconcilers.api.pod import Pod, Volume
from reconcilers.api.scalars import parse_duration
from reconcilers.api.storage import MetadataType, PayloadType
from reconcilers.builders.consumed import POSTGRES_VARIABLES, s3_ca, secret_folders
from reconcilers.builders.inputs import PodInputs
from reconcilers.builders.purge import purge_container, purge_volume

#: The user and group of the server's image.
SERVER_ID = 65532

#: The server gives each stage of its shutdown the whole timeout, and ends by force after three of them and 5 s.
SHUTDOWN_STAGES = 3
SHUTDOWN_MARGIN_S = 10

#: The API opens after every store was opened, which a crash or a big store prolongs: up to ten minutes.
STARTUP_PERIOD_S = 2
STARTUP_FAILURES = 300

JWT_SECRET_VARIABLE = "DITTOFS_CONTROLPLANE_SECRET"  # noqa: S105 - the name of a variable
ADMIN_PASSWORD_VARIABLE = "DITTOFS_ADMIN_INITIAL_PASSWORD"  # noqa: S105 - the name of a variable

_CONFIG_VOLUME = "config"
_TEMPORARY_VOLUME = "tmp"


def pod_template(instance: DittoFS, inputs: PodInputs) -> Manifest:
    """The pod of `instance` as the template of its StatefulSet; what the operator itself says wins."""
    name, extra = instance.metadata.name, instance.spec.pod
    return {
        "metadata": {
            "labels": {**extra.labels, **names.labels(name, instance.spec.image)},
            "annotations": {
                **extra.annotations,
                names.CONFIG_HASH_ANNOTATION: inputs.config_hash,
                **({names.RESTARTED_ANNOTATION: inputs.restarted} if inputs.restarted else {}),
            },
        },
        "spec": _pod(instance, inputs),
    }


def termination_grace_period_s(shutdown_timeout: str) -> int:
    """How long the kubelet waits before it kills a server with this `shutdown_timeout`."""
    return math.ceil(SHUTDOWN_STAGES * parse_duration(shutdown_timeout)) + SHUTDOWN_MARGIN_S


def _pod(instance: DittoFS, inputs: PodInputs) -> Manifest:
    name, spec = instance.metadata.name, instance.spec
    pod: Manifest = {
        "serviceAccountName": spec.pod.service_account_name or names.service_account(name),
        "automountServiceAccountToken": False,
        # Otherwise the kubelet hands a DittoFS named "dittofs" variables that the server reads as its settings.
        "enableServiceLinks": False,
        "terminationGracePeriodSeconds": termination_grace_period_s(spec.shutdown_timeout),
        "securityContext": pod_security(spec.pod),
        **_init_containers(instance),
        "containers": [_container(instance, inputs)],
        "volumes": _volumes(instance, inputs),
    }
    if spec.image_pull_secrets:
        pod["imagePullSecrets"] = [{"name": reference.name} for reference in spec.image_pull_secrets]
    return {**pod, **_placement(spec.pod)}


def _init_containers(instance: DittoFS) -> Manifest:
    if not _keeps_files(instance):
        return {}
    spec = instance.spec
    data = [(volume, path) for volume, _, path in _data_volumes(instance) if path != names.CONTROL_PLANE_MOUNT]
    security, resources = container_security(spec.pod), spec.resources.manifest()
    return {"initContainers": [purge_container(instance, data=data, security=security, resources=resources)]}


def _keeps_files(instance: DittoFS) -> bool:
    return instance.spec.metadata.type is not MetadataType.MEMORY


def pod_security(extra: Pod) -> Manifest:
    """The security of a pod that is the server's user: never root, with its files, and with filtered system calls."""
    given = extra.security_context
    ids: Manifest = (
        {
            "runAsUser": SERVER_ID,
            "runAsGroup": SERVER_ID,
            "fsGroup": SERVER_ID,
            "fsGroupChangePolicy": "OnRootMismatch",
        }
        if given is None
        else given.manifest()
    )
    return {"runAsNonRoot": True, **ids, "seccompProfile": ids.get("seccompProfile", {"type": "RuntimeDefault"})}


def container_security(extra: Pod) -> Manifest:
    """The security of a container in such a pod."""
    given = extra.container_security_context
    return {
        "allowPrivilegeEscalation": False,
        "capabilities": {"drop": ["ALL"]},
        "readOnlyRootFilesystem": True,
        **({} if given is None else given.manifest()),
    }


def _placement(extra: Pod) -> Manifest:
    """Where and with what rank the pod runs, in the words of the specification; absent what it doesn't say."""
    fields: Manifest = {
        "nodeSelector": dict(extra.node_selector),
        "tolerations": list(extra.tolerations),
        "affinity": extra.affinity,
        "topologySpreadConstraints": list(extra.topology_spread_constraints),
        "priorityClassName": extra.priority_class_name,
        "runtimeClassName": extra.runtime_class_name,
    }
    return {field: value for field, value in fields.items() if value}


def _container(instance: DittoFS, inputs: PodInputs) -> Manifest:
    spec = instance.spec
    container: Manifest = {
        "name": names.CONTAINER,
        "image": spec.image,
        "imagePullPolicy": spec.image_pull_policy.value,
        # Without --foreground the server detaches itself, and the container ends at once.
        "args": ["start", "--foreground", "--config", f"{names.CONFIG_MOUNT}/{names.CONFIG_KEY}"],
        "env": [
            _from_secret(JWT_SECRET_VARIABLE, inputs.jwt_secret_name, inputs.jwt_secret_key),
            _from_secret(ADMIN_PASSWORD_VARIABLE, names.admin_secret(instance.metadata.name), names.ADMIN_PASSWORD_KEY),
            *_postgres_login(inputs),
            *_s3_authority(instance),
            *(variable.manifest() for variable in spec.pod.extra_env),
        ],
        # All of them, whatever is enabled: an adapter is switched live, and another port here would restart the pod.
        "ports": [
            _port(names.PortName.NFS, names.NFS_CONTAINER_PORT),
            _port(names.PortName.SMB, names.SMB_CONTAINER_PORT),
            _port(names.PortName.API, names.API_CONTAINER_PORT),
            *([_port(names.PortName.METRICS, names.METRICS_CONTAINER_PORT)] if spec.metrics.enabled else []),
        ],
        "startupProbe": _probe(instance, "/health", period_s=STARTUP_PERIOD_S, failures=STARTUP_FAILURES),
        "livenessProbe": _probe(instance, "/health", period_s=10, failures=6),
        "readinessProbe": _probe(instance, "/health/ready", period_s=5, failures=3),
        "securityContext": container_security(spec.pod),
        # The server writes no message of its own: the end of its log says why it ended.
        "terminationMessagePolicy": "FallbackToLogsOnError",
        "volumeMounts": _mounts(instance, inputs),
    }
    resources = spec.resources.manifest()
    if resources:
        container["resources"] = resources
    return container


def _postgres_login(inputs: PodInputs) -> list[dict[str, Any]]:
    if inputs.postgres is None:
        return []
    return [_from_secret(variable, inputs.postgres.secret, key) for key, variable in POSTGRES_VARIABLES.items()]


def _s3_authority(instance: DittoFS) -> list[dict[str, Any]]:
    authority = s3_ca(instance)
    if authority is None:
        return []
    # The server has no setting for it; this variable is that of every program in Go.
    return [{"name": "SSL_CERT_FILE", "value": authority.path(authority.values[0].key)}]


def _volumes(instance: DittoFS, inputs: PodInputs) -> list[dict[str, Any]]:
    name = instance.metadata.name
    return [
        {
            "name": _CONFIG_VOLUME,
            "configMap": {
                "name": names.config_map(name),
                # Only what the server reads: shares.yaml may change all day.
                "items": [{"key": names.CONFIG_KEY, "path": names.CONFIG_KEY}],
            },
        },
        {"name": _TEMPORARY_VOLUME, "emptyDir": {}},
        *([purge_volume(instance)] if _keeps_files(instance) else []),
        *(
            {"name": volume, "persistentVolumeClaim": {"claimName": claim}}
            for volume, claim, _ in _data_volumes(instance)
        ),
        *({"name": folder.volume, "secret": folder.source} for folder in secret_folders(instance, inputs.postgres)),
        *(_extra_volume(volume) for volume in instance.spec.pod.extra_volumes),
    ]


def _extra_volume(volume: Volume) -> dict[str, Any]:
    # Not manifest(): it leaves out what is empty, and `emptyDir: {}` is a whole volume.
    return volume.model_dump(mode="json", by_alias=True, exclude_none=True)


def _mounts(instance: DittoFS, inputs: PodInputs) -> list[dict[str, Any]]:
    return [
        {"name": _CONFIG_VOLUME, "mountPath": names.CONFIG_MOUNT, "readOnly": True},
        {"name": _TEMPORARY_VOLUME, "mountPath": "/tmp"},  # noqa: S108 - a volume of the pod's own
        *({"name": volume, "mountPath": path} for volume, _, path in _data_volumes(instance)),
        *(
            {"name": folder.volume, "mountPath": folder.directory, "readOnly": True}
            for folder in secret_folders(instance, inputs.postgres)
        ),
        *(mount.manifest() for mount in instance.spec.pod.extra_volume_mounts),
    ]


def _data_volumes(instance: DittoFS) -> list[tuple[str, str, str]]:
    """The volume, claim and mount path of each place where data is kept."""
    name, spec = instance.metadata.name, instance.spec
    volumes = []
    if spec.database.sqlite is not None:
        volumes.append(("controlplane", names.control_plane_claim(name), names.CONTROL_PLANE_MOUNT))
    if _keeps_files(instance):
        volumes.append(("metadata", names.metadata_claim(name), names.METADATA_MOUNT))
    match spec.payload.type:
        case PayloadType.FILESYSTEM:
            volumes.append(("payload", names.payload_claim(name), names.PAYLOAD_MOUNT))
        case PayloadType.S3:
            volumes.append(("cache", names.cache_claim(name), names.CACHE_MOUNT))
        case PayloadType.MEMORY:
            pass
    return volumes


def _from_secret(variable: str, secret: str, key: str) -> dict[str, Any]:
    return {"name": variable, "valueFrom": {"secretKeyRef": {"name": secret, "key": key}}}


def _port(name: names.PortName, number: int) -> dict[str, Any]:
    return {"name": name.value, "containerPort": number, "protocol": "TCP"}


def _probe(instance: DittoFS, path: str, *, period_s: int, failures: int) -> dict[str, Any]:
    return {
        **_probe_action(instance, path),
        "periodSeconds": period_s,
        "timeoutSeconds": 5,
        "failureThreshold": failures,
    }


def _probe_action(instance: DittoFS, path: str) -> dict[str, Any]:
    port, tls = names.PortName.API.value, instance.spec.adapters.api.tls
    if tls.client_ca_secret_name:
        # The kubelet has no certificate to present.
        return {"tcpSocket": {"port": port}}
    if tls.secret_name:
        return {"httpGet": {"path": path, "port": port, "scheme": "HTTPS"}}
    return {"httpGet": {"path": path, "port": port}}
