"""The DittoFSShare: one exported directory tree of a DittoFS."""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum
from typing import Annotated, ClassVar

from pydantic import ConfigDict, Field, StringConstraints

from reconcilers.api import resources
from reconcilers.api.common import DNS_LABEL, MAX_INSTANCE_NAME, ApiModel, Conditions, CustomResource
from reconcilers.api.scalars import Size
from reconcilers.api.schema import Column, Definition, Rule, validated
from reconcilers.api.share_access import NfsOptions, Permissions, Quotas
from reconcilers.api.share_options import BlockedOperations, Owner, Retention, ShareCache, SmbOptions
from reconcilers.api.share_policies import SnapshotPolicy, Trash

#: The longest path: the server's file handles are `<path>:<uuid>` and hold 64 bytes; a share with a longer one gets its
#: row and never loads (v0.29.0). What stands in for an absent path, "/" and the object's name, must fit as well.
MAX_PATH = 27

_PATH_FIXED = Rule(
    "has(self.path) == has(oldSelf.path) && (!has(self.path) || self.path == oldSelf.path)",
    "path is fixed; create another DittoFSShare",
    ".path",
)
_INSTANCE_FIXED = Rule("self == oldSelf", "instanceRef is fixed; create another DittoFSShare")
_NAME_IS_A_PATH = Rule(
    f"has(self.spec.path) || size(self.metadata.name) <= {MAX_PATH - 1}",
    f"metadata.name must be at most {MAX_PATH - 1} characters when spec.path is absent, the share is named after it; "
    "set spec.path or choose a shorter name",
)


class DefaultPermission(StrEnum):
    """What everybody may do who has no permission of their own."""

    NONE = "none"
    READ = "read"
    READ_WRITE = "read-write"
    ADMIN = "admin"


class DeletionPolicy(StrEnum):
    """What becomes of the share on the server, and of its files, with the DittoFSShare."""

    RETAIN = "Retain"
    DELETE = "Delete"


class InstanceReference(ApiModel):
    """A DittoFS of the same namespace."""

    name: Annotated[
        str,
        Field(
            min_length=1,
            max_length=MAX_INSTANCE_NAME,
            pattern=DNS_LABEL,
            description="Name of the DittoFS, in the namespace of this object.",
        ),
    ]


class Quota(ApiModel):
    """How much a share may hold."""

    size: Annotated[Size, Field(description="The most that the files of the share may take together, such as 100Gi.")]


class DittoFSShareSpec(ApiModel):
    """The share that is wanted."""

    model_config = ConfigDict(json_schema_extra=validated(_PATH_FIXED))

    instance_ref: Annotated[
        InstanceReference,
        Field(description="The DittoFS that serves the share. Fixed.", json_schema_extra=validated(_INSTANCE_FIXED)),
    ]
    path: Annotated[
        str | None,
        Field(
            max_length=MAX_PATH,
            pattern="^(/[A-Za-z0-9_][A-Za-z0-9._-]*)+$",
            description="Name of the share as clients mount it, such as /export; one share of an instance has it. "
            f"Absent: a slash and the object's name. At most {MAX_PATH} characters, the server's file handles hold no "
            "more. SMB clients can ask for lower case without a slash inside only, such as /export. Fixed.",
        ),
    ] = None
    suspend: Annotated[
        bool, Field(description="While true the operator changes nothing of this share; deletion still works.")
    ] = False
    enabled: Annotated[bool, Field(description="While false clients can't use the share; its files stay.")] = True
    read_only: Annotated[
        bool,
        Field(
            description="While true clients can't change anything in the share. Set back to false it can be written "
            "again, unless the server was started meanwhile: DittoFS v0.29.0 then keeps refusing."
        ),
    ] = False
    owner: Owner = ""
    default_permission: Annotated[
        DefaultPermission,
        Field(
            description="What everybody may do who has no permission of their own: none, read, read-write or admin. "
            "The share's root directory is open to all only when it is made with read-write or admin."
        ),
    ] = DefaultPermission.NONE
    quota: Annotated[Quota | None, Field(description="How much the share may hold; absent: what fits its volume.")] = (
        None
    )
    deletion_policy: Annotated[
        DeletionPolicy,
        Field(
            description="What becomes of the share when this object is deleted. Retain: it is disabled on the server; "
            "its files and snapshots stay, and another DittoFSShare of the same path takes it over. Delete: it is "
            "removed with its permissions, quotas and snapshots, its objects in a bucket are removed by a Job while "
            "this object waits, and its files at the next start of the server's pod; until then a new share of the "
            "path has stores of its own beside them. A share that the server had before this object is disabled and "
            "keeps everything. Read at the deletion."
        ),
    ] = DeletionPolicy.RETAIN
    permissions: Permissions = ()
    quotas: Quotas = ()
    nfs: Annotated[NfsOptions, Field(description="Options of the share for NFS clients.")] = NfsOptions()
    smb: Annotated[SmbOptions, Field(description="Options of the share for SMB clients.")] = SmbOptions()
    retention: Annotated[
        Retention, Field(description="What stays in the cache in front of a bucket; without a bucket it has no effect.")
    ] = Retention()
    cache: Annotated[ShareCache, Field(description="What the server keeps of the share close at hand.")] = ShareCache()
    blocked_operations: BlockedOperations = ()
    trash: Annotated[
        Trash | None,
        Field(
            description="What becomes of deleted files. Absent: whatever the server does. In a share made for this "
            "object they are gone at once; a bin that is there stays as it is, since turning it off empties it."
        ),
    ] = None
    snapshot_policy: Annotated[
        SnapshotPolicy | None,
        Field(
            description="When the server takes snapshots of the share by itself. Absent: it takes none, and a policy "
            "that somebody else made for this share is removed; the snapshots that were taken stay, in any case."
        ),
    ] = None


