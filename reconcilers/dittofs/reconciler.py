"""Makes one DittoFS what its specification says: children in the cluster, settings in the server, a status that tells.

A steady pass reads caches only, asks the server how it is, and writes nothing.
"""

from __future__ import annotations

import threading
from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

import structlog

from informers.clock import Clock
from informers.finalizer import Finalizer
from informers.resource import ObjectKey, View
from informers.result import Backoff, Done, RequeueAfter, Result
from informers.view import freeze
from reconcilers import names
from reconcilers.access import ApiClient, Applier, Recorder
from reconcilers.api.common import InvalidObject
from reconcilers.api.dittofs import DittoFS
from reconcilers.api.dittofs_status import DittoFSCondition, DittoFSPhase
from reconcilers.api.resources import DITTOFS, SERVICE
from reconcilers.builders.children import wanted_children
from reconcilers.builders.inputs import BuildFacts
from reconcilers.builders.services import adapter_parts
from reconcilers.dittofs.accounts import Accounts
from reconcilers.dittofs.adapter_settings import AdapterSettings
from reconcilers.dittofs.admin_login import AdminLogin
from reconcilers.dittofs.caches import DittoFSCaches
from reconcilers.dittofs.children import Children, cached_child, cached_pod, child_key
from reconcilers.dittofs.deep_poll import DeepPoll
from reconcilers.dittofs.deletion import leaving_instance, settle_keepsakes
from reconcilers.dittofs.facts import ServerFacts
from reconcilers.dittofs.holds import Holds, as_held
from reconcilers.dittofs.observe import addresses, adopted_stores, endpoint, shares_awaiting_restart
from reconcilers.dittofs.preparation import Preparation, Prepared
from reconcilers.dittofs.purging import Purging
from reconcilers.dittofs.remote_stores import RemoteStores
from reconcilers.dittofs.report import Report
from reconcilers.dittofs.reporter import Reporter, Subject
from reconcilers.dittofs.restarts import Restarts
from reconcilers.dittofs.secret_keeper import SecretKeeper
from reconcilers.dittofs.secret_reader import SecretReader
from reconcilers.dittofs.server_settings import ServerSettings
from reconcilers.dittofs.status import Assessment
from reconcilers.hold import HELD
from reconcilers.purge import PurgeLists
from reconcilers.server.address import base_url
from reconcilers.server.credentials import CredentialsSource
from reconcilers.server.session import Sessions
from reconcilers.share.caches import BY_INSTANCE, instance_index_value
from reconcilers.share.declared import declared_shares

POLL_INTERVAL_S = 30.0
DEEP_POLL_INTERVAL_S = 300.0
#: How soon to look again at a server whose pod is ready but that does not serve yet; it grows up to the poll interval.
FIRST_LOOK_S = 1.0
LOOK_GROWTH = 1.5
#: How soon to look again for what has to go before ours can come, and after a write that came too late.
LEAVING_S = 2.0
STALE_S = 1.0
#: How soon at the earliest to look whether a hold has ended: the clock of a requeue may be a little ahead.
SOONEST_S = 0.1

_log = structlog.get_logger(__name__)


