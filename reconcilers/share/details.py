"""What hangs on a share and is read by calls of its own: NFS options, clients, permissions, quotas, snapshots. Pure."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from reconcilers import names
from reconcilers.api.scalars import parse_bytes, parse_duration
from reconcilers.api.share import DittoFSShare
from reconcilers.api.share_access import IdentityQuota, NfsOptions, Permission
from reconcilers.server.share_rows import Netgroup, PermissionRow, QuotaRow, ShareNfsConfig, SnapshotPolicyRow
from reconcilers.server.sizes import same_size
from reconcilers.share.snapshots import SnapshotRule, snapshot_rule


@dataclass(frozen=True, slots=True)
class Client:
    """Who may mount; `kind` is ip, cidr or hostname."""

    kind: str
    value: str


@dataclass(frozen=True, slots=True)
class Grant:
    """What one holder may do; `kind` is user, group or sid."""

    kind: str
    holder: str
    level: str


@dataclass(frozen=True, slots=True)
class QuotaLimits:
    """The limits of one user, group or of everybody else (`identity` 0); 0 is no limit. Sizes are in bytes."""

    scope: str
    identity: int
    limit_bytes: int = 0
    soft_bytes: int = 0
    limit_files: int = 0
    soft_files: int = 0
    grace_seconds: int = 0

    @property
    def whose(self) -> str:
        """For people: whose limits they are."""
        return f"{self.scope} {self.identity}" if self.identity else self.scope

    def is_met_by(self, row: QuotaRow) -> bool:
        """Whether `row` may be these limits: the server rounds sizes."""
        counts = (self.limit_files, self.soft_files, self.grace_seconds)
        return (
            same_size(self.limit_bytes, row.limit_bytes)
            and same_size(self.soft_bytes, row.soft_bytes)
            and counts == (row.limit_files, row.soft_files, row.grace_seconds)
        )

    def body(self) -> dict[str, Any]:
        """The limits as the server takes them; it takes no size 0 for no limit only when it is left out."""
        sizes = {"limit_bytes": self.limit_bytes, "soft_bytes": self.soft_bytes}
        counts = {
            "limit_files": self.limit_files,
            "soft_files": self.soft_files,
            "grace_seconds": self.grace_seconds,
        }
        return {**{name: str(size) for name, size in sizes.items() if size}, **counts}


@dataclass(frozen=True, slots=True)
class DesiredDetails:
    """What hangs on a share as its specification wants it."""

    netgroup: str
    nfs: Mapping[str, Any]
    clients: tuple[Client, ...] = ()
    grants: tuple[Grant, ...] = ()
    quotas: tuple[QuotaLimits, ...] = ()
    snapshots: SnapshotRule | None = None

    @property
    def squash(self) -> str:
        """Whom NFS clients act as."""
        return str(self.nfs["squash"])


@dataclass(frozen=True, slots=True)
class ObservedDetails:
    """What the server has of it; `netgroup` is the one that is ours, used or not.

    `last_failure`: why the last snapshot of the policy is none; looked up only where there is to be one.
    """

    nfs: ShareNfsConfig
    permissions: tuple[PermissionRow, ...] = ()
    quotas: tuple[QuotaRow, ...] = ()
    netgroup: Netgroup | None = None
    snapshots: SnapshotPolicyRow | None = None
    last_failure: str = ""


def desired_details(share: DittoFSShare) -> DesiredDetails:
    """What `share` asks of the server beside the share itself."""
    spec = share.spec
    return DesiredDetails(
        netgroup=names.netgroup(share.path),
        nfs=_nfs_options(spec.nfs),
        clients=tuple(dict.fromkeys(_client(text) for text in spec.nfs.allowed_clients)),
        grants=tuple(_grant(permission) for permission in spec.permissions),
        quotas=tuple(_limits(quota) for quota in spec.quotas),
        snapshots=snapshot_rule(spec.snapshot_policy) if spec.snapshot_policy else None,
    )


def _nfs_options(nfs: NfsOptions) -> dict[str, Any]:
    return {
        "squash": nfs.squash.value,
        "anonymous_uid": nfs.anonymous_uid,
        "anonymous_gid": nfs.anonymous_gid,
        "allow_auth_sys": nfs.allow_auth_sys,
        "require_kerberos": nfs.require_kerberos,
        "min_kerberos_level": nfs.min_kerberos_level.value,
        "disable_readdirplus": nfs.disable_readdirplus,
    }


def _client(text: str) -> Client:
    if "/" in text:
        return Client("cidr", text)
    return Client("ip" if ":" in text or not any(letter.isalpha() for letter in text) else "hostname", text)


def _grant(permission: Permission) -> Grant:
    if permission.user is not None:
        return Grant("user", permission.user, permission.level.value)
    if permission.group is not None:
        return Grant("group", permission.group, permission.level.value)
    return Grant("sid", permission.sid or "", permission.level.value)


def _limits(quota: IdentityQuota) -> QuotaLimits:
    return QuotaLimits(
        scope=quota.scope.value,
        identity=quota.id or 0,
        limit_bytes=parse_bytes(quota.hard_size) if quota.hard_size else 0,
        soft_bytes=parse_bytes(quota.soft_size) if quota.soft_size else 0,
        limit_files=quota.hard_files or 0,
        soft_files=quota.soft_files or 0,
        grace_seconds=math.ceil(parse_duration(quota.grace)) if quota.grace else 0,
    )
