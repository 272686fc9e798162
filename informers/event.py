"""What an informer tells its handlers: an object appeared, changed or went. Objects are read-only views."""

from __future__ import annotations

from dataclasses import dataclass

from informers.resource import View, version_of


@dataclass(frozen=True, slots=True)
class Added:
    """`object` appeared; `initial` when it was there before this handler began to listen."""

    object: View
    initial: bool = False


@dataclass(frozen=True, slots=True)
class Updated:
    """An object changed from `old` to `new`; what happened in between may have been skipped."""

    old: View
    new: View


@dataclass(frozen=True, slots=True)
class Deleted:
    """`object` is gone; its last state was not seen (only one before it) when `final_state_unknown`."""

    object: View
    final_state_unknown: bool = False


Event = Added | Updated | Deleted


def states(event: Event) -> tuple[View, ...]:
    """Every state of the object that `event` speaks of, older first."""
    match event:
        case Added():
            return (event.object,)
        case Updated():
            return (event.old, event.new)
        case Deleted():
            return (event.object,)


def is_resync(event: Event) -> bool:
    """Whether `event` repeats what is known: an update from a version to the same one."""
    if not isinstance(event, Updated):
        return False
    old, new = version_of(event.old), version_of(event.new)
    return old != "" and old == new


def is_live(event: Event) -> bool:
    """Whether `event` tells something that happened, unlike a first list or a resync."""
    return not (isinstance(event, Added) and event.initial) and not is_resync(event)
