"""What the hold of a backup means to an instance: no server, or one without clients; and no word of it in vain."""

from __future__ import annotations

import threading

from informers.clock import Clock
from informers.resource import View
from reconcilers import names
from reconcilers.access import Cache, Recorder
from reconcilers.api.dittofs import DittoFS
from reconcilers.hold import Hold, HoldMode, standing


class Holds:
    """Looks for holds. Safe for many threads, for different instances."""

    def __init__(self, *, backups: Cache, recorder: Recorder, clock: Clock) -> None:
        self._backups = backups
        self._recorder = recorder
        self._clock = clock
        self._lock = threading.Lock()
        #: By uid, what is wrong with an annotation that does not count.
        self._wrong: dict[str, str] = {}

    def look(self, view: View, instance: DittoFS) -> Hold | None:
        """The hold that keeps the server of `instance` stopped or without clients.

        One that nobody but a person can have written does not count, and is told of once.
        """
        if instance.spec.suspend or instance.deleting:
            return None
        found = standing(view, self._backups, now=self._clock.now())
        uid = instance.metadata.uid
        with self._lock:
            known, self._wrong[uid] = self._wrong.get(uid, ""), found.wrong
        if found.wrong and found.wrong != known:
            note = f"the annotation {names.OPERATION_ANNOTATION} does not count: {found.wrong}; remove it"
            self._recorder.warning(view, "OperationIgnored", note)
        return None if found.hold is None or found.hold.mode is HoldMode.HOLD_SHARES else found.hold

    def left_s(self, hold: Hold) -> float:
        """How long `hold` may last yet, in seconds."""
        return hold.left_s(self._clock.now())

    def forget(self, uid: str) -> None:
        """Drop what was remembered of an instance that is gone."""
        with self._lock:
            self._wrong.pop(uid, None)


def as_held(instance: DittoFS, hold: Hold | None) -> DittoFS:
    """`instance` as it is to be while `hold` lasts."""
    if hold is None or hold.mode is not HoldMode.STOP:
        return instance
    return instance.model_copy(update={"spec": instance.spec.model_copy(update={"replicas": 0})})
