"""What hangs on a share, wanted against what is there, as a table of steps."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from informers.view import freeze
from reconcilers.api.share import DittoFSShare
from reconcilers.server.share_rows import Netgroup, NetgroupMember, PermissionRow, QuotaRow, ShareNfsConfig
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
    changes,
    detail_steps,
)
from reconcilers.share.details import (
    Client,
    DesiredDetails,
    Grant,
    ObservedDetails,
    QuotaLimits,
    desired_details,
)


def wanted(**spec: Any) -> DesiredDetails:
    return desired_details(
        DittoFSShare.from_view(
            freeze(
                {
                    "apiVersion": "dittofs.dittofs.io/v1alpha1",
                    "kind": "DittoFSShare",
                    "metadata": {"name": "x", "namespace": "default"},
                    "spec": {"instanceRef": {"name": "demo"}, "path": "/a/b", **spec},
                }
            )
        )
    )


#: A share that nobody touched: the server tells no ids of anonymous users then.
DEFAULTS = {
    "squash": "root_to_guest",
    "allow_auth_sys": True,
    "require_kerberos": False,
    "min_kerberos_level": "krb5",
    "netgroup": "",
    "disable_readdirplus": False,
}
FRESH = ObservedDetails(ShareNfsConfig(DEFAULTS))
NAME = "op-a%2Fb"
LISTED = replace(FRESH, nfs=ShareNfsConfig({**DEFAULTS, "netgroup": NAME}))
MEMBER = NetgroupMember("1", "ip", "10.0.0.1")
CLIENT = Client("ip", "10.0.0.1")
ALICE, STAFF = Grant("user", "alice", "read"), Grant("group", "staff", "read-write")
SID = "S-1-5-21-1-2-3-1001"


def test_a_fresh_share_is_what_the_specifications_defaults_want() -> None:
    assert detail_steps(wanted(), FRESH, confirm=True) == ()


@pytest.mark.parametrize(
    ("field", "value", "option", "sent"),
    [
        ("squash", "none", "squash", "none"),
        ("anonymousUID", 70, "anonymous_uid", 70),
        ("anonymousGID", 0, "anonymous_gid", 0),
        ("allowAuthSys", False, "allow_auth_sys", False),
        ("requireKerberos", True, "require_kerberos", True),
        ("minKerberosLevel", "krb5p", "min_kerberos_level", "krb5p"),
        ("disableReaddirplus", True, "disable_readdirplus", True),
    ],
)
def test_each_nfs_option_is_sent_alone_and_once(field: str, value: object, option: str, sent: object) -> None:
    desired = wanted(nfs={field: value})

    (step,) = detail_steps(desired, FRESH, confirm=False)

    assert isinstance(step, PatchNfsConfig)
    assert step.options == {option: sent}
    assert changes(step)[0].startswith(f"nfs.{field} (")
    there = ObservedDetails(ShareNfsConfig({**DEFAULTS, option: sent}))
    assert detail_steps(desired, there, confirm=True) == ()


CLIENTS: tuple[tuple[list[str], ObservedDetails, list[DetailStep]], ...] = (
    (
        ["10.0.0.1"],
        FRESH,
        [CreateNetgroup(NAME), AddClient(NAME, CLIENT), PatchNfsConfig({"netgroup": NAME}, {"netgroup": ""})],
    ),
    (["10.0.0.1", "10.0.0.1"], replace(LISTED, netgroup=Netgroup(NAME, (MEMBER,))), []),
    (
        ["fd00::/8", "host.example"],
        replace(LISTED, netgroup=Netgroup(NAME, (MEMBER,))),
        [
            RemoveClient(NAME, MEMBER),
            AddClient(NAME, Client("cidr", "fd00::/8")),
            AddClient(NAME, Client("hostname", "host.example")),
        ],
    ),
    (
        ["10.0.0.1"],
        replace(LISTED, netgroup=Netgroup(NAME, (MEMBER, replace(MEMBER, id="2")))),
        [RemoveClient(NAME, replace(MEMBER, id="2"))],
    ),
    (
        [],
        replace(LISTED, netgroup=Netgroup(NAME, (MEMBER,))),
        [PatchNfsConfig({"netgroup": ""}, {"netgroup": NAME}), DeleteNetgroup(NAME)],
    ),
    (
        ["10.0.0.1"],
        replace(FRESH, nfs=ShareNfsConfig({**DEFAULTS, "netgroup": "by-hand"}), netgroup=Netgroup(NAME, (MEMBER,))),
        [PatchNfsConfig({"netgroup": NAME}, {"netgroup": "by-hand"})],
    ),
)


@pytest.mark.parametrize(("clients", "observed", "steps"), CLIENTS)
def test_the_list_of_clients(clients: list[str], observed: ObservedDetails, steps: list[DetailStep]) -> None:
    """A list is never in force without its members, and never removed while it is in force."""
    assert list(detail_steps(wanted(nfs={"allowedClients": clients}), observed, confirm=False)) == steps


ALICE_READS, STAFF_WRITES = {"user": "alice", "level": "read"}, {"group": "staff", "level": "read-write"}


@pytest.mark.parametrize(
    ("permissions", "rows", "steps"),
    [
        ([ALICE_READS, STAFF_WRITES], [], [PutGrant(ALICE), PutGrant(STAFF)]),
        ([ALICE_READS], [PermissionRow("user", "alice", "read")], []),
        ([ALICE_READS], [PermissionRow("user", "alice", "bad")], [PutGrant(ALICE, "bad")]),
        (
            [STAFF_WRITES],
            [PermissionRow("user", "alice", "read"), PermissionRow("group", "staff", "read-write")],
            [RemoveGrant(ALICE)],
        ),
        ([{"user": "x", "level": "read"}], [PermissionRow("group", "x", "read")], [
            RemoveGrant(Grant("group", "x", "read")),
            PutGrant(Grant("user", "x", "read")),
        ]),
        ([{"sid": SID, "level": "read"}], [PermissionRow("sid", "Joe", "read", SID, True)], []),
        ([], [PermissionRow("sid", "Joe", "read", SID, True)], [RemoveGrant(Grant("sid", SID, "read"))]),
        ([ALICE_READS], [PermissionRow("sid", "alice", "read", SID, False)], []),
    ],
)  # fmt: skip
def test_permissions(permissions: list[Any], rows: list[PermissionRow], steps: list[DetailStep]) -> None:
    """An account that the server keeps under its security identifier, since a directory knows it, is no drift."""
    observed = replace(FRESH, permissions=tuple(rows))

    assert list(detail_steps(wanted(permissions=permissions), observed, confirm=False)) == steps


TEN = {"scope": "user", "id": 1001, "hardSize": "10Gi", "softFiles": 5, "grace": "90s"}
TEN_LIMITS = QuotaLimits("user", 1001, limit_bytes=10 << 30, soft_files=5, grace_seconds=90)
TEN_ROW = QuotaRow("user", 1001, "10.00GiB", "", 0, 5, 90)


@pytest.mark.parametrize(
    ("quotas", "rows", "steps"),
    [
        ([TEN], [], [PutQuota(TEN_LIMITS)]),
        ([TEN], [TEN_ROW], []),
        ([TEN], [replace(TEN_ROW, limit_files=3)], [PutQuota(TEN_LIMITS)]),
        ([TEN], [replace(TEN_ROW, soft_bytes="1.00GiB")], [PutQuota(TEN_LIMITS)]),
        ([], [TEN_ROW], [RemoveQuota(QuotaLimits("user", 1001))]),
        (
            [{"scope": "default-user", "hardFiles": 7}],
            [TEN_ROW],
            [RemoveQuota(QuotaLimits("user", 1001)), PutQuota(QuotaLimits("default-user", 0, limit_files=7))],
        ),
    ],
)
def test_quotas(quotas: list[Any], rows: list[QuotaRow], steps: list[DetailStep]) -> None:
    assert list(detail_steps(wanted(quotas=quotas), replace(FRESH, quotas=tuple(rows)), confirm=False)) == steps


def test_a_quota_that_looks_the_same_is_sent_again_for_a_changed_specification_and_nobody_is_told() -> None:
    (step,) = detail_steps(wanted(quotas=[TEN]), replace(FRESH, quotas=(TEN_ROW,)), confirm=True)

    assert step == PutQuota(TEN_LIMITS, quiet=True)
    assert changes(step) == ()


def test_no_limit_is_sent_as_no_size() -> None:
    body = QuotaLimits("user", 1, soft_bytes=1 << 20).body()

    assert body == {"soft_bytes": "1048576", "limit_files": 0, "soft_files": 0, "grace_seconds": 0}
