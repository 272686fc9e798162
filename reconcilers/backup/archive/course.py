"""What is to be done next for an archive, by what there is to see. Pure: each answer holds after any restart.

The server is held only from the first step to the copy that is told in the status; whatever goes wrong, it is let go.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum

from reconcilers.hold import HoldMode


class Stage(Enum):
    """How far a Job is."""

    ABSENT = "there is none"
    AT_WORK = "it runs, or is about to"
    STUCK = "none of its pods began in time"
    DONE = "it told what became of it, and all is well"
    SILENT = "it succeeded, and what it told is lost"
    FAILED = "it failed"


class Deed(Enum):
    """The next step."""

    SEND_CLIENTS_AWAY = "hold the instance without clients"
    AWAIT_SILENCE = "wait until the adapters are off"
    PIN = "have the server keep what the bucket has"
    STOP = "hold the instance stopped"
    AWAIT_STOP = "wait until the pod is gone"
    COPY = "make the Job that writes the archive"
    COPY_AGAIN = "remove the Job that wrote it, whose outcome is lost"
    AWAIT_COPY = "wait for the Job that writes it"
    RECORD = "write down what it told"
    RELEASE = "let the server go"
    VERIFY = "make the Job that reads the archive back"
    VERIFY_AGAIN = "remove the Job that read it, whose outcome is lost"
    AWAIT_VERIFY = "wait for the Job that reads it back"
    COMPLETE = "all is done"
    GIVE_UP_LATE = "it took too long"
    GIVE_UP_STUCK = "a Job does not begin"
    GIVE_UP_COPY = "the archive could not be written"
    GIVE_UP_VERIFY = "the archive is not what was written"
    GIVE_UP_UNHELD = "the server may have run beside the copy"


@dataclass(frozen=True, slots=True, kw_only=True)
class Sight:
    """What there is to see of an archive that has begun."""

    #: The status tells of the written archive.
    recorded: bool
    #: Our hold, as it is in force.
    held: HoldMode | None
    #: What the others say to be so under this very hold.
    silent: bool
    stopped: bool
    #: The instance has a bucket, and the server is to run.
    pins_needed: bool
    pinned: bool
    copy: Stage
    verify: Stage
    overdue: bool


def next_deed(sight: Sight) -> Deed:
    """What to do."""
    if sight.recorded:
        return _after_the_copy(sight)
    if sight.copy is not Stage.ABSENT:
        return _beside_the_copy(sight)
    if sight.overdue:
        return Deed.GIVE_UP_LATE
    if sight.held is HoldMode.STOP:
        return Deed.COPY if sight.stopped else Deed.AWAIT_STOP
    if not sight.pins_needed or sight.pinned:
        return Deed.STOP
    if sight.held is not HoldMode.ADAPTERS_OFF:
        return Deed.SEND_CLIENTS_AWAY
    return Deed.PIN if sight.silent else Deed.AWAIT_SILENCE


def _beside_the_copy(sight: Sight) -> Deed:
    if sight.copy is Stage.FAILED:
        return Deed.GIVE_UP_COPY
    if sight.overdue and sight.copy is not Stage.DONE:
        return Deed.GIVE_UP_LATE
    if sight.held is not HoldMode.STOP:
        return Deed.GIVE_UP_UNHELD
    match sight.copy:
        case Stage.DONE:
            return Deed.RECORD
        case Stage.STUCK:
            return Deed.GIVE_UP_STUCK
        case Stage.SILENT:
            return Deed.COPY_AGAIN
        case _:
            return Deed.AWAIT_COPY


def _after_the_copy(sight: Sight) -> Deed:
    if sight.held is not None:
        return Deed.RELEASE
    match sight.verify:
        case Stage.DONE:
            return Deed.COMPLETE
        case Stage.FAILED:
            return Deed.GIVE_UP_VERIFY
        case _ if sight.overdue:
            return Deed.GIVE_UP_LATE
        case Stage.ABSENT:
            return Deed.VERIFY
        case Stage.SILENT:
            return Deed.VERIFY_AGAIN
        case Stage.STUCK:
            return Deed.GIVE_UP_STUCK
        case Stage.AT_WORK:
            return Deed.AWAIT_VERIFY
