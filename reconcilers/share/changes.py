"""What one pass changes of its share on the server, and how the share reads back."""

from __future__ import annotations

from collections.abc import Callable

from reconcilers.api.dittofs import DittoFS
from reconcilers.remote_store import S3Keys
from reconcilers.server.errors import ServerUnreachable
from reconcilers.server.rows import Share
from reconcilers.server.session import ServerSession
from reconcilers.share.detail_calls import UnknownHolder
from reconcilers.share.details import ObservedDetails
from reconcilers.share.execute import execute
from reconcilers.share.listings import ShareListings
from reconcilers.share.plan import CreateShare, Step
from reconcilers.share.restart_watch import RestartLook
from reconcilers.share.status import ShareFacts


class Changes:
    """Does steps to the share at `path`, and remembers which. Every method raises what `execute` does."""

    def __init__(
        self,
        path: str,
        instance: DittoFS,
        session: ServerSession,
        *,
        listings: ShareListings,
        keys: Callable[[], S3Keys],
        restarts: RestartLook,
    ) -> None:
        self.done: tuple[Step, ...] = ()
        #: Whom the server does not know: others get their permissions all the same.
        self.unknown: list[str] = []
        self._path = path
        self._instance = instance
        self._session = session
        self._listings = listings
        self._keys = keys
        self._restarts = restarts

    def make(self, steps: tuple[Step, ...]) -> tuple[Share, tuple[Step, ...]]:
        """The share after those of `steps` that make it, and those that are left."""
        count = next(index for index, step in enumerate(steps, start=1) if isinstance(step, CreateShare))
        share = self._execute(steps[:count])
        self._restarts.made()
        return share, steps[count:]

    def change(
        self, steps: tuple[Step, ...], share: Share, details: ObservedDetails | None, facts: ShareFacts
    ) -> Share:
        """The share, of which this is known, after `steps`."""
        self._restarts.before(steps, share, details, facts)
        return self._execute(steps) if steps else share

    def _execute(self, steps: tuple[Step, ...]) -> Share:
        for step in steps:
            try:
                execute(step, path=self._path, server=self._session, keys=self._keys)
                self.done += (step,)
            except UnknownHolder as error:
                self.unknown.append(str(error))
        # The answer to the write is no proof: 201 comes for a share that failed to load, too (dittofs-server 3.3).
        share = self._session.share(self._path)
        if share is None:
            raise ServerUnreachable(f'the share "{self._path}" is gone again right after it was written')
        self._listings.record(self._instance.key, self._path, share)
        return share
