"""What a DittoFSBackup with the operation Restore is told, and what it reports."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated

from pydantic import ConfigDict, Field

from reconcilers.api.archive import ArchiveSource
from reconcilers.api.common import ApiModel, LocalReference
from reconcilers.api.schema import Rule, validated
from reconcilers.api.share import MAX_PATH

RESTORE_FIXED = Rule("self == oldSelf", "restore is fixed; create another DittoFSBackup")
RESTORE_GIVEN = Rule(
    "(self.operation == 'Restore') == has(self.restore)",
    "restore says what is restored: set it with operation Restore, and with no other",
    ".restore",
)
RESTORE_ONCE = Rule(
    "self.operation == 'Backup' || self.schedule == ''",
    "a restore happens once: remove schedule, or choose operation Backup",
    ".schedule",
)
RESTORE_OF_ALL = Rule(
    "!has(self.restore) || !has(self.restore.archive) || !has(self.shares) || size(self.shares) == 0",
    "an archive is restored as a whole; leave shares empty",
    ".shares",
)
RESTORE_IN_PLACE = Rule(
    "self.operation == 'Backup' || self.method == 'Snapshot'",
    "method and target are of backups; restore says what is restored: leave them out, or choose operation Backup",
    ".method",
)


class RestoreSource(ApiModel):
    """What is restored."""

    model_config = ConfigDict(
        json_schema_extra=validated(
            Rule(
                "has(self.backupRef) != has(self.archive)",
                "exactly one of restore.backupRef and restore.archive must be set",
            )
        )
    )

    backup_ref: Annotated[
        LocalReference | None,
        Field(
            description="A completed DittoFSBackup of the same DittoFS by the method Snapshot, in this namespace: its "
            "shares are restored in place."
        ),
    ] = None
    accept_non_durable: Annotated[
        bool,
        Field(
            description="Restore from a snapshot that is on the volume alone (durable is false in its artifacts) too. "
            "Without a bucket none is any other. Without effect on archives."
        ),
    ] = False
    archive: Annotated[
        ArchiveSource | None,
        Field(
            description="An archive: the whole instance that was archived is built anew from it, in a DittoFS without "
            "shares. The key of an encrypted one is in encryption.keySecretRef."
        ),
    ] = None
    create_shares: Annotated[
        bool,
        Field(
            description="Make the DittoFSShares that are in the archive. Without them the server serves the shares all "
            "the same, and DittoFSShares of their paths take them over. Without effect on snapshots."
        ),
    ] = True

    @property
    def backup_name(self) -> str:
        """The DittoFSBackup that is restored; empty where it is an archive."""
        return "" if self.backup_ref is None else self.backup_ref.name


class RestoreState(StrEnum):
    """How far the restore of one share is."""

    WAITING = "Waiting"
    RESTORING = "Restoring"
    RESTORED = "Restored"
    #: It could not be restored: what was there is being put back.
    UNDOING = "Undoing"
    #: It could not be restored, and has what it had.
    UNCHANGED = "Unchanged"


class RestoredShare(ApiModel):
    """The restore of one share."""

    share: Annotated[str, Field(max_length=253, description="Name of the DittoFSShare.")]
    path: Annotated[str, Field(max_length=MAX_PATH, description="Name of the share on the server.")]
    snapshot_id: Annotated[
        str,
        Field(
            alias="snapshotID",
            max_length=64,
            description="The snapshot that the share is restored from; absent: it comes from an archive.",
        ),
    ] = ""
    # Plain text, no enum: a later version adds states, and this one must still read what that one wrote.
    state: Annotated[str, Field(max_length=32, description="How far it is: " + ", ".join(RestoreState) + ".")] = (
        RestoreState.WAITING
    )
    started_at: Annotated[
        str, Field(description="When the share was closed for it.", json_schema_extra={"format": "date-time"})
    ] = ""
    newest_snapshot: Annotated[
        str,
        Field(
            max_length=64, description="When the newest snapshot was made that there was then, in the server's words."
        ),
    ] = ""
    message: Annotated[
        str, Field(max_length=1024, description="Why it, or its DittoFSShare, could not be restored.")
    ] = ""


class SafetySnapshot(ApiModel):
    """What a share had before it was restored."""

    share: Annotated[str, Field(max_length=253, description="Name of the DittoFSShare.")]
    path: Annotated[str, Field(max_length=MAX_PATH, description="Name of the share on the server.")]
    snapshot_id: Annotated[
        str, Field(alias="snapshotID", max_length=64, description="The server's own identifier of the snapshot.")
    ]
