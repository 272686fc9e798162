"""Mappers: from an event of a watched object to the keys of the objects that have to be reconciled.

An update maps the old and the new state, so that an object that changed hands wakes both of its owners. What an update
has to change to be of interest is said with `when_changed`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping

from informers.event import Event, Updated, is_resync, states
from informers.resource import ObjectKey, View

Mapper = Callable[[Event], Iterable[ObjectKey]]

BEYOND_STATUS = tuple(
    f"metadata.{name}" for name in ("generation", "deletionTimestamp", "finalizers", "annotations", "labels")
)
"""For `when_changed`: what changes when anything but the status of a type with a status subresource does."""


def own_key(event: Event) -> tuple[ObjectKey, ...]:
    """The key of the object itself."""
    return (ObjectKey.of(states(event)[-1]),)


def owner_key(kind: str, group: str, *, namespaced: bool = True) -> Mapper:
    """Maps to the controlling owner of `kind` in API `group`, whatever version the reference names.

    The owner is looked for in the object's own namespace, or in none when the owner is not `namespaced`.
    References without `controller: true`, of another kind, or without a readable apiVersion map to nothing.
    """

    def owners(view: View) -> Iterable[ObjectKey]:
        metadata = view.get("metadata") or {}
        namespace = str(metadata.get("namespace") or "") if namespaced else ""
        for reference in metadata.get("ownerReferences") or ():
            if reference.get("controller") is not True or reference.get("kind") != kind:
                continue
            if _group_of(reference.get("apiVersion")) == group and reference.get("name"):
                yield ObjectKey(namespace, reference["name"])

    return map_function(owners)


def map_function(function: Callable[[View], Iterable[ObjectKey]]) -> Mapper:
    """Maps each state of the event with `function`, and gives the union without duplicates in their order."""

    def mapper(event: Event) -> tuple[ObjectKey, ...]:
        return tuple(dict.fromkeys(key for view in states(event) for key in function(view)))

    return mapper


def when_changed(mapper: Mapper, *fields: str) -> Mapper:
    """`mapper` without the updates that changed none of `fields` (`metadata.generation`, `status.phase`).

    A resync passes: it changes nothing, but is there to have everything looked at again.
    """
    paths = [field.split(".") for field in fields]

    def changed(event: Event) -> Iterable[ObjectKey]:
        if isinstance(event, Updated) and not is_resync(event):
            old, new = event.old, event.new
            if all(_value(old, path) == _value(new, path) for path in paths):
                return ()
        return mapper(event)

    return changed


def _value(view: object, path: Iterable[str]) -> object:
    for name in path:
        view = view.get(name) if isinstance(view, Mapping) else None
    return view


def _group_of(api_version: object) -> str | None:
    if not isinstance(api_version, str):
        return None
    match api_version.split("/"):
        case [version] if version:
            return ""
        case [group, version] if group and version:
            return group
        case _:
            return None
