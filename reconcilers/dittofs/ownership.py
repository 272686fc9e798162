"""Whose an object is that has the name of one of our children: others' are never touched."""

from __future__ import annotations

from collections.abc import Mapping
from enum import Enum, auto
from typing import Any

from informers.resource import Resource, View
from reconcilers import names
from reconcilers.api.dittofs import DittoFS
from reconcilers.api.resources import DITTOFS, GROUP, PERSISTENT_VOLUME_CLAIM, SECRET

#: Kinds that may outlive their instance, and then belong to the next one of its name.
KEEPSAKES = frozenset({PERSISTENT_VOLUME_CLAIM, SECRET})


class Whose(Enum):
    """Who an object belongs to."""

    OURS = auto()
    #: Ours or of a deleted instance of our name, and about to go: wait.
    LEAVING = auto()
    FOREIGN = auto()


def whose(resource: Resource, view: View, instance: DittoFS) -> Whose:
    """Whose `view` is, seen from `instance`."""
    controller = controller_of(view)
    if controller is not None and controller.get("uid") == instance.metadata.uid:
        return _unless_leaving(view)
    if controller is not None:
        return Whose.LEAVING if _is_namesake(controller, instance) else Whose.FOREIGN
    if resource in KEEPSAKES and _is_kept_for(view, instance):
        return _unless_leaving(view)
    return Whose.FOREIGN


def controller_of(view: View) -> Mapping[str, Any] | None:
    """The owner reference of the controller of `view`; None when nobody controls it."""
    for reference in view["metadata"].get("ownerReferences") or ():
        if reference.get("controller"):
            found: Mapping[str, Any] = reference
            return found
    return None


def _unless_leaving(view: View) -> Whose:
    return Whose.LEAVING if view["metadata"].get("deletionTimestamp") else Whose.OURS


def _is_namesake(controller: Mapping[str, Any], instance: DittoFS) -> bool:
    # The garbage collector removes what a deleted instance owned; one that was re-created at once still sees it.
    group = str(controller.get("apiVersion") or "").partition("/")[0]
    return (group, controller.get("kind"), controller.get("name")) == (GROUP, DITTOFS.kind, instance.metadata.name)


def _is_kept_for(view: View, instance: DittoFS) -> bool:
    metadata = view["metadata"]
    labels, annotations = metadata.get("labels") or {}, metadata.get("annotations") or {}
    return (
        labels.get(names.MANAGED_BY_LABEL) == names.MANAGED_BY
        and labels.get(names.INSTANCE_LABEL) == instance.metadata.name
        and annotations.get(names.INSTANCE_KIND_ANNOTATION) == names.INSTANCE_KIND
    )
