"""What each server lists as its shares: one call serves all shares of an instance for a while."""

from __future__ import annotations

import threading
import weakref
from dataclasses import dataclass, field

from informers.clock import Clock
from informers.resource import ObjectKey
from reconcilers.server.errors import ServerError
from reconcilers.server.rows import Share
from reconcilers.server.session import ServerSession

#: A look that is timed for the end of a list's life must not come a rounding error too early for a new one.
_SLACK_S = 0.01


class ShareListings:
    """Lists of shares, each at most `max_age_s` seconds old. Safe for many threads, which share one call."""

    def __init__(self, *, clock: Clock, max_age_s: float) -> None:
        self._clock = clock
        self._max_age_s = max_age_s
        self._lock = threading.Lock()
        self._entries: dict[ObjectKey, _Entry] = {}

    def share(self, instance: ObjectKey, session: ServerSession, name: str) -> Share | None:
        """The share `name` on the server of `instance`, None when there is none.

        Raises a `ServerError` when it has to ask and can't.
        """
        entry = self._entry(instance)
        asked_at = self._clock.monotonic()
        with entry.lock:  # held over the call, so that a thousand waking shares make one
            same_session = entry.session is not None and entry.session() is session
            if entry.failure is not None and entry.failed_at >= asked_at and same_session:
                raise entry.failure  # Another timeout for each who waited would hold all workers for long.
            if entry.shares is None or not same_session or self._left_s(entry) <= _SLACK_S:
                self._read(entry, session)
            if name not in entry.doubted:
                return (entry.shares or {}).get(name)
        share = session.share(name)
        self.record(instance, name, share)
        return share

    def record(self, instance: ObjectKey, name: str, share: Share | None) -> None:
        """Put what was just read of one share, None when it is absent, in the list: a write to it costs no new one."""
        entry = self._entry(instance)
        with entry.lock:
            entry.doubted.discard(name)
            if entry.shares is not None and share is not None:
                entry.shares[name] = share
            elif entry.shares is not None:
                entry.shares.pop(name, None)

    def doubt(self, instance: ObjectKey, name: str) -> None:
        """What was listed of the share `name` may not hold any more: it is read anew when it is asked for."""
        entry = self._entry(instance)
        with entry.lock:
            entry.doubted.add(name)

    def expires_in_s(self, instance: ObjectKey) -> float:
        """When the next look at the shares of `instance` costs a list: the best time for all of them to look."""
        entry = self._entry(instance)
        with entry.lock:
            return max(0.0, self._left_s(entry)) if entry.shares is not None else self._max_age_s

    def _entry(self, instance: ObjectKey) -> _Entry:
        with self._lock:
            if instance not in self._entries:
                # The sessions of instances that are gone have ended, and what was read in them goes as well.
                self._entries = {key: entry for key, entry in self._entries.items() if entry.is_of_use}
            return self._entries.setdefault(instance, _Entry())

    def _left_s(self, entry: _Entry) -> float:
        return entry.read_at + self._max_age_s - self._clock.monotonic()

    def _read(self, entry: _Entry, session: ServerSession) -> None:
        entry.session, entry.shares, entry.failure = weakref.ref(session), None, None
        read_at = self._clock.monotonic()
        try:
            shares = session.shares()
        except ServerError as error:
            entry.failure, entry.failed_at = error, self._clock.monotonic()
            raise
        entry.shares, entry.read_at = {share.name: share for share in shares}, read_at
        entry.doubted.clear()


@dataclass(slots=True)
class _Entry:
    lock: threading.Lock = field(default_factory=threading.Lock)
    session: weakref.ref[ServerSession] | None = None
    shares: dict[str, Share] | None = None
    #: Names of shares of which the list may say what is not so.
    doubted: set[str] = field(default_factory=set)
    read_at: float = 0.0
    failure: ServerError | None = None
    failed_at: float = 0.0

    @property
    def is_of_use(self) -> bool:
        """Whether the session lives, or is about to be told."""
        return self.session is None or self.session() is not None
