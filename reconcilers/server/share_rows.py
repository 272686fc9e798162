"""What the server gives back of the things that hang on a share, as frozen values (dittofs-server 3.3, 3.7, 3.8)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

from reconcilers.api.scalars import parse_duration
from reconcilers.server.errors import ServerUnreachable
from reconcilers.server.rows import json_object

#: How the server names snapshots of a policy that says nothing about it.
_NAME_PREFIX = "scheduled"


@dataclass(frozen=True, slots=True)
class ShareNfsConfig:
    """How one share is exported over NFS, by the server's names; an id that nobody set is absent."""

    options: Mapping[str, Any]

    @property
    def squash(self) -> str:
        """Whom clients act as."""
        return str(self.options.get("squash") or "")

    @property
    def netgroup(self) -> str:
        """The list of clients that may mount; empty: everybody."""
        return str(self.options.get("netgroup") or "")

    @classmethod
    def parse(cls, data: object) -> ShareNfsConfig:
        """From the NFS options of a share."""
        return cls(MappingProxyType(dict(json_object(data, "NFS options"))))


@dataclass(frozen=True, slots=True)
class PermissionRow:
    """What one holder may do; `kind` is user, group or sid, and `name` of a sid is how people call it."""

    kind: str
    name: str
    level: str
    sid: str = ""
    is_group: bool = False

    @classmethod
    def parse(cls, data: object) -> PermissionRow:
        """From a permission row."""
        row = json_object(data, "permission")
        return cls(
            kind=str(row.get("type") or ""),
            name=str(row.get("name") or ""),
            level=str(row.get("level") or ""),
            sid=str(row.get("sid") or ""),
            is_group=bool(row.get("is_group")),
        )


@dataclass(frozen=True, slots=True)
class QuotaRow:
    """The limits of one user, group or of everybody else (`identity` 0); sizes are rounded text, empty without."""

    scope: str
    identity: int
    limit_bytes: str = ""
    soft_bytes: str = ""
    limit_files: int = 0
    soft_files: int = 0
    grace_seconds: int = 0

    @classmethod
    def parse(cls, data: object) -> QuotaRow:
        """From a quota row."""
        row = json_object(data, "quota")
        return cls(
            scope=str(row.get("scope") or ""),
            identity=int(row.get("identity_id") or 0),
            limit_bytes=str(row.get("limit_bytes") or ""),
            soft_bytes=str(row.get("soft_bytes") or ""),
            limit_files=int(row.get("limit_files") or 0),
            soft_files=int(row.get("soft_files") or 0),
            grace_seconds=int(row.get("grace_seconds") or 0),
        )


@dataclass(frozen=True, slots=True)
class SnapshotPolicyRow:
    """When the server takes snapshots of a share; `keep_last` 0: all are kept, `ttl_s` 0: for ever."""

    enabled: bool
    interval_s: float
    keep_last: int
    ttl_s: float
    name_prefix: str
    #: In the server's words (`24h0m0s`).
    interval: str = ""
    ttl: str = ""

    @classmethod
    def parse(cls, data: object) -> SnapshotPolicyRow:
        """From a snapshot policy."""
        row = json_object(data, "snapshot policy")
        interval, ttl = str(row.get("interval") or ""), str(row.get("ttl") or "")
        try:
            interval_s, ttl_s = parse_duration(interval), parse_duration(ttl or "0")
        except ValueError:
            raise ServerUnreachable(
                "the answer is no snapshot policy: is it a DittoFS server of a known version?"
            ) from None
        return cls(
            enabled=bool(row.get("enabled")),
            interval_s=interval_s,
            keep_last=int(row.get("keep_last") or 0),
            ttl_s=ttl_s,
            name_prefix=str(row.get("name_prefix") or _NAME_PREFIX),
            interval=interval,
            ttl=ttl,
        )


@dataclass(frozen=True, slots=True)
class NetgroupMember:
    """One client, or range of clients, of a netgroup; `kind` is ip, cidr or hostname."""

    id: str
    kind: str
    value: str

    @classmethod
    def parse(cls, data: object) -> NetgroupMember:
        """From a member row."""
        row = json_object(data, "netgroup member")
        return cls(str(row.get("id") or ""), str(row.get("type") or ""), str(row.get("value") or ""))


@dataclass(frozen=True, slots=True)
class Netgroup:
    """A list of clients that may mount."""

    name: str
    members: tuple[NetgroupMember, ...]

    @classmethod
    def parse(cls, data: object) -> Netgroup:
        """From a netgroup row; one without members has no list."""
        row = json_object(data, "netgroup")
        members = row.get("members")
        rows = members if isinstance(members, list) else []
        return cls(str(row.get("name") or ""), tuple(NetgroupMember.parse(member) for member in rows))
