"""What is said of an archive that waits or was given up."""

from __future__ import annotations

from reconcilers.api.backup import BackupCondition
from reconcilers.backup.archive.course import Deed
from reconcilers.conditions import Condition, false

#: What the commands say of the place or the key, and not of the instance.
_OF_TARGET = frozenset(
    {
        "TargetMissing",
        "TargetFull",
        "TargetRefused",
        "TargetUnreachable",
        "KeyMissing",
        "KeyUnusable",
        "KeyWrong",
    }
)

#: What is waited for; empty: a Job.
WAITING = {
    Deed.AWAIT_SILENCE: "waits until the adapters are off",
    Deed.AWAIT_STOP: "waits until the server has stopped",
    Deed.AWAIT_COPY: "",
    Deed.AWAIT_VERIFY: "",
}
#: Reason and words; of a Job that failed its own come behind.
GIVING_UP = {
    Deed.GIVE_UP_LATE: ("DeadlineExceeded", "it took too long"),
    Deed.GIVE_UP_STUCK: ("JobNotStarted", "no pod of the Job began to work, and their events say why"),
    Deed.GIVE_UP_COPY: ("JobFailed", ""),
    Deed.GIVE_UP_VERIFY: ("JobFailed", ""),
    Deed.GIVE_UP_UNHELD: (
        "HoldLost",
        "the hold on the instance ended before the copy did, so that the server may have run beside it",
    ),
}


def target_trouble(reason: str, message: str) -> Condition | None:
    """The condition of the target, where `reason` is about it."""
    return false(BackupCondition.TARGET_READY, reason, message) if reason in _OF_TARGET else None
