"""Pods that mount a share over NFS as the kubelet does: by a PersistentVolume, with the node's kernel."""

from __future__ import annotations

import re

from hack.controlplane.resources import PERSISTENT_VOLUME
from informers.errors import NotFound
from informers.resource import Manifest, ObjectKey
from reconcilers.api.resources import DITTOFS_SHARE, PERSISTENT_VOLUME_CLAIM, POD
from tests.support.acceptance import PATIENCE_S, USER, World
from tests.support.eventually import eventually

#: Has a shell; any other such image would do.
IMAGE = "docker.io/library/busybox:1.37.0"
_MOUNT = re.compile(r"mount -t nfs -o (?P<options>\S+) (?P<server>[^:]+):(?P<path>\S+) /mnt")


class NfsPods:
    """Client pods of one world; `remove` deletes their volumes, which no namespace takes along."""

    def __init__(self, world: World) -> None:
        self._world = world
        self._volumes: list[str] = []

    def run(self, name: str, share: str, script: str) -> None:
        """Run `script` in a shell of a pod that has the share at /mnt; AssertionError unless it succeeds."""
        mount = _MOUNT.fullmatch(self._world.status(DITTOFS_SHARE, share)["mount"])
        assert mount is not None
        volume = f"{self._world.namespace}-{name}"
        self._world.client.create(PERSISTENT_VOLUME, _volume(volume, **mount.groupdict()), field_manager=USER)
        self._volumes.append(volume)
        self._world.create(PERSISTENT_VOLUME_CLAIM, name, spec=_claim(volume))
        self._world.create(POD, name, spec=_pod(name, script))
        eventually(lambda: self._phase(name) in ("Succeeded", "Failed"), PATIENCE_S, what=f"the end of pod {name}")
        assert self._phase(name) == "Succeeded", self._world.status(POD, name)
        self._world.delete(POD, name)
        self._world.until_gone(POD, name)

    def remove(self) -> None:
        """Delete the volumes; the files on the share stay."""
        while self._volumes:
            try:
                self._world.client.delete(PERSISTENT_VOLUME, ObjectKey("", self._volumes.pop()))
            except NotFound:
                continue

    def _phase(self, name: str) -> str:
        return self._world.phase(POD, name)


def _volume(name: str, *, options: str, server: str, path: str) -> Manifest:
    return {
        "apiVersion": PERSISTENT_VOLUME.api_version,
        "kind": PERSISTENT_VOLUME.kind,
        "metadata": {"name": name},
        "spec": {
            "capacity": {"storage": "1Mi"},
            "accessModes": ["ReadWriteMany"],
            "persistentVolumeReclaimPolicy": "Retain",
            "storageClassName": "",
            "mountOptions": options.split(","),
            "nfs": {"server": server, "path": path},
        },
    }


def _claim(volume: str) -> Manifest:
    return {
        "accessModes": ["ReadWriteMany"],
        "storageClassName": "",
        "volumeName": volume,
        "resources": {"requests": {"storage": "1Mi"}},
    }


def _pod(claim: str, script: str) -> Manifest:
    return {
        "restartPolicy": "Never",
        "terminationGracePeriodSeconds": 0,
        "automountServiceAccountToken": False,
        "containers": [
            {
                "name": "client",
                "image": IMAGE,
                "command": ["sh", "-ec", script],
                "volumeMounts": [{"name": "share", "mountPath": "/mnt"}],
            }
        ],
        "volumes": [{"name": "share", "persistentVolumeClaim": {"claimName": claim}}],
    }
