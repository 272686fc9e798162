"""Who owns which field: ties the `apply` package to resource types and to the answers of the API."""

from __future__ import annotations

from typing import Any

from hack.localcluster.apiserver.apply.merge import (
    ApplyConflict,
    ApplyOutcome,
    ApplyRefused,
    apply,
    same_but_times,
    track_update,
)
from hack.localcluster.apiserver.apply.types import FieldType, TypeResolver
from hack.localcluster.apiserver.builtin import ResourceType
from hack.localcluster.apiserver.metadata import timestamp
from hack.localcluster.apiserver.status import Cause, StatusError
from hack.localcluster.apiserver.structs import blank

Object = dict[str, Any]

_types = TypeResolver()


def record(
    resource: ResourceType, live: Object | None, new: Object, manager: str, subresource: str
) -> list[dict[str, Any]]:
    """The managedFields of `new` after a write that is no apply."""
    return track_update(
        live,
        new,
        blank={} if resource.custom else blank(resource.definition),
        manager=manager,
        subresource=subresource,
        types=_type_of(resource),
        now=timestamp(),
        reset=_reset(resource, new, subresource),
    )


def is_readable(managed: Any) -> bool:
    """Whether sent managedFields can be understood; those that can't are as if they had not been sent."""
    return isinstance(managed, list) and all(
        isinstance(entry, dict)
        and (not entry or (entry.get("operation") in ("Apply", "Update") and entry.get("fieldsType") == "FieldsV1"))
        for entry in managed
    )


def merge(
    resource: ResourceType, live: Object | None, applied: Object, manager: str, subresource: str, *, force: bool
) -> ApplyOutcome:
    """The outcome of applying `applied` to `live`; 409 when others own what it changes."""
    try:
        return apply(
            live,
            applied,
            manager=manager,
            subresource=subresource,
            force=force,
            types=_type_of(resource),
            now=timestamp(),
            reset=_reset(resource, applied, subresource),
        )
    except ApplyConflict as error:
        causes = [
            Cause(conflict.field, "FieldManagerConflict", f"conflict with {conflict.description}").manifest()
            for conflict in error.conflicts
        ]
        raise StatusError(409, "Conflict", str(error), {"causes": causes}) from error
    except ApplyRefused as error:
        # the real server has no reason and no better code for what its typed merge refuses
        raise StatusError(500, "", str(error)) from error


def is_same(live: Object, new: Object) -> bool:
    """Whether writing `new` over `live` would change nothing but times of managers."""
    return same_but_times(live, new)


def _type_of(resource: ResourceType) -> FieldType:
    if resource.custom is not None:
        field_type: FieldType = resource.custom.field_type
        return field_type
    return _types.builtin(resource.api_version, resource.kind)


def _reset(resource: ResourceType, obj: Object, subresource: str) -> tuple[str, ...]:
    """The top-level fields that an endpoint throws away."""
    if subresource == "status":
        return tuple(field for field in obj if field not in ("apiVersion", "kind", "status"))
    return ("status",) if resource.status else ()
