"""What hangs on a share: NFS options and the netgroups they name, permissions, quotas of users and groups."""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Callable, Mapping
from http import HTTPStatus
from typing import Any

from hack.localcluster.double import sizes
from hack.localcluster.double.answers import Answer, bad_request, conflict, json_answer, not_found
from hack.localcluster.double.request import Request
from hack.localcluster.double.state import Row, find_share, new_row

_SQUASHES = ("none", "root_to_admin", "root_to_guest", "all_to_admin", "all_to_guest")
_LEVELS = ("none", "read", "read-write", "admin")
_SCOPES = ("user", "group", "default-user")
_MAX_ID = 2**32 - 1
_SID = re.compile(r"S-1-\d+(-\d+)*")

NFS_DEFAULTS: Mapping[str, Any] = {
    "squash": "root_to_guest",
    "allow_auth_sys": True,
    "require_kerberos": False,
    "min_kerberos_level": "krb5",
    "netgroup": "",
    "disable_readdirplus": False,
}
_NFS_IDS = ("anonymous_uid", "anonymous_gid")
_NFS_TYPES: Mapping[str, type] = {
    **{name: type(value) for name, value in NFS_DEFAULTS.items()},
    **dict.fromkeys(_NFS_IDS, int),
}
_LIMITS: Mapping[str, type] = {
    "limit_bytes": str,
    "soft_bytes": str,
    "limit_files": int,
    "soft_files": int,
    "grace_seconds": int,
}


def get_nfs(request: Request) -> Answer:
    """GET /shares/{name}/adapters/nfs/config."""
    return json_answer(find_share(request.state, request.parameters["name"])["nfs"])


def patch_nfs(request: Request) -> Answer:
    """PATCH /shares/{name}/adapters/nfs/config: the level of Kerberos may be any word."""
    row = find_share(request.state, request.parameters["name"])
    fields = request.fields(**_NFS_TYPES)
    if any(not 0 <= fields.get(name, 0) <= _MAX_ID for name in _NFS_IDS):
        raise bad_request("Invalid request body")
    if fields.get("squash") and fields["squash"] not in _SQUASHES:
        raise bad_request(f"Invalid squash: {fields['squash']} (want {'|'.join(_SQUASHES)})")
    if fields.get("netgroup") and fields["netgroup"] not in request.state.tables["netgroups"]:
        raise bad_request(f"Netgroup not found: {fields['netgroup']}")
    row["nfs"].update(fields)
    request.state.save()
    return json_answer(row["nfs"])


def list_netgroups(request: Request) -> Answer:
    """GET /adapters/nfs/netgroups."""
    return json_answer([_shown_netgroup(row) for row in request.state.tables["netgroups"].values()])


def get_netgroup(request: Request) -> Answer:
    """GET /adapters/nfs/netgroups/{name}."""
    return json_answer(_shown_netgroup(_netgroup(request)))


def create_netgroup(request: Request) -> Answer:
    """POST /adapters/nfs/netgroups."""
    name = request.fields(name=str).get("name")
    if not name:
        raise bad_request("Netgroup name is required")
    if name in request.state.tables["netgroups"]:
        raise conflict("Netgroup already exists")
    row = request.state.tables["netgroups"][name] = new_row(name=name, members=[])
    request.state.save()
    return json_answer(_shown_netgroup(row), HTTPStatus.CREATED)


def delete_netgroup(request: Request) -> Answer:
    """DELETE /adapters/nfs/netgroups/{name}."""
    name = _netgroup(request)["name"]
    if any(share["nfs"]["netgroup"] == name for share in request.state.tables["shares"].values()):
        raise conflict("Netgroup is referenced by one or more shares")
    del request.state.tables["netgroups"][name]
    request.state.save()
    return Answer(HTTPStatus.NO_CONTENT.value)


def add_member(request: Request) -> Answer:
    """POST /adapters/nfs/netgroups/{name}/members: hosts' names are taken as they are, and everything twice."""
    fields = request.fields(type=str, value=str)
    kind, value = fields.get("type"), fields.get("value")
    if kind not in ("ip", "cidr", "hostname"):
        raise bad_request("Invalid member type. Must be one of: ip, cidr, hostname")
    if not value:
        raise bad_request("Member value is required")
    if kind == "ip" and not _parses(ipaddress.ip_address, value):
        raise bad_request(f"invalid IP address: {value}")
    if kind == "cidr" and not ("/" in value and _parses(ipaddress.ip_interface, value)):
        raise bad_request(f"invalid CIDR: {value}: invalid CIDR address: {value}")
    row = _netgroup(request)
    member = {"id": new_row()["id"], "type": kind, "value": value}
    row["members"].append(member)
    request.state.save()
    return json_answer(member, HTTPStatus.CREATED)


def remove_member(request: Request) -> Answer:
    """DELETE /adapters/nfs/netgroups/{name}/members/{id}."""
    row = _netgroup(request)
    row["members"] = [member for member in row["members"] if member["id"] != request.parameters["id"]]
    request.state.save()
    return Answer(HTTPStatus.NO_CONTENT.value)


def list_permissions(request: Request) -> Answer:
    """GET /shares/{name}/permissions: users, groups, then the others; null when there are none."""
    row = find_share(request.state, request.parameters["name"])
    kinds = ("user", "group", "sid")
    return json_answer(sorted(row["permissions"], key=lambda each: kinds.index(each["type"])) or None)


