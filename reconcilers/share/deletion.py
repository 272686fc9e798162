"""What becomes of a share on the server when its DittoFSShare goes: it is disabled, and everything of it stays.

Rows, files and snapshots wait for a new DittoFSShare of the same path (decisions A8). An absent server does not hold
the object for long (decisions C12).
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime

from informers.clock import Clock
from informers.finalizer import Finalizer
from informers.resource import ObjectKey, View
from informers.result import Backoff, Done, RequeueAfter, Result
from reconcilers import names
from reconcilers.access import Recorder
from reconcilers.api.common import InvalidObject
from reconcilers.api.resources import DITTOFS_SHARE
from reconcilers.api.share import DittoFSShare
from reconcilers.server.credentials import CredentialsMissing
from reconcilers.server.errors import NotFound, ServerError
from reconcilers.server.rows import Share
from reconcilers.server.session import ServerSession
from reconcilers.share.access import ServerAccess, is_reachable
from reconcilers.share.caches import BY_INSTANCE_AND_PATH, ShareCaches, instance_of, path_index_value

#: How long an unreachable server may hold a deleted DittoFSShare, from its deletionTimestamp on.
PATIENCE_S = 60.0
#: How often it is tried until then; even steps, so that the end is not overshot by a grown delay.
RETRY_EVERY_S = 5.0


def leaving_share(view: View) -> DittoFSShare:
    """What of `view` its deletion needs: an object that another version of ours let in must not stay for ever."""
    spec, status = view.get("spec") or {}, view.get("status") or {}
    needed = {
        "spec": {field: spec[field] for field in ("instanceRef", "path") if field in spec},
        "status": {"shareID": str(status.get("shareID") or "")},
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
        clock: Clock,
        report: Callable[[View, DittoFSShare, str], None],
    ) -> None:
        self._caches = caches
        self._finalizer = finalizer
        self._recorder = recorder
        self._access = access
        self._clock = clock
        self._report = report
        self._waiting_since: dict[ObjectKey, float] = {}

    def step(self, view: View, share: DittoFSShare) -> Result:
        """One attempt to let `share` go."""
        if not self._finalizer.is_on(view):
            return Done()
        try:
            instance = instance_of(share, self._caches)
        except InvalidObject as error:
            return self._wait(view, share, str(error))
        if instance is None or instance.deleting or self._has_heir(share):
            return self._let_go(view)
        try:
            if not is_reachable(instance):
                return self._wait(view, share, "the server is not reachable")
            self._disable(view, share, self._access.open(instance))
        except (ServerError, CredentialsMissing) as error:
            return self._wait(view, share, str(error))
        return self._let_go(view)

    def forget(self, share: ObjectKey) -> None:
        """Drop what was remembered of a share that is gone."""
        self._waiting_since.pop(share, None)

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
        return store is not None and store.name == names.metadata_store(share.path)

    def _has_heir(self, share: DittoFSShare) -> bool:
        instance = ObjectKey(share.metadata.namespace, share.spec.instance_ref.name)
        same_path = self._caches.shares.by_index(BY_INSTANCE_AND_PATH, path_index_value(instance, share.path))
        return any(not other["metadata"].get("deletionTimestamp") for other in same_path)

    def _wait(self, view: View, share: DittoFSShare, reason: str) -> Result:
        left_s = PATIENCE_S - self._waited_s(share)
        if left_s > 0:
            self._report(view, share, f"the share can't be disabled on the server: {reason}")
            return RequeueAfter(min(RETRY_EVERY_S, left_s))
        note = (
            f'gave up after {PATIENCE_S:g} s to disable the share "{share.path}" on the server ({reason}): '
            "once the server runs again it may serve the share"
        )
        self._recorder.warning(view, "ServerUnreachableLeftBehind", note)
        return self._let_go(view)

    def _waited_s(self, share: DittoFSShare) -> float:
        # By both clocks: the wall clock outlives a restart of ours, the other one holds when the two machines disagree.
        now = self._clock.monotonic()
        waited_s = now - self._waiting_since.setdefault(share.key, now)
        asked_at = datetime.fromisoformat(share.metadata.deletion_timestamp or "")
        return max(waited_s, (self._clock.now() - asked_at).total_seconds())

    def _let_go(self, view: View) -> Result:
        return Done() if self._finalizer.drop(view) else Backoff("the object changed meanwhile")
