"""How long NFSv4 clients may still reclaim what they had open before the server's last start; they wait until then."""

from __future__ import annotations

from reconcilers.api.dittofs import DittoFS
from reconcilers.dittofs.facts import Problem
from reconcilers.server.session import ServerSession


class GracePeriods:
    """Asks servers; one whose period is over is not asked again until its next start. Safe for many threads."""

    def __init__(self) -> None:
        #: By uid of the instance, the start of the server whose grace period is known to be over.
        self._over: dict[str, str] = {}

    def look(self, instance: DittoFS, session: ServerSession, start: str) -> Problem | None:
        """The grace period of the server, of which `start` tells one start from the next; None when there is none.

        Raises a `ServerError` when the server fails.
        """
        uid = instance.metadata.uid
        if not instance.spec.adapters.nfs.enabled or self._over.get(uid) == start:
            return None
        period = session.grace_period()
        if period is None:
            return None  # NFS doesn't run yet.
        if not period.active:
            self._over[uid] = start
            return None
        return Problem(
            "GracePeriod",
            f"NFSv4 clients reclaim what they had open before the start of the server: {period.reclaimed_clients} of "
            f"{period.expected_clients} are done; until all are, or the period is over, their requests wait",
        )

    def forget(self, uid: str) -> None:
        """Drop what was remembered of an instance that is gone."""
        self._over.pop(uid, None)
