"""Which of a schedule's backups it keeps. Pure."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime, timedelta

from informers.resource import View
from reconcilers.api.backup import BackupPhase, BackupRetention
from reconcilers.api.scalars import parse_duration

#: How many failed ones are kept, for somebody to look at.
KEEP_FAILED = 3


def superfluous(children: Iterable[View], retention: BackupRetention, *, now: datetime) -> tuple[View, ...]:
    """Those of `children`, the backups of one schedule, that are to go, oldest first.

    The newest completed one is never among them, whatever its age; one that is not finished isn't counted.
    """
    there = sorted(
        (child for child in children if not child["metadata"].get("deletionTimestamp")),
        key=lambda child: str(child["metadata"]["name"]),
    )
    completed = [child for child in there if _phase(child) == BackupPhase.COMPLETED]
    failed = [child for child in there if _phase(child) == BackupPhase.FAILED]
    beyond = completed[: -retention.keep_last]
    old = [child for child in completed[:-1] if _is_older(child, retention.max_age, now)]
    gone = {str(child["metadata"]["uid"]): child for child in (*failed[:-KEEP_FAILED], *beyond, *old)}
    return tuple(sorted(gone.values(), key=lambda child: str(child["metadata"]["name"])))


def _is_older(child: View, max_age: str, now: datetime) -> bool:
    ended = str(child["status"].get("completionTime") or "")
    if not max_age or not ended:
        return False
    return now - datetime.fromisoformat(ended) > timedelta(seconds=parse_duration(max_age))


def _phase(child: View) -> str:
    return str((child.get("status") or {}).get("phase") or "")
