"""Finds out what waits for the server's next start, asking the server only when something may.

What is in force is written down before it can't be found out any more: an operator that ends in the middle of its
changes leaves rows of which nobody can tell whether the server was started before the change or after it.
"""

from __future__ import annotations

from collections.abc import Callable, Container, Iterable
from dataclasses import dataclass, replace

from informers.clock import Clock
from informers.resource import ObjectKey
from reconcilers.api.dittofs import DittoFS
from reconcilers.api.share import DittoFSShare
from reconcilers.conditions import Condition
from reconcilers.server.rows import Share
from reconcilers.server.session import ServerSession
from reconcilers.share.desired import DesiredShare
from reconcilers.share.detail_plan import PatchNfsConfig
from reconcilers.share.details import ObservedDetails
from reconcilers.share.plan import ConfirmSizes, DisableShare, EnableShare, Step, UpdateShare
from reconcilers.share.restart import (
    WAITING_NFS_OPTIONS,
    WAITING_ROW_OPTIONS,
    InForce,
    in_force,
    nfs_values,
    pending,
    restart_required,
    row_values,
)
from reconcilers.share.starts import ServerStarts
from reconcilers.share.status import ShareFacts, settled, told_in_sync


@dataclass(frozen=True, slots=True)
class Watched:
    """The share of one pass, its server, and what is wanted of it."""

    share: DittoFSShare
    instance: DittoFS
    session: ServerSession
    desired: DesiredShare
    #: The fields that the server does nothing about, with or without a start.
    ignored: Container[str]


class RestartWatch:
    """Knows when servers were started. Safe for many threads, for different shares."""

    def __init__(self, *, clock: Clock, max_age_s: float) -> None:
        self._starts = ServerStarts(clock=clock, max_age_s=max_age_s)

    def begin(self, watched: Watched, note: Callable[[ShareFacts], None]) -> RestartLook:
        """One pass over a share; `note` writes facts into its status at once, and raises when it can't."""
        return RestartLook(self._starts, watched, note)

    def distrust(self, instance: ObjectKey) -> None:
        """The server of `instance` may have been started since, or is gone."""
        self._starts.invalidate(instance)


class RestartLook:
    """What one pass knows to be in force of its share. Every method raises a `ServerError`, if it has to ask."""

    def __init__(self, starts: ServerStarts, watched: Watched, note: Callable[[ShareFacts], None]) -> None:
        self._starts = starts
        self._watched = watched
        self._note = note
        self._now: InForce | None = None
        self._made = self._noted = False

    def before(self, steps: Iterable[Step], row: Share, details: ObservedDetails | None, facts: ShareFacts) -> None:
        """To be called before `steps` are done to the share, which has `row`; notes what is in force if need be."""
        if self._noted:
            return
        self._noted = changing = any(_covers_tracks(step) for step in steps)
        if self._now is None or changing:
            self._now = self._found(row, details, changing=changing)
        if changing and facts.in_force != self._now:
            self._note(replace(facts, in_force=self._now))

    def made(self) -> None:
        """To be called when this pass made the share."""
        self._made = True

    def after(self, steps: Iterable[Step], row: Share) -> tuple[InForce, Condition]:
        """What is in force of the share, which has `row` after all `steps`, and the condition."""
        now, wanted = self._now, nfs_values(self._watched.desired.details.nfs)
        if now is None:
            raise RuntimeError("what was in force before the changes was not looked at")
        values = {**row_values(row.options), **wanted}
        if any(_waits(step) for step in steps) and (started_at := self._started_at(fresh=True)) != now.started_at:
            # In the middle of this: whether it took up the changes, nobody can tell.
            now = InForce(started_at, values, known=False)
        fields = pending(now, values, ignored=self._watched.ignored)
        return now, restart_required(now, fields, instance=self._watched.instance.metadata.name)

    def _found(self, row: Share, details: ObservedDetails | None, *, changing: bool) -> InForce:
        share, session, wanted = self._watched.share, self._watched.session, self._watched.desired.details.nfs
        if self._made:
            # All of the row is taken up when a share is made; its NFS options only come after that.
            return InForce(self._started_at(fresh=changing), row_values(row.options))
        memory = InForce.of_status(share) if share.status.share_id == row.id else None
        if memory is not None and memory.known and settled(share) and not changing:
            values = {**row_values(row.options), **nfs_values(wanted)}
            if not pending(memory, values, ignored=self._watched.ignored):
                return memory
        started_at = self._started_at(fresh=changing)
        if memory is not None and memory.started_at == started_at:
            return memory
        # The list of shares, and the last look at the details, may be older than the start.
        row = session.share(row.name) or row
        nfs = session.share_nfs_config(row.name) if details is None else details.nfs
        return in_force(
            memory,
            started_at=started_at,
            row=row,
            row_found=row_values(row.options),
            nfs_found=nfs_values(nfs.options),
            in_sync=told_in_sync(share),
        )

    def _started_at(self, *, fresh: bool) -> str:
        return self._starts.get(self._watched.instance.key, self._watched.session, fresh=fresh)


def _waits(step: Step) -> bool:
    """Whether the server takes up only when it starts what `step` changes."""
    match step:
        case UpdateShare(fields):
            return any(name in WAITING_ROW_OPTIONS for name in fields)
        case PatchNfsConfig(options):
            return any(name in WAITING_NFS_OPTIONS for name in options)
        case _:
            return False


def _covers_tracks(step: Step) -> bool:
    """Whether nobody can tell any more after `step` what was there before, or when."""
    return isinstance(step, UpdateShare | ConfirmSizes | EnableShare | DisableShare) or _waits(step)
