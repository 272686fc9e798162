"""The calls about what hangs on a share: options, clients, permissions, quotas, snapshots (tried against v0.29.0)."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from typing import Any

from reconcilers.server.calls import Caller, path_of, rows_of
from reconcilers.server.errors import Conflict, NotFound
from reconcilers.server.share_rows import Netgroup, PermissionRow, QuotaRow, ShareNfsConfig, SnapshotPolicyRow

_NFS_CONFIG = ("adapters", "nfs", "config")
_NETGROUPS = ("adapters", "nfs", "netgroups")


def share_segment(name: str) -> str:
    """A share's name as the server takes it in a path, before encoding: without the leading slash."""
    return name.lstrip("/")


class ShareCalls:
    """The calls; every one raises a `ServerError` when it fails."""

    def __init__(self, caller: Caller) -> None:
        self._caller = caller

    def share_nfs_config(self, name: str) -> ShareNfsConfig:
        """How a share is exported over NFS."""
        return ShareNfsConfig.parse(self._caller.call("GET", path_of("shares", share_segment(name), *_NFS_CONFIG)))

    def patch_share_nfs_config(self, name: str, options: Mapping[str, Any]) -> ShareNfsConfig:
        """Change the given options; a netgroup must be there (400 otherwise), an empty one lets everybody mount."""
        path = path_of("shares", share_segment(name), *_NFS_CONFIG)
        return ShareNfsConfig.parse(self._caller.call("PATCH", path, options))

    def netgroup(self, name: str) -> Netgroup | None:
        """The netgroup with this name, None when there is none."""
        try:
            return Netgroup.parse(self._caller.call("GET", path_of(*_NETGROUPS, name)))
        except NotFound:
            return None

    def create_netgroup(self, name: str) -> None:
        """Make an empty netgroup; one that is there already is good as well."""
        with suppress(Conflict):
            self._caller.call("POST", path_of(*_NETGROUPS), {"name": name})

    def delete_netgroup(self, name: str) -> None:
        """Remove a netgroup; Conflict while a share uses it, nothing when it is gone."""
        with suppress(NotFound):
            self._caller.call("DELETE", path_of(*_NETGROUPS, name))

    def add_netgroup_member(self, name: str, *, kind: str, value: str) -> None:
        """Add a client of the `kind` ip, cidr or hostname; the server takes the same one twice."""
        self._caller.call("POST", path_of(*_NETGROUPS, name, "members"), {"type": kind, "value": value})

    def remove_netgroup_member(self, name: str, member_id: str) -> None:
        """Remove a client; nothing when it is gone."""
        self._caller.call("DELETE", path_of(*_NETGROUPS, name, "members", member_id))

    def share_permissions(self, name: str) -> tuple[PermissionRow, ...]:
        """Who may do what in a share."""
        return rows_of(
            self._caller.call("GET", path_of("shares", share_segment(name), "permissions")), PermissionRow.parse
        )

    def put_share_permission(self, name: str, *, kind: str, holder: str, level: str) -> None:
        """Let `holder` do `level`; NotFound when the server has no such user or group.

        A `kind` is user, group or sid. The server takes any word for the level of a user or group.
        """
        self._caller.call("PUT", _permission_path(name, kind, holder), {"level": level})

    def delete_share_permission(self, name: str, *, kind: str, holder: str) -> None:
        """Take a permission away; nothing when it is gone."""
        self._caller.call("DELETE", _permission_path(name, kind, holder))

    def share_quotas(self, name: str) -> tuple[QuotaRow, ...]:
        """The quotas of users and groups; those of a share that is gone stay until they are removed."""
        return rows_of(self._caller.call("GET", path_of("shares", share_segment(name), "quotas")), QuotaRow.parse)

    def put_share_quota(self, name: str, *, scope: str, identity: int, limits: Mapping[str, Any]) -> None:
        """Set all limits of one quota; what `limits` lacks is unlimited. The share isn't even looked up."""
        self._caller.call("PUT", _quota_path(name, scope, identity), limits)

    def delete_share_quota(self, name: str, *, scope: str, identity: int) -> None:
        """Remove one quota; nothing when it is gone."""
        with suppress(NotFound):
            self._caller.call("DELETE", _quota_path(name, scope, identity))

    def snapshot_policy(self, name: str) -> SnapshotPolicyRow | None:
        """When the server takes snapshots of a share by itself, None when it takes none."""
        try:
            return SnapshotPolicyRow.parse(self._caller.call("GET", _policy_path(name)))
        except NotFound:
            return None

    def put_snapshot_policy(self, name: str, policy: Mapping[str, Any]) -> None:
        """Set the whole policy; its clock goes on. Taken for a share in memory as well, of which none is ever made."""
        self._caller.call("PUT", _policy_path(name), policy)

    def delete_snapshot_policy(self, name: str) -> None:
        """Take no more snapshots, and remove none any more; nothing when there is no policy."""
        with suppress(NotFound):
            self._caller.call("DELETE", _policy_path(name))


def _permission_path(share: str, kind: str, holder: str) -> str:
    return path_of("shares", share_segment(share), "permissions", f"{kind}s", holder)


def _quota_path(share: str, scope: str, identity: int) -> str:
    # The scope default-user needs an id as well, whatever it is: without one the server misses the scope (v0.29.0).
    return path_of("shares", share_segment(share), "quotas", scope, str(identity))


def _policy_path(share: str) -> str:
    return path_of("shares", share_segment(share), "snapshot-policy")