def put_permission(request: Request) -> Answer:
    """PUT /shares/{name}/permissions/{kind}/{holder}: any word is a level, but not for a sid."""
    kind, holder = request.parameters["kind"], request.parameters["holder"]
    if kind == "sids":
        _check_sid(holder)
    fields = request.fields(level=str, is_group=bool, display_name=str)
    if not fields.get("level"):
        raise bad_request("Permission level is required")
    if kind == "sids" and fields["level"] not in _LEVELS:
        raise bad_request("Invalid permission level")
    row = find_share(request.state, request.parameters["name"])
    if kind == "sids":
        name = fields.get("display_name") or holder
        entry = {"type": "sid", "name": name, "level": fields["level"], "sid": holder}
        entry["is_group"] = fields.get("is_group", True)
    else:
        if holder not in request.state.tables[kind]:
            raise not_found("User not found" if kind == "users" else "Group not found")
        entry = {"type": kind.removesuffix("s"), "name": holder, "level": fields["level"]}
    kept = [each for each in row["permissions"] if _holder(each) != _holder(entry)]
    row["permissions"] = [*kept, entry]
    request.state.save()
    return Answer(HTTPStatus.NO_CONTENT.value)


def delete_permission(request: Request) -> Answer:
    """DELETE /shares/{name}/permissions/{kind}/{holder}: of what is not there, too."""
    kind, holder = request.parameters["kind"], request.parameters["holder"]
    if kind == "sids":
        _check_sid(holder)
    row = request.state.tables["shares"].get("/" + request.parameters["name"].lstrip("/"))
    if row is not None:
        gone = (kind.removesuffix("s"), holder)
        row["permissions"] = [each for each in row["permissions"] if _holder(each) != gone]
        request.state.save()
    return Answer(HTTPStatus.NO_CONTENT.value)


def list_quotas(request: Request) -> Answer:
    """GET /shares/{name}/quotas: the share isn't even looked up."""
    rows = [row for row in request.state.tables["quotas"].values() if row["share_name"] == _share_name(request)]
    return json_answer([_shown_quota(row) for row in sorted(rows, key=lambda row: (row["scope"], row["identity"]))])


def get_quota(request: Request) -> Answer:
    """GET /shares/{name}/quotas/{scope}/{id}."""
    row = request.state.tables["quotas"].get(_quota_key(request))
    if row is None:
        raise not_found("Quota not found")
    return json_answer(_shown_quota(row))


def put_quota(request: Request) -> Answer:
    """PUT /shares/{name}/quotas/{scope}/{id}: all limits at once."""
    key = _quota_key(request)
    fields = request.fields(**_LIMITS)
    limits = {"limit_files": 0, "soft_files": 0, "grace_seconds": 0, **fields}
    for name in ("limit_bytes", "soft_bytes"):
        try:
            limits[name] = sizes.parse(fields[name]) if fields.get(name) else 0
        except ValueError as error:
            raise bad_request(f"Invalid {name}: {error}") from None
    if min(limits["limit_files"], limits["soft_files"], limits["grace_seconds"]) < 0:
        raise bad_request("limit_files, soft_files and grace_seconds must be >= 0")
    for unit in ("bytes", "files"):
        if 0 < limits[f"limit_{unit}"] < limits[f"soft_{unit}"]:
            raise bad_request(f"soft_{unit} must not exceed limit_{unit}")
    scope, identity = key.split("|")[1:]
    row = {"share_name": _share_name(request), "scope": scope, "identity": int(identity), **limits}
    request.state.tables["quotas"][key] = row
    request.state.save()
    return json_answer(_shown_quota(row))


def delete_quota(request: Request) -> Answer:
    """DELETE /shares/{name}/quotas/{scope}/{id}."""
    if request.state.tables["quotas"].pop(_quota_key(request), None) is None:
        raise not_found("Quota not found")
    request.state.save()
    return Answer(HTTPStatus.NO_CONTENT.value)


def no_scope(_request: Request) -> Answer:
    """/shares/{name}/quotas/default-user: without anything behind it the server misses the scope."""
    raise bad_request(f"Invalid scope:  (want {'|'.join(_SCOPES)})")


def _shown_netgroup(row: Row) -> Row:
    return {key: value for key, value in row.items() if key != "members" or value}


def _netgroup(request: Request) -> Row:
    row: Row | None = request.state.tables["netgroups"].get(request.parameters["name"])
    if row is None:
        raise not_found("Netgroup not found")
    return row


def _holder(entry: Row) -> tuple[str, str]:
    return entry["type"], entry.get("sid") or entry["name"]


def _check_sid(text: str) -> None:
    if not _SID.fullmatch(text):
        raise bad_request("Invalid SID")


def _share_name(request: Request) -> str:
    return "/" + request.parameters["name"].lstrip("/")


def _quota_key(request: Request) -> str:
    scope, identity = request.parameters["scope"], request.parameters["id"]
    if scope not in _SCOPES:
        raise bad_request(f"Invalid scope: {scope} (want {'|'.join(_SCOPES)})")
    if scope == "default-user":
        identity = "0"
    elif not identity.isdecimal() or int(identity) > _MAX_ID:
        raise bad_request(f"Invalid identity id: {identity}")
    return f"{_share_name(request)}|{scope}|{int(identity)}"


def _shown_quota(row: Row) -> Row:
    shown: Row = {"share_name": row["share_name"], "scope": row["scope"]}
    if row["scope"] != "default-user":
        shown["identity_id"] = row["identity"]
    shown |= {name: sizes.render(row[name]) for name in ("limit_bytes", "soft_bytes") if row[name]}
    return {
        **shown,
        **{name: row[name] for name in ("limit_files", "soft_files", "grace_seconds")},
        "used_bytes": 0,
        "used_files": 0,
    }


def _parses(parse: Callable[[str], object], text: str) -> bool:
    try:
        parse(text)
    except ValueError:
        return False
    return True
