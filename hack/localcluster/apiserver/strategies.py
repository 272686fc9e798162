"""What the server does with particular built-in kinds beyond their schema: at creation, and what may not change."""

from __future__ import annotations

import base64
import copy
import json
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from hack.localcluster.apiserver.schema.quantity import parse_quantity
from hack.localcluster.apiserver.status import Cause
from hack.localcluster.apiserver.structs import SHOWN

Object = dict[str, Any]
Prepare = Callable[[Object, Object | None], None]
Check = Callable[[Object, Object], Iterator[Cause]]

_STATEFUL_SET_MUTABLE = (
    "replicas",
    "ordinals",
    "template",
    "updateStrategy",
    "revisionHistoryLimit",
    "persistentVolumeClaimRetentionPolicy",
    "minReadySeconds",
)
_STATEFUL_SET_TEXT = (
    "Forbidden: updates to statefulset spec for fields other than 'replicas', 'ordinals', 'template', "
    "'updateStrategy', 'revisionHistoryLimit', 'persistentVolumeClaimRetentionPolicy' and 'minReadySeconds' "
    "are forbidden"
)
_POD_MUTABLE = ("activeDeadlineSeconds", "tolerations", "terminationGracePeriodSeconds", "schedulingGates", "nodeName")
_CLAIM_TEXT = (
    "Forbidden: spec is immutable after creation except resources.requests and volumeAttributesClassName for bound "
    "claims"
)


def _secret(obj: Object, _live: Object | None) -> None:
    strings = obj.pop("stringData", None)
    if strings:
        data = obj.setdefault("data", {})
        data.update({key: base64.b64encode(value.encode()).decode() for key, value in strings.items()})


def _namespace(obj: Object, live: Object | None) -> None:
    obj["metadata"].setdefault("labels", {})["kubernetes.io/metadata.name"] = obj["metadata"]["name"]
    if live is None:
        obj["status"] = {"phase": "Active"}


def _event(obj: Object, _live: Object | None) -> None:
    """Fields that are shown even when they are empty, in both APIs of events."""
    package = "events" if obj.get("apiVersion") == "events.k8s.io/v1" else "core"
    for field, value in SHOWN[f"io.k8s.api.{package}.v1.Event"].items():
        obj.setdefault(field, copy.copy(value))


def _pod(obj: Object, live: Object | None) -> None:
    spec = obj.setdefault("spec", {})
    spec.setdefault("enableServiceLinks", True)
    spec["serviceAccount"] = spec.setdefault("serviceAccountName", "default")
    if live is None:
        obj["status"] = {"phase": "Pending", "qosClass": _quality(spec)}


def _quality(spec: Object) -> str:
    resources = [container.get("resources") or {} for container in spec.get("containers") or ()]
    if not any(entry.get("limits") or entry.get("requests") for entry in resources):
        return "BestEffort"
    guaranteed = all(
        {"cpu", "memory"} <= (entry.get("limits") or {}).keys()
        and (entry.get("requests") or entry["limits"]) == entry["limits"]
        for entry in resources
    )
    return "Guaranteed" if guaranteed else "Burstable"


def _claim(obj: Object, live: Object | None) -> None:
    if live is None:
        obj["status"] = {"phase": "Pending"}


def _volume(obj: Object, live: Object | None) -> None:
    if live is None:
        obj["status"] = {"phase": "Pending"}


def _stateful_set(obj: Object, live: Object | None) -> None:
    for claim in obj.get("spec", {}).get("volumeClaimTemplates") or ():
        claim.setdefault("apiVersion", "v1")
        claim.setdefault("kind", "PersistentVolumeClaim")
        claim["status"] = {"phase": "Pending"}
    if live is None:
        obj["status"] = {"replicas": 0, "availableReplicas": 0}


def _job(obj: Object, live: Object | None) -> None:
    spec = obj.setdefault("spec", {})
    if live is not None or spec.get("manualSelector") or spec.get("selector"):
        return
    labels = {
        "batch.kubernetes.io/controller-uid": obj["metadata"]["uid"],
        "batch.kubernetes.io/job-name": obj["metadata"]["name"],
        "controller-uid": obj["metadata"]["uid"],
        "job-name": obj["metadata"]["name"],
    }
    spec["selector"] = {"matchLabels": {"batch.kubernetes.io/controller-uid": obj["metadata"]["uid"]}}
    metadata = spec.setdefault("template", {}).setdefault("metadata", {})
    metadata["labels"] = (metadata.get("labels") or {}) | labels


#: By table: changes the object in place before it is checked and stored.
PREPARE: Mapping[tuple[str, str], Prepare] = {
    ("", "events"): _event,
    ("", "namespaces"): _namespace,
    ("", "persistentvolumeclaims"): _claim,
    ("", "persistentvolumes"): _volume,
    ("", "pods"): _pod,
    ("", "secrets"): _secret,
    ("apps", "statefulsets"): _stateful_set,
    ("batch", "jobs"): _job,
}


def _without(obj: Object, keys: tuple[str, ...]) -> Object:
    return {key: value for key, value in (obj.get("spec") or {}).items() if key not in keys}


