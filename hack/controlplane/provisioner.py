"""Volumes for claims of our storage class: made, grown and removed as an external provisioner and resizer do.

Binding, protection and release are the controller manager's.
"""

from __future__ import annotations

import shutil
from pathlib import Path

from hack.controlplane.resources import PERSISTENT_VOLUME
from hack.localcluster.controllers.surroundings import Surroundings
from hack.localcluster.storage import DEFAULT_STORAGE_CLASS, PROVISIONER
from informers.errors import AlreadyExists, Conflict, NotFound
from informers.event import Event, states
from informers.resource import Manifest, ObjectKey, View
from informers.result import Backoff, Done, Result
from reconcilers.api.resources import PERSISTENT_VOLUME_CLAIM

FIELD_MANAGER = "volume-provisioner"
_CLASS: str = DEFAULT_STORAGE_CLASS["metadata"]["name"]


class ClaimReconciler:
    """One pass for a claim; `folder` holds one folder for each volume, named like it."""

    def __init__(self, around: Surroundings, *, folder: Path) -> None:
        self._around = around
        self._folder = folder
        self._claims = around.informer(PERSISTENT_VOLUME_CLAIM)

    def reconcile(self, key: ObjectKey) -> Result:
        """Make its volume, or let it grow."""
        claim = self._claims.store.get(key)
        if claim is None or claim["spec"].get("storageClassName") != _CLASS:
            return Done()
        try:
            if not claim["spec"].get("volumeName"):
                self._provide(claim)
            elif (claim.get("status") or {}).get("phase") == "Bound":
                self._grow(claim)
        except (Conflict, NotFound) as error:
            return Backoff(str(error))
        return Done()

    def _provide(self, claim: View) -> None:
        if claim["metadata"].get("deletionTimestamp"):
            return
        volume = volume_for(claim, folder=self._folder)
        Path(volume["spec"]["hostPath"]["path"]).mkdir(parents=True, exist_ok=True)
        try:
            self._around.client.create(PERSISTENT_VOLUME, volume, field_manager=FIELD_MANAGER)
        except AlreadyExists:
            # The controller manager has not bound it yet.
            return

    def _grow(self, claim: View) -> None:
        wanted = claim["spec"]["resources"]["requests"]["storage"]
        if claim["status"].get("capacity", {}).get("storage") == wanted:
            return
        client, capacity = self._around.client, {"capacity": {"storage": wanted}}
        volume = ObjectKey("", claim["spec"]["volumeName"])
        client.merge_patch(PERSISTENT_VOLUME, volume, {"spec": capacity}, field_manager=FIELD_MANAGER)
        client.merge_patch(
            PERSISTENT_VOLUME_CLAIM,
            ObjectKey.of(claim),
            {"status": capacity},
            field_manager=FIELD_MANAGER,
            subresource="status",
        )


class VolumeReconciler:
    """One pass for a volume: it goes with its folder once its claim is gone."""

    def __init__(self, around: Surroundings) -> None:
        self._around = around
        self._volumes = around.informer(PERSISTENT_VOLUME)

    def reconcile(self, key: ObjectKey) -> Result:
        """Remove the folder, then the volume."""
        volume = self._volumes.store.get(key)
        if volume is None or volume["metadata"].get("annotations", {}).get(_PROVISIONED_BY) != PROVISIONER:
            return Done()
        released = (volume.get("status") or {}).get("phase") == "Released"
        if released and volume["spec"]["persistentVolumeReclaimPolicy"] == "Delete":
            shutil.rmtree(volume["spec"]["hostPath"]["path"], ignore_errors=True)
            self._around.delete(PERSISTENT_VOLUME, volume)
        return Done()


_PROVISIONED_BY = "pv.kubernetes.io/provisioned-by"


def volume_for(claim: View, *, folder: Path) -> Manifest:
    """The volume of `claim`, bound to it and to nothing else."""
    metadata, spec = claim["metadata"], claim["spec"]
    name = f"pvc-{metadata['uid']}"
    return {
        "apiVersion": PERSISTENT_VOLUME.api_version,
        "kind": PERSISTENT_VOLUME.kind,
        "metadata": {"name": name, "annotations": {_PROVISIONED_BY: PROVISIONER}},
        "spec": {
            "capacity": {"storage": spec["resources"]["requests"]["storage"]},
            "accessModes": list(spec["accessModes"]),
            "persistentVolumeReclaimPolicy": "Delete",
            "storageClassName": _CLASS,
            "volumeMode": spec.get("volumeMode", "Filesystem"),
            "claimRef": {
                "apiVersion": "v1",
                "kind": PERSISTENT_VOLUME_CLAIM.kind,
                "namespace": metadata["namespace"],
                "name": metadata["name"],
                "uid": metadata["uid"],
            },
            "hostPath": {"path": str(folder / name)},
        },
    }


def claim_of_volume(event: Event) -> list[ObjectKey]:
    """Maps a volume's event to the claim it is for."""
    reference = states(event)[-1]["spec"].get("claimRef")
    return [ObjectKey(reference["namespace"], reference["name"])] if reference else []
