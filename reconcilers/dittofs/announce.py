"""Which events a pass gives: what it did, and what its status says that the one before did not. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from reconcilers.api.dittofs_status import DittoFSCondition, DittoFSPhase
from reconcilers.conditions import Condition
from reconcilers.dittofs.report import Report
from reconcilers.dittofs.status import Assessment


@dataclass(frozen=True, slots=True)
class Announcement:
    """One event."""

    reason: str
    note: str
    warning: bool = False


def deeds(report: Report) -> Iterator[Announcement]:
    """What the pass did: one event for each kind of deed, however many objects it was done to."""
    yield from _listed("Created", "created ", report.created)
    yield from _listed("ClaimAdopted", "took over what an earlier DittoFS of this name left: ", report.adopted)
    yield from _listed("Updated", "updated ", report.updated)
    yield from _listed("Removed", "removed ", report.removed)
    yield from _listed("ServerConfigured", "set on the server: ", report.server_changes)
    yield from _listed("FilesPurged", "removed the files of deleted shares: ", report.purged)
    for reason, start, things in (
        ("RestartedForShares", "started the server again, since it had not loaded: ", report.restarted_for),
        ("FilesKept", "not removed, as somebody wrote there after the share was deleted: ", report.purge_kept),
        ("PurgeFailed", "files of deleted shares can't be removed, see who owns them: ", report.purge_failed),
        ("DriftRepaired", "somebody else had changed, now set right: ", report.repaired),
    ):
        for entry in _listed(reason, start, things):
            yield Announcement(entry.reason, entry.note, warning=True)


def news(before: Mapping[str, Any], assessment: Assessment, *, endpoint: str) -> Iterator[Announcement]:
    """What is new in `assessment` against the status `before`."""
    phase = assessment.phase
    if phase != before.get("phase"):
        if phase is DittoFSPhase.RUNNING:
            yield Announcement("Running", f"serves at {endpoint}" if endpoint else "serves")
        if phase is DittoFSPhase.STOPPED:
            yield Announcement("Stopped", "the server is stopped, its data stays")
        if phase is DittoFSPhase.MAINTENANCE:
            yield Announcement("Maintenance", assessment[DittoFSCondition.PROGRESSING].message)
    told: set[tuple[str, str]] = set()
    for condition in _worrying(assessment):
        if (condition.reason, condition.message) not in told and _is_new(condition, before):
            yield Announcement(condition.reason, condition.message, warning=True)
        told.add((condition.reason, condition.message))


#: Reasons of Available that a healthy pod does not explain away.
_SERVER_TROUBLE = frozenset({"ServerUnreachable", "ServerRefused", "ServerUnhealthy", "AdapterUnhealthy"})


def _worrying(assessment: Assessment) -> Iterator[Condition]:
    database = assessment[DittoFSCondition.DATABASE_READY]
    if not database.holds:
        yield database
    config = assessment[DittoFSCondition.CONFIG_READY]
    if not config.holds:
        yield config
    degraded = assessment[DittoFSCondition.DEGRADED]
    if degraded.holds:
        yield degraded
    stateful_set = assessment[DittoFSCondition.STATEFUL_SET_READY]
    if stateful_set.reason == "ContainerWaiting":
        yield stateful_set
    available = assessment[DittoFSCondition.AVAILABLE]
    if available.reason in _SERVER_TROUBLE:
        yield available


def _is_new(condition: Condition, before: Mapping[str, Any]) -> bool:
    """Whether the status before did not tell of `condition`; a server that never answered is no news while starting."""
    entries = {entry["type"]: entry for entry in before.get("conditions") or ()}
    known = entries.get(condition.type) or {}
    if (known.get("status"), known.get("reason")) == (condition.status, condition.reason):
        return False
    return condition.type != DittoFSCondition.AVAILABLE or known.get("status") == "True"


def _listed(reason: str, start: str, things: list[str]) -> Iterator[Announcement]:
    if things:
        yield Announcement(reason, start + ", ".join(things))
