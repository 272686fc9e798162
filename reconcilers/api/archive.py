"""Where archives of a DittoFS are kept, and how the Jobs run that write and read them."""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum
from typing import Annotated

from pydantic import ConfigDict, Field, StringConstraints

from reconcilers.api.common import ApiModel, LocalReference, ObjectName, SecretKeyName
from reconcilers.api.object_storage import BUCKET, ENDPOINT, PREFIX, REGION, CaReference, S3Credentials
from reconcilers.api.pod import FreeForm
from reconcilers.api.scalars import Duration, Quantity, Size
from reconcilers.api.schema import Rule, atomic_list, validated


class ArchiveClaim(ApiModel):
    """A PersistentVolumeClaim that archives are kept on."""

    model_config = ConfigDict(
        json_schema_extra=validated(
            Rule("has(self.claimName) != has(self.size)", "exactly one of pvc.claimName and pvc.size must be set"),
            Rule(
                "!has(self.storageClassName) || has(self.size)",
                "pvc.storageClassName goes with pvc.size; a claim that is there has its class",
                ".storageClassName",
            ),
        )
    )

    claim_name: Annotated[
        ObjectName | None,
        Field(description="A claim that is there. It is only read and written, never changed or deleted."),
    ] = None
    size: Annotated[
        Size | None,
        Field(
            description="Size of a claim that the operator makes: `<name>-archive`, after the schedule for all its "
            "backups. It belongs to nobody, so that it outlives this object and the DittoFS, and is never deleted."
        ),
    ] = None
    storage_class_name: Annotated[
        ObjectName | None,
        Field(description="StorageClass of the claim that the operator makes; absent: the cluster's default class."),
    ] = None


class ArchiveBucket(ApiModel):
    """A bucket of an S3 service that archives are kept in."""

    bucket: Annotated[
        str, Field(min_length=3, max_length=63, pattern=BUCKET, description="The bucket, which must exist.")
    ]
    prefix: Annotated[
        str,
        Field(
            max_length=255,
            pattern=PREFIX,
            description="What the names of all objects begin with; empty: nothing. In the bucket of the DittoFS it "
            "must be outside of that one's prefix, below which the server deletes what it does not know.",
        ),
    ] = ""
    region: Annotated[
        str, Field(min_length=1, max_length=63, pattern=REGION, description="Region that requests are signed for.")
    ] = "us-east-1"
    endpoint: Annotated[
        str,
        Field(
            max_length=253,
            pattern=ENDPOINT,
            description="Address of the S3 service, such as https://s3.example.com; empty: AWS's own for the region.",
        ),
    ] = ""
    force_path_style: Annotated[
        bool | None,
        Field(
            description="Whether the bucket stands in the path of requests, not in the host's name; absent: with an "
            "endpoint it does."
        ),
    ] = None
    ca_secret_ref: Annotated[
        CaReference | None,
        Field(
            description="The Secret with the authorities that signed for the endpoint; they are trusted in place of "
            "those in the operator's image."
        ),
    ] = None
    credentials_secret_ref: Annotated[
        S3Credentials, Field(description="The Secret with the keys that requests are signed with.")
    ]


class ArchiveTarget(ApiModel):
    """Where archives are kept."""

    model_config = ConfigDict(
        json_schema_extra=validated(
            Rule("has(self.pvc) != has(self.s3)", "exactly one of target.pvc and target.s3 must be set"),
            Rule("self == oldSelf", "target is fixed; create another DittoFSBackup"),
        )
    )

    pvc: Annotated[ArchiveClaim | None, Field(description="A volume of this namespace.")] = None
    s3: Annotated[ArchiveBucket | None, Field(description="A bucket.")] = None


class ExistingClaim(ApiModel):
    """A PersistentVolumeClaim that holds archives."""

    claim_name: Annotated[ObjectName, Field(description="The claim, in this namespace. It is only read.")]


class ArchiveSource(ApiModel):
    """An archive, and where it is."""

    model_config = ConfigDict(
        json_schema_extra=validated(
            Rule("has(self.pvc) != has(self.s3)", "exactly one of archive.pvc and archive.s3 must be set")
        )
    )

    id: Annotated[
        str,
        Field(
            min_length=1,
            max_length=128,
            pattern="^[A-Za-z0-9][A-Za-z0-9._-]*$",
            description="What the archive is called: status.archiveID of the DittoFSBackup that made it, and the name "
            "of its folder.",
        ),
    ]
    pvc: Annotated[ExistingClaim | None, Field(description="A volume of this namespace.")] = None
    s3: Annotated[ArchiveBucket | None, Field(description="A bucket.")] = None


class KeyReference(LocalReference):
    """A key in a Secret."""

    key: Annotated[SecretKeyName, Field(description="Key of the 32 bytes, or of those in base64, in the Secret.")] = (
        "key"
    )


class ArchiveEncryption(ApiModel):
    """How archives are encrypted."""

    key_secret_ref: Annotated[
        KeyReference | None,
        Field(
            description="The Secret with the key that archives are encrypted with (AES-256-GCM). Without it they can't "
            "be read: keep it somewhere else too. Absent: they are not encrypted, and hold the server's keys in clear."
        ),
    ] = None


class Compression(StrEnum):
    """How archives are compressed."""

    ZSTD = "zstd"
    NONE = "none"


_ResourceList = Annotated[Mapping[str, Quantity], Field(json_schema_extra={"maxProperties": 16})]


class JobResources(ApiModel):
    """Compute resources of the container of a Job."""

    requests: Annotated[
        _ResourceList, Field(description="What is reserved for it, such as cpu: 500m and memory: 256Mi.")
    ] = Field(default_factory=dict)
    limits: Annotated[
        _ResourceList, Field(description="What it may use at most. An archive takes up to 512Mi of memory.")
    ] = Field(default_factory=dict)


class BackupJob(ApiModel):
    """The Jobs that write, read and remove archives."""

    resources: Annotated[
        JobResources,
        Field(
            description="Compute resources of the Jobs' container; absent: 50m of cpu, and 128Mi to 512Mi of memory."
        ),
    ] = JobResources()
    node_selector: Annotated[
        Mapping[str, Annotated[str, StringConstraints(max_length=63)]],
        Field(description="Labels of the nodes that may run the Jobs.", json_schema_extra={"maxProperties": 32}),
    ] = Field(default_factory=dict)
    tolerations: Annotated[
        tuple[FreeForm, ...],
        Field(description="Taints of nodes that the Jobs tolerate.", json_schema_extra=atomic_list(max_items=32)),
    ] = ()
    active_deadline: Annotated[
        Duration,
        Field(
            description="How long one Job may take. The server is stopped for no longer than the Job that writes the "
            "archive."
        ),
    ] = "2h"
