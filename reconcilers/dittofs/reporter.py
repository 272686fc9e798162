"""The end of a pass: what it observed becomes the status, and what is new about that becomes events."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from informers.clock import Clock
from informers.errors import Conflict, NotFound
from informers.resource import ObjectKey, Resource, View
from reconcilers import names
from reconcilers.access import ApiClient, Recorder
from reconcilers.api.dittofs import DittoFS
from reconcilers.api.dittofs_status import DittoFSCondition, DittoFSPhase
from reconcilers.api.resources import CONFIG_MAP, DITTOFS, PERSISTENT_VOLUME_CLAIM, SERVICE, STATEFUL_SET
from reconcilers.api.storage import MetadataType
from reconcilers.builders.claims import claimed
from reconcilers.builders.services import adapter_parts
from reconcilers.builders.shares_file import is_truncated
from reconcilers.conditions import to_status
from reconcilers.dittofs.announce import Announcement, deeds, news
from reconcilers.dittofs.awaited import Awaited, awaited
from reconcilers.dittofs.bucket import BucketFacts, bucket_facts
from reconcilers.dittofs.caches import BY_BUCKET, DittoFSCaches, bucket
from reconcilers.dittofs.children import cached_child, cached_pod, child_key
from reconcilers.dittofs.facts import DatabaseFacts, ServerFacts, stateful_set_facts
from reconcilers.dittofs.last_words import as_the_server_found_it
from reconcilers.dittofs.observe import running_version, unloaded_shares
from reconcilers.dittofs.observed import Observed
from reconcilers.dittofs.preparation import Prepared
from reconcilers.dittofs.report import Report
from reconcilers.dittofs.status import Assessment, api_reachable, assess
from reconcilers.hold import Hold
from reconcilers.remote_store import location
from reconcilers.share.declared import DeclaredShare
from reconcilers.status_writer import StatusWriter
from reconcilers.unreadable import Unreadable


@dataclass(frozen=True, slots=True)
class Subject:
    """The object of one pass: as it was read, as our model of it, and what belongs to it."""

    view: View
    instance: DittoFS
    shares: tuple[View, ...]
    declared: tuple[DeclaredShare, ...]
    #: The hold of a backup that keeps the server stopped or without clients.
    hold: Hold | None = None


class Reporter:
    """Tells of passes, in the status of their objects and by events."""

    def __init__(self, *, caches: DittoFSCaches, client: ApiClient, recorder: Recorder, clock: Clock) -> None:
        self._caches = caches
        self._recorder = recorder
        self._clock = clock
        self._status = StatusWriter(client=client, resource=DITTOFS, conditions=frozenset(DittoFSCondition))
        self.unreadable = Unreadable(
            status=self._status,
            recorder=recorder,
            clock=clock,
            conditions=DittoFSCondition,
            failing=frozenset((DittoFSCondition.READY, DittoFSCondition.CONFIG_READY)),
            phase=DittoFSPhase.FAILED,
        )

    def tell(
        self,
        subject: Subject,
        report: Report,
        server: ServerFacts,
        endpoints: Mapping[str, Mapping[str, Any]],
        prepared: Prepared,
    ) -> Assessment:
        """Write the status, then tell people: an event is given once the status that it explains stands."""
        instance, before = subject.instance, self._status.last(subject.view)
        observed = self._observe(subject, report, server, prepared.database)
        assessment = assess(observed)
        nfs = endpoints.get(names.PortName.NFS)
        nfs_address = f"{nfs['host']}:{nfs['port']}" if nfs else ""
        stopped = assessment.phase in (DittoFSPhase.STOPPED, DittoFSPhase.MAINTENANCE) and observed.replicas == 0
        version = running_version(observed.pod) or ("" if stopped else str(before.get("version") or ""))
        generation = instance.metadata.generation
        status = {
            "observedGeneration": generation,
            "ready": assessment.ready,
            "phase": assessment.phase.value,
            "apiReachable": api_reachable(observed),
            "endpoint": nfs_address,
            "endpoints": endpoints,
            "database": instance.spec.database.kind,
            "version": version,
            "payloadLocation": location(instance),
            "cacheLost": observed.bucket is not None and observed.bucket.is_cache_lost,
            "configHash": prepared.in_force.config_hash if prepared.in_force else "",
            "shares": len(subject.declared),
            "replicas": observed.stateful_set.existing if observed.stateful_set else 0,
            "conditions": to_status(
                assessment.conditions,
                previous=before.get("conditions") or (),
                observed_generation=generation,
                now=self._clock.now(),
            ),
        }
        self._announce(subject.view, deeds(report))
        try:
            self._status.write(subject.view, status)
        except NotFound:
            return assessment  # Deleted meanwhile: nobody is left to read it.
        except Conflict as error:
            report.stale.append(f"status: {error.message}")
            return assessment
        self._announce(subject.view, news(before, assessment, endpoint=nfs_address))
        return assessment

    def forget(self, key: ObjectKey) -> None:
        """Drop what was remembered of an object that is gone."""
        self._status.forget(key)

    def _observe(self, subject: Subject, report: Report, server: ServerFacts, database: DatabaseFacts) -> Observed:
        instance, before = subject.instance, self._status.last(subject.view)
        key = child_key(instance, names.stateful_set(instance.metadata.name))
        pod, awaited = cached_pod(self._caches, instance), self._awaited(instance, report)
        ran = before.get("phase") in (DittoFSPhase.RUNNING, DittoFSPhase.DEGRADED) or bool(before.get("version"))
        return Observed(
            replicas=instance.spec.replicas,
            deleting=instance.deleting,
            suspended=instance.spec.suspend,
            hold=subject.hold,
            was_running=ran,
            config_problem=report.config_problem,
            setting_problems=tuple(report.setting_problems),
            account_problems=tuple(report.account_problems),
            unknown_settings=tuple(report.unknown_settings),
            conflicts=tuple(report.conflicts),
            contested=tuple(report.contested),
            leftovers=tuple(report.leaving),
            failures=tuple(report.failures),
            under_way=tuple(matter for matter in (server.under_way, awaited.growth, awaited.address) if matter),
            not_given=tuple(matter for matter in (awaited.size, awaited.overdue) if matter),
            stateful_set=stateful_set_facts(cached_child(self._caches, report, STATEFUL_SET, key)),
            pod=pod,
            server=server,
            database=as_the_server_found_it(database, pod),
            declared_shares=len(subject.declared),
            missing_shares=unloaded_shares(subject.shares),
            badger_cache_mb=_badger_cache_mb(instance),
            bucket_problem=report.bucket_problem,
            bucket=self._bucket(subject, report),
            shares_file_truncated=is_truncated(self._shares_file(instance, report)),
        )

    def _awaited(self, instance: DittoFS, report: Report) -> Awaited:
        claims = (name for name, _ in claimed(instance))
        services = (part.service_name for part in adapter_parts(instance) if part.enabled)
        return awaited(
            claims=self._children(instance, report, PERSISTENT_VOLUME_CLAIM, claims),
            services=self._children(instance, report, SERVICE, services),
            refused=report.storage_problems,
            now=self._clock.now(),
        )

    def _children(self, instance: DittoFS, report: Report, resource: Resource, names: Iterable[str]) -> list[View]:
        views = (cached_child(self._caches, report, resource, child_key(instance, name)) for name in names)
        return [view for view in views if view is not None]

    def _bucket(self, subject: Subject, report: Report) -> BucketFacts | None:
        instance = subject.instance
        key = child_key(instance, names.cache_claim(instance.metadata.name))
        claim = cached_child(self._caches, report, PERSISTENT_VOLUME_CLAIM, key)
        values = bucket(subject.view)
        others = (other for value in values for other in self._caches.dittofs.by_index(BY_BUCKET, value))
        return bucket_facts(instance, claim, others, subject.declared, subject.shares)

    def _shares_file(self, instance: DittoFS, report: Report) -> str:
        key = child_key(instance, names.config_map(instance.metadata.name))
        view = cached_child(self._caches, report, CONFIG_MAP, key) or {}
        return str((view.get("data") or {}).get(names.SHARES_KEY) or "")

    def _announce(self, view: View, announcements: Iterable[Announcement]) -> None:
        for announcement in announcements:
            tell = self._recorder.warning if announcement.warning else self._recorder.normal
            tell(view, announcement.reason, announcement.note)


def _badger_cache_mb(instance: DittoFS) -> int:
    metadata = instance.spec.metadata
    is_badger = metadata.type is MetadataType.BADGER
    return metadata.badger.block_cache_mb + metadata.badger.index_cache_mb if is_badger else 0
