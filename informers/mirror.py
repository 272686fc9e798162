"""What each list and each event of a watch does to a sink, and up to which version that sink is a true copy."""

from __future__ import annotations

from collections.abc import Iterable

from informers.intake import Intake, LeftOut, Reason
from informers.listwatch import Sink
from informers.resource import Manifest, ObjectKey, View
from informers.streamed import InitialEvents, ends_initial_events
from informers.watch import WatchEvent


class Mirror:
    """Fed by one thread.

    An object that can't be taken changes nothing of what the sink holds under its key: acting on an older state is
    safer than taking the object for deleted.
    """

    def __init__(self, sink: Sink, intake: Intake) -> None:
        self._sink = sink
        self._intake = intake
        self._initial: InitialEvents | None = None
        self._version = ""
        self._doubtful = False

    @property
    def version(self) -> str:
        """Everything up to this version is in the sink; empty when nothing is."""
        return self._version

    @property
    def doubtful(self) -> bool:
        """Whether something happened to an object that had no name: only a list can tell what there is."""
        return self._doubtful

    @property
    def initial(self) -> InitialEvents | None:
        """What has come of a streamed list; None unless one is under way."""
        return self._initial

    def begin(self, initial: InitialEvents | None) -> None:
        """A watch begins, with `initial` one that streams a list."""
        self._initial = initial

    def replace(self, views: Iterable[View], left_out: Iterable[ObjectKey], version: str) -> None:
        """`views`, and what of `left_out` is held already, are all that there is."""
        held = [view for key in left_out if (view := self._sink.get(key)) is not None]
        self._sink.replace([*views, *held], version)
        self._initial = None
        self._version = version
        self._doubtful = False

    def clear(self) -> None:
        """There is no such collection, and no version of it that could be asked for."""
        self._sink.replace((), self._version)
        self._version = ""
        self._doubtful = False

    def take(self, event: WatchEvent) -> None:
        """An event came."""
        version = _version(event.object)
        if not version and event.type == "BOOKMARK":
            self._intake.leave_out(Reason.UNVERSIONED)
        if self._initial is not None:
            self._gather(event, version, self._initial)
            return
        match event.type:
            case "BOOKMARK":
                self._sink.advance(version or self._version)
            case "ADDED" | "MODIFIED":
                taken = self._intake.take(event.object)
                if not isinstance(taken, LeftOut):
                    self._sink.put(taken)
                else:
                    self._pass_over(taken, version)
            case "DELETED":
                self._remove(event.object, version)
            case _:
                self._intake.leave_out(Reason.UNKNOWN_EVENT, type=event.type)
        self._version = version or self._version

    def _remove(self, obj: Manifest, version: str) -> None:
        taken = self._intake.take(obj)
        if not isinstance(taken, LeftOut):
            self._sink.remove(taken)
            return
        if taken.reason is Reason.TRANSFORM and taken.key and (held := self._sink.get(taken.key)) is not None:
            self._sink.remove(held)
        self._pass_over(taken, version)

    def _pass_over(self, left_out: LeftOut, version: str) -> None:
        if left_out.reason is Reason.UNNAMED:
            self._doubtful = True
        elif left_out.reason is Reason.TRANSFORM:
            self._sink.advance(version or self._version)

    def _gather(self, event: WatchEvent, version: str, initial: InitialEvents) -> None:
        match event.type:
            case "BOOKMARK":
                if version and ends_initial_events(event.object):
                    self.replace(initial.views, initial.left_out, version)
            case "ADDED" | "MODIFIED" | "DELETED":
                taken = self._intake.take(event.object)
                if not isinstance(taken, LeftOut):
                    initial.remove(ObjectKey.of(taken)) if event.type == "DELETED" else initial.put(taken)
                elif taken.key is not None:
                    initial.leave_out(taken.key)
            case _:
                self._intake.leave_out(Reason.UNKNOWN_EVENT, type=event.type)


def _version(obj: Manifest) -> str:
    metadata = obj.get("metadata")
    version = metadata.get("resourceVersion") if isinstance(metadata, dict) else None
    return version if isinstance(version, str) else ""
