"""The backup of one pass."""

from __future__ import annotations

from dataclasses import dataclass

from informers.resource import View
from reconcilers.api.backup import DittoFSBackup


@dataclass(frozen=True, slots=True)
class Subject:
    """The backup of a pass: as read, and with the status that is known of it."""

    view: View
    backup: DittoFSBackup
