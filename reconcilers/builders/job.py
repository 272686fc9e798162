"""Jobs that run the operator's own image for one object: beside claims and Secrets, restricted, and without rights."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from informers.resource import Manifest, View
from reconcilers import names
from reconcilers.api.common import CustomResource
from reconcilers.api.pod import Pod
from reconcilers.api.resources import JOB, SERVICE_ACCOUNT
from reconcilers.builders.pod import container_security, pod_security

#: The identity of the pods of all Jobs in a namespace: a name without rights and without a token.
ACCOUNT = "dittofs-jobs"
#: The container of the pod.
CONTAINER = "job"
#: Where the command leaves its outcome, of which the kubelet keeps 4 KiB.
RESULT_FILE = "/dev/termination-log"
#: The longest value of a label: the Job's controller puts the Job's name into one.
MAX_NAME = 63
_DIGEST = 8


def _enough() -> Mapping[str, Any]:
    """Enough for the most demanding command, a restore, as docs/archive.md has it measured."""
    return {"requests": {"cpu": "50m", "memory": "128Mi"}, "limits": {"memory": "512Mi"}}


@dataclass(frozen=True, slots=True, kw_only=True)
class Claim:
    """A PersistentVolumeClaim, whole. No claim twice: a node may take it once only for a pod."""

    name: str
    path: str
    read_only: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Files:
    """Keys of a Secret or ConfigMap as files, which nobody can write."""

    name: str
    path: str
    #: The file of each key; empty: all keys, each under its own name.
    items: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Scratch:
    """An empty folder that goes with the pod."""

    path: str
    #: A quantity; empty: as much as the node has.
    size_limit: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class JobOptions:
    """What a Job runs, and with what."""

    #: What its name ends with, behind that of the object that it works for.
    suffix: str
    #: The operator's own.
    image: str
    #: Of `dittofs-operator`.
    arguments: tuple[str, ...]
    #: Name of the DittoFS that it is about.
    instance: str
    #: After so many seconds it is ended, and has failed.
    deadline_s: int
    #: How often a pod that failed is replaced.
    retries: int = 2
    #: Names of Secrets to pull the image with.
    pull_secrets: tuple[str, ...] = ()
    #: Whose identity and security the pod has: that of the server, which owns the files.
    pod: Pod = field(default_factory=Pod)
    resources: Mapping[str, Any] = field(default_factory=_enough)
    node_selector: Mapping[str, str] = field(default_factory=dict)
    tolerations: tuple[Mapping[str, Any], ...] = ()
    claims: tuple[Claim, ...] = ()
    secrets: tuple[Files, ...] = ()
    config_maps: tuple[Files, ...] = ()
    scratch: tuple[Scratch, ...] = ()


def job_name(owner: str, suffix: str) -> str:
    """The name of the Job for the object called `owner`; of a long one a part, and what tells it from others."""
    if len(owner) + 1 + len(suffix) <= MAX_NAME:
        return f"{owner}-{suffix}"
    kept = owner[: MAX_NAME - len(suffix) - _DIGEST - 2].rstrip("-.")
    return f"{kept}-{hashlib.sha256(owner.encode()).hexdigest()[:_DIGEST]}-{suffix}"


def job(owner: CustomResource, options: JobOptions) -> Manifest:
    """The Job for `owner`, which goes with it: the same arguments give the same manifest, byte for byte."""
    return {
        "apiVersion": JOB.api_version,
        "kind": JOB.kind,
        "metadata": {
            "name": job_name(owner.metadata.name, options.suffix),
            "namespace": owner.metadata.namespace,
            "labels": _labels(options),
            "ownerReferences": [
                {
                    "apiVersion": owner.resource.api_version,
                    "kind": owner.resource.kind,
                    "name": owner.metadata.name,
                    "uid": owner.metadata.uid,
                    "controller": True,
                }
            ],
        },
        # Never ttlSecondsAfterFinished: its pods go with it, and with them what they told.
        "spec": {
            "backoffLimit": options.retries,
            "activeDeadlineSeconds": options.deadline_s,
            # A pod that is only on its way out may still write.
            "podReplacementPolicy": "Failed",
            "template": {"metadata": {"labels": _labels(options)}, "spec": _pod(options)},
        },
    }


def job_account(namespace: str) -> Manifest:
    """The ServiceAccount of the pods of all Jobs in `namespace`; nobody's, since Jobs of many objects have it."""
    return {
        "apiVersion": SERVICE_ACCOUNT.api_version,
        "kind": SERVICE_ACCOUNT.kind,
        "metadata": {"name": ACCOUNT, "namespace": namespace, "labels": _common_labels()},
        "automountServiceAccountToken": False,
    }


