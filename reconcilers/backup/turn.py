"""Whose turn it is: one backup at a time on each instance, the oldest first. Pure."""

from __future__ import annotations

from collections.abc import Iterable

from informers.resource import View
from reconcilers.api.backup import FINISHED, BackupCondition, Operation

#: What keeps a backup from beginning that is no other backup: it has not come to the queue yet.
_ELSEWHERE = frozenset(
    {
        "ShareNotFound",
        "ShareSuspended",
        "NoShares",
        "InvalidSpec",
        "BackupNotFound",
        "BackupNotCompleted",
        "BucketShared",
        "NotEmpty",
        "OperatorImageMissing",
        "ShareNotLoaded",
        "TargetNotFound",
        "TargetNameTaken",
        "TargetRefused",
        "TargetSecretMissing",
    }
)


def ahead_of(backup: View, others: Iterable[View]) -> str | None:
    """The name of the one among `others` (backups of the same instance) that `backup` has to wait for, if any.

    One that is under way goes before all that are not, so that nobody who comes later interrupts it.
    """
    own = backup["metadata"]["uid"]
    rivals = [other for other in others if other["metadata"]["uid"] != own and _wants_a_turn(other)]
    first = min([backup, *rivals], key=_rank)
    return None if first is backup else str(first["metadata"]["name"])


def _wants_a_turn(backup: View) -> bool:
    spec, status = backup.get("spec") or {}, backup.get("status") or {}
    if status.get("phase") in FINISHED:
        return False
    if backup["metadata"].get("deletionTimestamp"):
        # A restore finishes the share that it is at: nobody is to keep half of one.
        restores = spec.get("operation") == Operation.RESTORE
        return restores and bool(status.get("startTime")) and not status.get("completionTime")
    if spec.get("schedule"):
        return False
    if status.get("startTime"):
        return True
    reasons = {entry["reason"] for entry in status.get("conditions") or () if entry["type"] == BackupCondition.READY}
    return not spec.get("suspend") and not reasons & _ELSEWHERE


def _rank(backup: View) -> tuple[bool, str, str]:
    metadata = backup["metadata"]
    started = bool((backup.get("status") or {}).get("startTime"))
    return not started, str(metadata.get("creationTimestamp") or ""), str(metadata["uid"])
