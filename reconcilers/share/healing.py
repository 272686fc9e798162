"""A share that its server has but did not load: made anew where that loses nothing, else left to a new process.

Nothing else makes the server try again (dittofs-server 3.3), and to remove a share removes its snapshots.
"""

from __future__ import annotations

import threading
from dataclasses import dataclass
from enum import StrEnum

from informers.clock import Clock
from informers.resource import ObjectKey
from reconcilers.api.share import DittoFSShare
from reconcilers.server.rows import Share
from reconcilers.server.session import ServerSession
from reconcilers.share.status import Findings, ShareFacts, out_of_sync

#: The server tells a share's health from a memory of 5 s: one that was asked for in the middle of its creation by any
#: caller counts as not loaded for that long (tried against v0.29.0).
LOADING_PATIENCE_S = 6.0
#: How long a share stays unloaded before it is made anew, doubled with each time that did not help.
REMAKE_AFTER_S = 60.0
REMAKE_AT_MOST_EVERY_S = 3600.0


class NotLoaded(StrEnum):
    """Reasons of the condition Synced for a share that is a row and no more."""

    LOADING = "Loading"
    SHARE_NOT_LOADED = "ShareNotLoaded"
    #: Another process has to try: to make it anew would lose what belongs to it.
    AWAITS_RESTART = "AwaitsRestart"


@dataclass(slots=True)
class _Case:
    since: float
    remake_at: float
    wait_s: float


class Healing:
    """Remembers which shares were not loaded, and since when. Safe for many threads, for different shares."""

    def __init__(self, *, clock: Clock) -> None:
        self._clock = clock
        self._lock = threading.Lock()
        self._cases: dict[ObjectKey, _Case] = {}

    def look(self, share: DittoFSShare, facts: ShareFacts, row: Share, session: ServerSession) -> Findings:
        """What is to be told of `row`, which is not loaded; it may be removed, so that it is made anew.

        Raises a `ServerError`.
        """
        now = self._clock.monotonic()
        with self._lock:
            case = self._cases.setdefault(share.key, _Case(now, now + REMAKE_AFTER_S, REMAKE_AFTER_S))
        told = any(condition.reason in _TOLD for condition in share.status.conditions)
        if not told and now - case.since < LOADING_PATIENCE_S:
            message = "the server has the share and does not say yet that it is loaded"
            return _findings(share, facts, NotLoaded.LOADING, message, certain=False)
        words = f"the server has the share but could not load it ({row.health.message or 'no reason given'})"
        keeps = "the server had it before this object" if facts.adopted else ""
        if not keeps and session.snapshots(share.path):
            keeps = "it has snapshots, which would be lost"
        if keeps:
            message = f"{words}. It is not made anew, {keeps}; the server is started again for it, at most once an hour"
            return _findings(share, facts, NotLoaded.AWAITS_RESTART, message)
        if now >= case.remake_at:
            case.wait_s = min(2 * case.wait_s, REMAKE_AT_MOST_EVERY_S)
            case.remake_at = now + case.wait_s
            session.delete_share(share.path)
            return _findings(share, facts, NotLoaded.LOADING, f"{words}: it is being made anew", certain=False)
        message = f"{words}: see the server's log for why. It is made anew from time to time, its files stay"
        return _findings(share, facts, NotLoaded.SHARE_NOT_LOADED, message)

    def is_well(self, share: ObjectKey) -> None:
        """It is loaded, or gone."""
        with self._lock:
            self._cases.pop(share, None)


_TOLD = frozenset((NotLoaded.SHARE_NOT_LOADED, NotLoaded.AWAITS_RESTART))


def _findings(
    share: DittoFSShare, facts: ShareFacts, reason: NotLoaded, message: str, *, certain: bool = True
) -> Findings:
    return out_of_sync(share, facts, reason=reason.value, message=message, certain=certain)
