"""Tables: the columns that `kubectl get` shows, as the real server prints them."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from hack.localcluster.apiserver.builtin import Column, ResourceType
from hack.localcluster.apiserver.definitions import OBJECT_META, description
from hack.localcluster.apiserver.jsonpath import find

Object = dict[str, Any]
Cell = Callable[[Object], Any]
PrintedColumn = tuple[Column, Cell]

_UNKNOWN = "<unknown>"
_NONE = "<none>"


def columns_of(resource: ResourceType) -> Sequence[PrintedColumn]:
    """The columns of a resource, the name first."""
    if resource.custom is not None:
        return [_NAME, *((column, _custom_cell(column)) for column in resource.custom.columns)]
    return _BUILTIN.get(resource.table, _DEFAULT)


def definitions_of(columns: Sequence[PrintedColumn]) -> list[Object]:
    """The columnDefinitions of a Table."""
    return [
        {
            "name": column.name,
            "type": column.type,
            "format": column.format,
            "description": column.description,
            "priority": column.priority,
        }
        for column, _ in columns
    ]


def row_of(_resource: ResourceType, columns: Sequence[PrintedColumn], obj: Object) -> list[Any]:
    """The cells of one object."""
    return [cell(obj) for _, cell in columns]


def human_duration(seconds: float) -> str:
    """A duration as kubectl shows it (k8s.io/apimachinery duration.HumanDuration)."""
    if seconds < -1:
        return "<invalid>"
    whole = max(int(seconds), 0)
    minutes, hours, days = whole // 60, whole // 3600, whole // 86400
    if whole < 120:
        return f"{whole}s"
    if minutes < 10:
        return f"{minutes}m{whole % 60}s" if whole % 60 else f"{minutes}m"
    if minutes < 180:
        return f"{minutes}m"
    if hours < 8:
        return f"{hours}h{minutes % 60}m" if minutes % 60 else f"{hours}h"
    if hours < 48:
        return f"{hours}h"
    if days < 8:
        return f"{days}d{hours % 24}h" if hours % 24 else f"{days}d"
    if days < 730:
        return f"{days}d"
    return f"{days // 365}y{days % 365}d" if days % 365 and days < 8 * 365 else f"{days // 365}y"


def _age(text: Any) -> str:
    try:
        then = datetime.fromisoformat(str(text).replace("Z", "+00:00"))
    except ValueError:
        return _UNKNOWN
    return human_duration((datetime.now(UTC) - then).total_seconds())


def _custom_cell(column: Column) -> Cell:
    def cell(obj: Object) -> Any:
        found = find(obj, column.path)
        if not found or found[0] is None:
            return None if column.type != "date" else _UNKNOWN
        value = found[0]
        if column.type == "date":
            return _age(value)
        if column.type == "string":
            return str(value) if not isinstance(value, bool) else str(value).lower()
        return value

    return cell


def _text(path: str, absent: str = "") -> Cell:
    def cell(obj: Object) -> Any:
        found = find(obj, path)
        return str(found[0]) if found and found[0] not in (None, "") else absent

    return cell


def _number(path: str) -> Cell:
    return lambda obj: (find(obj, path) or [0])[0] or 0


def _size(field: str) -> Cell:
    return lambda obj: len(obj.get(field) or ())


def _ratio(ready: str, wanted: str) -> Cell:
    done, all_ = _number(ready), _number(wanted)
    return lambda obj: f"{done(obj)}/{all_(obj)}"


def _labels(path: str) -> Cell:
    def cell(obj: Object) -> str:
        found = find(obj, path)
        return ",".join(f"{key}={value}" for key, value in sorted(found[0].items())) if found and found[0] else _NONE

    return cell


def _joined(path: str) -> Cell:
    return lambda obj: ",".join(str(value) for value in find(obj, path)) or _NONE


def _pod_ready(pod: Object) -> str:
    states = pod.get("status", {}).get("containerStatuses") or ()
    ready = sum(1 for state in states if state.get("ready"))
    return f"{ready}/{len(pod.get('spec', {}).get('containers') or ())}"


def _pod_status(pod: Object) -> str:
    if "deletionTimestamp" in pod["metadata"]:
        return "Terminating"
    status = pod.get("status", {})
    for state in reversed(status.get("containerStatuses") or ()):
        for kind in ("waiting", "terminated"):
            reason = (state.get("state", {}).get(kind) or {}).get("reason")
            if reason:
                return str(reason)
    return str(status.get("reason") or status.get("phase") or "")


def _pod_restarts(pod: Object) -> str:
    return str(sum(state.get("restartCount", 0) for state in pod.get("status", {}).get("containerStatuses") or ()))


def _service_external(service: Object) -> str:
    spec = service.get("spec", {})
    if spec.get("type") == "LoadBalancer":
        entries = service.get("status", {}).get("loadBalancer", {}).get("ingress") or ()
        return ",".join(entry.get("ip") or entry.get("hostname") or "" for entry in entries) or "<pending>"
    if spec.get("type") == "ExternalName":
        return str(spec.get("externalName", ""))
    return ",".join(spec.get("externalIPs") or ()) or _NONE


def _service_ports(service: Object) -> str:
    ports = service.get("spec", {}).get("ports") or ()
    texts = [
        f"{port['port']}:{port['nodePort']}/{port.get('protocol', 'TCP')}"
        if port.get("nodePort")
        else f"{port['port']}/{port.get('protocol', 'TCP')}"
        for port in ports
    ]
    return ",".join(texts) or _NONE


def _claim_capacity(claim: Object) -> str:
    return str(claim.get("status", {}).get("capacity", {}).get("storage", "")) if _bound(claim) else ""


def _bound(claim: Object) -> bool:
    return bool(claim.get("spec", {}).get("volumeName"))


_MODES = {"ReadWriteOnce": "RWO", "ReadOnlyMany": "ROX", "ReadWriteMany": "RWX", "ReadWriteOncePod": "RWOP"}


def _claim_modes(claim: Object) -> str:
    modes = claim.get("status", {}).get("accessModes") or () if _bound(claim) else ()
    return ",".join(_MODES.get(mode, mode) for mode in modes)


def _claim_status(claim: Object) -> str:
    if "deletionTimestamp" in claim["metadata"]:
        return "Terminating"
    return str(claim.get("status", {}).get("phase", ""))


def _volume_modes(volume: Object) -> str:
    return ",".join(_MODES.get(mode, mode) for mode in volume.get("spec", {}).get("accessModes") or ())


def _volume_claim(volume: Object) -> str:
    claim = volume.get("spec", {}).get("claimRef")
    return f"{claim.get('namespace')}/{claim.get('name')}" if claim else ""


def _event_last_seen(event: Object) -> str:
    series = event.get("series") or {}
    seen = series.get("lastObservedTime") or event.get("lastTimestamp") or event.get("eventTime")
    return _age(seen) if seen else _UNKNOWN


def _event_object(event: Object) -> str:
    about = event.get("involvedObject") or event.get("regarding") or {}
    return f"{str(about.get('kind', '')).lower()}/{about.get('name', '')}"


def _event_message(event: Object) -> str:
    return str(event.get("message") or event.get("note") or "").strip()


def _job_status(job: Object) -> str:
    conditions = {entry["type"]: entry["status"] for entry in job.get("status", {}).get("conditions") or ()}
    for kind, shown in (("Complete", "Complete"), ("Failed", "Failed"), ("Suspended", "Suspended")):
        if conditions.get(kind) == "True":
            return shown
    return "Running"


def _job_duration(job: Object) -> str:
    status = job.get("status", {})
    if not status.get("startTime"):
        return ""
    started = datetime.fromisoformat(status["startTime"].replace("Z", "+00:00"))
    ended = status.get("completionTime")
    end = datetime.fromisoformat(ended.replace("Z", "+00:00")) if ended else datetime.now(UTC)
    return human_duration((end - started).total_seconds())


def _named(
    name: str, cell: Cell, kind: str = "string", *, wide: bool = False, form: str = "", about: str = ""
) -> PrintedColumn:
    return (Column(name, kind, "", priority=1 if wide else 0, format=form, description=about), cell)


_NAME = _named("Name", _text(".metadata.name"), form="name", about=description(OBJECT_META, "name"))
_AGE = _named(
    "Age",
    lambda obj: _age(obj["metadata"].get("creationTimestamp")),
    about=description(OBJECT_META, "creationTimestamp"),
)
_DEFAULT: tuple[PrintedColumn, ...] = (_NAME, _AGE)
_CONTAINERS = (
    _named("Containers", _joined(".spec.template.spec.containers[*].name"), wide=True),
    _named("Images", _joined(".spec.template.spec.containers[*].image"), wide=True),
)
_SELECTOR = _named("Selector", _labels(".spec.selector.matchLabels"), wide=True)

_BUILTIN: Mapping[tuple[str, str], tuple[PrintedColumn, ...]] = {
    ("", "configmaps"): (
        _NAME,
        _named("Data", lambda obj: _size("data")(obj) + _size("binaryData")(obj)),
        _AGE,
    ),
    ("", "events"): (
        _named("Last Seen", _event_last_seen),
        _named("Type", _text(".type")),
        _named("Reason", _text(".reason")),
        _named("Object", _event_object),
        _named("Message", _event_message),
        _named("Name", _text(".metadata.name"), wide=True, form="name"),
    ),
    ("", "namespaces"): (_NAME, _named("Status", _text(".status.phase")), _AGE),
    ("", "nodes"): (_NAME, _named("Version", _text(".status.nodeInfo.kubeletVersion")), _AGE),
    ("", "persistentvolumeclaims"): (
        _NAME,
        _named("Status", _claim_status),
        _named("Volume", _text(".spec.volumeName")),
        _named("Capacity", _claim_capacity),
        _named("Access Modes", _claim_modes),
        _named("StorageClass", _text(".spec.storageClassName")),
        _named("VolumeAttributesClass", _text(".spec.volumeAttributesClassName", "<unset>")),
        _AGE,
        _named("VolumeMode", _text(".spec.volumeMode"), wide=True),
    ),
    ("", "persistentvolumes"): (
        _NAME,
        _named("Capacity", _text(".spec.capacity.storage")),
        _named("Access Modes", _volume_modes),
        _named("Reclaim Policy", _text(".spec.persistentVolumeReclaimPolicy")),
        _named("Status", _text(".status.phase")),
        _named("Claim", _volume_claim),
        _named("StorageClass", _text(".spec.storageClassName")),
        _named("VolumeAttributesClass", _text(".spec.volumeAttributesClassName", "<unset>")),
        _named("Reason", _text(".status.reason")),
        _AGE,
        _named("VolumeMode", _text(".spec.volumeMode"), wide=True),
    ),
    ("", "pods"): (
        _NAME,
        _named("Ready", _pod_ready),
        _named("Status", _pod_status),
        _named("Restarts", _pod_restarts),
        _AGE,
        _named("IP", _text(".status.podIP", _NONE), wide=True),
        _named("Node", _text(".spec.nodeName", _NONE), wide=True),
    ),
    ("", "secrets"): (_NAME, _named("Type", _text(".type")), _named("Data", _size("data"), "integer"), _AGE),
    ("", "serviceaccounts"): (_NAME, _named("Secrets", _size("secrets"), "integer"), _AGE),
    ("", "services"): (
        _NAME,
        _named("Type", _text(".spec.type")),
        _named("Cluster-IP", _text(".spec.clusterIP", _NONE)),
        _named("External-IP", _service_external),
        _named("Port(s)", _service_ports),
        _AGE,
        _named("Selector", _labels(".spec.selector"), wide=True),
    ),
    ("apiextensions.k8s.io", "customresourcedefinitions"): (
        _NAME,
        _named("Created At", _text(".metadata.creationTimestamp"), "date"),
    ),
    ("apps", "daemonsets"): (
        _NAME,
        _named("Desired", _number(".status.desiredNumberScheduled"), "integer"),
        _named("Ready", _number(".status.numberReady"), "integer"),
        _AGE,
        *_CONTAINERS,
        _SELECTOR,
    ),
    ("apps", "deployments"): (
        _NAME,
        _named("Ready", _ratio(".status.readyReplicas", ".spec.replicas")),
        _named("Up-to-date", _number(".status.updatedReplicas"), "integer"),
        _named("Available", _number(".status.availableReplicas"), "integer"),
        _AGE,
        *_CONTAINERS,
        _SELECTOR,
    ),
    ("apps", "replicasets"): (
        _NAME,
        _named("Desired", _number(".spec.replicas"), "integer"),
        _named("Current", _number(".status.replicas"), "integer"),
        _named("Ready", _number(".status.readyReplicas"), "integer"),
        _AGE,
        *_CONTAINERS,
        _SELECTOR,
    ),
    ("apps", "statefulsets"): (
        _NAME,
        _named("Ready", _ratio(".status.readyReplicas", ".spec.replicas")),
        _AGE,
        *_CONTAINERS,
    ),
    ("batch", "cronjobs"): (
        _NAME,
        _named("Schedule", _text(".spec.schedule")),
        _named("Timezone", _text(".spec.timeZone", _NONE)),
        _named("Suspend", lambda obj: str(bool(obj.get("spec", {}).get("suspend")))),
        _named("Active", lambda obj: len(obj.get("status", {}).get("active") or ()), "integer"),
        _AGE,
    ),
    ("batch", "jobs"): (
        _NAME,
        _named("Status", _job_status),
        _named("Completions", _ratio(".status.succeeded", ".spec.completions")),
        _named("Duration", _job_duration),
        _AGE,
    ),
    ("coordination.k8s.io", "leases"): (_NAME, _named("Holder", _text(".spec.holderIdentity")), _AGE),
    ("networking.k8s.io", "networkpolicies"): (
        _NAME,
        _named("Pod-Selector", _labels(".spec.podSelector.matchLabels")),
        _AGE,
    ),
    ("storage.k8s.io", "storageclasses"): (
        _NAME,
        _named("Provisioner", _text(".provisioner")),
        _named("ReclaimPolicy", _text(".reclaimPolicy")),
        _named("VolumeBindingMode", _text(".volumeBindingMode")),
        _AGE,
    ),
}
