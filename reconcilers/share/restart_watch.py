"""Finds out what waits for the server's next start, asking the server only when something may."""

from __future__ import annotations

from collections.abc import Container, Iterable

from informers.clock import Clock
from informers.resource import ObjectKey
from reconcilers.api.common import ConditionStatus
from reconcilers.api.dittofs import DittoFS
from reconcilers.api.share import DittoFSShare, ShareCondition
from reconcilers.conditions import Condition
from reconcilers.server.rows import Share
from reconcilers.server.session import ServerSession
from reconcilers.share.desired import DesiredShare
from reconcilers.share.detail_plan import PatchNfsConfig
from reconcilers.share.plan import CreateShare, Observed, Step, UpdateShare
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
from reconcilers.share.status import settled


class RestartWatch:
    """Tells for each share what is in force. Safe for many threads, for different shares."""

    def __init__(self, *, clock: Clock, max_age_s: float) -> None:
        self._starts = ServerStarts(clock=clock, max_age_s=max_age_s)

    def look(
        self,
        share: DittoFSShare,
        instance: DittoFS,
        session: ServerSession,
        *,
        desired: DesiredShare,
        observed: Observed,
        row: Share,
        steps: Iterable[Step],
        ignored: Container[str],
    ) -> tuple[InForce, Condition]:
        """What is in force, and the condition, of a share that had `observed`, and has `row` after `steps`.

        Raises a `ServerError` when the server has to be asked and can't.
        """
        steps, name = tuple(steps), instance.metadata.name
        memory = InForce.of_status(share) if share.status.share_id == row.id else None
        touched = any(_waits(step) for step in steps)
        made = observed.share is None or any(isinstance(step, CreateShare) for step in steps)
        if memory is not None and settled(share) and not touched and not made and _nothing_waits(share):
            return memory, restart_required(memory, (), instance=name)
        started_at = self._starts.get(instance.key, session, fresh=touched)
        wanted = nfs_values(desired.details.nfs)
        if observed.share is None or made:
            # All of the row is taken up when a share is made; its NFS options only come after that.
            now = InForce(started_at, row_values(row.options))
        else:
            now = in_force(
                memory,
                started_at=started_at,
                row=observed.share,
                row_found=row_values(observed.share.options),
                nfs_found=wanted if observed.details is None else nfs_values(observed.details.nfs.options),
            )
        fields = pending(now, {**row_values(row.options), **wanted}, ignored=ignored)
        return now, restart_required(now, fields, instance=name)

    def distrust(self, instance: ObjectKey) -> None:
        """The server of `instance` may have been started since, or is gone."""
        self._starts.invalidate(instance)


def _waits(step: Step) -> bool:
    match step:
        case UpdateShare(fields):
            return any(name in WAITING_ROW_OPTIONS for name in fields)
        case PatchNfsConfig(options):
            return any(name in WAITING_NFS_OPTIONS for name in options)
        case _:
            return False


def _nothing_waits(share: DittoFSShare) -> bool:
    told = next((c for c in share.status.conditions if c.type == ShareCondition.RESTART_REQUIRED), None)
    return told is not None and told.status is ConditionStatus.FALSE