class DittoFSReconciler:
    """Reconciles DittoFS objects.

    `poll_interval_s`: how often a server is asked how it is, `deep_poll_interval_s`: about accounts and settings;
    `operator_namespace`: where the operator runs, empty when that is outside of the cluster.
    """

    def __init__(
        self,
        *,
        caches: DittoFSCaches,
        client: ApiClient,
        applier: Applier,
        recorder: Recorder,
        sessions: Sessions,
        credentials: CredentialsSource,
        clock: Clock,
        operator_namespace: str = "",
        poll_interval_s: float = POLL_INTERVAL_S,
        deep_poll_interval_s: float = DEEP_POLL_INTERVAL_S,
    ) -> None:
        self._caches = caches
        self._client = client
        self._finalizer = Finalizer(names.FINALIZER, DITTOFS, client, field_manager=names.FIELD_MANAGER)
        self._recorder = recorder
        self._operator_namespace = operator_namespace
        self._poll_interval_s = poll_interval_s
        self._children = Children(caches=caches, client=client, applier=applier, clock=clock)
        reader = SecretReader(client=client, secrets=caches.secrets)
        keeper = SecretKeeper(client=client, secrets=caches.secrets, reader=reader)
        self._preparation = Preparation(caches=caches, client=client, keeper=keeper, reader=reader)
        self._login = AdminLogin(client=client, sessions=sessions, credentials=credentials, keeper=keeper)
        self._server = ServerSettings(
            login=self._login,
            remote_stores=RemoteStores(objects=client),
            accounts=Accounts(reader=reader, poll=DeepPoll(clock=clock, interval_s=deep_poll_interval_s)),
            adapter_settings=AdapterSettings(poll=DeepPoll(clock=clock, interval_s=deep_poll_interval_s)),
            restarts=Restarts(clock=clock),
        )
        self._purging = Purging(claims=caches.claims, lists=PurgeLists(client=client, clock=clock))
        self._reporter = Reporter(caches=caches, client=client, recorder=recorder, clock=clock)
        self._holds = Holds(backups=caches.backups, recorder=recorder, clock=clock)
        self._lock = threading.Lock()
        self._uids: dict[ObjectKey, str] = {}
        self._unsettled_looks: dict[ObjectKey, int] = {}
        #: By uid, the start of the last process that has to end.
        self._outdated: dict[str, str] = {}

    def reconcile(self, key: ObjectKey) -> Result:
        """One pass over the DittoFS named `key`."""
        view = self._caches.dittofs.get(key)
        if view is None:
            self._forget(key)
            return Done()
        try:
            instance = DittoFS.from_view(view)
        except InvalidObject as error:
            if not view["metadata"].get("deletionTimestamp"):
                return self._reporter.unreadable.tell(view, error)
            instance = leaving_instance(view)
        self._know(key, instance.metadata.uid)
        if instance.deleting:
            return self._finalize(view, instance)
        first = False
        if not instance.spec.suspend and not self._finalizer.is_on(view):
            marked = self._finalizer.add(view)
            if marked is None:
                return RequeueAfter(STALE_S)
            view, first = freeze(marked), True
        return self._pass(self._subject(view, instance), first=first)

    def _pass(self, subject: Subject, *, first: bool) -> Result:
        instance, report, server = subject.instance, Report(), None
        if instance.spec.suspend:
            prepared = self._preparation.look(instance, report)
        else:
            remembered = self._login.remembered_password(instance)
            with self._lock:
                restarted = self._outdated.get(instance.metadata.uid, "")
            prepared = self._preparation.prepare(instance, report, remembered=remembered, restarted=restarted)
            if prepared.rolls and prepared.remote is not None:
                # The rows first: the pod that comes takes up what they say when it starts.
                server = self._ask_server(subject, self._endpoints(instance, report), prepared, report)
            purge = self._purging.settle(instance, cached_pod(self._caches, instance), report)
            facts = BuildFacts(
                config_file=prepared.config_file,
                shares=subject.declared,
                addresses=MappingProxyType(addresses(subject.shares)),
                adopted=MappingProxyType(adopted_stores(subject.shares)),
                purge=purge,
                claims=MappingProxyType(self._children.observed_claims(instance)),
                service_monitors=not self._caches.service_monitors.absent,
                operator_namespace=self._operator_namespace,
                pod=None if report.rows_left else prepared.pod,
            )
            for child in wanted_children(instance, facts):
                self._children.apply(instance, child, report, first=first)
            self._children.remove_unwanted(instance, report)
        endpoints = self._endpoints(instance, report)
        if server is None:
            server = self._ask_server(subject, endpoints, prepared, report)
            if report.outdated_process:
                with self._lock:
                    self._outdated[instance.metadata.uid] = report.outdated_process
        assessment = self._reporter.tell(subject, report, server, endpoints, prepared)
        return self._result(subject, assessment, report)

    def _endpoints(self, instance: DittoFS, report: Report) -> dict[str, dict[str, Any]]:
        endpoints = {}
        for part in adapter_parts(instance):
            view = cached_child(self._caches, report, SERVICE, child_key(instance, part.service_name))
            if part.enabled and view is not None:
                endpoints[part.port_name.value] = endpoint(part, view)
        return endpoints

    def _ask_server(
        self, subject: Subject, endpoints: Mapping[str, Mapping[str, Any]], prepared: Prepared, report: Report
    ) -> ServerFacts:
        instance = subject.instance
        pod = cached_pod(self._caches, instance)
        api = endpoints.get(names.PortName.API, {})
        url = base_url(
            str(api.get("clusterIP") or ""),
            int(api.get("port") or 0),
            tls=bool(instance.spec.adapters.api.tls.secret_name),
        )
        if instance.spec.replicas == 0 or pod is None or not pod.ready or pod.deleting or not url:
            return ServerFacts()
        with report.step("server"):
            return self._server.look(
                instance,
                url,
                start=pod.start,
                change_password=prepared.admin.change_wanted,
                remote=prepared.remote,
                change=not instance.spec.suspend,
                adapters_off=subject.hold is not None,
                unloaded=shares_awaiting_restart(subject.shares),
                report=report,
            )
        return ServerFacts()

    def _result(self, subject: Subject, assessment: Assessment, report: Report) -> Result:
        instance, hold = subject.instance, subject.hold
        if report.failures:
            # The server is looked at as often as ever: a child that stays refused must not hide how it is.
            return Backoff("; ".join(report.failures), at_most_s=self._poll_interval_s)
        if report.stale:
            _log.info("somebody else wrote first", what=report.stale)
            return RequeueAfter(STALE_S)
        if report.rows_left or report.outdated_process:
            return RequeueAfter(STALE_S)
        if report.leaving:
            return RequeueAfter(LEAVING_S)
        if assessment.phase is DittoFSPhase.STOPPED and not report.conflicts:
            return Done()
        pod_ready = assessment[DittoFSCondition.STATEFUL_SET_READY].holds and instance.spec.replicas > 0
        serves = assessment[DittoFSCondition.AVAILABLE].holds or assessment[DittoFSCondition.AVAILABLE].reason == HELD
        wait_s = self._look_again_s(instance.key, unsettled=pod_ready and not serves)
        return RequeueAfter(wait_s if hold is None else min(wait_s, max(self._holds.left_s(hold), SOONEST_S)))

    def _look_again_s(self, key: ObjectKey, *, unsettled: bool) -> float:
        with self._lock:
            looks = self._unsettled_looks.pop(key, 0)
            if not unsettled:
                return self._poll_interval_s
            self._unsettled_looks[key] = looks + 1
        # The exponent is bounded: a float overflows after some 1750 looks.
        return min(self._poll_interval_s, FIRST_LOOK_S * LOOK_GROWTH ** min(looks, 64))

    def _finalize(self, view: View, instance: DittoFS) -> Result:
        if not self._finalizer.is_on(view):
            return Done()
        report = Report()
        kept = settle_keepsakes(instance, self._client, report)
        if report.failures or report.stale:
            prepared = self._preparation.look(instance, report)
            self._reporter.tell(self._subject(view, instance), report, ServerFacts(), {}, prepared)
            return Backoff("; ".join([*report.failures, *report.stale]), at_most_s=self._poll_interval_s)
        if not self._finalizer.drop(view):
            return RequeueAfter(STALE_S)
        if kept:
            self._recorder.normal(view, "ClaimsKept", f"kept for a new DittoFS of this name: {', '.join(kept)}")
        self._recorder.normal(view, "Deleted", "the children go with it")
        return Done()

    def _subject(self, view: View, instance: DittoFS) -> Subject:
        shares = tuple(self._caches.shares.by_index(BY_INSTANCE, instance_index_value(instance.key)))
        hold = self._holds.look(view, instance)
        return Subject(view, as_held(instance, hold), shares, declared_shares(shares), hold)

    def _know(self, key: ObjectKey, uid: str) -> None:
        with self._lock:
            before, self._uids[key] = self._uids.get(key), uid
        if before is not None and before != uid:
            self._drop(key, before)

    def _forget(self, key: ObjectKey) -> None:
        with self._lock:
            uid = self._uids.pop(key, None)
        if uid is not None:
            self._drop(key, uid)

    def _drop(self, key: ObjectKey, uid: str) -> None:
        self._children.forget(uid)
        self._server.forget(key, uid)
        self._reporter.forget(key)
        self._purging.forget(uid)
        self._holds.forget(uid)
        with self._lock:
            self._outdated.pop(uid, None)
            self._unsettled_looks.pop(key, None)
