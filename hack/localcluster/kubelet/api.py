"""The kubelet's own calls of the API, next to those every controller makes."""

from __future__ import annotations

from hack.localcluster.resources import POD
from informers.client import Client
from informers.resource import ObjectKey


class KubeletClient(Client):
    """A client that can also say that a pod's processes are gone."""

    def delete_now(self, key: ObjectKey, *, uid: str) -> None:
        """Remove the pod's object: nothing of the pod runs any more (grace period 0)."""
        options = {
            "apiVersion": "v1",
            "kind": "DeleteOptions",
            "gracePeriodSeconds": 0,
            "preconditions": {"uid": uid},
        }
        self._write("DELETE", POD.object_path(key), options)
