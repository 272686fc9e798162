"""Jobs run pods until enough of them succeeded or too many failed."""

from __future__ import annotations

import contextlib
import hashlib
import math
from datetime import UTC, datetime
from typing import Any

from hack.localcluster.controllers.surroundings import (
    FIELD_MANAGER,
    Surroundings,
    condition,
    controller_reference,
    is_controlled_by,
)
from hack.localcluster.kubelet.kubelet import NODE_NAME
from informers.errors import AlreadyExists
from informers.resource import Manifest, ObjectKey, View
from informers.result import Done, RequeueAfter, Result
from informers.view import thaw
from reconcilers.api.resources import JOB, POD

_BACKOFF_LIMIT = 6


class JobReconciler:
    """One pass of the Job controller."""

    def __init__(self, around: Surroundings) -> None:
        self._around = around
        self._jobs = around.informer(JOB)
        self._pods = around.informer(POD)

    def reconcile(self, key: ObjectKey) -> Result:
        """Run the pods that the job still needs."""
        job = self._jobs.store.get(key)
        if job is None or job["metadata"].get("deletionTimestamp") or _is_over(job):
            return Done()
        pods = [pod for pod in self._pods.store.list(key.namespace) if is_controlled_by(pod, job)]
        by_phase: dict[str, list[View]] = {}
        for pod in pods:
            by_phase.setdefault((pod.get("status") or {}).get("phase") or "Pending", []).append(pod)
        succeeded, failed = by_phase.get("Succeeded", []), by_phase.get("Failed", [])
        active = [pod for pod in pods if pod not in succeeded and pod not in failed]
        spec = job["spec"]
        completions = 1 if spec.get("completions") is None else int(spec["completions"])
        left_s = self._left_s(job)
        status: dict[str, Any] = {"succeeded": len(succeeded), "failed": len(failed)}
        if len(succeeded) >= completions:
            status |= {"conditions": _over("Complete", "CompletionsReached", ""), "completionTime": _now()}
        elif failure := _failure(spec, failed=len(failed), left_s=left_s):
            status["conditions"] = _over("Failed", *failure)
        elif not spec.get("suspend"):
            if not (job.get("status") or {}).get("startTime"):
                status["startTime"] = _now()
            missing = min(int(spec.get("parallelism") or 1), completions - len(succeeded)) - len(active)
            for number in range(len(pods), len(pods) + missing):
                with contextlib.suppress(AlreadyExists):
                    self._around.client.create(POD, _pod(job, number), field_manager=FIELD_MANAGER)
        if "conditions" in status or spec.get("suspend"):
            for pod in active:
                self._around.delete(POD, pod)
        else:
            status["active"] = len(active)
        self._around.write_status(JOB, job, status)
        return Done() if "conditions" in status or left_s == math.inf else RequeueAfter(left_s)

    def _left_s(self, job: View) -> float:
        """For how long it may still be active."""
        start, deadline = (job.get("status") or {}).get("startTime"), job["spec"].get("activeDeadlineSeconds")
        if not start or deadline is None:
            return math.inf if deadline is None else float(deadline)
        return float(deadline) - (self._around.clock.now() - datetime.fromisoformat(start)).total_seconds()


def _failure(spec: View, *, failed: int, left_s: float) -> tuple[str, str] | None:
    """Reason and message of a job that is not to be tried any more."""
    limit = _BACKOFF_LIMIT if spec.get("backoffLimit") is None else int(spec["backoffLimit"])
    if failed > limit:
        return "BackoffLimitExceeded", "Job has reached the specified backoff limit"
    return None if left_s > 0 else ("DeadlineExceeded", "Job was active longer than specified deadline")


def _is_over(job: View) -> bool:
    return any(condition(job, kind).get("status") == "True" for kind in ("Complete", "Failed"))


def _over(kind: str, reason: str, message: str) -> list[dict[str, Any]]:
    now = _now()
    known = {"status": "True", "reason": reason, "message": message, "lastProbeTime": now, "lastTransitionTime": now}
    return [{"type": kind, **known}]


def _pod(job: View, number: int) -> Manifest:
    """The job's pod of this number; its name is the same in every pass, so that a repeated pass makes no other."""
    metadata = job["metadata"]
    template: dict[str, Any] = thaw(job["spec"]["template"])
    inner = template.get("metadata") or {}
    suffix = hashlib.sha256(f"{metadata['uid']}/{number}".encode()).hexdigest()[:5]
    return {
        "apiVersion": POD.api_version,
        "kind": POD.kind,
        "metadata": {
            "name": f"{metadata['name']}-{suffix}",
            "namespace": metadata["namespace"],
            "labels": {
                **(inner.get("labels") or {}),
                "batch.kubernetes.io/job-name": metadata["name"],
                "batch.kubernetes.io/controller-uid": metadata["uid"],
            },
            **({"annotations": inner["annotations"]} if inner.get("annotations") else {}),
            "ownerReferences": [controller_reference(job, JOB)],
        },
        "spec": {**template["spec"], "nodeName": NODE_NAME},
    }


def _now() -> str:
    return datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
