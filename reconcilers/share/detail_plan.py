"""The steps that make what hangs on a share be as wanted, and what each tells people. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from reconcilers.api.share_access import NOBODY
from reconcilers.server.share_rows import NetgroupMember
from reconcilers.share.details import Client, DesiredDetails, Grant, ObservedDetails, QuotaLimits
from reconcilers.share.snapshots import SetSnapshotPolicy, snapshot_step
from reconcilers.share.words import in_words

#: By the server's name of an NFS option, the field of the specification.
NFS_FIELDS: Mapping[str, str] = {
    "squash": "squash",
    "anonymous_uid": "anonymousUID",
    "anonymous_gid": "anonymousGID",
    "allow_auth_sys": "allowAuthSys",
    "require_kerberos": "requireKerberos",
    "min_kerberos_level": "minKerberosLevel",
    "disable_readdirplus": "disableReaddirplus",
}
#: What the server means by an option that it leaves out.
_UNTOLD: Mapping[str, Any] = {"anonymous_uid": NOBODY, "anonymous_gid": NOBODY}


@dataclass(frozen=True, slots=True)
class PatchNfsConfig:
    """Change NFS options."""

    options: Mapping[str, Any]
    found: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class CreateNetgroup:
    """Make the empty list of clients."""

    name: str


@dataclass(frozen=True, slots=True)
class AddClient:
    """Let a client mount."""

    netgroup: str
    client: Client


@dataclass(frozen=True, slots=True)
class RemoveClient:
    """Let a client mount no more."""

    netgroup: str
    member: NetgroupMember


@dataclass(frozen=True, slots=True)
class DeleteNetgroup:
    """Remove the list of clients, which nothing uses."""

    name: str


@dataclass(frozen=True, slots=True)
class PutGrant:
    """Give a permission; `found` is the level that the holder had, empty without one."""

    grant: Grant
    found: str = ""


@dataclass(frozen=True, slots=True)
class RemoveGrant:
    """Take a permission away."""

    grant: Grant


@dataclass(frozen=True, slots=True)
class PutQuota:
    """Set a quota; `quiet`: only since what the server reports is rounded and may hide another one."""

    limits: QuotaLimits
    quiet: bool = False


@dataclass(frozen=True, slots=True)
class RemoveQuota:
    """Remove a quota."""

    limits: QuotaLimits


DetailStep = (
    PatchNfsConfig
    | CreateNetgroup
    | AddClient
    | RemoveClient
    | DeleteNetgroup
    | PutGrant
    | RemoveGrant
    | PutQuota
    | RemoveQuota
    | SetSnapshotPolicy
)


def detail_steps(desired: DesiredDetails, observed: ObservedDetails, *, confirm: bool) -> tuple[DetailStep, ...]:
    """The steps from `observed` to `desired`: whoever loses something loses it before others gain.

    With `confirm` a quota whose sizes look the same is sent again.
    """
    snapshots = snapshot_step(desired.snapshots, observed.snapshots)
    return (
        *_client_steps(desired, observed),
        *_grant_steps(desired, observed),
        *_quota_steps(desired, observed, confirm=confirm),
        *(() if snapshots is None else (snapshots,)),
    )


def touches_access(step: DetailStep) -> bool:
    """Whether `step` changes what clients may do that are at work in the share."""
    return isinstance(step, PutGrant | RemoveGrant | AddClient | RemoveClient)


def refreshes_access(step: DetailStep) -> bool:
    """Whether `step` makes the server forget what it knows of clients' access."""
    return isinstance(step, PatchNfsConfig) and "squash" in step.options


def _client_steps(desired: DesiredDetails, observed: ObservedDetails) -> Iterator[DetailStep]:
    members = observed.netgroup.members if observed.netgroup is not None else ()
    present: dict[Client, NetgroupMember] = {}
    for member in members:
        client = Client(member.kind, member.value)
        if desired.clients and (client not in desired.clients or client in present):
            yield RemoveClient(desired.netgroup, member)
        present.setdefault(client, member)
    if desired.clients and observed.netgroup is None:
        yield CreateNetgroup(desired.netgroup)
    for client in desired.clients:
        if client not in present:
            yield AddClient(desired.netgroup, client)
    options = {**desired.nfs, "netgroup": desired.netgroup if desired.clients else ""}
    found = {**_UNTOLD, **observed.nfs.options}
    differing = {name: value for name, value in options.items() if found.get(name) != value}
    if differing:
        yield PatchNfsConfig(differing, {name: found.get(name) for name in differing})
    if not desired.clients and observed.netgroup is not None:
        yield DeleteNetgroup(desired.netgroup)


def _grant_steps(desired: DesiredDetails, observed: ObservedDetails) -> Iterator[DetailStep]:
    present = {(row.kind, row.sid or row.name): row for row in observed.permissions}
    # An account that a directory service knows is kept under its security identifier, with its name to read.
    by_name = {
        ("group" if row.is_group else "user", row.name): key for key, row in present.items() if row.kind == "sid"
    }
    wanted = {}
    for grant in desired.grants:
        key = (grant.kind, grant.holder)
        wanted[key if key in present else by_name.get(key, key)] = grant
    for key, row in present.items():
        if key not in wanted:
            yield RemoveGrant(Grant(*key, row.level))
    for key, grant in wanted.items():
        found = present[key].level if key in present else ""
        if found != grant.level:
            yield PutGrant(grant, found)


def _quota_steps(desired: DesiredDetails, observed: ObservedDetails, *, confirm: bool) -> Iterator[DetailStep]:
    present = {(row.scope, row.identity): row for row in observed.quotas}
    wanted = {(limits.scope, limits.identity): limits for limits in desired.quotas}
    for scope, identity in present:
        if (scope, identity) not in wanted:
            yield RemoveQuota(QuotaLimits(scope, identity))
    for key, limits in wanted.items():
        row = present.get(key)
        if row is None or not limits.is_met_by(row):
            yield PutQuota(limits)
        elif confirm and (limits.limit_bytes or limits.soft_bytes):
            yield PutQuota(limits, quiet=True)


def changes(step: DetailStep) -> tuple[str, ...]:
    """The fields of the specification that `step` sets right, with what the server had; none for a quiet one."""
    match step:
        case PatchNfsConfig(options, found):
            return tuple(
                f"nfs.{NFS_FIELDS[name]} ({in_words(found[name])})" if name in NFS_FIELDS else "nfs.allowedClients"
                for name in options
            )
        case AddClient(client=client):
            return (f"nfs.allowedClients ({client.value} was missing)",)
        case RemoveClient(member=member):
            return (f"nfs.allowedClients ({member.value} was too many)",)
        case PutGrant(grant, found):
            return (f"permissions ({grant.kind} {grant.holder}: {found or 'missing'})",)
        case RemoveGrant(grant):
            return (f"permissions ({grant.kind} {grant.holder}: {grant.level}, not declared)",)
        case PutQuota(limits, quiet):
            return () if quiet else (f"quotas ({limits.whose})",)
        case RemoveQuota(limits):
            return (f"quotas ({limits.whose}, not declared)",)
        case SetSnapshotPolicy():
            return step.changes
        case CreateNetgroup() | DeleteNetgroup():
            return ()
