"""What the backup reconciler reads through, and the indexes and mappers that its wiring needs."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass

from informers.event import Added, Event, Updated, states
from informers.mapper import BEYOND_STATUS, Mapper, map_function, own_key, when_changed
from informers.resource import ObjectKey, View
from reconcilers import names
from reconcilers.access import Cache
from reconcilers.api.backup import FINISHED
from reconcilers.api.dittofs import DittoFS
from reconcilers.hold import annotation
from reconcilers.share.declared import instance_name

#: Indexes that the informer of DittoFSBackups must have: see `BACKUP_INDEXERS`.
BY_INSTANCE = "instance"
BY_SCHEDULE = "schedule"


@dataclass(frozen=True, slots=True)
class BackupCaches:
    """The caches that the backup reconciler reads."""

    instances: Cache
    shares: Cache
    backups: Cache
    #: The Jobs with `names.MANAGED_SELECTOR`.
    jobs: Cache


def instance_key(backup: View) -> ObjectKey:
    """The key of the DittoFS that `backup` is about."""
    return ObjectKey(str(backup["metadata"].get("namespace") or ""), instance_name(backup))


def instance_of(backup: View, caches: BackupCaches) -> DittoFS | None:
    """The DittoFS of `backup`, None when there is none. Raises InvalidObject."""
    view = caches.instances.get(instance_key(backup))
    return None if view is None else DittoFS.from_view(view)


def _schedule_uid(backup: View) -> Iterable[str]:
    uid = (backup["metadata"].get("annotations") or {}).get(names.SCHEDULE_UID_ANNOTATION)
    return (str(uid),) if uid else ()


BACKUP_INDEXERS: Mapping[str, Callable[[View], Iterable[str]]] = {
    BY_INSTANCE: lambda backup: (str(instance_key(backup)),),
    BY_SCHEDULE: _schedule_uid,
}

#: From an event of a DittoFSBackup to itself, unless nothing but its status changed, which the reconciler wrote.
changed_backup: Mapper = when_changed(own_key, *BEYOND_STATUS)


def _schedule_of(backup: View) -> Iterable[ObjectKey]:
    name = (backup["metadata"].get("labels") or {}).get(names.SCHEDULE_LABEL)
    return (ObjectKey(str(backup["metadata"].get("namespace") or ""), str(name)),) if name else ()


#: From a DittoFSBackup to the schedule that made it, when it is made, ends or goes.
schedule_of_backup: Mapper = when_changed(map_function(_schedule_of), "status.phase", "metadata.deletionTimestamp")


def backups_behind(backups: Cache) -> Mapper:
    """From a DittoFSBackup that gave way (ended, was suspended, goes) to those that wait for the same instance."""

    def behind(event: Event) -> Iterable[ObjectKey]:
        if isinstance(event, Added):
            return ()
        view = states(event)[-1]
        waiting = _unfinished(backups, instance_key(view))
        return tuple(key for key in waiting if key != ObjectKey.of(view))

    return when_changed(behind, "status.phase", "metadata.generation", "metadata.deletionTimestamp")


def backups_of_instance(backups: Cache) -> Mapper:
    """From an event of a DittoFS to its unfinished backups, if it changed anything that they depend on."""

    def mapper(event: Event) -> Iterable[ObjectKey]:
        if isinstance(event, Updated) and _facts(event.old) == _facts(event.new):
            return ()
        return _unfinished(backups, ObjectKey.of(states(event)[-1]))

    return mapper


def backups_of_share(backups: Cache) -> Mapper:
    """From a DittoFSShare that comes, goes or is in another phase to the unfinished backups of its instance.

    They may wait for it, or for nobody to work on it any more.
    """

    def mapper(event: Event) -> Iterable[ObjectKey]:
        return _unfinished(backups, instance_key(states(event)[-1]))

    return when_changed(mapper, "metadata.deletionTimestamp", "status.phase")


def _unfinished(backups: Cache, instance: ObjectKey) -> tuple[ObjectKey, ...]:
    found = backups.by_index(BY_INSTANCE, str(instance))
    return tuple(ObjectKey.of(backup) for backup in found if (backup.get("status") or {}).get("phase") not in FINISHED)


def _facts(instance: View) -> tuple[object, ...]:
    metadata, status = instance["metadata"], instance.get("status") or {}
    return (
        metadata.get("uid"),
        metadata.get("generation"),
        bool(metadata.get("deletionTimestamp")),
        annotation(instance),
        status.get("apiReachable"),
        status.get("endpoints"),
        status.get("phase"),
        status.get("replicas"),
        # By their words a backup sees that its hold is respected.
        [
            (condition.get("reason"), condition.get("message"))
            for condition in status.get("conditions") or ()
            if condition.get("type") in ("StatefulSetReady", "Available")
        ],
    )
