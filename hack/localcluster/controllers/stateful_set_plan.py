"""What a StatefulSet asks for now: which pods to make, which to delete, and its status. Pure.

Follows the real controller, with its famous trap: under OrderedReady, a pod that never gets ready blocks its own
repair (kubernetes#67250). One difference: a missing pod is made from the update revision unless a partition says
otherwise, also in the middle of a rollout.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from hack.localcluster.controllers.surroundings import condition, is_ready
from informers.resource import View

REVISION_LABEL = "controller-revision-hash"
POD_NAME_LABEL = "statefulset.kubernetes.io/pod-name"
POD_INDEX_LABEL = "apps.kubernetes.io/pod-index"


@dataclass(frozen=True, slots=True)
class NewPod:
    """A pod to make: its ordinal, and the name of the revision whose template it gets."""

    ordinal: int
    revision: str


@dataclass(slots=True)
class Plan:
    """The steps of one pass; `again_s` asks for another pass when time alone changes something."""

    create: list[NewPod] = field(default_factory=list)
    delete: list[View] = field(default_factory=list)
    status: dict[str, Any] = field(default_factory=dict)
    again_s: float | None = None


def plan(stateful_set: View, pods: Sequence[View], *, update_revision: str, now: datetime) -> Plan:
    """The next steps for `stateful_set`, whose own pods are `pods`."""
    return _Planner(stateful_set, pods, update_revision, now).run()


def ordinal_of(stateful_set: View, pod: View) -> int | None:
    """The ordinal in the pod's name; None when it isn't named after the set."""
    head, _, tail = pod["metadata"]["name"].rpartition("-")
    return int(tail) if head == stateful_set["metadata"]["name"] and tail.isdigit() else None


class _Planner:
    def __init__(self, stateful_set: View, pods: Sequence[View], update_revision: str, now: datetime) -> None:
        spec, status = stateful_set["spec"], stateful_set.get("status") or {}
        self._set = stateful_set
        self._now = now
        self._update_revision = update_revision
        self._current_revision = status.get("currentRevision") or update_revision
        self._parallel = spec.get("podManagementPolicy") == "Parallel"
        self._strategy = (spec.get("updateStrategy") or {}).get("type", "RollingUpdate")
        rolling = (spec.get("updateStrategy") or {}).get("rollingUpdate") or {}
        self._min_ready_s = int(spec.get("minReadySeconds") or 0)
        start = int((spec.get("ordinals") or {}).get("start") or 0)
        replicas = 1 if spec.get("replicas") is None else int(spec["replicas"])
        self._ordinals = range(start, start + replicas)
        self._partition = start + int(rolling.get("partition") or 0)
        by_ordinal = {ordinal_of(stateful_set, pod): pod for pod in pods}
        self._pods: dict[int, View] = {number: pod for number, pod in by_ordinal.items() if number is not None}
        self._plan = Plan()

    def run(self) -> Plan:
        self._plan.status = self._status()
        if not self._set["metadata"].get("deletionTimestamp"):
            self._fill() and self._shrink() and self._update()
        return self._plan

    def _fill(self) -> bool:
        """Make what is missing; False when the set has to wait for its pods before anything else."""
        for ordinal in self._ordinals:
            pod = self._pods.get(ordinal)
            if pod is None:
                self._plan.create.append(NewPod(ordinal, self._revision_for(ordinal)))
            elif _finished(pod) and not _leaving(pod):
                self._plan.delete.append(pod)
            elif not self._parallel and not self._available(pod):
                return False
            else:
                continue
            if not self._parallel:
                return False
        return True

    def _shrink(self) -> bool:
        """Delete what is too much, from the top; False when there was something."""
        condemned = sorted((number for number in self._pods if number not in self._ordinals), reverse=True)
        for ordinal in condemned:
            pod = self._pods[ordinal]
            if not _leaving(pod):
                self._plan.delete.append(pod)
            if not self._parallel:
                return False
        return not condemned

    def _update(self) -> bool:
        """Delete the topmost pod of an old revision, once all above it are healthy."""
        if self._strategy != "RollingUpdate" or self._plan.create or self._plan.delete:
            return False
        for ordinal in reversed([number for number in self._ordinals if number >= self._partition]):
            pod = self._pods[ordinal]
            if _leaving(pod):
                return False
            if _revision(pod) != self._update_revision:
                self._plan.delete.append(pod)
                return False
            if not self._available(pod):
                return False
        return True

    def _status(self) -> dict[str, Any]:
        pods = [pod for pod in self._pods.values() if not _leaving(pod)]
        here = list(self._pods.values())
        updated = [pod for pod in pods if _revision(pod) == self._update_revision]
        ready = [pod for pod in here if is_ready(pod)]
        current_revision = self._current_revision
        wanted = len(self._ordinals)
        complete = len(updated) == wanted == len(here) and all(is_ready(pod) for pod in updated)
        if self._strategy == "RollingUpdate" and self._partition <= self._ordinals.start and complete:
            current_revision = self._update_revision
        current = [pod for pod in pods if _revision(pod) == current_revision]
        return {
            "observedGeneration": self._set["metadata"].get("generation", 1),
            "replicas": len(here),
            "readyReplicas": len(ready),
            "availableReplicas": len([pod for pod in here if self._available(pod)]),
            "currentReplicas": len(current),
            "updatedReplicas": len(updated),
            "currentRevision": current_revision,
            "updateRevision": self._update_revision,
            "collisionCount": 0,
        }

    def _revision_for(self, ordinal: int) -> str:
        old = self._strategy == "RollingUpdate" and ordinal < self._partition
        return self._current_revision if old else self._update_revision

    def _available(self, pod: View) -> bool:
        if not is_ready(pod) or _leaving(pod):
            return False
        if not self._min_ready_s:
            return True
        since = datetime.fromisoformat(condition(pod, "Ready")["lastTransitionTime"])
        left = self._min_ready_s - (self._now - since).total_seconds()
        if left > 0:
            self._plan.again_s = min(left, self._plan.again_s or left)
        return left <= 0


def _leaving(pod: View) -> bool:
    return bool(pod["metadata"].get("deletionTimestamp"))


def _finished(pod: View) -> bool:
    return (pod.get("status") or {}).get("phase") in {"Succeeded", "Failed"}


def _revision(pod: View) -> str:
    labels: Mapping[str, str] = pod["metadata"].get("labels") or {}
    return labels.get(REVISION_LABEL, "")
