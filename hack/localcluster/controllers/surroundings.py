"""What every simulated controller is given, and the small calls that most of them make."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from random import Random
from typing import Any

from informers.client import Client
from informers.clock import Clock
from informers.errors import Conflict, NotFound
from informers.events import EventRecorder
from informers.informer import SharedInformer
from informers.metrics import Metrics
from informers.resource import Manifest, ObjectKey, Resource, View
from informers.view import thaw

#: Who the simulated controllers are, to the API.
FIELD_MANAGER = "kube-controller-manager"


@dataclass(frozen=True, slots=True)
class Surroundings:
    """Shared by all simulated controllers; `informer` gives the one informer of a resource."""

    client: Client
    informer: Callable[[Resource], SharedInformer]
    clock: Clock
    random: Random
    metrics: Metrics
    logger: Any
    events: EventRecorder

    def write_status(self, resource: Resource, live: View, status: Mapping[str, Any]) -> None:
        """Make the fields of `status` stand in the object's status; sends nothing when they do."""
        now = thaw(live.get("status") or {})
        changed = {key: value for key, value in status.items() if now.get(key) != value}
        if changed:
            key = ObjectKey.of(live)
            with contextlib.suppress(NotFound):
                self.client.merge_patch(
                    resource, key, {"status": changed}, field_manager=FIELD_MANAGER, subresource="status"
                )

    def delete(self, resource: Resource, obj: View) -> None:
        """Delete exactly this object; fine when it is gone or its name is another's by now."""
        with contextlib.suppress(NotFound, Conflict):
            self.client.delete(resource, ObjectKey.of(obj), uid=obj["metadata"]["uid"])


def controller_reference(owner: View, resource: Resource) -> Manifest:
    """The ownerReference of what `owner` controls."""
    return {
        "apiVersion": resource.api_version,
        "kind": resource.kind,
        "name": owner["metadata"]["name"],
        "uid": owner["metadata"]["uid"],
        "controller": True,
        "blockOwnerDeletion": True,
    }


def is_controlled_by(obj: View, owner: View) -> bool:
    """Whether `owner` is the controller of `obj`."""
    references = obj["metadata"].get("ownerReferences") or ()
    return any(ref.get("controller") and ref["uid"] == owner["metadata"]["uid"] for ref in references)


def condition(obj: View, kind: str) -> View:
    """The condition `kind` of the object's status; empty when it has none."""
    conditions = (obj.get("status") or {}).get("conditions") or ()
    return next((entry for entry in conditions if entry["type"] == kind), {})


def is_ready(pod: View) -> bool:
    """Whether the pod's condition Ready is true."""
    return condition(pod, "Ready").get("status") == "True"


def matches(labels: Mapping[str, str] | None, selector: View | None) -> bool:
    """Whether `labels` match a LabelSelector (meta/v1); a missing selector matches nothing."""
    if not selector:
        return False
    own = labels or {}
    if any(own.get(key) != value for key, value in (selector.get("matchLabels") or {}).items()):
        return False
    return all(_meets(own, rule) for rule in selector.get("matchExpressions") or ())


def _meets(labels: Mapping[str, str], rule: View) -> bool:
    key, values = rule["key"], rule.get("values") or ()
    match rule["operator"]:
        case "In":
            return labels.get(key) in values
        case "NotIn":
            return labels.get(key) not in values
        case "Exists":
            return key in labels
        case "DoesNotExist":
            return key not in labels
        case operator:
            raise ValueError(f"{operator} is no operator of a label selector")
