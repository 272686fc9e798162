"""The metadata of children: names, labels, and who owns them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from informers.resource import Manifest, Resource
from reconcilers import names
from reconcilers.api.dittofs import DittoFS, VolumeRetention


def child(
    instance: DittoFS, resource: Resource, name: str, *, annotations: Mapping[str, str] | None = None
) -> Manifest:
    """The head of a child that goes with the instance: the garbage collector removes it after its owner."""
    metadata = _metadata(instance, name)
    if annotations:
        metadata["annotations"] = dict(sorted(annotations.items()))
    metadata["ownerReferences"] = [owner_reference(instance)]
    return {"apiVersion": resource.api_version, "kind": resource.kind, "metadata": metadata}


def keepsake(instance: DittoFS, resource: Resource, name: str) -> Manifest:
    """The head of a claim or Secret, which outlives the instance unless `volumeRetention` is Delete.

    The annotation says whose it is when no owner does.
    """
    metadata = _metadata(instance, name)
    metadata["annotations"] = {names.INSTANCE_KIND_ANNOTATION: names.INSTANCE_KIND}
    if instance.spec.volume_retention is VolumeRetention.DELETE:
        metadata["ownerReferences"] = [owner_reference(instance)]
    return {"apiVersion": resource.api_version, "kind": resource.kind, "metadata": metadata}


def owner_reference(instance: DittoFS) -> dict[str, Any]:
    """The controller reference to `instance`.

    Without blockOwnerDeletion, which needs a right on the owner's finalizers on OpenShift and serves only
    foreground deletion.
    """
    return {
        "apiVersion": instance.resource.api_version,
        "kind": instance.resource.kind,
        "name": instance.metadata.name,
        "uid": instance.metadata.uid,
        "controller": True,
    }


def _metadata(instance: DittoFS, name: str) -> dict[str, Any]:
    return {
        "name": name,
        "namespace": instance.metadata.namespace,
        "labels": names.labels(instance.metadata.name, instance.spec.image),
    }
