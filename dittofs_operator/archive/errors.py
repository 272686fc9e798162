"""Why a command of the archive gave up, as a word for programs and a line for people."""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum


class Reason(StrEnum):
    """What went wrong; part of what the commands report."""

    SOURCE_UNREADABLE = "SourceUnreadable"
    SOURCE_CHANGED = "SourceChanged"
    SOURCE_DAMAGED = "SourceDamaged"
    TARGET_MISSING = "TargetMissing"
    TARGET_FULL = "TargetFull"
    TARGET_REFUSED = "TargetRefused"
    TARGET_UNREACHABLE = "TargetUnreachable"
    KEY_UNUSABLE = "KeyUnusable"
    KEY_MISSING = "KeyMissing"
    KEY_WRONG = "KeyWrong"
    ARCHIVE_MISSING = "ArchiveMissing"
    ARCHIVE_DAMAGED = "ArchiveDamaged"
    ARCHIVE_OTHER = "ArchiveOther"
    ARCHIVE_NEWER = "ArchiveNewer"
    CLAIM_UNUSABLE = "ClaimUnusable"
    CLAIM_FULL = "ClaimFull"
    NOT_EMPTY = "NotEmpty"
    DIFFERENT_INSTANCE = "DifferentInstance"
    STOPPED = "Stopped"


#: What a command ends with: what has the same remedy has the same code. 1 and 2 are taken (failed, wrong usage).
EXIT_CODES: Mapping[Reason, int] = {
    Reason.SOURCE_UNREADABLE: 10,
    Reason.SOURCE_CHANGED: 10,
    Reason.SOURCE_DAMAGED: 10,
    Reason.TARGET_MISSING: 11,
    Reason.TARGET_FULL: 11,
    Reason.TARGET_REFUSED: 11,
    Reason.TARGET_UNREACHABLE: 12,
    Reason.KEY_UNUSABLE: 13,
    Reason.KEY_MISSING: 13,
    Reason.KEY_WRONG: 13,
    Reason.ARCHIVE_MISSING: 14,
    Reason.ARCHIVE_DAMAGED: 15,
    Reason.ARCHIVE_OTHER: 15,
    Reason.ARCHIVE_NEWER: 16,
    Reason.CLAIM_UNUSABLE: 17,
    Reason.CLAIM_FULL: 17,
    Reason.NOT_EMPTY: 18,
    Reason.DIFFERENT_INSTANCE: 18,
    Reason.STOPPED: 19,
}


class ArchiveError(Exception):
    """The command can't go on; the message is one line that says what to do, and never holds a secret."""

    def __init__(self, reason: Reason, message: str) -> None:
        super().__init__(message)
        self.reason = reason
