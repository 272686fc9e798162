"""The hold of a restore: until nobody else works on its shares, and as long as one is neither here nor there."""

from __future__ import annotations

import threading
from dataclasses import replace
from datetime import UTC, datetime, timedelta

from informers.clock import Clock
from informers.resource import ObjectKey, View
from reconcilers.access import ApiClient
from reconcilers.api.backup import BackupPhase, DittoFSBackup
from reconcilers.api.restore import RestoredShare
from reconcilers.backup.caches import BackupCaches
from reconcilers.backup.plan import Obstacle
from reconcilers.backup.restore.states import SHARE_LIMIT_S, WAIT_LIMIT_S, active
from reconcilers.hold import Hold, HoldMode, is_held_share, is_held_stopped
from reconcilers.hold_keeper import MAX_TEXT, HoldKeeper


class Holding:
    """Keeps the holds of restores. Safe for many threads, for different restores."""

    def __init__(self, *, caches: BackupCaches, client: ApiClient, clock: Clock) -> None:
        self._caches = caches
        self._clock = clock
        self._keeper = HoldKeeper(client=client, backups=caches.backups, clock=clock)
        self._lock = threading.Lock()
        #: Uids of the restores that have the server stopped, so that it starts anew.
        self._restarting: set[str] = set()

    def fits(self, backup: DittoFSBackup, shares: tuple[RestoredShare, ...]) -> bool:
        """Whether so many shares can be held at once."""
        return len(self._hold(backup, shares).text()) <= MAX_TEXT

    def take(self, backup: DittoFSBackup, instance: ObjectKey) -> Obstacle | str:
        """Hold the shares of a restore that has begun: what is in the way, or what is awaited, empty: nothing.

        Raises an `ApiError`.
        """
        hold = self._hold(backup, backup.status.restored)
        if obstacle := self._taken(instance, hold):
            return obstacle
        for name in hold.shares:
            view = self._caches.shares.get(ObjectKey(instance.namespace, name))
            if view is not None and not is_held_share(view, hold):
                return f"waits until nobody else works on {name}"
        return ""

    def go_on(self, backup: DittoFSBackup, instance: View) -> Obstacle | str:
        """Hold what is being restored, whether or not the server can be asked; have it restarted if that is wanted.

        As `take`, but it waits for nobody.
        """
        uid, key = backup.metadata.uid, ObjectKey.of(instance)
        with self._lock:
            restarting = uid in self._restarting
        hold = self._hold(backup, backup.status.restored, HoldMode.STOP if restarting else HoldMode.HOLD_SHARES)
        if obstacle := self._taken(key, hold):
            return obstacle
        if restarting and is_held_stopped(instance, hold):
            with self._lock:
                self._restarting.discard(uid)
            return self._taken(key, replace(hold, mode=HoldMode.HOLD_SHARES)) or _RESTART
        return _RESTART if restarting else ""

    def restart(self, uid: str) -> None:
        """Have the server stopped and started, which undoes half a restore, before it is asked again."""
        with self._lock:
            self._restarting.add(uid)

    def release(self, backup: DittoFSBackup, instance: ObjectKey) -> None:
        """Let others work on the shares again. Raises an `ApiError`."""
        with self._lock:
            self._restarting.discard(backup.metadata.uid)
        self._keeper.release(instance, backup.metadata.uid)

    def _taken(self, instance: ObjectKey, hold: Hold) -> Obstacle | None:
        holder = self._keeper.take(instance, hold)
        if not holder:
            return None
        message = f'waits for DittoFSBackup "{holder}", which holds the instance'
        return Obstacle(BackupPhase.PENDING, "InstanceBusy", message)

    def _hold(
        self, backup: DittoFSBackup, shares: tuple[RestoredShare, ...], mode: HoldMode = HoldMode.HOLD_SHARES
    ) -> Hold:
        now, start = self._clock.now(), backup.status.start_time
        begun = datetime.fromisoformat(start) if start else now
        until = begun + timedelta(seconds=WAIT_LIMIT_S + SHARE_LIMIT_S * len(shares))
        if active(shares) is not None:
            # It must not end before the share can be opened; whole hours, since each change is written to all shares.
            until = max(until, now.replace(minute=0, second=0, microsecond=0) + timedelta(hours=3))
        names = tuple(share.share for share in shares)
        return Hold(backup.metadata.name, backup.metadata.uid, mode, until.astimezone(UTC), names)


_RESTART = "the server is started again, which undoes half a restore"
