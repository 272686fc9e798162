"""What a backup keeps the other reconcilers from while it works: one annotation on the DittoFS, and whether it counts.

It counts only as long as its DittoFSBackup has not ended, and never beyond its time: an operator that is lost, or
somebody's slip, can't keep a server down. Pure.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum
from typing import Any

import orjson

from informers.event import Event, states
from informers.mapper import Mapper, when_changed
from informers.resource import ObjectKey, View
from reconcilers import names
from reconcilers.access import Cache
from reconcilers.api.backup import FINISHED
from reconcilers.share.declared import instance_name

#: Reason of the conditions of what is held.
HELD = "HeldByBackup"

_TIME = "%Y-%m-%dT%H:%M:%SZ"


class HoldMode(StrEnum):
    """What the others do for the backup."""

    #: There is no server; its shares are left alone.
    STOP = "Stop"
    #: Nobody touches the shares that are named.
    HOLD_SHARES = "HoldShares"
    #: The server runs without clients; the shares that are named are left alone.
    ADAPTERS_OFF = "AdaptersOff"


_WORDS: Mapping[HoldMode, str] = {
    HoldMode.STOP: "keeps the server stopped",
    HoldMode.HOLD_SHARES: "works on the share",
    HoldMode.ADAPTERS_OFF: "keeps clients away from the server",
}


class GarbledHold(ValueError):
    """The annotation is none that a backup writes."""


@dataclass(frozen=True, slots=True)
class Hold:
    """The hold of one DittoFSBackup on its instance; `until` counts in whole seconds."""

    backup: str
    uid: str
    mode: HoldMode
    until: datetime
    #: Names of DittoFSShares.
    shares: tuple[str, ...] = ()

    @classmethod
    def parse(cls, text: str) -> Hold:
        """The hold that an annotation says. Raises GarbledHold."""
        try:
            document = orjson.loads(text)
            shares = document["shares"]
            until = datetime.fromisoformat(document["until"])
            if not isinstance(shares, list) or until.tzinfo is None:
                raise GarbledHold("shares must be a list, and until a time with its zone")
            words = [document["backup"], document["uid"], *shares]
            if not all(isinstance(word, str) and word for word in words):
                raise GarbledHold("backup, uid and the names of shares must be text")
            return cls(words[0], words[1], HoldMode(document["mode"]), until.astimezone(UTC), tuple(shares))
        except (ValueError, KeyError, TypeError, OverflowError) as error:
            raise GarbledHold(str(error)) from error

    def text(self) -> str:
        """The annotation."""
        document = {
            "backup": self.backup,
            "uid": self.uid,
            "mode": self.mode.value,
            "shares": list(self.shares),
            "until": self._until(),
        }
        return orjson.dumps(document).decode()

    def covers(self, share: str) -> bool:
        """Whether the DittoFSShare of that name is left alone."""
        return self.mode is HoldMode.STOP or share in self.shares

    def left_s(self, now: datetime) -> float:
        """How long it may last yet, in seconds."""
        return (self.until - now).total_seconds()

    def words(self) -> str:
        """What conditions say, by which a backup sees that this hold, and no earlier one, is respected."""
        return f'DittoFSBackup "{self.backup}" {_WORDS[self.mode]}, until {self._until()} at the latest'

    def _until(self) -> str:
        return self.until.strftime(_TIME)


@dataclass(frozen=True, slots=True)
class Standing:
    """What there is to an instance's annotation."""

    #: The hold in force; None: nobody holds the instance.
    hold: Hold | None = None
    #: Why one does not count that no backup can have written; empty: there is nothing wrong.
    wrong: str = ""


def standing(instance: View, backups: Cache, *, now: datetime) -> Standing:
    """Whether somebody holds `instance`, by its annotation and by what is known of the DittoFSBackup that wrote it."""
    text = annotation(instance)
    if not text:
        return Standing()
    try:
        hold = Hold.parse(text)
    except GarbledHold as error:
        return Standing(wrong=f"it can't be read ({error})")
    backup = backups.get(ObjectKey(str(instance["metadata"].get("namespace") or ""), hold.backup))
    if backup is None or backup["metadata"]["uid"] != hold.uid:
        return Standing()
    if instance_name(backup) != instance["metadata"]["name"]:
        return Standing(wrong=f'DittoFSBackup "{hold.backup}" is about another DittoFS')
    if (backup.get("spec") or {}).get("schedule"):
        return Standing(wrong=f'DittoFSBackup "{hold.backup}" is a schedule')
    if (backup.get("status") or {}).get("phase") in FINISHED or hold.left_s(now) <= 0:
        return Standing()
    return Standing(hold)


def annotation(instance: View) -> str:
    """The annotation of `instance`; empty without one."""
    return str((instance["metadata"].get("annotations") or {}).get(names.OPERATION_ANNOTATION) or "")


def is_held_stopped(instance: View, hold: Hold) -> bool:
    """Whether the server of `instance` is stopped and its pod gone, by the status that was written under `hold`."""
    return hold.mode is HoldMode.STOP and _says(instance, "StatefulSetReady", "Stopped", hold)


def is_held_without_clients(instance: View, hold: Hold) -> bool:
    """Whether the server of `instance` runs with its adapters off, by the status that was written under `hold`."""
    return hold.mode is HoldMode.ADAPTERS_OFF and _says(instance, "Available", HELD, hold)


def is_held_share(share: View, hold: Hold) -> bool:
    """Whether nobody works on `share` any more, by the status that was written under `hold`."""
    return hold.covers(str(share["metadata"]["name"])) and _says(share, "Ready", HELD, hold)


def _says(view: View, kind: str, reason: str, hold: Hold) -> bool:
    entries: Iterable[Mapping[str, Any]] = (view.get("status") or {}).get("conditions") or ()
    wanted = (kind, reason, hold.words())
    return any((entry.get("type"), entry.get("reason"), entry.get("message")) == wanted for entry in entries)


def held_by(instances: Cache) -> Mapper:
    """From a DittoFSBackup that ends or goes to the instance that it holds."""

    def mapper(event: Event) -> Iterable[ObjectKey]:
        backup = states(event)[-1]
        key = ObjectKey(str(backup["metadata"].get("namespace") or ""), instance_name(backup))
        instance = instances.get(key)
        if instance is None:
            return ()
        try:
            return (key,) if Hold.parse(annotation(instance)).uid == backup["metadata"]["uid"] else ()
        except GarbledHold:
            return ()

    return when_changed(mapper, "status.phase")
