"""Makes the server of a DittoFS have the share that a DittoFSShare describes, and reports what it is like.

The server is polled, since it can't be watched: one list call per instance serves all of its shares.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

from informers.clock import Clock
from informers.errors import ApiError
from informers.finalizer import Finalizer
from informers.resource import ObjectKey, View
from informers.result import Backoff, Done, RequeueAfter, Result, Terminal
from reconcilers import names
from reconcilers.access import ApiClient, Recorder
from reconcilers.api.common import InvalidObject
from reconcilers.api.dittofs import DittoFS
from reconcilers.api.resources import DITTOFS_SHARE
from reconcilers.api.share import DittoFSShare, ShareCondition, SharePhase
from reconcilers.conditions import Condition
from reconcilers.hold import Hold, standing
from reconcilers.jobs import Jobs
from reconcilers.purge import PurgeLists
from reconcilers.secret_data import SecretProblem
from reconcilers.server.credentials import CredentialsMissing
from reconcilers.server.errors import ServerError, treatment
from reconcilers.server.session import Sessions
from reconcilers.share.access import CredentialsReader, ServerAccess, is_reachable
from reconcilers.share.caches import BY_INSTANCE_AND_PATH, ShareCaches, instance_of, path_index_value
from reconcilers.share.convergence import DEEP_POLL_INTERVAL_S, Convergence, Subject
from reconcilers.share.declared import path_winners
from reconcilers.share.deletion import Deletion, leaving_share
from reconcilers.share.healing import NotLoaded
from reconcilers.share.listings import ShareListings
from reconcilers.share.objects import ObjectsRemoval
from reconcilers.share.removal import Removal
from reconcilers.share.smb_names import smb_remark
from reconcilers.share.status import (
    Findings,
    ShareFacts,
    held,
    noted_status,
    out_of_sync,
    remarked,
    suspended,
    wanted_status,
    without_instance,
)
from reconcilers.share.unwritten import NotNoted, unwritten
from reconcilers.status_writer import StatusWriter
from reconcilers.unreadable import INVALID_SPEC, Unreadable

#: How soon to look again at a share that the server does not say yet to have loaded.
LOADING_LOOK_S = 1.0

#: How soon at the earliest to try a server again that was not there for one share, and so for none of its shares.
AWAY_LOOK_S = 1.0


class ShareReconciler:
    """Reconciles DittoFSShares. A steady pass writes nothing and asks the server at most for its list."""

    def __init__(
        self,
        *,
        caches: ShareCaches,
        client: ApiClient,
        recorder: Recorder,
        sessions: Sessions,
        credentials: CredentialsReader,
        clock: Clock,
        poll_interval_s: float,
        deep_poll_interval_s: float = DEEP_POLL_INTERVAL_S,
        jobs: Jobs,
        image: str = "",
    ) -> None:
        """`image` is the operator's own; empty: it can't make Jobs."""
        self._caches = caches
        self._status = StatusWriter(client=client, resource=DITTOFS_SHARE, conditions=frozenset(ShareCondition))
        self._recorder = recorder
        self._clock = clock
        self._unreadable = Unreadable(
            status=self._status,
            recorder=recorder,
            clock=clock,
            conditions=ShareCondition,
            failing=frozenset((ShareCondition.READY, ShareCondition.SYNCED)),
            phase=SharePhase.DEGRADED,
        )
        self._poll_interval_s = poll_interval_s
        self._access = ServerAccess(sessions=sessions, credentials=credentials)
        lists = PurgeLists(client=client, clock=clock)
        self._convergence = Convergence(
            recorder=recorder,
            listings=ShareListings(clock=clock, max_age_s=poll_interval_s),
            objects=client,
            purge=lists,
            clock=clock,
            deep_poll_interval_s=deep_poll_interval_s,
            # Shorter than from one look to the next, so that each of those finds out anew.
            restart_look_age_s=poll_interval_s / 2,
        )
        self._finalizer = Finalizer(names.FINALIZER, DITTOFS_SHARE, client, field_manager=names.FIELD_MANAGER)
        self._deletion = Deletion(
            caches=caches,
            finalizer=self._finalizer,
            recorder=recorder,
            access=self._access,
            removal=Removal(lists=lists),
            objects=ObjectsRemoval(jobs=jobs, image=image, caches=caches, objects=client, clock=clock),
            clock=clock,
            report=self._report_deleting,
        )

    def reconcile(self, key: ObjectKey) -> Result:
        """One pass over the DittoFSShare named `key`."""
        view = self._caches.shares.get(key)
        if view is None:
            self._convergence.forget(key)
            self._deletion.forget(key)
            self._status.forget(key)
            return Done()
        known = {**view, "status": self._status.last(view)}
        try:
            share = DittoFSShare.from_view(known)
        except InvalidObject as error:
            if not view["metadata"].get("deletionTimestamp"):
                return self._unreadable.tell(view, error)
            share = leaving_share(known)
        hold = self._hold(share)
        if hold is not None:
            # What its server listed before says nothing of what the backup leaves.
            self._convergence.distrust(share)
            if share.deleting:
                self._deletion.put_off(key)
            left_s = max(hold.left_s(self._clock.now()), AWAY_LOOK_S)
            return self._report(Subject(view, share), held(share, hold), RequeueAfter(left_s))
        if not share.deleting:
            return self._reconcile(Subject(view, share))
        result = self._deletion.step(view, share)
        self._convergence.distrust(share)  # after: it may have disabled the share
        return result

    def _hold(self, share: DittoFSShare) -> Hold | None:
        """The hold of a backup on `share`, whose instance is there to stay."""
        instance = self._caches.instances.get(_instance_key(share))
        if instance is None or instance["metadata"].get("deletionTimestamp"):
            return None
        hold = standing(instance, self._caches.backups, now=self._clock.now()).hold
        return hold if hold is not None and hold.covers(share.metadata.name) else None

    def _reconcile(self, subject: Subject) -> Result:
        share = subject.share
        try:
            instance = instance_of(share, self._caches)
        except InvalidObject as error:
            return self._report(subject, _instance_unreadable(share, error), Done())
        if share.spec.suspend:
            return self._report(subject, suspended(share, message="spec.suspend is true"), Done())
        if instance is None or instance.deleting:
            return self._report(subject, _instance_missing(share, instance), Done())
        if instance.spec.suspend:
            message = f'spec.suspend of DittoFS "{instance.metadata.name}" is true'
            return self._report(subject, suspended(share, message=message), Done())
        if predecessor := self._predecessor(subject):
            message = f'DittoFSShare "{predecessor}", which has the path {share.path}, is being removed with its files'
            findings = without_instance(share, SharePhase.PENDING, reason="PathIsBeingRemoved", message=message)
            return self._report(subject, findings, RequeueAfter(LOADING_LOOK_S))
        winner = self._winner(subject)
        if winner != share.metadata.name:
            return self._conflict(subject, winner)
        if not is_reachable(instance):
            message = f'the operator cannot log in to the server of DittoFS "{instance.metadata.name}" yet'
            findings = without_instance(
                share, SharePhase.WAITING_FOR_INSTANCE, reason="ApiNotReachable", message=message
            )
            return self._report(subject, findings, Done())
        if not self._finalizer.is_on(subject.view):
            # The watch brings the object back with the finalizer on; only then anything is made on the server.
            return Done() if self._finalizer.add(subject.view) else Backoff("the object changed meanwhile")
        return self._synchronize(subject, instance)

    def _synchronize(self, subject: Subject, instance: DittoFS) -> Result:
        known, retry_after_s = ShareFacts.of_status(subject.share), 0.0

        def note(facts: ShareFacts) -> None:
            nonlocal known
            self._note(subject, facts)
            known = facts

        try:
            session = self._access.open(instance)
            findings = self._convergence.step(subject, instance, session, note)
        except NotNoted as failure:
            return unwritten(failure.error)
        except CredentialsMissing as error:
            findings = out_of_sync(subject.share, known, reason="CredentialsMissing", message=str(error), certain=False)
        except (SecretProblem, ApiError) as error:
            findings = out_of_sync(subject.share, known, reason="BucketKeysMissing", message=str(error))
        except ServerError as error:
            self._convergence.distrust(subject.share)
            what = treatment(error)
            retry_after_s = max(error.retry_after_s, 0.0 if what.certain else AWAY_LOOK_S)
            findings = out_of_sync(subject.share, known, reason=what.reason, message=str(error), certain=what.certain)
        if findings.restart is not None and findings.restart.holds:
            self._warn_once(subject, findings.restart)
        if findings.synced.holds:
            if findings.snapshot_trouble is not None:
                self._warn_once(subject, findings.snapshot_trouble)
            findings = self._remark_on_smb(subject, instance, findings)
            # All shares of an instance look when its list has run out: the first of them gets the next one for all.
            wait_s = self._convergence.next_look_in_s(subject.share.key, instance.key)
            return self._report(subject, findings, RequeueAfter(wait_s))
        if findings.synced.reason == NotLoaded.LOADING:
            return self._report(subject, findings, RequeueAfter(LOADING_LOOK_S))
        self._warn_once(subject, findings.synced)
        # However often it failed: what a person mends on the server gives no event.
        result = Backoff(findings.synced.reason, at_most_s=self._poll_interval_s, at_least_s=retry_after_s)
        return self._report(subject, findings, result)

    def _remark_on_smb(self, subject: Subject, instance: DittoFS, findings: Findings) -> Findings:
        path = subject.share.path
        namesake = path_winners(self._of_path(subject, path.lower())).get(path.lower())
        name = str(namesake["metadata"]["name"]) if namesake else None
        remark = smb_remark(path, instance, namesake=name)
        if remark is None or findings.obstacle is not None:
            return findings
        self._warn_once(subject, remark)
        return remarked(findings, remark)

    def _predecessor(self, subject: Subject) -> str:
        """The DittoFSShare of this path that is about to go for good; empty when there is none."""
        value = path_index_value(_instance_key(subject.share), subject.share.path)
        of_path = self._caches.shares.by_index(BY_INSTANCE_AND_PATH, value)
        leaving = (other for other in of_path if other["metadata"].get("deletionTimestamp"))
        return next((str(other["metadata"]["name"]) for other in leaving if self._deletion.is_removing(other)), "")

    def _winner(self, subject: Subject) -> str:
        winners = path_winners([*self._of_path(subject, subject.share.path), subject.view])
        return str(winners[subject.share.path]["metadata"]["name"])

    def _of_path(self, subject: Subject, path: str) -> Iterable[View]:
        return self._caches.shares.by_index(BY_INSTANCE_AND_PATH, path_index_value(_instance_key(subject.share), path))

    def _conflict(self, subject: Subject, winner: str) -> Result:
        message = (
            f'the path {subject.share.path} belongs to DittoFSShare "{winner}", which is older: '
            "delete one of the two and choose another path"
        )
        facts = ShareFacts()
        findings = out_of_sync(subject.share, facts, reason="PathConflict", message=message)
        self._warn_once(subject, findings.synced)
        return self._report(subject, findings, Terminal("PathConflict"))

    def _warn_once(self, subject: Subject, now: Condition) -> None:
        before = next((c for c in subject.share.status.conditions if c.type == now.type), None)
        if before is None or (before.reason, before.message) != (now.reason, now.message):
            self._recorder.warning(subject.view, now.reason, now.message)

    def _report_deleting(self, view: View, share: DittoFSShare, message: str, metadata_store: str) -> None:
        reason = "ServerUnreachable" if not metadata_store else "Removing"
        findings = without_instance(share, SharePhase.DELETING, reason=reason, message=message)
        if metadata_store:
            findings = replace(findings, facts=replace(findings.facts, metadata_store=metadata_store))
        self._report(Subject(view, share), findings, Done())

    def _note(self, subject: Subject, facts: ShareFacts) -> None:
        try:
            self._status.write(subject.view, noted_status(self._status.last(subject.view), facts))
        except ApiError as error:
            raise NotNoted(error) from error

    def _report(self, subject: Subject, findings: Findings, result: Result) -> Result:
        try:
            self._status.write(subject.view, wanted_status(subject.share, findings, now=self._clock.now()))
        except ApiError as error:
            return unwritten(error)
        return result


def _instance_key(share: DittoFSShare) -> ObjectKey:
    return ObjectKey(share.metadata.namespace, share.spec.instance_ref.name)


def _instance_unreadable(share: DittoFSShare, error: InvalidObject) -> Findings:
    fields = ", ".join(field for field, _ in error.problems)
    message = f'the operator can\'t read {fields} of DittoFS "{share.spec.instance_ref.name}": see its condition Ready'
    return without_instance(share, SharePhase.WAITING_FOR_INSTANCE, reason=INVALID_SPEC, message=message)


def _instance_missing(share: DittoFSShare, instance: DittoFS | None) -> Findings:
    name = share.spec.instance_ref.name
    if instance is None:
        message = f'there is no DittoFS "{name}" in this namespace: create it, or delete this share'
        return without_instance(share, SharePhase.PENDING, reason="InstanceNotFound", message=message)
    message = f'DittoFS "{name}" is being deleted'
    return without_instance(share, SharePhase.PENDING, reason="InstanceDeleting", message=message)