class SharePhase(StrEnum):
    """The state of a DittoFSShare in one word: the first that fits, in this order."""

    DELETING = "Deleting"
    MAINTENANCE = "Maintenance"
    SUSPENDED = "Suspended"
    WAITING_FOR_INSTANCE = "WaitingForInstance"
    PENDING = "Pending"
    DISABLED = "Disabled"
    DEGRADED = "Degraded"
    READY = "Ready"


class ShareCondition(StrEnum):
    """The condition types of a DittoFSShare; all are present from the first pass on."""

    READY = "Ready"
    INSTANCE_READY = "InstanceReady"
    SYNCED = "Synced"
    RESTART_REQUIRED = "RestartRequired"
    SNAPSHOT_POLICY_READY = "SnapshotPolicyReady"


_OF_ADOPTED = ", of an adopted share alone: from it the store is made again when the server loses its database."


class ShareStores(ApiModel):
    """The stores of the share, by their names on the server."""

    metadata: Annotated[str, Field(max_length=253, description="Store of the share's metadata.")] = ""
    local: Annotated[str, Field(max_length=253, description="Block store of the share's contents.")] = ""
    remote: Annotated[
        str, Field(max_length=253, description="Remote block store, in a bucket, of the share's contents; or none.")
    ] = ""
    metadata_type: Annotated[str | None, Field(max_length=32, description=f"Type of `metadata`{_OF_ADOPTED}")] = None
    metadata_path: Annotated[str | None, Field(max_length=1024, description=f"Place of `metadata`{_OF_ADOPTED}")] = None
    local_type: Annotated[str | None, Field(max_length=32, description=f"Type of `local`{_OF_ADOPTED}")] = None
    local_path: Annotated[str | None, Field(max_length=1024, description=f"Place of `local`{_OF_ADOPTED}")] = None


class ShareInForce(ApiModel):
    """What the running server has of the fields that it takes up only when it starts: the operator's notes."""

    started_at: Annotated[
        str, Field(max_length=64, description="When the server was started that has these values, by its own time.")
    ]
    values: Annotated[
        Mapping[str, Annotated[str, StringConstraints(max_length=64)]],
        Field(
            description="By field of the specification the value that is in force; what is not here is as by default.",
            json_schema_extra={"maxProperties": 32},
        ),
    ] = {}
    known: Annotated[
        bool, Field(description="False: the share was changed since by others, so its values may not be in force.")
    ] = True


class DittoFSShareStatus(ApiModel):
    """What the operator last saw of the share on its server."""

    observed_generation: Annotated[
        int, Field(ge=0, description="The metadata.generation of the specification that this status is about.")
    ] = 0
    ready: Annotated[bool, Field(description="Whether clients can use the share: the condition Ready is True.")] = False
    # Plain text, no enum: a later version adds phases, and this one must still read what that one wrote.
    phase: Annotated[str, Field(max_length=32, description="The state in one word: " + ", ".join(SharePhase) + ".")] = (
        ""
    )
    share_id: Annotated[
        str, Field(alias="shareID", max_length=64, description="The server's own identifier of the share.")
    ] = ""
    adopted: Annotated[
        bool, Field(description="Whether the share stood on the server before this object; it keeps its stores.")
    ] = False
    stores: Annotated[ShareStores, Field(description="The stores of the share, by their names on the server.")] = (
        ShareStores()
    )
    path: Annotated[str, Field(max_length=MAX_PATH, description="Name of the share as clients mount it.")] = ""
    mount: Annotated[
        str, Field(max_length=512, description="A command that mounts the share, for a person to paste.")
    ] = ""
    used_bytes: Annotated[
        int | None,
        Field(
            ge=0,
            description="What the files of the share take together, in bytes; written at most every five minutes, and "
            "when it moved by one percent or passed the quota.",
        ),
    ] = None
    in_force: Annotated[
        ShareInForce | None,
        Field(description="What the running server has of the fields that it takes up only when it starts."),
    ] = None
    conditions: Conditions = ()


class DittoFSShare(CustomResource):
    """A share of a DittoFS: a directory tree that clients mount, with its limits and permissions."""

    resource: ClassVar = resources.DITTOFS_SHARE
    definition: ClassVar = Definition(
        short_names=("dfsshare",),
        columns=(
            Column("Instance", "string", ".spec.instanceRef.name", "The DittoFS that serves the share."),
            Column("Path", "string", ".status.path", "Name of the share as clients mount it."),
            Column(
                "Ready", "string", '.status.conditions[?(@.type=="Ready")].status', "Whether clients can use the share."
            ),
            Column("Phase", "string", ".status.phase", "The state in one word.", priority=1),
            Column("Mount", "string", ".status.mount", "A command that mounts the share.", priority=1),
            Column("Used", "integer", ".status.usedBytes", "What the files of the share take together, in bytes."),
            Column("Quota", "string", ".spec.quota.size", "How much the share may hold."),
            Column("Age", "date", ".metadata.creationTimestamp", "Time since it was created."),
        ),
        rules=(_NAME_IS_A_PATH,),
    )

    spec: Annotated[DittoFSShareSpec, Field(description="The share that is wanted.")]
    status: Annotated[DittoFSShareStatus, Field(description="What the operator last saw; written by it alone.")] = (
        DittoFSShareStatus()
    )

    @property
    def path(self) -> str:
        """Name of the share on its server: `spec.path`, or a slash and the object's name."""
        return self.spec.path or f"/{self.metadata.name}"