def _check_stateful_set(new: Object, live: Object) -> Iterator[Cause]:
    if _without(new, _STATEFUL_SET_MUTABLE) != _without(live, _STATEFUL_SET_MUTABLE):
        yield Cause("spec", "FieldValueForbidden", _STATEFUL_SET_TEXT)


def _check_pod(new: Object, live: Object) -> Iterator[Cause]:
    if _pod_fixed(new) != _pod_fixed(live):
        text = (
            "Forbidden: pod updates may not change fields other than `spec.containers[*].image`,"
            "`spec.initContainers[*].image`,`spec.activeDeadlineSeconds`,`spec.tolerations` (only additions to "
            "existing tolerations),`spec.terminationGracePeriodSeconds` (allow it to be set to 1 if it was previously "
            "negative)"
        )
        yield Cause("spec", "FieldValueForbidden", text)


def _pod_fixed(pod: Object) -> Object:
    spec = _without(pod, _POD_MUTABLE)
    for field in ("containers", "initContainers"):
        spec[field] = [container | {"image": ""} for container in spec.get(field) or ()]
    return spec


def _check_claim(new: Object, live: Object) -> Iterator[Cause]:
    # the binder writes volumeName once, as the real one does; only what is bound can grow
    bound = ("resources",) if live.get("spec", {}).get("volumeName") else ("volumeName",)
    if _without(new, bound) != _without(live, bound):
        yield Cause("spec", "FieldValueForbidden", _CLAIM_TEXT)
    before, after = _requested(live), _requested(new)
    if before and after and parse_quantity(str(after)) < parse_quantity(str(before)):
        field = "spec.resources.requests.storage"
        yield Cause(field, "FieldValueForbidden", "Forbidden: field can not be less than status.capacity")


def _requested(claim: Object) -> Any:
    return claim.get("spec", {}).get("resources", {}).get("requests", {}).get("storage")


def _check_service(new: Object, live: Object) -> Iterator[Cause]:
    before, after = live["spec"].get("clusterIP"), new.get("spec", {}).get("clusterIP")
    # an update that leaves the address out keeps it
    if before and after and after != before:
        yield Cause("spec.clusterIPs[0]", "FieldValueInvalid", f'Invalid value: ["{after}"]: may not change once set')


def _check_selector(new: Object, live: Object) -> Iterator[Cause]:
    if new.get("spec", {}).get("selector") != live.get("spec", {}).get("selector"):
        yield Cause("spec.selector", "FieldValueInvalid", "Invalid value: field is immutable")


def _check_job(new: Object, live: Object) -> Iterator[Cause]:
    yield from _check_selector(new, live)
    if new.get("spec", {}).get("template") != live.get("spec", {}).get("template"):
        yield Cause("spec.template", "FieldValueInvalid", "Invalid value: field is immutable")


def _check_immutable_data(new: Object, live: Object) -> Iterator[Cause]:
    if live.get("immutable"):
        for field in ("data", "binaryData", "immutable"):
            if new.get(field) != live.get(field):
                yield Cause(field, "FieldValueForbidden", "Forbidden: field is immutable when `immutable` is set")
    if new.get("type") != live.get("type"):
        yield Cause("type", "FieldValueInvalid", f'Invalid value: "{new.get("type")}": field is immutable')


def _check_role_ref(new: Object, live: Object) -> Iterator[Cause]:
    if new.get("roleRef") != live.get("roleRef"):
        sent = new.get("roleRef") or {}
        shown = {"APIGroup": sent.get("apiGroup", ""), "Kind": sent.get("kind", ""), "Name": sent.get("name", "")}
        text = f"Invalid value: {json.dumps(shown, separators=(',', ':'))}: cannot change roleRef"
        yield Cause("roleRef", "FieldValueInvalid", text)


def _check_fixed_event(new: Object, live: Object) -> Iterator[Cause]:
    if new.get("apiVersion") != "events.k8s.io/v1":
        return
    for field in ("regarding", "reason", "action", "note", "type", "reportingController", "reportingInstance"):
        if new.get(field) != live.get(field):
            text = f"Invalid value: {json.dumps(new.get(field))}: field is immutable"
            # told twice, as all that both of the real server's checks of an update see
            yield Cause(field, "FieldValueInvalid", text)
            yield Cause(field, "FieldValueInvalid", text)


#: By table: what an update may not change.
CHECK_UPDATE: Mapping[tuple[str, str], Check] = {
    ("", "configmaps"): _check_immutable_data,
    ("", "events"): _check_fixed_event,
    ("", "persistentvolumeclaims"): _check_claim,
    ("", "pods"): _check_pod,
    ("", "secrets"): _check_immutable_data,
    ("", "services"): _check_service,
    ("apps", "daemonsets"): _check_selector,
    ("apps", "deployments"): _check_selector,
    ("apps", "replicasets"): _check_selector,
    ("apps", "statefulsets"): _check_stateful_set,
    ("batch", "jobs"): _check_job,
    ("rbac.authorization.k8s.io", "clusterrolebindings"): _check_role_ref,
    ("rbac.authorization.k8s.io", "rolebindings"): _check_role_ref,
}
