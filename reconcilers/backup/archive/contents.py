"""What a Job is told of the instance it works on: its description, and the objects that are archived with it.

Both are in a ConfigMap of the backup's own, made once: what is in the archive does not change while it is written.
"""

from __future__ import annotations

import base64
import gzip
import json
from collections.abc import Iterable, Mapping
from typing import Any

from informers.resource import Manifest, View
from informers.view import thaw
from reconcilers import names, remote_store
from reconcilers.api.backup import DittoFSBackup
from reconcilers.api.dittofs import DittoFS
from reconcilers.api.resources import CONFIG_MAP, DITTOFS_BACKUP, GROUP
from reconcilers.api.storage import PayloadType

DESCRIPTION_FILE = "description.json"
OBJECTS_FILE = "objects.json.gz"
#: What an API server takes of an object, with some room for what is around the values.
MAX_BYTES = 1_000_000

#: Of metadata, what an object that is made anew can have, and what tells who it was.
_KEPT = ("name", "namespace", "labels", "annotations", "uid")
_LAST_APPLIED = "kubectl.kubernetes.io/last-applied-configuration"


class TooLarge(Exception):
    """The objects don't fit into a ConfigMap."""


def contents(backup: DittoFSBackup, instance: DittoFS, objects: Iterable[View], *, pins: Mapping[str, str]) -> Manifest:
    """The ConfigMap for the Jobs of `backup`; `pins` are the ids of snapshots by path. Raises TooLarge."""
    archived = {"apiVersion": "v1", "kind": "List", "items": [_archived(one) for one in objects]}
    # Without a time in it: the same objects give the same bytes.
    packed = base64.b64encode(gzip.compress(_json(archived), mtime=0)).decode()
    description = _json(_description(instance, pins=pins)).decode()
    if len(packed) + len(description) > MAX_BYTES:
        raise TooLarge("what is to be archived of the Kubernetes objects takes more than a ConfigMap can hold")
    metadata = backup.metadata
    return {
        "apiVersion": CONFIG_MAP.api_version,
        "kind": CONFIG_MAP.kind,
        "metadata": {
            "name": names.archive_contents(metadata.name),
            "namespace": metadata.namespace,
            "ownerReferences": [
                {
                    "apiVersion": DITTOFS_BACKUP.api_version,
                    "kind": DITTOFS_BACKUP.kind,
                    "name": metadata.name,
                    "uid": metadata.uid,
                    "controller": True,
                }
            ],
        },
        "immutable": True,
        "data": {DESCRIPTION_FILE: description},
        "binaryData": {OBJECTS_FILE: packed},
    }


def _description(instance: DittoFS, *, pins: Mapping[str, str]) -> dict[str, Any]:
    spec, metadata = instance.spec, instance.metadata
    return {
        "instance": {"namespace": metadata.namespace, "name": metadata.name, "uid": metadata.uid},
        "image": spec.image,
        "controlPlane": "sqlite" if spec.database.sqlite is not None else "postgres",
        "metadata": spec.metadata.type.value,
        "payload": spec.payload.type.value,
        **({"bucket": _bucket(instance)} if spec.payload.type is PayloadType.S3 else {}),
        "cleanStop": False,
        "snapshots": dict(pins),
    }


def _bucket(instance: DittoFS) -> dict[str, str]:
    s3 = remote_store.s3_of(instance)
    return {
        "endpoint": s3.endpoint.rstrip("/"),
        "bucket": s3.bucket,
        "prefix": remote_store.object_prefix(instance),
    }


def _archived(view: View) -> dict[str, Any]:
    """An object as it can be made anew; of others' annotations nothing that is only about this one."""
    whole: dict[str, Any] = thaw(view)
    metadata = {field: whole["metadata"][field] for field in _KEPT if whole["metadata"].get(field)}
    annotations = {key: value for key, value in metadata.get("annotations", {}).items() if key != _LAST_APPLIED}
    ours = {key: value for key, value in annotations.items() if _is_kept(key)}
    metadata = {field: value for field, value in metadata.items() if field != "annotations"}
    kept: dict[str, Any] = {field: whole[field] for field in ("apiVersion", "kind", "spec") if field in whole}
    return kept | {"metadata": {**metadata, **({"annotations": ours} if ours else {})}}


def _is_kept(annotation: str) -> bool:
    return not annotation.startswith(f"{GROUP}/") or annotation == names.PURGE_ANNOTATION


def _json(value: object) -> bytes:
    return json.dumps(value, sort_keys=True, separators=(",", ":")).encode()
