"""The one storage class: its volumes are folders."""

from __future__ import annotations

from hack.localcluster.resources import STORAGE_CLASS
from informers.resource import Manifest

PROVISIONER = "local-cluster.invalid/folder"

DEFAULT_STORAGE_CLASS: Manifest = {
    "apiVersion": STORAGE_CLASS.api_version,
    "kind": STORAGE_CLASS.kind,
    "metadata": {"name": "local", "annotations": {"storageclass.kubernetes.io/is-default-class": "true"}},
    "provisioner": PROVISIONER,
    "allowVolumeExpansion": True,
}
