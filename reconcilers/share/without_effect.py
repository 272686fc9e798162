"""What a DittoFSShare asks of a server that does nothing about it. Pure: told from the two specifications."""

from __future__ import annotations

from collections.abc import Mapping

from reconcilers.api.dittofs import DittoFS
from reconcilers.api.share import DittoFSShare
from reconcilers.api.share_options import RetentionPolicy
from reconcilers.share.row_options import ROW_FIELDS


def without_effect(share: DittoFSShare, instance: DittoFS) -> Mapping[str, str]:
    """By field what the server keeps and does nothing about (tried against v0.29.0), with the reason for people."""
    spec, found = share.spec, dict[str, str]()
    if instance.spec.payload.s3 is None:
        why = f'only with a bucket, and DittoFS "{instance.metadata.name}" has none'
        if spec.cache.local_size:
            found[ROW_FIELDS["local_store_size"]] = why
        if spec.retention.policy is not RetentionPolicy.LRU:
            found[ROW_FIELDS["retention_policy"]] = why
    elif spec.retention.policy is not RetentionPolicy.LRU:
        found[ROW_FIELDS["retention_policy"]] = "DittoFS v0.29.0 treats every policy as lru"
    if spec.blocked_operations:
        found[ROW_FIELDS["blocked_operations"]] = (
            "DittoFS v0.29.0 refuses operations for all shares together only: "
            "adapters.nfs.settings.blocked_operations of the DittoFS"
        )
    return found
