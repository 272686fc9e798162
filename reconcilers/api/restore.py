"""What a DittoFSBackup with the operation Restore is told, and what it reports."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated

from pydantic import Field

from reconcilers.api.common import ApiModel, LocalReference
from reconcilers.api.schema import Rule
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
RESTORE_IN_PLACE = Rule(
    "self.operation == 'Backup' || self.method == 'Snapshot'",
    "restores are from snapshots; leave method and target out, or choose operation Backup",
    ".method",
)


class RestoreSource(ApiModel):
    """What is restored."""

    backup_ref: Annotated[
        LocalReference,
        Field(description="A completed DittoFSBackup of the same DittoFS by the method Snapshot, in this namespace."),
    ]
    accept_non_durable: Annotated[
        bool,
        Field(
            description="Restore from a snapshot that is on the volume alone (durable is false in its artifacts) too. "
            "Without a bucket none is any other."
        ),
    ] = False


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
        str, Field(alias="snapshotID", max_length=64, description="The snapshot that the share is restored from.")
    ]
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
    message: Annotated[str, Field(max_length=1024, description="Why it could not be restored.")] = ""


class SafetySnapshot(ApiModel):
    """What a share had before it was restored."""

    share: Annotated[str, Field(max_length=253, description="Name of the DittoFSShare.")]
    path: Annotated[str, Field(max_length=MAX_PATH, description="Name of the share on the server.")]
    snapshot_id: Annotated[
        str, Field(alias="snapshotID", max_length=64, description="The server's own identifier of the snapshot.")
    ]
