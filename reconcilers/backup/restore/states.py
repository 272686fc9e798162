"""How far a restore is, by what is written down of its shares; and how long it may take. Pure."""

from __future__ import annotations

from reconcilers.api.restore import RestoredShare, RestoreState

#: How long the restore of one share may be tried; then what was there is put back, which has no such end.
SHARE_LIMIT_S = 7200.0
#: How long a restore that has touched nothing may wait, from its beginning.
WAIT_LIMIT_S = 7200.0
#: How long a deleted object waits for its restore to come to an end.
LEAVING_LIMIT_S = 3600.0

_ACTIVE = frozenset({RestoreState.RESTORING, RestoreState.UNDOING})


def active(shares: tuple[RestoredShare, ...]) -> RestoredShare | None:
    """The share that is neither restored nor as it was; None: all are the one or the other."""
    return next((share for share in shares if share.state in _ACTIVE), None)


def in_turn(shares: tuple[RestoredShare, ...]) -> RestoredShare | None:
    """The share to be restored next; None: all were, or one could not be."""
    if any(share.state == RestoreState.UNCHANGED for share in shares):
        return None
    return next((share for share in shares if share.state == RestoreState.WAITING), None)


def is_untouched(shares: tuple[RestoredShare, ...]) -> bool:
    """Whether no share was touched yet."""
    return all(share.state == RestoreState.WAITING for share in shares)


def failures(shares: tuple[RestoredShare, ...]) -> str:
    """What could not be restored, and why, with what was; empty when nothing failed."""
    failed = [f'"{share.path}": {share.message}' for share in shares if share.message]
    restored = [share.path for share in shares if share.state == RestoreState.RESTORED]
    words = f"restored: {', '.join(restored) or 'nothing'}; all others have what they had"
    return f"{'; '.join(failed)}. {words}" if failed else ""


def open_ends(shares: tuple[RestoredShare, ...]) -> str:
    """What a restore that is given up leaves to a person."""
    share = active(shares)
    if share is None:
        return "the server can't be asked"
    return (
        f'"{share.path}" is neither restored nor as it was: restore it by the server\'s own client, from snapshot '
        f"{share.snapshot_id} or from the newest one without a name"
    )
