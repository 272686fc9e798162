"""The options in a share's own row: for SMB, what stays on the local store, and operations."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from hack.localcluster.double import sizes
from hack.localcluster.double.answers import bad_request
from hack.localcluster.double.state import Row
from reconcilers.api.scalars import parse_duration
from reconcilers.api.share_operations import BlockableOperation

_SMB = (
    "access_based_enumeration",
    "change_notify_disabled",
    "streams_disabled",
    "continuous_availability",
    "allow_mfsymlink",
    "encrypt_data",
)
_SIZES = ("local_store_size", "read_buffer_size")
_POLICIES = ("pin", "ttl", "lru")

#: The options with the types that the server takes.
TYPES: Mapping[str, type] = {
    **dict.fromkeys(_SMB, bool),
    "blocked_operations": list,
    "retention_policy": str,
    "retention_ttl": str,
    **dict.fromkeys(_SIZES, str),
}
#: What the row of a new share has.
DEFAULTS: Mapping[str, Any] = {
    **dict.fromkeys(_SMB, False),
    "blocked_operations": [],
    "retention_policy": "lru",
    "retention_ttl": 0,
    **dict.fromkeys(_SIZES, 0),
}


def checked(settings: dict[str, Any], row: Mapping[str, Any], *, new: bool) -> None:
    """Turn the options among `settings` into what the `row` keeps, in place; only a new share takes empty texts."""
    for operation in settings.get("blocked_operations", ()):
        if not isinstance(operation, str):
            raise bad_request("Invalid request body")
        if operation not in list(BlockableOperation):
            raise bad_request(f"Unknown blocked operation: {operation}")
    _check_retention(settings, row, new=new)
    for name in _SIZES:
        if name in settings:
            settings[name] = _size(name, settings[name], new=new)


def shown(row: Row) -> Row:
    """The options of `row` as the server tells them: what is not set is left out."""
    told = {name: row[name] for name in _SMB} | {"retention_policy": row["retention_policy"]}
    if row["blocked_operations"]:
        told["blocked_operations"] = row["blocked_operations"]
    if row["retention_ttl"]:
        told["retention_ttl"] = _duration(row["retention_ttl"])
    return told | {name: sizes.render(row[name]) for name in _SIZES if row[name]}


def _check_retention(settings: dict[str, Any], row: Mapping[str, Any], *, new: bool) -> None:
    if "retention_policy" not in settings and "retention_ttl" not in settings:
        return
    policy = settings.get("retention_policy", row["retention_policy"])
    if policy.strip().lower() not in (*_POLICIES, ""):
        raise bad_request(f'invalid retention policy "{policy}": must be one of {", ".join(_POLICIES)}')
    settings["retention_policy"] = policy = policy.strip().lower() or "lru"
    seconds = float(row["retention_ttl"])
    if "retention_ttl" in settings:
        text = settings["retention_ttl"]
        try:
            seconds = 0.0 if new and not text else parse_duration(text)
        except ValueError:
            raise bad_request(f'Invalid retention TTL duration: time: invalid duration "{text}"') from None
    if policy == "ttl" and seconds <= 0:
        raise bad_request('retention policy "ttl" requires a positive TTL duration')
    settings["retention_ttl"] = int(seconds)


def _size(name: str, text: str, *, new: bool) -> int:
    if not text.strip():
        if new and not text:
            return 0
        raise bad_request(f"Invalid {name}: empty byte size string")
    try:
        return sizes.parse(text)
    except ValueError as error:
        raise bad_request(f"Invalid {name}: {error}") from None


def _duration(seconds: int) -> str:
    minutes, rest = divmod(seconds, 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}h{minutes}m{rest}s" if hours else f"{minutes}m{rest}s" if minutes else f"{rest}s"
