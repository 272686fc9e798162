"""What is to be done next for a restore from an archive, by what there is to see. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum

from reconcilers.backup.archive.course import Stage
from reconcilers.hold import HoldMode


class RestoreDeed(Enum):
    """The next step."""

    STOP = "hold the instance stopped"
    AWAIT_STOP = "wait until the pod is gone"
    START = "make the Job that fills the claims"
    AWAIT_JOB = "wait for it"
    AGAIN = "remove the Job, whose outcome is lost"
    NEXT_PAGE = "have the Job tell more of the objects"
    REMAKE = "make the objects anew, and write down that all is there"
    RELEASE = "let the server go"
    AWAIT_SHARES = "wait until the server has loaded what came back"
    COMPLETE = "all is done"
    GIVE_UP_LATE = "it took too long"
    GIVE_UP_STUCK = "the Job does not begin"
    GIVE_UP_JOB = "the archive could not be restored"
    GIVE_UP_UNHELD = "the server may have run beside the Job"


@dataclass(frozen=True, slots=True, kw_only=True)
class RestoreSight:
    """What there is to see of a restore that has begun."""

    #: The status says that the claims are filled, and the objects made.
    recorded: bool
    #: Our hold, as it is in force.
    held: HoldMode | None
    stopped: bool
    job: Stage
    #: Every page of the objects is known.
    complete: bool
    #: The server has all that came back.
    loaded: bool
    overdue: bool


def next_restore_deed(sight: RestoreSight) -> RestoreDeed:
    """What to do."""
    if sight.recorded:
        return _once_filled(sight)
    if sight.job is Stage.FAILED:
        return RestoreDeed.GIVE_UP_JOB
    if sight.overdue and sight.job is not Stage.DONE:
        return RestoreDeed.GIVE_UP_LATE
    if sight.held is not HoldMode.STOP:
        return RestoreDeed.STOP if sight.job is Stage.ABSENT else RestoreDeed.GIVE_UP_UNHELD
    if sight.job is Stage.ABSENT:
        return RestoreDeed.START if sight.stopped else RestoreDeed.AWAIT_STOP
    if sight.job is Stage.DONE:
        return RestoreDeed.REMAKE if sight.complete else RestoreDeed.NEXT_PAGE
    return _ON_JOB[sight.job]


_ON_JOB = {
    Stage.SILENT: RestoreDeed.AGAIN,
    Stage.STUCK: RestoreDeed.GIVE_UP_STUCK,
    Stage.AT_WORK: RestoreDeed.AWAIT_JOB,
}


def _once_filled(sight: RestoreSight) -> RestoreDeed:
    if sight.held is not None:
        return RestoreDeed.RELEASE
    if sight.loaded:
        return RestoreDeed.COMPLETE
    return RestoreDeed.GIVE_UP_LATE if sight.overdue else RestoreDeed.AWAIT_SHARES
