"""Claims are bound to folders of the cluster's data directory, grow when asked, and go when nobody uses them."""

from __future__ import annotations

import shutil
from pathlib import Path

from hack.localcluster.controllers.surroundings import FIELD_MANAGER, Surroundings
from informers.errors import Conflict, NotFound
from informers.event import Event, states
from informers.resource import ObjectKey, View
from informers.result import Backoff, Done, Result
from reconcilers.api.resources import PERSISTENT_VOLUME_CLAIM, POD

PROTECTION_FINALIZER = "kubernetes.io/pvc-protection"


class ClaimReconciler:
    """One pass for a claim; `folder` holds one folder for each bound claim, named like its volume."""

    def __init__(self, around: Surroundings, *, folder: Path) -> None:
        self._around = around
        self._folder = folder
        self._claims = around.informer(PERSISTENT_VOLUME_CLAIM)
        self._pods = around.informer(POD)

    def reconcile(self, key: ObjectKey) -> Result:
        """Bind it, grow it, protect it, or take its folder away."""
        claim = self._claims.store.get(key)
        try:
            if claim is None:
                self._remove_folders()
            elif claim["metadata"].get("deletionTimestamp"):
                self._release(claim)
            else:
                self._bind(claim)
        except (Conflict, NotFound) as error:
            return Backoff(str(error))
        return Done()

    def _bind(self, claim: View) -> None:
        key, metadata, spec = ObjectKey.of(claim), claim["metadata"], claim["spec"]
        volume = spec.get("volumeName") or f"pvc-{metadata['uid']}"
        (self._folder / volume).mkdir(parents=True, exist_ok=True)
        finalizers = list(metadata.get("finalizers") or ())
        if not spec.get("volumeName") or PROTECTION_FINALIZER not in finalizers:
            if PROTECTION_FINALIZER not in finalizers:
                finalizers.append(PROTECTION_FINALIZER)
            patch = {
                "metadata": {"resourceVersion": metadata["resourceVersion"], "finalizers": finalizers},
                "spec": {"volumeName": volume},
            }
            claim = self._around.client.merge_patch(PERSISTENT_VOLUME_CLAIM, key, patch, field_manager=FIELD_MANAGER)
        status = {
            "phase": "Bound",
            "accessModes": list(spec.get("accessModes") or ()),
            "capacity": {"storage": spec["resources"]["requests"]["storage"]},
        }
        self._around.write_status(PERSISTENT_VOLUME_CLAIM, claim, status)

    def _release(self, claim: View) -> None:
        metadata = claim["metadata"]
        finalizers = list(metadata.get("finalizers") or ())
        if PROTECTION_FINALIZER not in finalizers or self._is_used(claim):
            return
        finalizers.remove(PROTECTION_FINALIZER)
        patch = {"metadata": {"resourceVersion": metadata["resourceVersion"], "finalizers": finalizers}}
        self._around.client.merge_patch(
            PERSISTENT_VOLUME_CLAIM, ObjectKey.of(claim), patch, field_manager=FIELD_MANAGER
        )

    def _is_used(self, claim: View) -> bool:
        key = ObjectKey.of(claim)
        return any(key in claims_of(pod) for pod in self._pods.store.list(key.namespace) if not _finished(pod))

    def _remove_folders(self) -> None:
        """Remove the folders that no claim names any more."""
        named = {claim["spec"].get("volumeName") for claim in self._claims.store.list()}
        named |= {f"pvc-{claim['metadata']['uid']}" for claim in self._claims.store.list()}
        for folder in self._folder.glob("pvc-*"):
            if folder.name not in named:
                shutil.rmtree(folder, ignore_errors=True)


def claims_of(pod: View) -> list[ObjectKey]:
    """The claims that `pod` mounts."""
    sources = [volume.get("persistentVolumeClaim") for volume in pod["spec"].get("volumes") or ()]
    return [ObjectKey(pod["metadata"]["namespace"], source["claimName"]) for source in sources if source]


def claims_of_event(event: Event) -> list[ObjectKey]:
    """Maps a pod's event to its claims: the last pod that goes releases them."""
    return claims_of(states(event)[-1])


def _finished(pod: View) -> bool:
    return (pod.get("status") or {}).get("phase") in {"Succeeded", "Failed"}
