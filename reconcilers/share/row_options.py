"""The options in a share's own row, as the specification asks for them and in the server's words. Pure."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from reconcilers.api.scalars import parse_bytes, parse_duration
from reconcilers.api.share import DittoFSShare
from reconcilers.server.share_options import DEFAULTS
from reconcilers.server.sizes import server_text

#: By the server's name of an option, the field of the specification.
ROW_FIELDS: Mapping[str, str] = {
    "encrypt_data": "smb.encryptData",
    "access_based_enumeration": "smb.accessBasedEnumeration",
    "change_notify_disabled": "smb.changeNotifyDisabled",
    "streams_disabled": "smb.streamsDisabled",
    "continuous_availability": "smb.continuousAvailability",
    "allow_mfsymlink": "smb.allowMfsymlink",
    "retention_policy": "retention.policy",
    "retention_ttl": "retention.ttl",
    "local_store_size": "cache.localSize",
    "read_buffer_size": "cache.readBuffer",
    "blocked_operations": "blockedOperations",
}
#: Options whose size the server tells rounded, so that a small change can't be seen.
ROUNDED = ("local_store_size", "read_buffer_size")


@dataclass(frozen=True, slots=True)
class RowOption:
    """One option: as the server takes it, and as `told_options` gives it once the server has it."""

    body: Any
    told: object


def desired_options(share: DittoFSShare) -> Mapping[str, RowOption]:
    """What `share` asks, by the server's names."""
    smb, retention, cache = share.spec.smb, share.spec.retention, share.spec.cache
    ttl = math.ceil(parse_duration(retention.ttl)) if retention.ttl else 0
    operations = [operation.value for operation in share.spec.blocked_operations]
    return {
        "encrypt_data": _plain(smb.encrypt_data),
        "access_based_enumeration": _plain(smb.access_based_enumeration),
        "change_notify_disabled": _plain(smb.change_notify_disabled),
        "streams_disabled": _plain(smb.streams_disabled),
        "continuous_availability": _plain(smb.continuous_availability),
        "allow_mfsymlink": _plain(smb.allow_mfsymlink),
        "retention_policy": _plain(retention.policy.value),
        # The server refuses an empty text; 0s takes the time away (tried against v0.29.0).
        "retention_ttl": RowOption(f"{ttl}s", ttl),
        "local_store_size": _size(cache.local_size),
        "read_buffer_size": _size(cache.read_buffer),
        "blocked_operations": RowOption(operations, frozenset(operations)),
    }


def for_creation(options: Mapping[str, RowOption]) -> dict[str, Any]:
    """What a share must be made with to have `options`."""
    return {name: option.body for name, option in options.items() if option.told != DEFAULTS[name]}


def differing(options: Mapping[str, RowOption], told: Mapping[str, object]) -> dict[str, Any]:
    """What must be sent so that the server has `options`, where its row says `told`."""
    return {name: option.body for name, option in options.items() if option.told != told.get(name, DEFAULTS[name])}


def unseen(options: Mapping[str, RowOption]) -> dict[str, Any]:
    """What of `options` may differ on the server without being seen, since it tells it rounded."""
    return {name: options[name].body for name in ROUNDED if name in options and options[name].told}


def _plain(value: object) -> RowOption:
    return RowOption(value, value)


def _size(text: str) -> RowOption:
    size = parse_bytes(text) if text else 0
    return RowOption(str(size), server_text(size))