def works_for(job: View, owner: CustomResource) -> bool:
    """Whether `job` is one for exactly this `owner`."""
    references = job["metadata"].get("ownerReferences") or ()
    return any(one.get("controller") and one.get("uid") == owner.metadata.uid for one in references)


def _common_labels() -> dict[str, str]:
    return {
        names.NAME_LABEL: names.APPLICATION,
        names.COMPONENT_LABEL: names.Component.JOB.value,
        names.PART_OF_LABEL: names.APPLICATION,
        names.MANAGED_BY_LABEL: names.MANAGED_BY,
    }


def _labels(options: JobOptions) -> dict[str, str]:
    version = names.image_version(options.image)
    labels = {**_common_labels(), names.INSTANCE_LABEL: options.instance}
    return {**labels, names.VERSION_LABEL: version} if version else labels


def _pod(options: JobOptions) -> Manifest:
    volumes = list(_volumes(options))
    pod: Manifest = {
        "restartPolicy": "Never",
        "serviceAccountName": ACCOUNT,
        "automountServiceAccountToken": False,
        "enableServiceLinks": False,
        "securityContext": pod_security(options.pod),
        "containers": [
            {
                "name": CONTAINER,
                "image": options.image,
                "imagePullPolicy": "IfNotPresent",
                "args": list(options.arguments),
                "resources": {part: dict(amounts) for part, amounts in options.resources.items()},
                "securityContext": container_security(options.pod),
                "terminationMessagePath": RESULT_FILE,
                # What ends before it can tell anything, as for want of memory, is told by the end of its log.
                "terminationMessagePolicy": "FallbackToLogsOnError",
                "volumeMounts": [mount for _, mount in volumes],
            }
        ],
        "volumes": [volume for volume, _ in volumes],
    }
    placement: Manifest = {
        "imagePullSecrets": [{"name": name} for name in options.pull_secrets],
        "nodeSelector": dict(options.node_selector),
        "tolerations": [dict(one) for one in options.tolerations],
    }
    return pod | {name: value for name, value in placement.items() if value}


def _volumes(options: JobOptions) -> Iterable[tuple[Manifest, Manifest]]:
    """Each volume with its mount."""
    yield _volume("tmp", {"emptyDir": {}}, "/tmp")  # noqa: S108 - a folder in the pod
    for number, claim in enumerate(options.claims):
        source = {"persistentVolumeClaim": {"claimName": claim.name}}
        yield _volume(f"claim-{number}", source, claim.path, read_only=claim.read_only)
    for number, files in enumerate(options.secrets):
        yield _volume(
            f"secret-{number}", {"secret": {"secretName": files.name, **_items(files)}}, files.path, read_only=True
        )
    for number, files in enumerate(options.config_maps):
        yield _volume(
            f"config-{number}", {"configMap": {"name": files.name, **_items(files)}}, files.path, read_only=True
        )
    for number, scratch in enumerate(options.scratch):
        limit = {"sizeLimit": scratch.size_limit} if scratch.size_limit else {}
        yield _volume(f"scratch-{number}", {"emptyDir": limit}, scratch.path)


def _volume(name: str, source: Manifest, path: str, *, read_only: bool = False) -> tuple[Manifest, Manifest]:
    mount = {"name": name, "mountPath": path, **({"readOnly": True} if read_only else {})}
    return {"name": name, **source}, mount


def _items(files: Files) -> Manifest:
    return {"items": [{"key": key, "path": path} for key, path in files.items.items()]} if files.items else {}
