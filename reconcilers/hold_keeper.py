"""Takes, changes and releases holds on instances: one at a time on each, whoever writes at the same time."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from informers.clock import Clock
from informers.errors import Conflict, Invalid, NotFound
from informers.resource import Manifest, ObjectKey
from reconcilers import names
from reconcilers.access import ApiClient, Cache
from reconcilers.api.resources import DITTOFS
from reconcilers.hold import GarbledHold, Hold, annotation, standing

#: How often to try again when others write the same object.
_ATTEMPTS = 5
_PATH = "/metadata/annotations/" + names.OPERATION_ANNOTATION.replace("~", "~0").replace("/", "~1")

#: What an API server takes of all annotations together is 256 KiB.
MAX_TEXT = 200 * 1024


class HoldKeeper:
    """Writes the annotation of holds, always over what it has just read."""

    def __init__(self, *, client: ApiClient, backups: Cache, clock: Clock) -> None:
        self._client = client
        self._backups = backups
        self._clock = clock

    def take(self, instance: ObjectKey, hold: Hold) -> str:
        """Have `instance` held as `hold` says; gives the DittoFSBackup that holds it instead, empty for none.

        A hold of the same backup is changed: its mode, its shares, its end. One that does not count is replaced.
        Whoever has to respect it does so later: see `is_held_stopped` and its like. Raises an `ApiError`.
        """
        if len(text := hold.text()) > MAX_TEXT:
            raise ValueError("too many shares for one hold")
        holder = ""

        def change(live: Manifest) -> list[dict[str, Any]]:
            nonlocal holder
            other = standing(live, self._backups, now=self._clock.now()).hold
            holder = other.backup if other is not None and other.uid != hold.uid else ""
            if holder or annotation(live) == text:
                return []
            if not live["metadata"].get("annotations"):
                value = {names.OPERATION_ANNOTATION: text}
                return [{"op": "add", "path": "/metadata/annotations", "value": value}]
            return [{"op": "add", "path": _PATH, "value": text}]

        self._change(instance, change)
        return holder

    def release(self, instance: ObjectKey, uid: str) -> None:
        """End the hold of the DittoFSBackup with that `uid`, if it has one. Raises an `ApiError`."""

        def change(live: Manifest) -> list[dict[str, Any]]:
            try:
                ours = Hold.parse(annotation(live)).uid == uid
            except GarbledHold:
                ours = False
            return [{"op": "remove", "path": _PATH}] if ours else []

        try:
            self._change(instance, change)
        except NotFound:
            return

    def _change(self, instance: ObjectKey, change: Callable[[Manifest], list[dict[str, Any]]]) -> None:
        for left in reversed(range(_ATTEMPTS)):
            live = self._client.get(DITTOFS, instance)
            operations = change(live)
            if not operations:
                return
            metadata = live["metadata"]
            unchanged = [
                {"op": "test", "path": f"/metadata/{field}", "value": metadata[field]}
                for field in ("uid", "resourceVersion")
            ]
            try:
                self._client.json_patch(
                    DITTOFS, instance, [*unchanged, *operations], field_manager=names.BACKUPS_FIELD_MANAGER
                )
            except (Conflict, Invalid) as error:
                # A failed `test` is a 422 without causes on kube-apiserver; to read again cures no other one.
                if not left or (isinstance(error, Invalid) and error.causes):
                    raise
            else:
                return
