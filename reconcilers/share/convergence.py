"""One share brought to what is wanted: the server is looked at, the plan is done, and what came of it is read back."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial

from informers.clock import Clock
from informers.resource import ObjectKey, View
from reconcilers import names
from reconcilers.access import Recorder
from reconcilers.api.dittofs import DittoFS
from reconcilers.api.scalars import parse_bytes
from reconcilers.api.share import DittoFSShare
from reconcilers.purge import PurgeReader
from reconcilers.remote_store import ObjectReader, read_keys
from reconcilers.server.rows import Share, UserRow
from reconcilers.server.session import ServerSession
from reconcilers.share.access import mount_line
from reconcilers.share.changes import Changes
from reconcilers.share.deep_looks import DeepLooks
from reconcilers.share.desired import DesiredShare, desired_share
from reconcilers.share.detail_calls import calls_of_look, read_details
from reconcilers.share.execute import changed_fields
from reconcilers.share.healing import Healing
from reconcilers.share.listings import ShareListings
from reconcilers.share.owner import UNKNOWN_ACCOUNT, owner_trouble
from reconcilers.share.plan import CreateShare, Observed, Step, plan, remote_store_mismatch, store_mismatch
from reconcilers.share.restart_watch import RestartWatch, Watched
from reconcilers.share.status import Findings, ShareFacts, in_sync, out_of_sync, settled, snapshot_trouble
from reconcilers.share.usage import Usage
from reconcilers.share.without_effect import without_effect

#: What hangs on a share is not in the list of shares: it costs calls of its own per share.
DEEP_POLL_INTERVAL_S = 300.0
#: Between two looks, in seconds: what is due just now must not make a loop.
_SHORTEST_S = 0.05
#: The type of a store whose contents a restart loses.
MEMORY = "memory"


@dataclass(frozen=True, slots=True)
class Subject:
    """The object of one pass: as it was read, and as our model of it."""

    view: View
    share: DittoFSShare


class Convergence:
    """Brings shares to what is wanted. Safe for many threads, for different shares."""

    def __init__(
        self,
        *,
        recorder: Recorder,
        listings: ShareListings,
        objects: ObjectReader,
        purge: PurgeReader,
        clock: Clock,
        deep_poll_interval_s: float,
        restart_look_age_s: float,
    ) -> None:
        self._recorder = recorder
        self._listings = listings
        self._objects = objects
        self._purge = purge
        self._clock = clock
        self._looks = DeepLooks(clock=clock, interval_s=deep_poll_interval_s)
        self._usage = Usage(clock=clock)
        self._restarts = RestartWatch(clock=clock, max_age_s=restart_look_age_s)
        self._healing = Healing(clock=clock)

    def step(
        self, subject: Subject, instance: DittoFS, session: ServerSession, note: Callable[[ShareFacts], None]
    ) -> Findings:
        """Look at the server, do what is lacking, and say what came of it.

        `note` writes into the status at once what could not be found out any more if the operator ended now.

        Raises a `ServerError`, what `note` does, and SecretProblem or a `ClientError` when the keys of the bucket
        can't be had.
        """
        key, path = subject.share.key, subject.share.path
        desired = desired_share(subject.share, instance)
        calm = settled(subject.share)
        look_deep = not calm or self._looks.begin(key, instance.key, calls=calls_of_look(desired.details))
        observed = self._observe(instance, session, desired, look_deep=look_deep)
        asked = bool(desired.owner) and not (calm and observed.share is not None)
        user = session.user(desired.owner) if asked else None
        if observed.share is None:
            desired = desired_share(subject.share, instance, self._free_address(subject.share, instance))
            observed = _observed_stores(session, desired)
            if obstacle := _obstacle(subject.share, desired, observed, user):
                return obstacle
        known = self._facts(subject.share, instance, session, observed.share) if observed.share else None
        in_memory = (known.local_type if known and known.adopted else desired.local_store.type) == MEMORY
        if in_memory:
            # A policy would fail once a minute in the server's log, and never do anything.
            desired = replace(desired, details=replace(desired.details, snapshots=None))
        vain = without_effect(subject.share, instance)
        restarts = self._restarts.begin(Watched(subject.share, instance, session, desired, vain), note)
        keys = partial(read_keys, instance, self._objects)
        changes = Changes(path, instance, session, listings=self._listings, keys=keys, restarts=restarts)
        steps, share, facts, fresh = plan(desired, observed, confirm=not calm), observed.share, known, None
        if share is None or facts is None:
            share, steps = changes.make(steps)
            facts = self._facts(subject.share, instance, session, share, made=_made(changes.done))
        share = changes.change(steps, share, observed.details, facts)
        if changes.done or changes.unknown:
            # The list may be older than somebody's change: what the pass itself has read now is set right as well.
            # What hangs on a share that was just made may be left from an earlier one of its path.
            fresh = read_details(desired.details, share, session) if observed.share is None else None
            late = plan(desired, Observed(share, details=fresh), confirm=False)
            share = changes.change(late, share, fresh, facts)
        in_force, restart = restarts.after(changes.done, share)
        facts = replace(facts, in_force=in_force)
        self._announce(subject, changes.done, facts, calm=calm)
        if not share.loaded:
            self._listings.doubt(instance.key, path)
            return replace(self._healing.look(subject.share, facts, share, session), restart=restart)
        self._healing.is_well(key)
        trouble = _unknown_holders(subject.share, facts, changes.unknown) if changes.unknown else None
        if asked and trouble is None:
            trouble = owner_trouble(subject.share, facts, user=user, row=share)
        if trouble is not None:
            return replace(trouble, restart=restart)
        details = observed.details or fresh
        if details is not None:
            self._looks.done(key)
        failure = None if details is None else details.last_failure
        found = in_sync(
            share,
            facts,
            cache_lost=instance.status.cache_lost,
            snapshot_trouble=snapshot_trouble(subject.share, in_memory=in_memory, last_failure=failure),
            without_effect=vain,
        )
        return replace(found, restart=restart)

    def distrust(self, share: DittoFSShare) -> None:
        """What its server listed of `share` may not hold any more."""
        instance = ObjectKey(share.metadata.namespace, share.spec.instance_ref.name)
        self._listings.doubt(instance, share.path)
        self._restarts.distrust(instance)

    def next_look_in_s(self, share: ObjectKey, instance: ObjectKey) -> float:
        """How long a share that is in sync can be left alone, in seconds."""
        return max(_SHORTEST_S, min(self._listings.expires_in_s(instance), self._looks.due_in_s(share)))

    def forget(self, share: ObjectKey) -> None:
        """Drop what was remembered of a share that is gone."""
        self._looks.forget(share)
        self._usage.forget(share)
        self._healing.is_well(share)

    def _observe(
        self, instance: DittoFS, session: ServerSession, desired: DesiredShare, *, look_deep: bool
    ) -> Observed:
        share = self._listings.share(instance.key, session, desired.path)
        if share is None:
            return Observed(share=None)
        details = read_details(desired.details, share, session) if look_deep else None
        return Observed(share=share, details=details)

    def _free_address(self, share: DittoFSShare, instance: DittoFS) -> str:
        """Where its stores are to be: where they were, unless that is to be removed."""
        # Asked after the share was seen to be absent: until then it may have been deleted, and put on the list.
        purge = self._purge.read(instance)
        known = names.address_of(share.status.stores.metadata, share.path)
        return known if known and known not in purge.addresses else purge.free_address(share.path)

    def _facts(
        self,
        share: DittoFSShare,
        instance: DittoFS,
        session: ServerSession,
        row: Share,
        *,
        made: CreateShare | None = None,
    ) -> ShareFacts:
        known = ShareFacts.of_status(share)
        mount = mount_line(instance, share.path)
        if known.share_id == row.id and known.metadata_store and (known.origin[0] or not known.adopted):
            quota = parse_bytes(share.spec.quota.size) if share.spec.quota else 0
            used = self._usage.tell(share.key, known=known.used_bytes, found=row.used_bytes, quota=quota)
            return replace(known, mount=mount, used_bytes=used)
        if made is not None and names.address_of(made.metadata_store, share.path):
            return ShareFacts(
                share_id=row.id,
                metadata_store=made.metadata_store,
                local_store=made.local_store,
                remote_store=made.remote_store,
                mount=mount,
                used_bytes=row.used_bytes,
            )
        metadata, local = session.metadata_store(row.metadata_store_id), session.local_store(row.local_block_store_id)
        metadata_name = row.metadata_store_id if metadata is None else metadata.name
        local_name = row.local_block_store_id if local is None else local.name
        remote = session.remote_store(row.remote_block_store_id) if row.remote_block_store_id else None
        remote_name = row.remote_block_store_id if remote is None else remote.name
        # What an earlier DittoFSShare of this path left behind has our store and counts as ours.
        adopted = not names.address_of(metadata_name, share.path)
        facts = ShareFacts(row.id, adopted, metadata_name, local_name, remote_name, mount, row.used_bytes)
        if not adopted or metadata is None or local is None:
            return facts
        return replace(facts, origin=(metadata.type, metadata.path, local.type, local.path))

    def _announce(self, subject: Subject, steps: tuple[Step, ...], facts: ShareFacts, *, calm: bool) -> None:
        view, path = subject.view, subject.share.path
        if _made(steps) is not None:
            self._recorder.normal(view, "Created", f'created the share "{path}" on the server')
            return
        if facts.adopted and not subject.share.status.adopted:
            self._recorder.normal(view, "Adopted", f'took over the share "{path}" that the server already had')
        fields = changed_fields(steps)
        if not fields:
            return
        if fields == ("enabled",) and not subject.share.spec.enabled:
            self._recorder.normal(view, "Disabled", f'disabled the share "{path}" on the server')
        elif calm:
            note = f"the server had other values than the specification and was set right: {', '.join(fields)}"
            self._recorder.warning(view, "DriftRepaired", note)
        else:
            self._recorder.normal(view, "Updated", f"changed on the server: {', '.join(fields)}")


def _obstacle(share: DittoFSShare, desired: DesiredShare, observed: Observed, user: UserRow | None) -> Findings | None:
    """Why the share, which the server does not have, can't be made."""
    known = ShareFacts.of_status(share)
    if desired.owner and (trouble := owner_trouble(share, known, user=user, row=None)):
        return trouble
    mismatch = (
        store_mismatch(desired.metadata_store, observed.metadata_store)
        or store_mismatch(desired.local_store, observed.local_store)
        or remote_store_mismatch(desired.remote_store, observed.remote_store)
    )
    return None if mismatch is None else out_of_sync(share, known, reason="StoreConflict", message=mismatch.message)


def _made(steps: tuple[Step, ...]) -> CreateShare | None:
    return next((step for step in steps if isinstance(step, CreateShare)), None)


def _observed_stores(session: ServerSession, desired: DesiredShare) -> Observed:
    return Observed(
        share=None,
        metadata_store=session.metadata_store(desired.metadata_store.name),
        local_store=session.local_store(desired.local_store.name),
        remote_store=session.remote_store(desired.remote_store.name) if desired.remote_store else None,
    )


def _unknown_holders(share: DittoFSShare, facts: ShareFacts, unknown: list[str]) -> Findings:
    message = (
        f"permissions: {'; '.join(unknown)}. Add who is missing to users or groups of DittoFS "
        f'"{share.spec.instance_ref.name}", or remove the permission'
    )
    return out_of_sync(share, facts, reason=UNKNOWN_ACCOUNT, message=message)
