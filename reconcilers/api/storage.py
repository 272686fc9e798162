"""Where a DittoFS keeps files: their metadata and their contents."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated

from pydantic import ConfigDict, Field

from reconcilers.api.common import ApiModel, ObjectName
from reconcilers.api.scalars import Size
from reconcilers.api.schema import Rule, validated

_SIZE_GROWS = Rule(
    "!has(oldSelf.size) || (has(self.size) && (!isQuantity(string(self.size)) || "
    "quantity(string(self.size)).compareTo(quantity(string(oldSelf.size))) >= 0))",
    "size can only grow; a volume cannot shrink",
    ".size",
)
_CLASS_FIXED = Rule(
    "has(self.storageClassName) == has(oldSelf.storageClassName) && "
    "(!has(self.storageClassName) || self.storageClassName == oldSelf.storageClassName)",
    "storageClassName is fixed; create a new DittoFS with the other class and restore into it",
    ".storageClassName",
)


class Storage(ApiModel):
    """A PersistentVolumeClaim of the instance."""

    model_config = ConfigDict(json_schema_extra=validated(_SIZE_GROWS, _CLASS_FIXED))

    size: Annotated[Size, Field(description="Size of the volume, at least 1Mi. Can only grow.")]
    storage_class_name: Annotated[
        ObjectName | None,
        Field(description="StorageClass of the volume; absent: the cluster's default class. Fixed."),
    ] = None


class MetadataStorage(Storage):
    """The claim of the metadata of files."""

    size: Annotated[Size, Field(description="Size of the volume, at least 1Mi. Can only grow.")] = "10Gi"


class PayloadStorage(Storage):
    """The claim of the contents of files."""

    size: Annotated[Size, Field(description="Size of the volume, at least 1Mi. Can only grow.")] = "50Gi"


class MetadataType(StrEnum):
    """What keeps the metadata of files."""

    BADGER = "badger"
    SQLITE = "sqlite"
    MEMORY = "memory"


class Badger(ApiModel):
    """Memory of each badger store, of which every share has one."""

    block_cache_mb: Annotated[
        int,
        Field(
            alias="blockCacheMB",
            ge=1,
            le=1048576,
            description="Cache of data blocks in MiB, for each share. A change restarts the server.",
        ),
    ] = 64
    index_cache_mb: Annotated[
        int,
        Field(
            alias="indexCacheMB",
            ge=1,
            le=1048576,
            description="Cache of indices in MiB, for each share. A change restarts the server.",
        ),
    ] = 32


class Metadata(ApiModel):
    """Where names, attributes and block lists of files are kept."""

    type: Annotated[
        MetadataType,
        Field(
            description="badger: fast, for up to 16 shares; sqlite: lighter, for many shares; memory: lost with each "
            "restart, only together with payload.type memory. Fixed.",
            json_schema_extra=validated(
                Rule("self == oldSelf", "metadata.type is fixed; create a new DittoFS and restore into it")
            ),
        ),
    ] = MetadataType.BADGER
    badger: Annotated[Badger, Field(description="Caches of the badger stores; without effect on other types.")] = (
        Badger()
    )
    storage: Annotated[
        MetadataStorage,
        Field(description="The volume of the metadata, the claim `<name>-metadata`; none is made for type memory."),
    ] = MetadataStorage()


class PayloadType(StrEnum):
    """What keeps the contents of files."""

    FILESYSTEM = "filesystem"
    S3 = "s3"
    MEMORY = "memory"
