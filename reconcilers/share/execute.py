"""Does the steps of a plan on a server, and says in the words of the custom resource what they were."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress

from reconcilers.remote_store import S3Keys, in_our_words, with_keys
from reconcilers.server.client import ServerClient
from reconcilers.server.errors import NotFound, ServerRefused
from reconcilers.share.desired import StoreDefinition
from reconcilers.share.detail_calls import execute_detail
from reconcilers.share.detail_plan import changes
from reconcilers.share.plan import (
    ConfirmSizes,
    CreateShare,
    DisableShare,
    EnableShare,
    EnsureLocalStore,
    EnsureMetadataStore,
    EnsureRemoteStore,
    RefreshAccess,
    Step,
    UpdateShare,
)
from reconcilers.share.row_options import ROW_FIELDS
from reconcilers.share.words import in_words

#: The server's names of fields, as the custom resource names them.
_FIELDS: Mapping[str, str] = {
    "read_only": "readOnly",
    "default_permission": "defaultPermission",
    "quota_bytes": "quota.size",
    **ROW_FIELDS,
    "trash_enabled": "trash.enabled",
    "trash_retention_days": "trash.retentionDays",
    "trash_max_bytes": "trash.maxSize",
    "trash_restrict_to_admin": "trash.restrictToAdmin",
    "trash_exclude_patterns": "trash.excludePatterns",
}


def execute(step: Step, *, path: str, server: ServerClient, keys: Callable[[], S3Keys]) -> None:
    """Do `step` for the share at `path`; `keys` gives those of the bucket, and may raise.

    Raises UnknownHolder or a `ServerError`; every step can be done again.
    """
    match step:
        case EnsureMetadataStore(definition):
            server.create_metadata_store(definition.name, store_type=definition.type, config=definition.config)
        case EnsureLocalStore(definition):
            server.create_local_store(definition.name, store_type=definition.type, config=definition.config)
        case EnsureRemoteStore(definition, present):
            _ensure_remote_store(definition, keys(), server, present=present)
        case CreateShare(metadata_store, local_store, fields, remote_store):
            server.create_share(
                path, metadata_store=metadata_store, local_store=local_store, remote_store=remote_store, fields=fields
            )
        case UpdateShare(fields) | ConfirmSizes(fields):
            server.update_share(path, fields=fields)
        case RefreshAccess(squash):
            server.patch_share_nfs_config(path, {"squash": squash})
        case EnableShare():
            server.enable_share(path)
        case DisableShare():
            # A share that could not be loaded lets nobody in; the server answers 404 for it.
            with suppress(NotFound):
                server.disable_share(path)
        case _:
            execute_detail(step, path=path, server=server)


def _ensure_remote_store(definition: StoreDefinition, keys: S3Keys, server: ServerClient, *, present: bool) -> None:
    config = with_keys(definition.config, keys)
    try:
        if present:
            server.update_remote_store(definition.name, config=config)
        else:
            server.create_remote_store(definition.name, store_type=definition.type, config=config)
    except ServerRefused as refusal:
        raise in_our_words(refusal) from None


def changed_fields(steps: Iterable[Step]) -> tuple[str, ...]:
    """The fields of the specification that `steps` changed on the server, in their order; none for a quiet check."""
    fields: list[str] = []
    for step in steps:
        match step:
            case UpdateShare(changed, found):
                fields += [_FIELDS[name] + (f" ({in_words(found[name])})" if name in found else "") for name in changed]
            case EnableShare() | DisableShare():
                fields.append("enabled")
            case (
                EnsureMetadataStore()
                | EnsureLocalStore()
                | EnsureRemoteStore()
                | CreateShare()
                | ConfirmSizes()
                | RefreshAccess()
            ):
                pass
            case _:
                fields += changes(step)
    return tuple(dict.fromkeys(fields))
