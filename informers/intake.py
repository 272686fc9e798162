"""Takes in what the API server sends; what can't be taken is counted, said once, and left out."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from informers.errors import Garbled
from informers.projection import Projection
from informers.resource import ObjectKey, View


class Reason(StrEnum):
    """Why something was left out: the label of the metric."""

    MALFORMED = "malformed"
    """A line of a watch is no event, or an answer no list."""
    UNNAMED = "unnamed"
    """An object without usable metadata: nobody can say which one it is."""
    FOREIGN = "foreign"
    """An object of another kind or version."""
    TRANSFORM = "transform"
    """The projection failed on the object, or gave one with another name."""
    UNKNOWN_EVENT = "unknown-event"
    """An event whose type isn't known."""
    UNVERSIONED = "unversioned"
    """A bookmark without a resourceVersion: the one from before is kept."""
    UNCODED_STATUS = "uncoded-status"
    """A Status without a code: judged by its reason."""


@dataclass(frozen=True, slots=True)
class LeftOut:
    """An object that can't be taken, and why; its key, if it has one."""

    reason: Reason
    key: ObjectKey | None = None


class Intake:
    """Makes views of objects. `count` is called with the `Reason` of each thing that is left out."""

    def __init__(self, projection: Projection, *, logger: Any, count: Callable[[str], None]) -> None:  # noqa: ANN401 - structlog's bound loggers share no type
        self._projection = projection
        self._logger = logger
        self._count = count
        self._said: set[Reason] = set()

    def take(self, obj: Any) -> View | LeftOut:  # noqa: ANN401 - any JSON
        """The view of `obj`, which is consumed, or why there is none. Raises nothing: one odd object stops nothing."""
        key = _key(obj)
        if isinstance(obj, dict) and not self._projection.is_of_kind(obj):
            self.leave_out(Reason.FOREIGN, kind=obj.get("kind"), key=str(key or ""))
            return LeftOut(Reason.FOREIGN, key)
        if key is None:
            self.leave_out(Reason.UNNAMED)
            return LeftOut(Reason.UNNAMED)
        try:
            view = self._projection.view(obj)
        except Exception as error:  # noqa: BLE001 - whatever a transform raises is a fault of that transform alone
            self.leave_out(Reason.TRANSFORM, key=str(key), error=repr(error))
            return LeftOut(Reason.TRANSFORM, key)
        if view.object_key != key:
            self.leave_out(Reason.TRANSFORM, key=str(key), error=f"it gave an object named {view.object_key}")
            return LeftOut(Reason.TRANSFORM, key)
        return view

    def note(self, error: BaseException | None, *, uncoded: bool = False) -> None:
        """Counts what made a list or a watch end, if it is something that no server should send."""
        if isinstance(error, Garbled):
            self.leave_out(Reason.MALFORMED, error=str(error))
        if uncoded:
            self.leave_out(Reason.UNCODED_STATUS, error=str(error))

    def leave_out(self, reason: Reason, **details: object) -> None:
        """Counts; says it in a warning for the first time, for debugging after that."""
        self._count(reason.value)
        log = self._logger.debug if reason in self._said else self._logger.warning
        self._said.add(reason)
        log("left out what the API server sent", reason=reason.value, **details)


def _key(obj: Any) -> ObjectKey | None:  # noqa: ANN401 - any JSON
    metadata = obj.get("metadata") if isinstance(obj, dict) else None
    if not isinstance(metadata, dict):
        return None
    name, namespace = metadata.get("name"), metadata.get("namespace", "")
    if not isinstance(name, str) or not name or not isinstance(namespace, str):
        return None
    return ObjectKey(namespace, name)
