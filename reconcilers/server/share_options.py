"""What the row of a share says of its options, in a form that can be compared (dittofs-server 3.3, tried: v0.29.0)."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

from reconcilers.api.scalars import parse_duration

SMB_OPTIONS = (
    "encrypt_data",
    "access_based_enumeration",
    "change_notify_disabled",
    "streams_disabled",
    "continuous_availability",
    "allow_mfsymlink",
)
#: What an option is when nobody set it: sizes as the server's rounded text, the time in seconds, operations as a set.
DEFAULTS: Mapping[str, object] = MappingProxyType(
    {
        **dict.fromkeys(SMB_OPTIONS, False),
        "retention_policy": "lru",
        "retention_ttl": 0,
        "local_store_size": "",
        "read_buffer_size": "",
        "blocked_operations": frozenset(),
    }
)


def told_options(row: Mapping[str, Any]) -> Mapping[str, object]:
    """The options by the server's names; what the `row` leaves out is as by default."""
    told: dict[str, object] = {name: row.get(name) or absent for name, absent in DEFAULTS.items()}
    told["blocked_operations"] = frozenset(row.get("blocked_operations") or ())
    told["retention_ttl"] = _seconds(row.get("retention_ttl"))
    return MappingProxyType(told)


def _seconds(text: object) -> object:
    try:
        return int(parse_duration(text)) if isinstance(text, str) and text else 0
    except ValueError:
        return text
