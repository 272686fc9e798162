"""The calls that only a node makes, and the scheduler for it, next to those every controller makes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from informers.client import Client
from informers.resource import ObjectKey
from reconcilers.api.resources import POD, SERVICE_ACCOUNT


class KubeletClient(Client):
    """A client that can also bind a pod, get its tokens, and say that its processes are gone."""

    def bind(self, key: ObjectKey, *, uid: str, node: str) -> None:
        """Give the pod to `node`; Conflict when it has one."""
        binding = {
            "apiVersion": "v1",
            "kind": "Binding",
            "metadata": {"namespace": key.namespace, "name": key.name, "uid": uid},
            "target": {"apiVersion": "v1", "kind": "Node", "name": node},
        }
        self._write("POST", f"{POD.object_path(key)}/binding", binding)

    def request_token(
        self,
        account: ObjectKey,
        *,
        lifetime_s: int,
        audiences: Sequence[str] = (),
        bound_to: Mapping[str, str] | None = None,
    ) -> str:
        """A token of the service account, for this API server unless `audiences` say otherwise.

        `bound_to` (apiVersion, kind, name, uid) is an object with which the token ends.
        """
        spec = {"expirationSeconds": lifetime_s, "audiences": list(audiences), "boundObjectRef": bound_to}
        body = {
            "apiVersion": "authentication.k8s.io/v1",
            "kind": "TokenRequest",
            "spec": {field: value for field, value in spec.items() if value},
        }
        path = f"{SERVICE_ACCOUNT.object_path(account)}/token"
        return str(self._write("POST", path, body)["status"]["token"])

    def delete_now(self, key: ObjectKey, *, uid: str) -> None:
        """Remove the pod's object: nothing of the pod runs any more (grace period 0)."""
        options = {
            "apiVersion": "v1",
            "kind": "DeleteOptions",
            "gracePeriodSeconds": 0,
            "preconditions": {"uid": uid},
        }
        self._write("DELETE", POD.object_path(key), options)
