"""The scale subresource: a view of an object's replicas, at fixed paths or at those a CRD names."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import orjson

from hack.localcluster.apiserver.builtin import ResourceType
from hack.localcluster.apiserver.status import Cause, bad_request, conflict, invalid

Object = dict[str, Any]

_NO_SCALE = 'no kind is registered for the type v1.Scale in scheme "pkg/runtime/scheme.go:111"'
_BUILTIN = {"specReplicasPath": ".spec.replicas", "statusReplicasPath": ".status.replicas"}


def scale_of(resource: ResourceType, obj: Object) -> Object:
    """The autoscaling/v1 Scale of `obj`."""
    paths = resource.custom.scale if resource.custom else _BUILTIN
    metadata = obj["metadata"]
    replicas = _get(obj, paths["specReplicasPath"])
    status: Object = {"replicas": _get(obj, paths["statusReplicasPath"]) or 0}
    selector = _selector(obj, paths)
    if selector:
        status["selector"] = selector
    return {
        "kind": "Scale",
        "apiVersion": "autoscaling/v1",
        "metadata": {
            key: metadata[key]
            for key in ("name", "namespace", "uid", "resourceVersion", "creationTimestamp")
            if key in metadata
        },
        "spec": {"replicas": replicas} if replicas else {},
        "status": status,
    }


def set_scale(resource: ResourceType, live: Object, scale: Object, *, name: str) -> Object:
    """A copy of `live` with the replicas of a sent Scale."""
    if (scale.get("apiVersion"), scale.get("kind")) != ("autoscaling/v1", "Scale"):
        raise bad_request(_NO_SCALE)
    sent = scale.get("metadata") or {}
    if sent.get("name", name) != name:
        raise bad_request(f"the name of the object ({sent['name']}) does not match the name on the URL ({name})")
    if sent.get("uid") and sent["uid"] != live["metadata"]["uid"]:
        raise conflict(resource, name, "Precondition failed: UID in the Scale is of another object")
    replicas = (scale.get("spec") or {}).get("replicas", 0)
    if isinstance(replicas, bool) or not isinstance(replicas, int):
        raise bad_request(_NO_SCALE)
    if replicas < 0 and resource.custom is None:
        text = f"Invalid value: {replicas}: must be greater than or equal to 0"
        of_scale = replace(resource, group="autoscaling", kind="Scale")
        raise invalid(of_scale, name, [Cause("spec.replicas", "FieldValueInvalid", text)])
    new: Object = orjson.loads(orjson.dumps(live))
    paths = resource.custom.scale if resource.custom else _BUILTIN
    *parents, last = paths["specReplicasPath"].strip(".").split(".")
    owner = new
    for parent in parents:
        owner = owner.setdefault(parent, {})
    owner[last] = replicas
    if sent.get("resourceVersion"):
        new["metadata"]["resourceVersion"] = sent["resourceVersion"]
    return new


def _selector(obj: Object, paths: Object) -> str:
    if "labelSelectorPath" in paths:
        return str(_get(obj, paths["labelSelectorPath"]) or "")
    if paths is not _BUILTIN:
        return ""
    labels = _get(obj, ".spec.selector.matchLabels") or {}
    return ",".join(f"{key}={value}" for key, value in sorted(labels.items()))


def _get(obj: Any, path: str) -> Any:
    for part in path.strip(".").split("."):
        obj = obj.get(part) if isinstance(obj, dict) else None
    return obj
