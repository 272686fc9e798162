"""How long an archive, and the restore of one, may take; both have an end whatever happens. Pure."""

from __future__ import annotations

from datetime import datetime, timedelta

from reconcilers.api.backup import DittoFSBackup
from reconcilers.backup.archive.orders import deadline_s

#: How long it may take from the beginning until the server has stopped.
PREPARE_LIMIT_S = 900.0
#: What a Job may take beyond its own deadline until it is seen to have ended.
MARGIN_S = 300.0
#: How long a restored server may take to start and to load what came back.
LOAD_LIMIT_S = 900.0
#: How long the pod of a Job that was given up may take to end, and the server waits for it.
END_LIMIT_S = 900.0


def latest_archive(backup: DittoFSBackup, *, recorded: bool, copying: bool) -> datetime:
    """When the backup gives up, if it gets no further than this."""
    jobs = 2 if recorded else 1 if copying else 0
    limit_s = PREPARE_LIMIT_S + jobs * (deadline_s(backup) + MARGIN_S)
    return datetime.fromisoformat(backup.status.start_time) + timedelta(seconds=limit_s)


def latest_restore(backup: DittoFSBackup, *, recorded: bool, working: bool) -> datetime:
    """When the restore gives up, if it gets no further than this."""
    limit_s = PREPARE_LIMIT_S + (deadline_s(backup) + MARGIN_S if working or recorded else 0)
    limit_s += LOAD_LIMIT_S if recorded else 0
    return datetime.fromisoformat(backup.status.start_time) + timedelta(seconds=limit_s)


def held_for_restore(backup: DittoFSBackup) -> datetime:
    """How long a restore holds the server: whatever it filled the claims with has ended by then."""
    return latest_restore(backup, recorded=False, working=True) + timedelta(seconds=END_LIMIT_S)
