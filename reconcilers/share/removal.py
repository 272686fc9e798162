"""Takes a share that is to go for good off its server, and has its files removed; what may be somebody's stays.

Rows first, then the list of what is to be removed (`reconcilers.purge`): a file that is on the list belongs to no row.
What has to be known for that stands in the status of the object, which waits for the end of it. So it can be cut off
anywhere, and be done again.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from reconcilers import names
from reconcilers.api.dittofs import DittoFS
from reconcilers.api.share import DittoFSShare
from reconcilers.purge import PurgeLists, files
from reconcilers.remote_store import location
from reconcilers.server.errors import Conflict
from reconcilers.server.rows import Share, Store
from reconcilers.server.session import ServerSession
from reconcilers.share.desired import desired_share
from reconcilers.share.plan import remote_store_mismatch, store_mismatch


@dataclass(frozen=True, slots=True)
class Kept:
    """Nothing was removed: `why`, for a person."""

    why: str


@dataclass(frozen=True, slots=True)
class Removed:
    """The rows are gone, and the files at `address` are on the list; empty: there are none."""

    address: str
    #: What of it nobody removes, for a person; empty: nothing.
    left: str = ""
    #: Where it was, if it has objects in a bucket, which are to be removed by somebody else.
    objects: str = ""
    #: The remote stores that the server has left.
    stores: tuple[Store, ...] = ()
    #: The server said that it has ended all uploads. Otherwise they go on for a while.
    drained: bool = False


#: Writes down at which address a share is, before its row goes: nothing else says so then.
Remember = Callable[[str], None]


class Removal:
    """Removes shares. Safe for many threads, for different shares."""

    def __init__(self, *, lists: PurgeLists) -> None:
        self._lists = lists

    def remove(
        self, share: DittoFSShare, instance: DittoFS, session: ServerSession, remember: Remember
    ) -> Kept | Removed:
        """Remove `share`, as far as it was made by this operator.

        Raises a `ServerError`, or a `ClientError`; then it can be tried again.
        """
        known = names.address_of(share.status.stores.metadata, share.path)
        rows = {row.name: row for row in session.shares()}
        row = rows.get(share.path)
        if row is None:
            if share.status.adopted or not known:
                return Removed("")
            return self._remove_rest(share, instance, session, known, drained=False)
        found = self._address(share, instance, session, row)
        if isinstance(found, Kept):
            return found
        if users := [other.name for other in rows.values() if _also_uses(other, row)]:
            return Kept(f"its metadata store is used by {', '.join(users)} as well")
        if found != known:
            remember(found)
        self._remove_row(share, session, row)
        # The first request is answered after the last upload, a repeated one at once: the share is not loaded then.
        return self._remove_rest(share, instance, session, found, drained=row.loaded)

    def _address(self, share: DittoFSShare, instance: DittoFS, session: ServerSession, row: Share) -> str | Kept:
        """Where the share is, if all of its stores are as this operator makes them."""
        by_hand = Kept("it was not made by this operator")
        if share.status.adopted or (share.status.share_id and row.id != share.status.share_id):
            return by_hand
        metadata = session.metadata_store(row.metadata_store_id)
        address = "" if metadata is None else names.address_of(metadata.name, share.path)
        if not address:
            return by_hand
        wanted = desired_share(share, instance, address)
        local = session.local_store(row.local_block_store_id)
        remote = session.remote_store(row.remote_block_store_id) if row.remote_block_store_id else None
        mismatch = (
            store_mismatch(wanted.metadata_store, metadata)
            or _other(wanted.local_store.name, local)
            or store_mismatch(wanted.local_store, local)
            or (_other(wanted.remote_store.name, remote) if wanted.remote_store else None)
            or remote_store_mismatch(wanted.remote_store, remote)
        )
        return by_hand if mismatch else address

    def _remove_row(self, share: DittoFSShare, session: ServerSession, row: Share) -> None:
        if row.loaded and row.enabled:
            session.disable_share(share.path)
        for grant in session.share_permissions(share.path):
            session.delete_share_permission(share.path, kind=grant.kind, holder=grant.sid or grant.name)
        # With it the server removes its snapshots and its snapshot policy.
        session.delete_share(share.path)

    def _remove_rest(
        self, share: DittoFSShare, instance: DittoFS, session: ServerSession, address: str, *, drained: bool
    ) -> Removed:
        for quota in session.share_quotas(share.path):
            # The server leaves them, and a later share of the path would have them.
            session.delete_share_quota(share.path, scope=quota.scope, identity=quota.identity)
        session.delete_netgroup(names.netgroup(share.path))
        try:
            session.delete_metadata_store(names.metadata_store(address))
        except Conflict:
            return Removed("", f"{' '.join(files(instance, address))}: another share uses the metadata store")
        left, objects = "", ""
        stores: tuple[Store, ...] = ()
        if instance.spec.payload.s3 is not None:
            try:
                session.delete_remote_store(names.remote_store(address))
            except Conflict:
                left = f"{objects_of(instance, address)}: another share uses the remote store"
            else:
                objects, stores = address, session.remote_stores()
        listed = self._lists.add(instance, address)
        return Removed(address if listed else "", left, objects, stores, drained)


def objects_of(instance: DittoFS, address: str) -> str:
    """The objects of the share at `address` in the bucket of `instance`, for a person."""
    return f"the objects below {location(instance)}{names.store_key(address)}/"


def _also_uses(other: Share, row: Share) -> bool:
    return other.id != row.id and other.metadata_store_id == row.metadata_store_id


def _other(wanted: str, store: Store | None) -> object | None:
    return None if store is not None and store.name == wanted else (store or wanted)
