"""Makes the backups of a schedule when they are due, each under the name of its slot, and removes old ones.

A name is made once whatever restarts, since the API server takes it once.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import datetime
from typing import Any

from informers.clock import Clock
from informers.errors import AlreadyExists, Conflict, Forbidden, Invalid, NotFound
from informers.resource import Manifest, ObjectKey, View
from informers.result import Backoff, RequeueAfter, Result, Terminal
from informers.view import thaw
from reconcilers import names
from reconcilers.access import ApiClient, Recorder
from reconcilers.api.backup import BackupPhase, DittoFSBackup
from reconcilers.api.common import InvalidObject
from reconcilers.api.resources import DITTOFS_BACKUP
from reconcilers.backup import schedule_status as status
from reconcilers.backup.caches import BY_SCHEDULE, BackupCaches, instance_of
from reconcilers.backup.plan import Obstacle, usable
from reconcilers.backup.retention import superfluous
from reconcilers.backup.schedule import Schedule, ScheduleError, due
from reconcilers.backup.schedule_status import TIME, ScheduleFacts, ScheduleFindings
from reconcilers.backup.subject import Subject

#: How often to look at least: the clock on the wall may jump, and kept backups get too old.
LOOK_EVERY_S = 600.0

#: What of a schedule's specification is about itself, and not about its backups.
_OWN_FIELDS = frozenset({"schedule", "timeZone", "retention", "suspend"})


class Schedules:
    """Looks after DittoFSBackups that have a schedule."""

    def __init__(
        self,
        *,
        caches: BackupCaches,
        client: ApiClient,
        recorder: Recorder,
        clock: Clock,
        write: Callable[[View, dict[str, Any]], bool],
    ) -> None:
        self._caches = caches
        self._client = client
        self._recorder = recorder
        self._clock = clock
        self._write = write

    def step(self, subject: Subject) -> Result:
        """One pass over a schedule. Raises an `ApiError` of the write of its status."""
        children = tuple(self._caches.backups.by_index(BY_SCHEDULE, subject.backup.metadata.uid))
        facts = ScheduleFacts.of(subject.backup, children)
        obstacle = self._obstacle(subject)
        if obstacle is not None:
            findings = status.out_of_force(obstacle.phase, obstacle.reason, obstacle.message, facts)
            return self._report(subject, findings, RequeueAfter(LOOK_EVERY_S))
        spec = subject.backup.spec
        now = self._clock.now()
        try:
            schedule = Schedule.parse(spec.schedule, spec.time_zone)
            what = due(schedule, _moment(facts.next_time), changed=_changed(subject.backup), now=now)
        except ScheduleError as error:
            findings = status.out_of_force(BackupPhase.PENDING, error.reason, str(error), facts)
            return self._report(subject, findings, Terminal(error.reason))
        slot = what.slot
        if slot is not None and _is_made(subject, slot, children):
            facts, slot = _made(subject, slot, facts), None
        # While one of its backups is under way, what is due stays due; then one is made, for the newest slot.
        held = slot is not None and bool(facts.running)
        planned = replace(facts, next_time=facts.next_time if slot else what.next.strftime(TIME))
        try:
            self._prune(subject, children)
            made = planned if held or slot is None else self._make(subject, slot, planned)
        except (Forbidden, Invalid) as error:
            if error.namespace_is_terminating:
                return RequeueAfter(LOOK_EVERY_S)
            message = f"a backup could not be made or removed: {error}"
            findings = ScheduleFindings(BackupPhase.PENDING, "NotPermitted", message, planned)
            return self._report(subject, findings, Backoff("NotPermitted", at_most_s=LOOK_EVERY_S))
        following = made if held else replace(made, next_time=what.next.strftime(TIME))
        wait_s = min(max((what.next - now).total_seconds(), 0.0), LOOK_EVERY_S)
        return self._report(subject, status.in_force(following, held=held), RequeueAfter(wait_s))

    def _obstacle(self, subject: Subject) -> Obstacle | None:
        backup = subject.backup
        if backup.spec.suspend:
            return Obstacle(BackupPhase.SUSPENDED, "Suspended", "spec.suspend is true")
        try:
            found = usable(backup, instance_of(subject.view, self._caches))
        except InvalidObject:
            return None  # each of its backups waits for what hinders, and says so
        if not isinstance(found, Obstacle) or found.reason == "ApiNotReachable":
            return None
        suspended = found.reason == "InstanceSuspended"
        return replace(found, phase=BackupPhase.SUSPENDED if suspended else BackupPhase.PENDING)

    def _make(self, subject: Subject, slot: datetime, facts: ScheduleFacts) -> ScheduleFacts:
        """Make the backup of `slot`. Raises an `ApiError`."""
        made = _made(subject, slot, facts)
        try:
            self._client.create(
                DITTOFS_BACKUP, _child(subject.view, made.last_backup), field_manager=names.FIELD_MANAGER
            )
        except AlreadyExists:
            return made  # not in the cache yet, or of a former schedule of this name
        note = f'made DittoFSBackup "{made.last_backup}" for {made.last_time}'
        self._recorder.normal(subject.view, "BackupScheduled", note)
        if facts.next_time != made.last_time:
            note = f"nothing was made for {facts.next_time} and what else was due before {made.last_time}"
            self._recorder.warning(subject.view, "SlotsMissed", note)
        return replace(made, running=made.last_backup)

    def _prune(self, subject: Subject, children: tuple[View, ...]) -> None:
        for child in superfluous(children, subject.backup.spec.retention, now=self._clock.now()):
            key = ObjectKey.of(child)
            try:
                self._client.delete(DITTOFS_BACKUP, key, uid=child["metadata"]["uid"])
            except (NotFound, Conflict):
                continue  # gone, or another object by now
            self._recorder.normal(subject.view, "RetentionPruned", f'deleted DittoFSBackup "{key.name}"')

    def _report(self, subject: Subject, findings: ScheduleFindings, result: Result) -> Result:
        wanted = status.wanted_schedule_status(subject.backup, findings, now=self._clock.now())
        told = next((condition for condition in subject.backup.status.conditions if condition.type == "Ready"), None)
        if findings.phase is BackupPhase.PENDING and (told is None or told.message != findings.message):
            self._recorder.warning(subject.view, findings.reason, findings.message)
        self._write(subject.view, wanted)
        return result


def _is_made(subject: Subject, slot: datetime, children: tuple[View, ...]) -> bool:
    """Whether a pass that died before it wrote its status made the backup of `slot`."""
    name = names.scheduled_backup(subject.backup.metadata.name, slot)
    return any(child["metadata"]["name"] == name for child in children)


def _made(subject: Subject, slot: datetime, facts: ScheduleFacts) -> ScheduleFacts:
    name = names.scheduled_backup(subject.backup.metadata.name, slot)
    return replace(facts, last_time=slot.strftime(TIME), last_backup=name)


def _child(schedule: View, name: str) -> Manifest:
    metadata = schedule["metadata"]
    spec: dict[str, Any] = thaw(schedule["spec"])
    return {
        "apiVersion": DITTOFS_BACKUP.api_version,
        "kind": DITTOFS_BACKUP.kind,
        "metadata": {
            "name": name,
            "namespace": metadata["namespace"],
            "labels": {names.SCHEDULE_LABEL: metadata["name"], names.INSTANCE_LABEL: spec["instanceRef"]["name"]},
            # No owner: deleting a schedule must not take the backups with it.
            "annotations": {names.SCHEDULE_UID_ANNOTATION: metadata["uid"]},
        },
        "spec": {field: value for field, value in spec.items() if field not in _OWN_FIELDS},
    }


def _moment(time: str) -> datetime | None:
    return datetime.fromisoformat(time) if time else None


def _changed(backup: DittoFSBackup) -> bool:
    return backup.status.observed_generation != backup.metadata.generation
