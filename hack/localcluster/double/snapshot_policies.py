"""When snapshots of a share are taken: policies are kept and shown, and no snapshot is ever made."""

from __future__ import annotations

import re
from collections.abc import Mapping
from http import HTTPStatus

from hack.localcluster.double.answers import Answer, bad_request, json_answer, not_found, timestamp
from hack.localcluster.double.request import Request
from hack.localcluster.double.state import Row, new_row

_WORDS: Mapping[str, str] = {"@hourly": "1h", "@daily": "24h", "@weekly": "168h"}
_NANOSECONDS: Mapping[str, int] = {"ms": 10**6, "s": 10**9, "m": 60 * 10**9, "h": 3600 * 10**9}
_PART = re.compile(r"(\d+)(?:\.(\d+))?(ms|s|m|h)")
_PREFIX = re.compile(r"[A-Za-z0-9_-]{0,64}")


def get(request: Request) -> Answer:
    """GET /shares/{name}/snapshot-policy."""
    return json_answer(_shown(_find(request)))


def put(request: Request) -> Answer:
    """PUT /shares/{name}/snapshot-policy: the whole policy; its clock goes on."""
    fields = request.fields(interval=str, keep_last=int, ttl=str, enabled=bool, name_prefix=str)
    interval = _interval(fields.get("interval", ""))
    ttl = _optional_duration(fields.get("ttl", ""))
    if fields.get("keep_last", 0) < 0:
        raise bad_request("keep_last must be >= 0")
    if not _PREFIX.fullmatch(fields.get("name_prefix", "")):
        raise bad_request("invalid name_prefix: must match ^[A-Za-z0-9_-]{0,64}$")
    name = _share_name(request)
    if name not in request.state.tables["shares"]:
        raise not_found("share not found")
    row = request.state.tables["policies"].setdefault(name, new_row(share=name))
    row |= {"enabled": True, "keep_last": 0, "name_prefix": "", **fields, "interval": interval, "ttl": ttl}
    row["updated_at"] = timestamp()
    request.state.save()
    return json_answer(_shown(row))


def delete(request: Request) -> Answer:
    """DELETE /shares/{name}/snapshot-policy."""
    del request.state.tables["policies"][_find(request)["share"]]
    request.state.save()
    return Answer(HTTPStatus.NO_CONTENT.value)


def list_policies(request: Request) -> Answer:
    """GET /snapshot-policies."""
    return json_answer([_shown(row) for _, row in sorted(request.state.tables["policies"].items())])


def _share_name(request: Request) -> str:
    return "/" + request.parameters["name"].lstrip("/")


def _find(request: Request) -> Row:
    row: Row | None = request.state.tables["policies"].get(_share_name(request))
    if row is None:
        raise not_found("snapshot policy not found")
    return row


def _shown(row: Row) -> Row:
    shown = {key: value for key, value in row.items() if key not in {"id", "ttl", "name_prefix"}}
    shown["interval"] = _in_go(row["interval"])
    if row["ttl"]:
        shown["ttl"] = _in_go(row["ttl"])
    if row["name_prefix"]:
        shown["name_prefix"] = row["name_prefix"]
    return shown


def _interval(text: str) -> int:
    word = text.strip()
    if not word:
        raise bad_request("invalid interval: schedule: empty interval")
    if word.startswith("@") and word.lower() not in _WORDS:
        known = ", ".join(_WORDS)
        raise bad_request(f'invalid interval: schedule: unknown shorthand "{word}" (want {known})')
    try:
        nanoseconds = _nanoseconds(_WORDS.get(word.lower(), word))
    except ValueError as error:
        raise bad_request(f'invalid interval: schedule: invalid interval "{text}": {error}') from None
    if nanoseconds <= 0:
        raise bad_request(f'invalid interval: schedule: interval must be positive, got "{text}"')
    return nanoseconds


def _optional_duration(text: str) -> int:
    if text in ("", "0"):
        return 0
    try:
        nanoseconds = _nanoseconds(text)
    except ValueError as error:
        raise bad_request(f"invalid ttl: {error}") from None
    if nanoseconds < 0:
        raise bad_request("invalid ttl: must be >= 0")
    return nanoseconds


def _nanoseconds(text: str) -> int:
    """What Go makes of a duration of digits and units; ValueError in its words."""
    number = text.removeprefix("-")
    parts = list(_PART.finditer(number))
    if not parts or "".join(part[0] for part in parts) != number:
        raise ValueError(f'time: invalid duration "{text}"')
    total = 0
    for part in parts:
        unit, fraction = _NANOSECONDS[part[3]], part[2] or "0"
        total += int(part[1]) * unit + int(fraction) * unit // 10 ** len(fraction)
    return total if number == text else -total


def _in_go(nanoseconds: int) -> str:
    """The duration as Go writes one of a millisecond or more: `24h0m0s`, `1m30s`, `3.6ms`."""
    if nanoseconds < _NANOSECONDS["s"]:
        return f"{_decimal(nanoseconds, 6)}ms"
    minutes, rest = divmod(nanoseconds, _NANOSECONDS["m"])
    seconds = f"{_decimal(rest, 9)}s"
    if not minutes:
        return seconds
    hours, minutes = divmod(minutes, 60)
    return f"{hours}h{minutes}m{seconds}" if hours else f"{minutes}m{seconds}"


def _decimal(nanoseconds: int, digits: int) -> str:
    whole, fraction = divmod(nanoseconds, 10**digits)
    return f"{whole}.{fraction:0{digits}d}".rstrip("0").rstrip(".")
