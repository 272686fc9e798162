"""Why a key is reconciled: what happened to which object, in a few words and without the value of any field.

A cause is put together when it is told, not when it happens: most of them are never read.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from informers.event import Added, Deleted, Event, Updated, is_resync, states
from informers.resource import ObjectKey, Resource, View, version_of

MAX_CAUSES = 5
"""So many causes are kept of one pass; what comes beyond them is told as `OTHERS`."""

OTHERS = "others"

#: What of metadata changes with every write, or only says that something else did.
_UNTOLD = frozenset(("resourceVersion", "managedFields", "generation"))


@dataclass(frozen=True, slots=True)
class Change:
    """An event of an informer of `resource`."""

    resource: Resource
    event: Event

    def __str__(self) -> str:
        return f"{self.resource.kind} {_key(self.event)} {_told(self.event)}"


Cause = Change | str


def merged(causes: tuple[Cause, ...], later: tuple[Cause, ...]) -> tuple[Cause, ...]:
    """`causes` and `later` together: each once, what follows on a change made one with it, at most `MAX_CAUSES`."""
    for cause in later:
        causes = _with(causes, cause)
    return causes


class Told:
    """Causes as a log line has them: `Pod default/a updated 7->12 status; retry 2: no answer`.

    Comparing objects takes longer than many a pass: it is done when a line is really written, and once.
    """

    __slots__ = ("_causes", "_text")

    def __init__(self, causes: tuple[Cause, ...]) -> None:
        self._causes = causes
        self._text: str | None = None

    def __str__(self) -> str:
        if self._text is None:
            self._text = "; ".join(map(str, self._causes))
        return self._text

    #: What structlog's renderers write of a value that they don't know.
    __repr__ = __str__


def changed_fields(old: View, new: View) -> tuple[str, ...]:
    """The top-level fields in which the states differ, those of metadata by their names (`metadata.labels`)."""
    metadata = (f"metadata.{name}" for name in _differing(old["metadata"], new["metadata"]) if name not in _UNTOLD)
    return (*metadata, *(name for name in _differing(old, new) if name != "metadata"))


def _with(causes: tuple[Cause, ...], cause: Cause) -> tuple[Cause, ...]:
    if isinstance(cause, Change):
        for number, known in enumerate(causes):
            followed = _followed(known, cause) if isinstance(known, Change) else None
            if followed is not None:
                return (*causes[:number], followed, *causes[number + 1 :])
    elif cause in causes:
        return causes
    if len(causes) < MAX_CAUSES:
        return (*causes, cause)
    return causes if causes[-1] == OTHERS else (*causes, OTHERS)


def _followed(known: Change, later: Change) -> Change | None:
    """Both as one change, if they are of one object and can be."""
    if known.resource != later.resource or _key(known.event) != _key(later.event):
        return None
    match known.event, later.event:
        case Updated(old=old), Updated(new=new):
            return Change(later.resource, Updated(old, new))
        case Added(initial=initial), Updated(new=new):
            return Change(later.resource, Added(new, initial=initial))
        case Added(), Added():
            return later
        case _:
            return None


def _key(event: Event) -> ObjectKey:
    return ObjectKey.of(states(event)[-1])


def _told(event: Event) -> str:
    match event:
        case Added():
            return f"{'initial' if event.initial else 'added'} {_version(event.object)}"
        case Updated() if is_resync(event):
            return f"resync {_version(event.new)}"
        case Updated():
            fields = ",".join(changed_fields(event.old, event.new)) or "no kept field"
            return f"updated {_version(event.old)}->{_version(event.new)} {fields}"
        case Deleted():
            return f"deleted {_version(event.object)}" + (" unseen" if event.final_state_unknown else "")


def _differing(old: View, new: View) -> Iterator[str]:
    return (name for name in {**old, **new} if old.get(name) != new.get(name))


def _version(view: View) -> str:
    return version_of(view) or "?"
