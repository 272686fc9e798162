"""The DittoFSBackup: what of a DittoFS is backed up, how, and what became of it."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated, ClassVar

from pydantic import ConfigDict, Field, StringConstraints

from reconcilers.api import resources
from reconcilers.api.archive import ArchiveEncryption, ArchiveTarget, BackupJob, Compression
from reconcilers.api.common import DNS_SUBDOMAIN, ApiModel, Conditions, CustomResource, LocalReference
from reconcilers.api.restore import (
    RESTORE_FIXED,
    RESTORE_GIVEN,
    RESTORE_IN_PLACE,
    RESTORE_OF_ALL,
    RESTORE_ONCE,
    RestoredShare,
    RestoreSource,
    SafetySnapshot,
)
from reconcilers.api.scalars import OptionalDuration
from reconcilers.api.schema import Column, Definition, Rule, atomic_list, validated
from reconcilers.api.share import MAX_PATH, InstanceReference

#: How many shares one backup can hold: its status names each, and etcd takes objects of up to 1.5 MiB.
MAX_SHARES = 2048

_FIXED = "{field} is fixed; create another DittoFSBackup"
_INSTANCE_FIXED = Rule("self == oldSelf", _FIXED.format(field="instanceRef"))
_OPERATION_FIXED = Rule("self == oldSelf", _FIXED.format(field="operation"))

#: The longest name of a schedule: that of a backup of it, `<name>-<YYYYMMDD-hhmmss>`, and of what that one makes, must
#: fit a label.
MAX_SCHEDULE_NAME = 36

_KIND_FIXED = Rule(
    "(self.schedule == '') == (oldSelf.schedule == '')",
    "a one-shot backup cannot become a schedule, nor a schedule a one-shot backup; create another DittoFSBackup",
    ".schedule",
)
_SCHEDULE_FORM = Rule(
    "self == '' || self.matches('^@(yearly|annually|monthly|weekly|daily|midnight|hourly)$') || "
    "self.matches('^[0-9A-Za-z*/,?-]+( +[0-9A-Za-z*/,?-]+){4}$')",
    "must be five cron fields such as '0 3 * * *', or @hourly, @daily, @weekly, @monthly, @yearly",
)
_SCHEDULE_NAME = Rule(
    f"self.spec.schedule == '' || size(self.metadata.name) <= {MAX_SCHEDULE_NAME}",
    f"metadata.name of a scheduled backup must be at most {MAX_SCHEDULE_NAME} characters, its backups are named "
    "<name>-<UTC time>; choose a shorter name",
)

_TARGET_WITH_ARCHIVE = Rule(
    "(self.method == 'Archive') == has(self.target)", "target must be set exactly when method is Archive", ".target"
)
_TARGET_STAYS = Rule(
    "has(self.target) == has(oldSelf.target)",
    "method and target are fixed; create another DittoFSBackup",
    ".method",
)
_ENCRYPTION_OF_ARCHIVES = Rule(
    "self.method == 'Archive' || !has(self.encryption) || !has(self.encryption.keySecretRef) || "
    "(has(self.restore) && has(self.restore.archive))",
    "encryption is of archives; remove it, or choose method Archive",
    ".encryption",
)
_ARCHIVE_OF_ALL = Rule(
    "self.method != 'Archive' || !has(self.shares) || size(self.shares) == 0",
    "an archive is of the whole instance; leave shares empty, or choose method Snapshot",
    ".shares",
)
ShareName = Annotated[str, StringConstraints(min_length=1, max_length=253, pattern=DNS_SUBDOMAIN)]


class Operation(StrEnum):
    """What is done."""

    BACKUP = "Backup"
    RESTORE = "Restore"


class BackupMethod(StrEnum):
    """How it is done."""

    SNAPSHOT = "Snapshot"
    ARCHIVE = "Archive"


class BackupDeletion(StrEnum):
    """What becomes of the backed-up data with the object."""

    DELETE = "Delete"
    RETAIN = "Retain"


class BackupRetention(ApiModel):
    """Which of its completed backups a schedule keeps."""

    keep_last: Annotated[
        int, Field(ge=1, le=1000, description="How many of its completed backups are kept, the newest.")
    ] = 7
    max_age: Annotated[
        OptionalDuration,
        Field(
            description="After what time a completed backup is removed, even if fewer are kept, such as 720h; empty: "
            "never. The last completed one stays in any case."
        ),
    ] = ""


class DittoFSBackupSpec(ApiModel):
    """The backup that is wanted."""

    model_config = ConfigDict(
        json_schema_extra=validated(
            _KIND_FIXED,
            _TARGET_WITH_ARCHIVE,
            _TARGET_STAYS,
            _ENCRYPTION_OF_ARCHIVES,
            _ARCHIVE_OF_ALL,
            RESTORE_GIVEN,
            RESTORE_ONCE,
            RESTORE_IN_PLACE,
            RESTORE_OF_ALL,
        )
    )

    instance_ref: Annotated[
        InstanceReference,
        Field(description="The DittoFS that is backed up. Fixed.", json_schema_extra=validated(_INSTANCE_FIXED)),
    ]
    shares: Annotated[
        tuple[ShareName, ...],
        Field(
            description="Names of the DittoFSShares that are backed up, as they are when the backup begins; empty: all "
            "of the instance. An archive is of the whole instance. With operation Restore: those that are restored; "
            "empty: all of the backup.",
            json_schema_extra={"x-kubernetes-list-type": "set", "maxItems": 256},
        ),
    ] = ()
    operation: Annotated[
        Operation,
        Field(
            description="What is done: Backup, or Restore of one. Fixed.", json_schema_extra=validated(_OPERATION_FIXED)
        ),
    ] = Operation.BACKUP
    schedule: Annotated[
        str,
        Field(
            max_length=100,
            description="When a backup is made, again and again: five cron fields (minute, hour, day of month, month, "
            "day of week) or @hourly, @daily, @weekly, @monthly, @yearly. Each is a DittoFSBackup of its own, named "
            "<name>-<YYYYMMDD-hhmmss> in UTC, with the other fields of this one. Empty: this object is one backup. A "
            "change counts from then on.",
            json_schema_extra=validated(_SCHEDULE_FORM),
        ),
    ] = ""
    time_zone: Annotated[
        str,
        Field(
            min_length=1,
            max_length=64,
            description="Where the clock hangs that the schedule goes by: a name of the IANA database, such as "
            "Europe/Berlin. A run at a time that is skipped in spring is made right after; one at a time that comes "
            "twice in autumn is made once.",
        ),
    ] = "UTC"
    suspend: Annotated[
        bool,
        Field(
            description="While true no backup begins; what a schedule would have made meanwhile is not made up for. "
            "One that is under way is finished; deletion still works."
        ),
    ] = False
    retention: Annotated[
        BackupRetention,
        Field(
            description="Which of its backups a schedule keeps; the others are deleted, with their data unless their "
            "deletionPolicy is Retain. Of failed ones it keeps three."
        ),
    ] = BackupRetention()
    method: Annotated[
        BackupMethod,
        Field(
            description="Snapshot: the server's own snapshots, taken while clients work, kept on the instance's own "
            "volumes and restorable into this instance only. They help against mistakes, not against a lost volume. "
            "Archive: a copy of the whole instance at the target, made while the server is stopped, from which it can "
            "be built anew. Fixed."
        ),
    ] = BackupMethod.SNAPSHOT
    target: Annotated[
        ArchiveTarget | None, Field(description="Where archives are kept; with method Archive only. Fixed.")
    ] = None
    encryption: Annotated[ArchiveEncryption, Field(description="How archives are encrypted.")] = ArchiveEncryption()
    compression: Annotated[
        Compression, Field(description="How archives are compressed: zstd or none. Without effect on snapshots.")
    ] = Compression.ZSTD
    job: Annotated[
        BackupJob, Field(description="The Jobs that handle archives. Snapshots take none. Read when a Job is made.")
    ] = BackupJob()
    restore: Annotated[
        RestoreSource | None,
        Field(
            description="With operation Restore: what is restored. Fixed.", json_schema_extra=validated(RESTORE_FIXED)
        ),
    ] = None
    deletion_policy: Annotated[
        BackupDeletion,
        Field(
            description="Delete: the backed-up data goes with the object; with a restore the snapshots of what was "
            "there before. Retain: it stays where it is, and the operator no longer looks after it. What holds when "
            "the object is deleted."
        ),
    ] = BackupDeletion.DELETE


class BackupPhase(StrEnum):
    """The state of a DittoFSBackup in one word."""

    DELETING = "Deleting"
    SUSPENDED = "Suspended"
    SCHEDULED = "Scheduled"
    PENDING = "Pending"
    WAITING_FOR_INSTANCE = "WaitingForInstance"
    RUNNING = "Running"
    VERIFYING = "Verifying"
    COMPLETED = "Completed"
    FAILED = "Failed"


#: A backup that got there is never run again.
FINISHED = frozenset({BackupPhase.COMPLETED, BackupPhase.FAILED})


class BackupCondition(StrEnum):
    """The condition types of a DittoFSBackup; all are present from the first pass on."""

    READY = "Ready"
    PROGRESSING = "Progressing"
    COMPLETED = "Completed"
    FAILED = "Failed"
    TARGET_READY = "TargetReady"


class BackupCoverage(ApiModel):
    """What of the instance an archive holds."""

    control_plane: Annotated[
        str,
        Field(
            max_length=32,
            description="The server's own database: Included, or External when it is in PostgreSQL, which has to be "
            "backed up by itself.",
        ),
    ]
    metadata: Annotated[str, Field(max_length=32, description="Names and attributes of files: Included.")]
    payload: Annotated[
        str,
        Field(
            max_length=32,
            description="Contents of files: Included, or Bucket when the archive has only what the bucket of the "
            "instance has not.",
        ),
    ]


class BackupArtifact(ApiModel):
    """What was kept of one share."""

    share: Annotated[str, Field(max_length=253, description="Name of the DittoFSShare.")]
    path: Annotated[str, Field(max_length=MAX_PATH, description="Name of the share on the server.")]
    snapshot_id: Annotated[
        str, Field(alias="snapshotID", max_length=64, description="The server's own identifier of the snapshot.")
    ] = ""
    bytes: Annotated[
        int | None,
        Field(
            ge=0,
            description="What the snapshot's copy of the metadata takes; contents are not copied, the server holds "
            "them as long as the snapshot is there. Absent until it is verified.",
        ),
    ] = None
    durable: Annotated[
        bool, Field(description="Whether every block was found in the bucket; never so without a bucket.")
    ] = False
    location: Annotated[str, Field(max_length=1024, description="Where it is kept, and what it is lost with.")] = ""


class DittoFSBackupStatus(ApiModel):
    """What became of the backup."""

    observed_generation: Annotated[
        int, Field(ge=0, description="The metadata.generation of the specification that this status is about.")
    ] = 0
    ready: Annotated[
        bool, Field(description="Whether the backup is verified, or the schedule in force: the condition Ready.")
    ] = False
    # Plain text, no enum: a later version adds phases, and this one must still read what that one wrote.
    phase: Annotated[
        str, Field(max_length=32, description="The state in one word: " + ", ".join(BackupPhase) + ".")
    ] = ""
    start_time: Annotated[
        str, Field(description="When the backup began.", json_schema_extra={"format": "date-time"})
    ] = ""
    completion_time: Annotated[
        str, Field(description="When it ended, well or badly.", json_schema_extra={"format": "date-time"})
    ] = ""
    next_schedule_time: Annotated[
        str, Field(description="When a schedule is due next.", json_schema_extra={"format": "date-time"})
    ] = ""
    last_schedule_time: Annotated[
        str,
        Field(
            description="The time that the newest backup of a schedule was made for.",
            json_schema_extra={"format": "date-time"},
        ),
    ] = ""
    last_successful_time: Annotated[
        str,
        Field(
            description="When the newest completed backup of a schedule was completed.",
            json_schema_extra={"format": "date-time"},
        ),
    ] = ""
    last_backup_ref: Annotated[
        LocalReference | None, Field(description="The newest backup of a schedule, in the namespace of this object.")
    ] = None
    size: Annotated[
        str,
        Field(
            max_length=32,
            description="What the backup takes, as a quantity: the bytes of its artifacts, or of the archive.",
        ),
    ] = ""
    durable: Annotated[
        bool,
        Field(
            description="Whether it outlasts the volumes of the instance: a completed archive does, and snapshots "
            "whose contents were all found in the bucket."
        ),
    ] = False
    artifacts: Annotated[
        tuple[BackupArtifact, ...],
        Field(description="What was kept, share by share.", json_schema_extra=atomic_list(max_items=MAX_SHARES)),
    ] = ()
    restored: Annotated[
        tuple[RestoredShare, ...],
        Field(
            description="Of a restore: how far it is, share by share.",
            json_schema_extra=atomic_list(max_items=MAX_SHARES),
        ),
    ] = ()
    safety_snapshots: Annotated[
        tuple[SafetySnapshot, ...],
        Field(
            description="Of a restore: the snapshots that the server made of what was there before.",
            json_schema_extra=atomic_list(max_items=MAX_SHARES),
        ),
    ] = ()
    archive_id: Annotated[
        str,
        Field(alias="archiveID", max_length=128, description="What the archive is called at its target."),
    ] = ""
    manifest_sha256: Annotated[
        str,
        Field(
            alias="manifestSHA256",
            max_length=64,
            description="SHA-256 of the archive's manifest, and with it of every byte of the archive.",
        ),
    ] = ""
    covered: Annotated[BackupCoverage | None, Field(description="What of the instance the archive holds.")] = None
    job_ref: Annotated[
        LocalReference | None, Field(description="The newest Job of this backup, in the namespace of this object.")
    ] = None
    conditions: Conditions = ()


class DittoFSBackup(CustomResource):
    """A backup of a DittoFS, made once; a schedule that makes such backups; or the restore of one."""

    resource: ClassVar = resources.DITTOFS_BACKUP
    definition: ClassVar = Definition(
        short_names=("dfsbackup",),
        columns=(
            Column("Instance", "string", ".spec.instanceRef.name", "The DittoFS that is backed up."),
            Column("Operation", "string", ".spec.operation", "What is done."),
            Column("Method", "string", ".spec.method", "How it is done."),
            Column("Phase", "string", ".status.phase", "The state in one word."),
            Column("Size", "string", ".status.size", "What the backup takes."),
            Column("Next", "string", ".status.nextScheduleTime", "When a schedule is due next.", priority=1),
            Column("Durable", "boolean", ".status.durable", "Whether all of it is in a bucket.", priority=1),
            Column("Started", "date", ".status.startTime", "Time since it began."),
            Column("Completed", "date", ".status.completionTime", "Time since it ended."),
        ),
        rules=(_SCHEDULE_NAME,),
    )

    spec: Annotated[DittoFSBackupSpec, Field(description="The backup that is wanted.")]
    status: Annotated[DittoFSBackupStatus, Field(description="What became of it; written by the operator alone.")] = (
        DittoFSBackupStatus()
    )
