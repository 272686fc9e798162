"""What becomes of a share on the server when its DittoFSShare goes: it is disabled, or removed for good.

Disabled, its rows, files and snapshots wait for a new DittoFSShare of the same path. An absent server
does not hold the object for long.
"""

from __future__ import annotations

from collections.abc import Callable

from informers.clock import Clock
from informers.errors import ApiError
from informers.finalizer import Finalizer
from informers.resource import ObjectKey, View
from informers.result import Backoff, Done, RequeueAfter, Result
from reconcilers import names
from reconcilers.access import Recorder
from reconcilers.api.common import InvalidObject
from reconcilers.api.dittofs import DittoFS
from reconcilers.api.resources import DITTOFS_SHARE
from reconcilers.api.share import DeletionPolicy, DittoFSShare
from reconcilers.patience import PATIENCE_S, RETRY_EVERY_S, Patience
from reconcilers.purge import files
from reconcilers.remote_store import location
from reconcilers.server.credentials import CredentialsMissing
from reconcilers.server.errors import NotFound, ServerError
from reconcilers.server.rows import Share
from reconcilers.server.session import ServerSession
from reconcilers.share.access import ServerAccess, is_reachable
from reconcilers.share.caches import BY_INSTANCE_AND_PATH, ShareCaches, instance_of, path_index_value
from reconcilers.share.objects import Ended, ObjectsRemoval, Waiting
from reconcilers.share.removal import Kept, Removal, Removed, objects_of

#: Reason of the event that says what a Delete did not delete.
LEFT_BEHIND = "DataLeftBehind"
#: How often to look at the Job that removes objects, beside the events of it.
OBJECTS_LOOK_S = 15.0


def removes(share: DittoFSShare) -> bool:
    """Whether the share is to go for good with its object."""
    return share.spec.deletion_policy is DeletionPolicy.DELETE


def leaving_share(view: View) -> DittoFSShare:
    """What of `view` its deletion needs: an object that another version of ours let in must not stay for ever."""
    spec, status = view.get("spec") or {}, view.get("status") or {}
    stores = status.get("stores") or {}
    policy = {"deletionPolicy": DeletionPolicy.DELETE} if spec.get("deletionPolicy") == DeletionPolicy.DELETE else {}
    needed = {
        "spec": {**{field: spec[field] for field in ("instanceRef", "path") if field in spec}, **policy},
        "status": {
            "shareID": str(status.get("shareID") or ""),
            "adopted": bool(status.get("adopted")),
            "stores": {"metadata": str(stores.get("metadata") or "")},
        },
    }
    head = {"apiVersion": DITTOFS_SHARE.api_version, "kind": DITTOFS_SHARE.kind}
    return DittoFSShare.from_view({**head, "metadata": view["metadata"], **needed})


