"""Reads what hangs on a share, and does the steps of its plan."""

from __future__ import annotations

from reconcilers.server.client import ServerClient
from reconcilers.server.errors import NotFound
from reconcilers.server.rows import Share
from reconcilers.share.detail_plan import (
    AddClient,
    CreateNetgroup,
    DeleteNetgroup,
    DetailStep,
    PatchNfsConfig,
    PutGrant,
    PutQuota,
    RemoveClient,
    RemoveGrant,
    RemoveQuota,
)
from reconcilers.share.details import DesiredDetails, Grant, ObservedDetails
from reconcilers.share.snapshots import SetSnapshotPolicy, SnapshotRule, last_failure


class UnknownHolder(Exception):
    """The server knows no such user or group, so that a permission can't be given."""


def calls_of_look(desired: DesiredDetails) -> int:
    """How many calls `read_details` takes of a share that has what is desired."""
    return 4 + bool(desired.clients) + (desired.snapshots is not None)


def read_details(desired: DesiredDetails, share: Share, server: ServerClient) -> ObservedDetails:
    """What the server has of `share`. Raises a `ServerError`.

    In four calls, one more when there is a list of clients, and one when snapshots are wanted.
    """
    path = share.name
    nfs = server.share_nfs_config(path)
    listed = desired.clients or nfs.netgroup == desired.netgroup
    return ObservedDetails(
        nfs=nfs,
        permissions=server.share_permissions(path),
        quotas=server.share_quotas(path),
        netgroup=server.netgroup(desired.netgroup) if listed else None,
        snapshots=server.snapshot_policy(path),
        last_failure=last_failure(server.snapshots(path)) if desired.snapshots else "",
    )


def execute_detail(step: DetailStep, *, path: str, server: ServerClient) -> None:
    """Do `step`, which can be done again, for the share at `path`. Raises UnknownHolder or a `ServerError`."""
    match step:
        case PatchNfsConfig(options):
            server.patch_share_nfs_config(path, options)
        case CreateNetgroup() | AddClient() | RemoveClient() | DeleteNetgroup():
            _change_clients(step, server)
        case PutGrant(grant):
            _give(grant, path, server)
        case RemoveGrant(grant):
            server.delete_share_permission(path, kind=grant.kind, holder=grant.holder)
        case PutQuota(limits):
            server.put_share_quota(path, scope=limits.scope, identity=limits.identity, limits=limits.body())
        case RemoveQuota(limits):
            server.delete_share_quota(path, scope=limits.scope, identity=limits.identity)
        case SetSnapshotPolicy(rule):
            _set_snapshot_policy(rule, path, server)


def _change_clients(step: CreateNetgroup | AddClient | RemoveClient | DeleteNetgroup, server: ServerClient) -> None:
    match step:
        case CreateNetgroup(name):
            server.create_netgroup(name)
        case AddClient(netgroup, client):
            server.add_netgroup_member(netgroup, kind=client.kind, value=client.value)
        case RemoveClient(netgroup, member):
            server.remove_netgroup_member(netgroup, member.id)
        case DeleteNetgroup(name):
            server.delete_netgroup(name)


def _set_snapshot_policy(rule: SnapshotRule | None, path: str, server: ServerClient) -> None:
    if rule is None:
        server.delete_snapshot_policy(path)
    else:
        server.put_snapshot_policy(path, rule.body())


def _give(grant: Grant, path: str, server: ServerClient) -> None:
    try:
        server.put_share_permission(path, kind=grant.kind, holder=grant.holder, level=grant.level)
    except NotFound as error:
        raise UnknownHolder(f'{grant.kind} "{grant.holder}": {error.detail}') from None
