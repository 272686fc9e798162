"""StatefulSets become pods, through the plan of `stateful_set_plan`."""

from __future__ import annotations

import contextlib
from datetime import UTC, datetime
from typing import Any

from hack.localcluster.controllers import revisions
from hack.localcluster.controllers.stateful_set_plan import (
    POD_INDEX_LABEL,
    POD_NAME_LABEL,
    REVISION_LABEL,
    NewPod,
    plan,
)
from hack.localcluster.controllers.surroundings import (
    FIELD_MANAGER,
    Surroundings,
    controller_reference,
    is_controlled_by,
    matches,
)
from hack.localcluster.kubelet.kubelet import NODE_NAME
from hack.localcluster.resources import CONTROLLER_REVISION
from informers.errors import AlreadyExists, ApiError
from informers.resource import Manifest, ObjectKey, View
from informers.result import Backoff, Done, RequeueAfter, Result
from informers.view import thaw
from reconcilers.api.resources import PERSISTENT_VOLUME_CLAIM, POD, STATEFUL_SET

_HISTORY_LIMIT = 10


class StatefulSetReconciler:
    """One pass of the StatefulSet controller."""

    def __init__(self, around: Surroundings) -> None:
        self._around = around
        self._sets = around.informer(STATEFUL_SET)
        self._pods = around.informer(POD)
        self._revisions = around.informer(CONTROLLER_REVISION)

    def reconcile(self, key: ObjectKey) -> Result:
        """Make the pods of the set what its spec says."""
        stateful_set = self._sets.store.get(key)
        if stateful_set is None:
            return Done()
        selector = stateful_set["spec"]["selector"]
        pods = [
            pod
            for pod in self._pods.store.list(key.namespace)
            if is_controlled_by(pod, stateful_set) and matches(pod["metadata"].get("labels"), selector)
        ]
        known = {
            revision["metadata"]["name"]: revision
            for revision in self._revisions.store.list(key.namespace)
            if is_controlled_by(revision, stateful_set)
        }
        update_revision = self._ensure_revision(stateful_set, known)
        steps = plan(stateful_set, pods, update_revision=update_revision, now=datetime.now(UTC))
        for pod in steps.delete:
            self._around.delete(POD, pod)
        problems = [problem for new in steps.create if (problem := self._create(stateful_set, new, known))]
        self._around.write_status(STATEFUL_SET, stateful_set, steps.status)
        self._prune(stateful_set, pods, known, steps.status)
        if problems:
            return Backoff("; ".join(problems))
        return RequeueAfter(steps.again_s) if steps.again_s is not None else Done()

    def _ensure_revision(self, stateful_set: View, known: dict[str, View]) -> str:
        name = revisions.revision_name(stateful_set)
        number = revisions.next_number(known.values())
        if name not in known:
            manifest = revisions.new_revision(stateful_set, number)
            with contextlib.suppress(AlreadyExists):
                self._around.client.create(CONTROLLER_REVISION, manifest, field_manager=FIELD_MANAGER)
            known[name] = manifest
        elif int(known[name]["revision"]) != number - 1:
            # Back to an earlier template: its revision becomes the newest again.
            key = ObjectKey(stateful_set["metadata"]["namespace"], name)
            patch = {"revision": number}
            self._around.client.merge_patch(CONTROLLER_REVISION, key, patch, field_manager=FIELD_MANAGER)
        return name

    def _create(self, stateful_set: View, new: NewPod, known: dict[str, View]) -> str:
        """Make one pod; what went wrong, in words, or nothing."""
        revision = new.revision if new.revision in known else revisions.revision_name(stateful_set)
        template = revisions.template_of(known[revision])
        pod = _pod(stateful_set, NewPod(new.ordinal, revision), template)
        try:
            self._create_claims(stateful_set, new.ordinal)
            self._around.client.create(POD, pod, field_manager=FIELD_MANAGER)
        except AlreadyExists:
            live = self._around.client.get(POD, ObjectKey.of(pod))
            # Ours: the cache has only not heard of it yet, its event brings the next pass.
            return "" if is_controlled_by(live, stateful_set) else f"a pod {ObjectKey.of(pod)} that isn't ours exists"
        except ApiError as error:
            words = f"create Pod {pod['metadata']['name']} in StatefulSet failed error: {error.message}"
            self._around.events.warning(stateful_set, "FailedCreate", words)
            return words
        words = f"create Pod {pod['metadata']['name']} in StatefulSet {stateful_set['metadata']['name']} successful"
        self._around.events.normal(stateful_set, "SuccessfulCreate", words)
        return ""

    def _create_claims(self, stateful_set: View, ordinal: int) -> None:
        for claim in stateful_set["spec"].get("volumeClaimTemplates") or ():
            manifest: dict[str, Any] = thaw(claim)
            manifest.pop("status", None)
            labels = stateful_set["spec"]["selector"].get("matchLabels") or {}
            manifest["metadata"] = {
                **manifest["metadata"],
                "name": _claim_name(stateful_set, claim, ordinal),
                "namespace": stateful_set["metadata"]["namespace"],
                "labels": {**labels, **(manifest["metadata"].get("labels") or {})},
            }
            with contextlib.suppress(AlreadyExists):
                self._around.client.create(PERSISTENT_VOLUME_CLAIM, manifest, field_manager=FIELD_MANAGER)

    def _prune(self, stateful_set: View, pods: list[View], known: dict[str, View], status: dict[str, Any]) -> None:
        limit = stateful_set["spec"].get("revisionHistoryLimit")
        used = [(pod["metadata"].get("labels") or {}).get(REVISION_LABEL, "") for pod in pods]
        used += [status["currentRevision"], status["updateRevision"]]
        old = revisions.superfluous(known.values(), used=used, limit=_HISTORY_LIMIT if limit is None else limit)
        for revision in old:
            self._around.delete(CONTROLLER_REVISION, revision)


def _pod(stateful_set: View, new: NewPod, template: dict[str, Any]) -> Manifest:
    name = f"{stateful_set['metadata']['name']}-{new.ordinal}"
    metadata, spec = template.get("metadata") or {}, template["spec"]
    claims = {claim["metadata"]["name"]: claim for claim in stateful_set["spec"].get("volumeClaimTemplates") or ()}
    volumes = [volume for volume in spec.get("volumes") or () if volume["name"] not in claims]
    for volume, claim in claims.items():
        claim_name = _claim_name(stateful_set, claim, new.ordinal)
        volumes.append({"name": volume, "persistentVolumeClaim": {"claimName": claim_name}})
    return {
        "apiVersion": POD.api_version,
        "kind": POD.kind,
        "metadata": {
            "name": name,
            "namespace": stateful_set["metadata"]["namespace"],
            "labels": {
                **(metadata.get("labels") or {}),
                POD_INDEX_LABEL: str(new.ordinal),
                POD_NAME_LABEL: name,
                REVISION_LABEL: new.revision,
            },
            **({"annotations": metadata["annotations"]} if metadata.get("annotations") else {}),
            "ownerReferences": [controller_reference(stateful_set, STATEFUL_SET)],
        },
        "spec": {
            **spec,
            **({"volumes": volumes} if volumes else {}),
            "hostname": name,
            "subdomain": stateful_set["spec"].get("serviceName") or "",
            "nodeName": NODE_NAME,
        },
    }


def _claim_name(stateful_set: View, claim: View, ordinal: int) -> str:
    return f"{claim['metadata']['name']}-{stateful_set['metadata']['name']}-{ordinal}"
