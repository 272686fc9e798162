"""Pods get the one node as soon as their claims are bound."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from hack.localcluster.controllers.claims import claims_of
from hack.localcluster.controllers.surroundings import Surroundings, condition
from hack.localcluster.kubelet.api import KubeletClient
from informers.errors import Conflict, NotFound
from informers.event import Event, states
from informers.resource import ObjectKey, View
from informers.result import Done, Result
from reconcilers.api.resources import PERSISTENT_VOLUME_CLAIM, POD

FIELD_MANAGER = "kube-scheduler"
SCHEDULER_NAME = "default-scheduler"


class PodReconciler:
    """One pass for a pod."""

    def __init__(self, around: Surroundings, client: KubeletClient, *, node: str) -> None:
        self._around = around
        self._client = client
        self._node = node
        self._pods = around.informer(POD)
        self._claims = around.informer(PERSISTENT_VOLUME_CLAIM)

    def reconcile(self, key: ObjectKey) -> Result:
        """Bind it, or say what it waits for."""
        pod = self._pods.store.get(key)
        if pod is None or not _waits(pod):
            return Done()
        missing = next((claim.name for claim in claims_of(pod) if not self._is_bound(claim)), None)
        try:
            if missing is None:
                self._client.bind(key, uid=pod["metadata"]["uid"], node=self._node)
            else:
                self._explain(pod, f'persistentvolumeclaim "{missing}" not found or not bound')
        except (Conflict, NotFound):
            # Bound already, or gone: the cache will hear of it.
            return Done()
        return Done()

    def pods_of_claim(self, event: Event) -> list[ObjectKey]:
        """Maps a claim's event to the pods that may wait for it."""
        claim = ObjectKey.of(states(event)[-1])
        pods = self._pods.store.list(claim.namespace)
        return [ObjectKey.of(pod) for pod in pods if _waits(pod) and claim in claims_of(pod)]

    def _is_bound(self, key: ObjectKey) -> bool:
        claim = self._claims.store.get(key)
        return claim is not None and (claim.get("status") or {}).get("phase") == "Bound"

    def _explain(self, pod: View, message: str) -> None:
        if condition(pod, "PodScheduled").get("message") == message:
            return
        now = datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
        scheduled: dict[str, Any] = {
            "type": "PodScheduled",
            "status": "False",
            "reason": "Unschedulable",
            "message": message,
            "lastTransitionTime": now,
        }
        self._client.merge_patch(
            POD,
            ObjectKey.of(pod),
            {"status": {"conditions": [scheduled]}},
            field_manager=FIELD_MANAGER,
            subresource="status",
        )


def _waits(pod: View) -> bool:
    spec = pod["spec"]
    ours = spec.get("schedulerName", SCHEDULER_NAME) == SCHEDULER_NAME
    return ours and not spec.get("nodeName") and not pod["metadata"].get("deletionTimestamp")
