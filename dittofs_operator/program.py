"""What `dittofs-operator run` is made of: informers, controllers, election and servers, wired to one manager."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from random import Random

import structlog
from prometheus_client import CollectorRegistry

from dittofs_operator.backup_metrics import BackupMetrics
from dittofs_operator.server_requests import CountedTransports
from dittofs_operator.settings import Settings, SettingsError
from informers.apply import Applier
from informers.client import Client
from informers.clock import SystemClock
from informers.configuration import ConnectionSettings
from informers.controller import Controller
from informers.election import LeaseElector, own_identity
from informers.events import EventRecorder
from informers.groups import Grouping
from informers.informer import SharedInformer
from informers.lease import ClientLeaseLock
from informers.leasewatch import LeaseWatch
from informers.manager import Manager
from informers.metrics import Metrics
from informers.passes import Reconciler
from informers.resource import ObjectKey, Resource, View
from reconcilers import names
from reconcilers.api import resources
from reconcilers.backup.caches import (
    BACKUP_INDEXERS,
    BackupCaches,
    backups_behind,
    backups_of_instance,
    backups_of_share,
    changed_backup,
    schedule_of_backup,
)
from reconcilers.backup.reconciler import BackupReconciler
from reconcilers.dittofs.caches import (
    DITTOFS_INDEXERS,
    DittoFSCaches,
    changed_instance,
    instance_of_child,
    instances_of_postgres_cluster,
    instances_of_same_bucket,
    instances_of_secret,
)
from reconcilers.dittofs.reconciler import DittoFSReconciler
from reconcilers.hold import held_by
from reconcilers.jobs import Jobs, owner_of_job, owner_of_job_pod
from reconcilers.server.credentials import CredentialsSource
from reconcilers.server.session import Sessions
from reconcilers.share.announcer import SharesAnnouncer
from reconcilers.share.caches import (
    SHARE_INDEXERS,
    ShareCaches,
    changed_share,
    instance_of_share,
    server_of_share,
    shares_held_by,
    shares_of_instance,
    shares_of_same_path,
)
from reconcilers.share.reconciler import ShareReconciler

#: The program's name: of its Lease, its log lines, the events it records and its requests.
PROGRAM = "dittofs-operator"

#: How long one reconcile may take: far more than its requests need when all is well, but an API server that swallows
#: each of them must not keep a worker for the sum of their timeouts.
RECONCILE_TIMEOUT_S = 300.0

#: Shares of one instance that are worked on at once: one hung server leaves the other workers to the others.
SHARES_PER_SERVER = 4

#: What a person does when the API server refuses a watch.
FORBIDDEN_ADVICE = f"{PROGRAM} check prints the roles that are missing"

Indexers = Mapping[str, Callable[[View], Iterable[str]]]


@dataclass(frozen=True, slots=True)
class OptionalStore:
    """What is known of a type that not every cluster has."""

    informer: SharedInformer

    @property
    def absent(self) -> bool:
        """Whether this cluster does not have the type now."""
        return self.informer.absent

    def get(self, key: ObjectKey) -> View | None:
        """The object named `key`, None when there is none."""
        return self.informer.store.get(key)

    def by_index(self, index: str, value: str) -> Iterable[View]:
        """The objects that `index` files under `value`."""
        return self.informer.store.by_index(index, value)


class Program:
    """The whole operator, ready to run once against the cluster of `connection`."""

    def __init__(self, settings: Settings, connection: ConnectionSettings) -> None:
        self._settings = settings
        self._connection = connection
        self._clock = SystemClock()
        self._random = Random()  # noqa: S311 - spreads retries in time, guards nothing
        self._logger = structlog.get_logger(PROGRAM)
        self._metrics = Metrics(CollectorRegistry())
        identity = own_identity()
        self._elector = self._lease_elector(identity) if settings.leader_elect else None
        self._client = self._new_client("", gate=self._elector)
        self._events = EventRecorder(
            self._client,
            component=PROGRAM,
            instance=identity,
            clock=self._clock,
            logger=self._logger,
            metrics=self._metrics,
        )
        try:
            self.manager = Manager(
                clock=self._clock,
                logger=self._logger,
                metrics=self._metrics,
                elector=self._elector,
                events=self._events,
                health_address=settings.health_address,
                metrics_address=settings.metrics_address,
                graceful_timeout_s=settings.graceful_timeout,
            )
        except (OSError, ValueError) as error:
            raise SettingsError(f"--health-address or --metrics-address can't be served: {error}") from error
        counted = CountedTransports(self._metrics.registry)
        self._sessions = Sessions(clock=self._clock, gate=self._elector, transport_factory=counted)
        self._wire()

    def run(self, stop: threading.Event) -> None:
        """Work until `stop` is set; raises what made it fail."""
        try:
            self.manager.run(stop)
        finally:
            self._sessions.close()
            self._client.close()

    def _wire(self) -> None:
        instances = self._informer(resources.DITTOFS, indexers=DITTOFS_INDEXERS)
        shares = self._informer(resources.DITTOFS_SHARE, indexers=SHARE_INDEXERS)
        backups = self._informer(resources.DITTOFS_BACKUP, indexers=BACKUP_INDEXERS)
        # Users name Secrets of their own: of all of them, but of each no more than its metadata.
        secrets = self._informer(resources.SECRET, metadata_only=True)
        config_maps, accounts, claims, stateful_sets, services, policies, pods = (
            self._informer(resource, label_selector=names.MANAGED_SELECTOR)
            for resource in (
                resources.CONFIG_MAP,
                resources.SERVICE_ACCOUNT,
                resources.PERSISTENT_VOLUME_CLAIM,
                resources.STATEFUL_SET,
                resources.SERVICE,
                resources.NETWORK_POLICY,
                resources.POD,
            )
        )
        jobs = self._informer(resources.JOB, label_selector=names.MANAGED_SELECTOR)
        postgres_clusters = self._informer(resources.POSTGRES_CLUSTER, optional=True)
        service_monitors = self._informer(
            resources.SERVICE_MONITOR, label_selector=names.MANAGED_SELECTOR, optional=True
        )
        credentials = CredentialsSource(self._client, secrets.store)
        poll_interval_s = self._settings.poll_interval

        dittofs_reconciler = DittoFSReconciler(
            caches=DittoFSCaches(
                dittofs=instances.store,
                shares=shares.store,
                backups=backups.store,
                config_maps=config_maps.store,
                secrets=secrets.store,
                service_accounts=accounts.store,
                claims=claims.store,
                stateful_sets=stateful_sets.store,
                services=services.store,
                network_policies=policies.store,
                pods=pods.store,
                postgres_clusters=OptionalStore(postgres_clusters),
                service_monitors=OptionalStore(service_monitors),
            ),
            client=self._client,
            applier=Applier(self._client, names.FIELD_MANAGER, clock=self._clock),
            recorder=self._events,
            sessions=self._sessions,
            credentials=credentials,
            clock=self._clock,
            operator_namespace=self._settings.namespace or self._connection.namespace,
            poll_interval_s=poll_interval_s,
            deep_poll_interval_s=self._settings.deep_poll_interval,
        )
        dittofs = self._controller("dittofs", dittofs_reconciler, workers=self._settings.dittofs_workers)
        dittofs.watch(instances, changed_instance)
        dittofs.watch(instances, instances_of_same_bucket(instances.store))
        dittofs.watch(backups, held_by(instances.store))
        dittofs.watch(secrets, instances_of_secret(instances.store))
        dittofs.watch(postgres_clusters, instances_of_postgres_cluster(instances.store))
        for children in (config_maps, accounts, claims, stateful_sets, services, policies, pods, service_monitors):
            dittofs.watch(children, instance_of_child)

        share_caches = ShareCaches(instances=instances.store, shares=shares.store, backups=backups.store)
        share_reconciler = ShareReconciler(
            caches=share_caches,
            client=self._client,
            recorder=self._events,
            sessions=self._sessions,
            credentials=credentials,
            clock=self._clock,
            poll_interval_s=poll_interval_s,
            deep_poll_interval_s=self._settings.deep_poll_interval,
            jobs=Jobs(jobs=jobs.store, client=self._client),
            image=self._settings.image or "",
        )
        share = self._controller(
            "dittofsshare",
            share_reconciler,
            workers=self._settings.share_workers,
            grouping=Grouping(of=server_of_share(shares.store), limit=SHARES_PER_SERVER),
        )
        share.watch(shares, changed_share)
        share.watch(shares, shares_of_same_path(shares.store))
        share.watch(instances, shares_of_instance(shares.store))
        share.watch(jobs, owner_of_job(resources.DITTOFS_SHARE))
        share.watch(pods, owner_of_job_pod(resources.DITTOFS_SHARE, jobs.store))
        share.watch(backups, shares_held_by(instances.store, shares.store))

        backup_reconciler = BackupReconciler(
            caches=BackupCaches(instances=instances.store, shares=shares.store, backups=backups.store, jobs=jobs.store),
            client=self._client,
            recorder=self._events,
            sessions=self._sessions,
            credentials=credentials,
            clock=self._clock,
            image=self._settings.image or "",
            failed=BackupMetrics(self._metrics.registry, backups.store.known).failed,
        )
        backup = self._controller("dittofsbackup", backup_reconciler, workers=self._settings.backup_workers)
        backup.watch(backups, changed_backup)
        backup.watch(backups, backups_behind(backups.store))
        backup.watch(backups, schedule_of_backup)
        backup.watch(instances, backups_of_instance(backups.store))
        backup.watch(shares, backups_of_share(backups.store))
        backup.watch(jobs, owner_of_job(resources.DITTOFS_BACKUP))
        backup.watch(pods, owner_of_job_pod(resources.DITTOFS_BACKUP, jobs.store))

        announcer = self._controller(
            "sharesannouncer", SharesAnnouncer(caches=share_caches, client=self._client, clock=self._clock)
        )
        announcer.watch(shares, instance_of_share)
        announcer.watch(instances, changed_instance)

    def _informer(
        self,
        resource: Resource,
        *,
        label_selector: str = "",
        metadata_only: bool = False,
        optional: bool = False,
        indexers: Indexers | None = None,
    ) -> SharedInformer:
        informer = SharedInformer(
            self._client,
            resource,
            namespaces=self._settings.namespaces,
            label_selector=label_selector,
            metadata_only=metadata_only,
            optional=optional,
            field_manager=names.FIELD_MANAGER,
            indexers=indexers,
            clock=self._clock,
            random=self._random,
            logger=self._logger,
            metrics=self._metrics.informer(resource),
            forbidden_advice=FORBIDDEN_ADVICE,
        )
        self.manager.add_informer(informer)
        return informer

    def _controller(
        self, name: str, reconciler: Reconciler, *, workers: int = 1, grouping: Grouping[ObjectKey] | None = None
    ) -> Controller:
        controller = Controller(
            name=name,
            reconciler=reconciler,
            workers=workers,
            grouping=grouping,
            timeout_s=RECONCILE_TIMEOUT_S,
            clock=self._clock,
            metrics=self._metrics,
            logger=self._logger,
        )
        self.manager.add_controller(controller)
        return controller

    def _lease_elector(self, identity: str) -> LeaseElector:
        durations = self._settings.lease_durations
        # A connection of its own, and calls that end well before the deadline: slow work must not cost the lease.
        client = self._new_client("-leader-election", timeout_s=max(1.0, durations.renew_deadline_s / 2))
        key = ObjectKey(self._settings.namespace or self._connection.namespace, PROGRAM)
        return LeaseElector(
            lock=ClientLeaseLock(client, key, field_manager=names.FIELD_MANAGER),
            identity=identity,
            clock=self._clock,
            random=self._random,
            logger=self._logger,
            durations=durations,
            metrics=self._metrics.lease(PROGRAM),
            hints=LeaseWatch(
                client,
                key,
                clock=self._clock,
                random=self._random,
                logger=self._logger,
                silence_s=durations.lease_s,
            ),
        )

    def _new_client(self, suffix: str, *, gate: LeaseElector | None = None, timeout_s: float = 30.0) -> Client:
        return Client(
            self._connection.configuration,
            user_agent=f"{PROGRAM}{suffix}",
            timeout_s=timeout_s,
            gate=gate,
            metrics=self._metrics,
            clock=self._clock,
        )
