"""Shares."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from http import HTTPStatus
from typing import Any

from hack.localcluster.double import share_options, sizes
from hack.localcluster.double.answers import Answer, bad_request, conflict, json_answer, not_found, timestamp
from hack.localcluster.double.request import Request
from hack.localcluster.double.share_details import NFS_DEFAULTS
from hack.localcluster.double.state import Row, find_share, new_row

_PERMISSIONS = ("none", "read", "read-write", "admin")

#: What both a new and a changed share may say, with the types the server takes.
_SETTINGS: Mapping[str, type] = {
    "read_only": bool,
    "default_permission": str,
    "quota_bytes": str,
    **share_options.TYPES,
    "trash_enabled": bool,
    "trash_retention_days": int,
    "trash_restrict_to_admin": bool,
    "trash_max_bytes": int,
    "trash_exclude_patterns": list,
}

#: The patterns for names of files that Go takes: a class has an end, and - and ] a backslash in it.
_RANGE = r"(?:[^\\\]-]|\\.)(?:-(?:[^\\\]-]|\\.))?"
_GLOB = re.compile(rf"(?:[^\\\[]|\\.|\[(?:\^|(?!\^))(?:{_RANGE})+\])*", re.DOTALL)

_DEFAULTS: Mapping[str, Any] = {
    "read_only": False,
    "enabled": True,
    "default_permission": "none",
    "acl_flag_inherited_canonicalization": True,
    **share_options.DEFAULTS,
    "trash_enabled": False,
    "trash_retention_days": 0,
    "trash_restrict_to_admin": False,
    "trash_max_bytes": 0,
    "trash_exclude_patterns": [],
}


def list_shares(request: Request) -> Answer:
    """GET /shares."""
    return json_answer([_share(request, row) for row in request.state.tables["shares"].values()])


def create(request: Request) -> Answer:
    """POST /shares."""
    fields = request.fields(
        name=str, metadata_store_id=str, local_block_store=str, remote_block_store=str, owner=str, **_SETTINGS
    )
    for field, words in (
        ("name", "Share name"),
        ("metadata_store_id", "Metadata store ID"),
        ("local_block_store", "Local block store"),
    ):
        if not fields.get(field):
            raise bad_request(f"{words} is required")
    name = "/" + fields["name"].lstrip("/")
    stores = {
        "metadata_store_id": _store(request, "metadata", "Metadata store", fields["metadata_store_id"]),
        "local_block_store_id": _store(request, "local", "Local block store", fields["local_block_store"]),
        "remote_block_store_id": _store(request, "remote", "Remote block store", fields.get("remote_block_store")),
    }
    settings = _checked({key: value for key, value in fields.items() if key in _SETTINGS}, _DEFAULTS, new=True)
    owner = _owner(request, fields.get("owner"))
    if name in request.state.tables["shares"]:
        raise conflict("Share already exists")
    row = new_row(name=name, **stores, **{**_DEFAULTS, **settings}, **owner, nfs=dict(NFS_DEFAULTS), permissions=[])
    request.state.tables["shares"][name] = row
    request.state.load_share(name)
    request.state.save()
    return json_answer(_share(request, row), HTTPStatus.CREATED)


def get(request: Request) -> Answer:
    """GET /shares/{name}."""
    return json_answer(_share(request, _find(request)))


def update(request: Request) -> Answer:
    """PUT /shares/{name}: the fields that are present; an empty quota removes it."""
    row = _find(request)
    fields = request.fields(local_block_store_id=str, remote_block_store_id=str, **_SETTINGS)
    for table in ("local", "remote"):
        column = f"{table}_block_store_id"
        if column in fields:
            fields[column] = _store(request, table, f"{table.title()} block store", fields[column])
    row.update(_checked(fields, row, new=False))
    row["updated_at"] = timestamp()
    request.state.save()
    return json_answer(_share(request, row))


def delete(request: Request) -> Answer:
    """DELETE /shares/{name}: the row goes, what the stores hold stays."""
    name = _find(request)["name"]
    del request.state.tables["shares"][name]
    snapshots = request.state.tables["snapshots"]
    for row in [row for row in snapshots.values() if row["share"] == name]:
        del snapshots[row["id"]]
    request.state.tables["policies"].pop(name, None)
    request.state.loaded.discard(name)
    request.state.save()
    return Answer(HTTPStatus.NO_CONTENT.value)


def enable(request: Request) -> Answer:
    """POST /shares/{name}/enable."""
    return _switch(request, enabled=True)


def disable(request: Request) -> Answer:
    """POST /shares/{name}/disable."""
    return _switch(request, enabled=False)


def status(request: Request) -> Answer:
    """GET /shares/{name}/status."""
    return json_answer(_status(request, _find(request)))


def _switch(request: Request, *, enabled: bool) -> Answer:
    row = _find(request)
    if row["name"] not in request.state.loaded:
        raise not_found("Share not found")
    if row["enabled"] is not enabled:
        row["enabled"] = enabled
        row["updated_at"] = timestamp()
        request.state.save()
    return json_answer(_share(request, row))


def _find(request: Request) -> Row:
    return find_share(request.state, request.parameters["name"])


def _store(request: Request, table: str, words: str, reference: str | None) -> str | None:
    if not reference:
        return None
    row = request.state.find(table, reference)
    if row is None:
        raise bad_request(f"{words} not found: {reference}")
    return str(row["id"])


def _owner(request: Request, name: str | None) -> dict[str, int]:
    """Whom the root directory belongs to, by number."""
    if not name:
        return {}
    user = request.state.tables["users"].get(name)
    if user is None:
        raise bad_request(f'Owner user "{name}" not found')
    if user["uid"] is None:
        raise bad_request(f'Owner user "{name}" has no UID')
    return {"owner_uid": user["uid"], "owner_gid": user["uid"] if user["gid"] is None else user["gid"]}


def _checked(settings: dict[str, Any], row: Mapping[str, Any], *, new: bool) -> dict[str, Any]:
    level = settings.get("default_permission")
    if level is not None and level not in _PERMISSIONS:
        raise bad_request(f"Invalid default_permission: {level} (want {'|'.join(_PERMISSIONS)})")
    share_options.checked(settings, row, new=new)
    if "quota_bytes" in settings:
        try:
            settings["quota_bytes"] = sizes.parse(settings["quota_bytes"]) if settings["quota_bytes"] else 0
        except ValueError as error:
            raise bad_request(f"Invalid quota_bytes: {error}") from None
    for field in ("trash_retention_days", "trash_max_bytes"):
        if settings.get(field, 0) < 0:
            raise bad_request(f"{field} must be >= 0")
    for pattern in settings.get("trash_exclude_patterns", ()):
        if not isinstance(pattern, str):
            raise bad_request("Invalid request body")
        if not _GLOB.fullmatch(pattern):
            raise bad_request(f"invalid exclude pattern {json.dumps(pattern)}: syntax error in pattern")
    return settings


def _share(request: Request, row: Row) -> dict[str, Any]:
    hidden = {"nfs", "permissions", "quota_bytes", *share_options.TYPES}
    shown = {key: value for key, value in row.items() if key not in hidden} | share_options.shown(row)
    if not row["trash_exclude_patterns"]:
        del shown["trash_exclude_patterns"]
    if row.get("quota_bytes"):
        shown["quota_bytes"] = sizes.render(row["quota_bytes"])
    return {**shown, "used_bytes": 0, "physical_bytes": 0, "usage_percent": 0, "status": _status(request, row)}


def _status(request: Request, row: Row) -> dict[str, Any]:
    if row["name"] in request.state.loaded:
        return {"status": "healthy", "checked_at": timestamp()}
    return {"status": "unknown", "message": "share not loaded", "checked_at": timestamp()}
