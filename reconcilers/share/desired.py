"""What a DittoFSShare asks of its server, in the server's words. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from reconcilers import names
from reconcilers.api.dittofs import DittoFS
from reconcilers.api.scalars import parse_bytes
from reconcilers.api.share import DittoFSShare, ShareStores
from reconcilers.api.share_policies import Trash
from reconcilers.api.storage import MetadataType, PayloadType
from reconcilers.remote_store import STORE_TYPE, settings
from reconcilers.share.details import DesiredDetails, desired_details
from reconcilers.share.row_options import RowOption, desired_options

#: Limit of a local-only store, in bytes: the server's own default would stop writers at a quarter of the pod's
#: memory, so that the volume and the quota are the limits.
LOCAL_STORE_MAX_BYTES = 1 << 60


@dataclass(frozen=True, slots=True)
class StoreDefinition:
    """A store as it is created; a store that exists is never changed (dittofs-server 3.1)."""

    name: str
    type: str
    config: Mapping[str, Any]

    @property
    def path(self) -> str:
        """Where its files are in the pod; empty for a store without files."""
        return str(self.config.get("path", ""))


@dataclass(frozen=True, slots=True)
class DesiredShare:
    """A share as its specification wants it. `quota_bytes` 0: no quota."""

    path: str
    enabled: bool
    read_only: bool
    default_permission: str
    quota_bytes: int
    details: DesiredDetails
    metadata_store: StoreDefinition
    local_store: StoreDefinition
    #: Without the keys; None: the contents stay on the local store, or `foreign_remote` is named.
    remote_store: StoreDefinition | None = None
    #: A user's name; empty: root.
    owner: str = ""
    options: Mapping[str, RowOption] = field(default_factory=dict)
    #: Name of the remote store of an adopted share, which somebody else looks after.
    foreign_remote: str = ""
    #: Of the bin of deleted files, by the server's names; empty: as the server has it.
    trash: Mapping[str, Any] = field(default_factory=dict)


def desired_share(share: DittoFSShare, instance: DittoFS, address: str = "") -> DesiredShare:
    """What `share` asks of the server of `instance`; its stores are made at `address`, empty: at its path."""
    spec = share.spec
    address = address or share.path
    wanted = DesiredShare(
        path=share.path,
        # Without its cache a server reads files as zeros: better nobody reads them.
        enabled=spec.enabled and not instance.status.cache_lost,
        read_only=spec.read_only,
        default_permission=spec.default_permission.value,
        quota_bytes=parse_bytes(spec.quota.size) if spec.quota else 0,
        details=desired_details(share),
        owner=spec.owner,
        options=desired_options(share),
        trash=_trash(spec.trash) if spec.trash else {},
        metadata_store=_metadata_store(address, instance.spec.metadata.type),
        local_store=_local_store(address, instance.spec.payload.type),
        remote_store=_remote_store(address, instance),
    )
    return _on_adopted_stores(wanted, share.status.stores) if share.status.adopted else wanted


def _on_adopted_stores(wanted: DesiredShare, stores: ShareStores) -> DesiredShare:
    """`wanted` on the stores that its maker chose: with others it would be empty."""
    local: dict[str, Any] = {"path": stores.local_path} if stores.local_path else {}
    if local and not stores.remote:
        local["max_size"] = LOCAL_STORE_MAX_BYTES
    metadata, ours = {"path": stores.metadata_path} if stores.metadata_path else {}, wanted.remote_store
    return replace(
        wanted,
        metadata_store=StoreDefinition(stores.metadata, stores.metadata_type or "", metadata),
        local_store=StoreDefinition(stores.local, stores.local_type or "", local),
        remote_store=ours if ours is not None and ours.name == stores.remote else None,
        foreign_remote=stores.remote,
    )


def _trash(trash: Trash) -> dict[str, Any]:
    return {
        "trash_enabled": trash.enabled,
        "trash_retention_days": trash.retention_days,
        "trash_max_bytes": parse_bytes(trash.max_size) if trash.max_size else 0,
        "trash_restrict_to_admin": trash.restrict_to_admin,
        "trash_exclude_patterns": list(trash.exclude_patterns),
    }


def _metadata_store(address: str, kind: MetadataType) -> StoreDefinition:
    # No cache sizes here: a row is never changed, so they stay with the process settings, which can be.
    name = names.metadata_store(address)
    match kind:
        case MetadataType.BADGER:
            return StoreDefinition(name, kind.value, {"path": names.badger_directory(address)})
        case MetadataType.SQLITE:
            return StoreDefinition(name, kind.value, {"path": names.sqlite_file(address)})
        case MetadataType.MEMORY:
            return StoreDefinition(name, kind.value, {})


def _local_store(address: str, kind: PayloadType) -> StoreDefinition:
    match kind:
        case PayloadType.FILESYSTEM:
            directory = names.local_directory(address, names.PAYLOAD_MOUNT)
            config = {"path": directory, "max_size": LOCAL_STORE_MAX_BYTES}
            return StoreDefinition(names.local_store(address, names.PAYLOAD_STORE), "fs", config)
        case PayloadType.S3:
            # No limit: one of the store would go before the one of each share.
            directory = names.local_directory(address, names.CACHE_MOUNT)
            return StoreDefinition(names.local_store(address, names.CACHE_STORE), "fs", {"path": directory})
        case PayloadType.MEMORY:
            return StoreDefinition(names.PAYLOAD_STORE, "memory", {})


def _remote_store(address: str, instance: DittoFS) -> StoreDefinition | None:
    if instance.spec.payload.s3 is None:
        return None
    return StoreDefinition(names.remote_store(address), STORE_TYPE, settings(instance, address))
