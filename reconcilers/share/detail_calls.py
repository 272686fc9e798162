"""Reads what hangs on a share, and does the steps of its plan."""

from __future__ import annotations

from reconcilers.server.client import ServerClient
from reconcilers.server.errors import NotFound
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


class UnknownHolder(Exception):
    """The server knows no such user or group, so that a permission can't be given."""


def read_details(desired: DesiredDetails, *, path: str, server: ServerClient) -> ObservedDetails:
    """What the server has, in three calls, and one more when there is a list of clients. Raises a `ServerError`."""
    nfs = server.share_nfs_config(path)
    listed = desired.clients or nfs.netgroup == desired.netgroup
    return ObservedDetails(
        nfs=nfs,
        permissions=server.share_permissions(path),
        quotas=server.share_quotas(path),
        netgroup=server.netgroup(desired.netgroup) if listed else None,
    )


def execute_detail(step: DetailStep, *, path: str, server: ServerClient) -> None:
    """Do `step`, which can be done again, for the share at `path`. Raises UnknownHolder or a `ServerError`."""
    match step:
        case PatchNfsConfig(options):
            server.patch_share_nfs_config(path, options)
        case CreateNetgroup(name):
            server.create_netgroup(name)
        case AddClient(netgroup, client):
            server.add_netgroup_member(netgroup, kind=client.kind, value=client.value)
        case RemoveClient(netgroup, member):
            server.remove_netgroup_member(netgroup, member.id)
        case DeleteNetgroup(name):
            server.delete_netgroup(name)
        case PutGrant(grant):
            _give(grant, path, server)
        case RemoveGrant(grant):
            server.delete_share_permission(path, kind=grant.kind, holder=grant.holder)
        case PutQuota(limits):
            server.put_share_quota(path, scope=limits.scope, identity=limits.identity, limits=limits.body())
        case RemoveQuota(limits):
            server.delete_share_quota(path, scope=limits.scope, identity=limits.identity)


def _give(grant: Grant, path: str, server: ServerClient) -> None:
    try:
        server.put_share_permission(path, kind=grant.kind, holder=grant.holder, level=grant.level)
    except NotFound as error:
        raise UnknownHolder(f'{grant.kind} "{grant.holder}": {error.detail}') from None