class Deletion:
    """Cleans up after deleted DittoFSShares."""

    def __init__(
        self,
        *,
        caches: ShareCaches,
        finalizer: Finalizer,
        recorder: Recorder,
        access: ServerAccess,
        removal: Removal,
        objects: ObjectsRemoval,
        clock: Clock,
        report: Callable[[View, DittoFSShare, str, str], None],
    ) -> None:
        self._caches = caches
        self._finalizer = finalizer
        self._recorder = recorder
        self._access = access
        self._removal = removal
        self._objects = objects
        self._patience = Patience(clock=clock)
        self._report = report

    def step(self, view: View, share: DittoFSShare) -> Result:
        """One attempt to let `share` go."""
        if not self._finalizer.is_on(view):
            return Done()
        if (job := self._objects.begun(share)) is not None:
            # Whatever is deleted, changed or made anew meanwhile: its rows are gone, and so may be some of its objects.
            return self._until_objects_are_gone(view, share, job)
        try:
            instance = instance_of(share, self._caches)
        except InvalidObject as error:
            return self._wait(view, share, str(error), None)
        if instance is None or instance.deleting:
            if removes(share):
                note = f'{_data(share, instance)} stay: DittoFS "{share.spec.instance_ref.name}" is gone or going'
                self._recorder.warning(view, LEFT_BEHIND, note)
            return self._let_go(view)
        if self._has_heir(share):
            if removes(share):
                self._recorder.normal(view, "HandedOver", f"{_data(share, instance)} stay for another DittoFSShare")
            return self._let_go(view)
        return self._on_server(view, share, instance)

    def _on_server(self, view: View, share: DittoFSShare, instance: DittoFS) -> Result:
        try:
            if not is_reachable(instance):
                return self._wait(view, share, "the server is not reachable", instance)
            if not removes(share):
                self._disable(view, share, self._access.open(instance))
            elif self._remove(view, share, instance):
                return RequeueAfter(OBJECTS_LOOK_S)
        except (ServerError, CredentialsMissing, ApiError) as error:
            return self._wait(view, share, str(error), instance)
        return self._let_go(view)

    def put_off(self, share: ObjectKey) -> None:
        """A backup holds the share: only when that has ended the deletion begins."""
        self._patience.begin_anew(share)

    def forget(self, share: ObjectKey) -> None:
        """Drop what was remembered of a share that is gone."""
        self._patience.forget(share)

    def is_removing(self, view: View) -> bool:
        """Whether `view`, which has a deletionTimestamp, still takes what is at its path away with it."""
        share = leaving_share(view)
        return self._finalizer.is_on(view) and (removes(share) or self._objects.begun(share) is not None)

    def _until_objects_are_gone(self, view: View, share: DittoFSShare, job: View) -> Result:
        try:
            progress = self._objects.progress(job)
        except ApiError as error:
            progress = Waiting(f"the pods of its Job can't be read: {error}")
        match progress:
            case Waiting(message):
                self._report(view, share, message, share.status.stores.metadata)
                return RequeueAfter(OBJECTS_LOOK_S)
            case Ended(removed, left):
                if removed:
                    note = f'removed {removed} objects of the share "{share.path}" from the bucket'
                    self._recorder.normal(view, "ObjectsDeleted", note)
                if left:
                    self._recorder.warning(view, LEFT_BEHIND, left)
        return self._let_go(view)

    def _remove(self, view: View, share: DittoFSShare, instance: DittoFS) -> bool:
        """Remove what can be removed at once; True when a Job removes the rest."""
        session = self._access.open(instance)

        def remember(address: str) -> None:
            self._report(view, share, "the share is being removed from the server", names.metadata_store(address))

        match self._removal.remove(share, instance, session, remember):
            case Kept(why):
                self._disable(view, share, session)
                self._recorder.warning(view, "FilesKept", f'the share "{share.path}" and its files are kept: {why}')
            case Removed(address, left, objects, stores, drained):
                if objects and (why := self._objects.begin(share, instance, objects, stores, drained=drained)):
                    left, objects = f"{objects_of(instance, objects)}: {why}", ""
                note = f'removed the share "{share.path}" from the server'
                if address:
                    note += "; its files are removed when the server's pod starts the next time"
                if objects:
                    note += f"; {objects_of(instance, objects)} are being removed"
                self._recorder.normal(view, "Deleted", note)
                if left:
                    self._recorder.warning(view, LEFT_BEHIND, f"what stays is yours to remove: {left}")
                return bool(objects)
        return False

    def _disable(self, view: View, share: DittoFSShare, session: ServerSession) -> None:
        row = session.share(share.path)
        if row is None or not self._is_ours(share, row, session):
            return
        # Its policy would go on and remove the snapshots of better days, one by one.
        session.delete_snapshot_policy(share.path)
        if not row.enabled:
            return
        try:
            session.disable_share(share.path)
        except NotFound:
            note = (
                f'the server has the share "{share.path}" but did not load it, so it can\'t be disabled: '
                "a restarted server may serve it again"
            )
            self._recorder.warning(view, "LeftBehind", note)
            return
        kept = "its files and snapshots stay for a new DittoFSShare of this path"
        note = f'disabled the share "{share.path}" on the server; {kept}'
        self._recorder.normal(view, "Deleted", note)

    def _is_ours(self, share: DittoFSShare, row: Share, session: ServerSession) -> bool:
        if row.id == share.status.share_id:
            return True
        # Made by us in a pass that died before it wrote the status; what somebody else made stays as it is.
        store = session.metadata_store(row.metadata_store_id)
        return store is not None and bool(names.address_of(store.name, share.path))

    def _has_heir(self, share: DittoFSShare) -> bool:
        instance = ObjectKey(share.metadata.namespace, share.spec.instance_ref.name)
        same_path = self._caches.shares.by_index(BY_INSTANCE_AND_PATH, path_index_value(instance, share.path))
        return any(not other["metadata"].get("deletionTimestamp") for other in same_path)

    def _wait(self, view: View, share: DittoFSShare, reason: str, instance: DittoFS | None) -> Result:
        left_s = PATIENCE_S - self._patience.waited_s(share)
        verb = "removed from" if removes(share) else "disabled on"
        if left_s > 0:
            self._report(view, share, f"the share can't be {verb} the server: {reason}", "")
            return RequeueAfter(min(RETRY_EVERY_S, left_s))
        note = (
            f'gave up after {PATIENCE_S:g} s, the share "{share.path}" could not be {verb} the server ({reason}): '
            "once the server runs again it may serve the share"
        )
        if removes(share):
            self._recorder.warning(view, LEFT_BEHIND, f"{note}; {_data(share, instance)} stay")
        else:
            self._recorder.warning(view, "ServerUnreachableLeftBehind", note)
        return self._let_go(view)

    def _let_go(self, view: View) -> Result:
        return Done() if self._finalizer.drop(view) else Backoff("the object changed meanwhile")


def _data(share: DittoFSShare, instance: DittoFS | None) -> str:
    """What a share has, and where, for a person."""
    address = names.address_of(share.status.stores.metadata, share.path)
    if not address:
        return f'the files of the share "{share.path}", if it has any,'
    places = () if instance is None else files(instance, address)
    objects = f"{location(instance)}{names.store_key(address)}/" if instance and instance.spec.payload.s3 else ""
    return " ".join(filter(None, (f'the files of the share "{share.path}"', *places, objects)))
