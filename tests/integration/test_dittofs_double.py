"""The double of the DittoFS server answers as the real one: the same calls to both, the same statuses and shapes."""

from __future__ import annotations

import http.client
import json
import re
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from hack.localcluster.kubelet.processes import Launch, Launcher, Process
from hack.localcluster.kubelet.sandbox import Mount
from tests.support.eventually import eventually
from tests.support.objects import CONFIG, JWT_SECRET, PASSWORD, SERVER_IMAGE
from tests.support.real_server import dfs_or_skip

pytestmark = [pytest.mark.integration, pytest.mark.places("local", reason="it needs no cluster")]

METADATA, LOCAL, REMOTE, SHARES = (
    "/api/v1/store/metadata",
    "/api/v1/store/block/local",
    "/api/v1/store/block/remote",
    "/api/v1/shares",
)


def _config(**values: Any) -> str:
    return json.dumps(values)


_NFS, _NETGROUPS = f"{SHARES}/e/adapters/nfs/config", "/api/v1/adapters/nfs/netgroups"
_MEMBERS = f"{_NETGROUPS}/op-x%252Fy/members"
_GRANTS, _QUOTAS = f"{SHARES}/e/permissions", f"{SHARES}/e/quotas"

#: What hangs on the share e.
SHARE_DETAILS: tuple[tuple[str, str, Any], ...] = (
    ("PATCH", _NFS, {"anonymous_uid": 70, "anonymous_gid": 4294967295}),
    ("PATCH", _NFS, {"anonymous_uid": -1}),
    ("PATCH", _NFS, {"anonymous_uid": "x"}),
    ("PATCH", _NFS, {"allow_auth_sys": False, "require_kerberos": True, "disable_readdirplus": True, "nope": 1}),
    ("PATCH", _NFS, {"min_kerberos_level": "nope"}),
    ("PATCH", _NFS, {"squash": ""}),
    ("GET", _NETGROUPS, None),
    ("POST", _NETGROUPS, {}),
    ("POST", _NETGROUPS, {"name": "op-x%2Fy"}),
    ("POST", _NETGROUPS, {"name": "op-x%2Fy"}),
    ("GET", f"{_NETGROUPS}/op-x%252Fy", None),
    ("GET", f"{_NETGROUPS}/none", None),
    *(
        ("POST", _MEMBERS, {"type": kind, "value": value})
        for kind, value in (
            *(("ip", "10.0.0.1"), ("ip", "10.0.0.1"), ("ip", "fd00::1"), ("ip", "10.0.0.300"), ("ip", "")),
            *(("cidr", "10.1.2.3/8"), ("cidr", "fd00::/8"), ("cidr", "10.0.0.1"), ("cidr", "10.0.0.0/33")),
            *(("hostname", "host.example"), ("hostname", "Bad_Host!"), ("odd", "x")),
        )
    ),
    ("POST", f"{_NETGROUPS}/none/members", {"type": "ip", "value": "10.0.0.1"}),
    ("DELETE", f"{_MEMBERS}/zzz", None),
    ("GET", f"{_NETGROUPS}/op-x%252Fy", None),
    ("PATCH", _NFS, {"netgroup": "op-x%2Fy"}),
    ("GET", _NFS, None),
    ("GET", _NETGROUPS, None),
    ("DELETE", f"{_NETGROUPS}/op-x%252Fy", None),
    ("PATCH", _NFS, {"netgroup": ""}),
    ("DELETE", f"{_NETGROUPS}/op-x%252Fy", None),
    ("DELETE", f"{_NETGROUPS}/op-x%252Fy", None),
    ("GET", _GRANTS, None),
    ("GET", f"{SHARES}/none/permissions", None),
    ("POST", "/api/v1/users", {"username": "w", "password": "long enough", "uid": 1009}),
    ("PUT", f"{_GRANTS}/users/w", {"level": "read"}),
    ("PUT", f"{_GRANTS}/users/w", {"level": "bad"}),
    ("PUT", f"{_GRANTS}/users/w", {}),
    ("PUT", f"{_GRANTS}/users/nobody", {"level": "read"}),
    ("PUT", f"{_GRANTS}/groups/users", {"level": "read-write"}),
    ("PUT", f"{_GRANTS}/groups/none", {"level": "read"}),
    ("PUT", f"{_GRANTS}/sids/S-1-5-21-1-2-3-1001", {"level": "read"}),
    ("PUT", f"{_GRANTS}/sids/S-1-5-21-1-2-3-1002", {"level": "read", "is_group": False, "display_name": "Joe"}),
    ("PUT", f"{_GRANTS}/sids/S-1-5-21-1-2-3-1001", {"level": "bad"}),
    ("PUT", f"{_GRANTS}/sids/s-1-5-21-1-2-3-1001", {"level": "read"}),
    ("PUT", f"{SHARES}/none/permissions/users/w", {"level": "read"}),
    ("GET", _GRANTS, None),
    ("DELETE", f"{_GRANTS}/users/w", None),
    ("DELETE", f"{_GRANTS}/users/nobody", None),
    ("DELETE", f"{_GRANTS}/sids/bad", None),
    ("DELETE", f"{_GRANTS}/sids/S-1-5-21-1-2-3-1001", None),
    ("DELETE", f"{SHARES}/none/permissions/users/w", None),
    ("GET", _GRANTS, None),
    ("GET", _QUOTAS, None),
    ("GET", f"{SHARES}/none/quotas", None),
    *(
        ("PUT", f"{_QUOTAS}/{who}", limits)
        for who, limits in (
            (
                "user/1001",
                {"limit_bytes": "1GiB", "soft_bytes": "5MB", "limit_files": 9, "soft_files": 5, "grace_seconds": 60},
            ),
            ("group/3000", {"limit_bytes": "1234567890"}),
            ("user/9", {"soft_bytes": "2MiB"}),
            ("user/0", {"limit_bytes": "", "soft_bytes": "0"}),
            ("default-user", {"limit_files": 1}),
            ("default-user/0", {"limit_files": 1}),
            ("user/9", {"limit_bytes": "1MiB", "soft_bytes": "2MiB"}),
            ("user/9", {"limit_bytes": "x"}),
            ("user/9", {"limit_files": -1}),
            ("user/9", {"limit_files": 1.5}),
            ("user/9", {"limit_files": 1, "soft_files": 2}),
            ("user/abc", {"limit_files": 1}),
            ("user/4294967296", {"limit_files": 1}),
            ("odd/1", {"limit_files": 1}),
        )
    ),
    ("GET", _QUOTAS, None),
    ("GET", f"{_QUOTAS}/user/1001", None),
    ("GET", f"{_QUOTAS}/user/77", None),
    ("GET", f"{_QUOTAS}/default-user", None),
    ("DELETE", f"{_QUOTAS}/user/1001", None),
    ("DELETE", f"{_QUOTAS}/user/1001", None),
    ("DELETE", f"{_QUOTAS}/default-user", None),
    ("DELETE", f"{_QUOTAS}/default-user/0", None),
    ("PUT", f"{SHARES}/none/quotas/user/1", {"limit_files": 1}),
    ("GET", f"{SHARES}/none/quotas", None),
    ("GET", _QUOTAS, None),
    ("DELETE", f"{SHARES}/none/quotas/user/1", None),
)


#: The options in the row of the share f, and who owns it.
_ROW = {"metadata_store_id": "s", "local_block_store": "p"}
SHARE_OPTIONS: tuple[tuple[str, str, Any], ...] = (
    ("POST", SHARES, {"name": "g", **_ROW, "owner": "nobody"}),
    ("POST", "/api/v1/users", {"username": "nouid", "password": "long enough"}),
    ("POST", SHARES, {"name": "g", **_ROW, "owner": "nouid"}),
    ("POST", "/api/v1/users", {"username": "nogid", "password": "long enough", "uid": 1010}),
    ("POST", SHARES, {"name": "g", **_ROW, "owner": "nogid"}),
    ("DELETE", f"{SHARES}/g", None),
    ("POST", "/api/v1/users", {"username": "own", "password": "long enough", "uid": 1011, "gid": 1012}),
    ("GET", "/api/v1/users/own", None),
    (
        "POST",
        SHARES,
        {
            **_ROW,
            "name": "f",
            "owner": "own",
            "encrypt_data": True,
            "allow_mfsymlink": True,
            "blocked_operations": ["WRITE", "CREATE", "WRITE"],
            "retention_policy": "TTL",
            "retention_ttl": "1500ms",
            "local_store_size": "1234567890",
            "read_buffer_size": "64MiB",
        },
    ),
    *(
        ("POST", SHARES, {"name": "g", **_ROW, **wrong})
        for wrong in (
            *({"blocked_operations": ["write"]}, {"blocked_operations": "WRITE"}, {"blocked_operations": [1]}),
            *({"retention_policy": "fifo"}, {"retention_policy": "ttl"}, {"retention_ttl": "x"}, {"encrypt_data": 1}),
            *({"local_store_size": "x"}, {"read_buffer_size": "-1"}),
        )
    ),
    *(
        ("PUT", f"{SHARES}/f", change)
        for change in (
            *({"retention_policy": "lru"}, {"retention_ttl": ""}, {"retention_ttl": "0s"}, {"retention_policy": "ttl"}),
            *({"retention_policy": "ttl", "retention_ttl": "72h"}, {"retention_ttl": "90s"}, {"retention_ttl": "0s"}),
            *({"retention_policy": "pin", "retention_ttl": "0s"}, {"retention_policy": ""}, {"retention_policy": "x"}),
            *(
                {"local_store_size": ""},
                {"local_store_size": "0"},
                {"read_buffer_size": "0"},
                {"read_buffer_size": "x"},
            ),
            *({"local_store_size": "1GiB"}, {"read_buffer_size": "700"}),
            *({"blocked_operations": []}, {"blocked_operations": ["NOPE"]}, {"blocked_operations": ["READ", "NULL"]}),
            {"encrypt_data": False, "access_based_enumeration": True, "change_notify_disabled": True},
            {"streams_disabled": True, "continuous_availability": True, "allow_mfsymlink": False, "owner": "nogid"},
            *({"encrypt_data": "x"}, {"encrypt_data": None}),
        )
    ),
    ("GET", f"{SHARES}/f", None),
    ("DELETE", f"{SHARES}/f", None),
    *(("DELETE", f"/api/v1/users/{name}", None) for name in ("nouid", "nogid", "own")),
)

_SNAPSHOTS = f"{SHARES}/e/snapshots"
#: Not a call: wait until no snapshot of this list is in the making.
SETTLE = "SETTLE"

_RESTORE = f"{SHARES}/a%2Fb/snapshots/{{snapshot}}/restore"
#: Restores of the share a/b from its last snapshot.
RESTORES: tuple[tuple[str, str, Any], ...] = (
    ("POST", _RESTORE, {"allow_non_durable": True}),
    ("POST", f"{SHARES}/a%2Fb/disable", None),
    ("POST", _RESTORE, {}),
    ("POST", f"{SHARES}/a%2Fb/snapshots/none/restore", {"allow_non_durable": True}),
    ("POST", f"{SHARES}/none/snapshots/{{snapshot}}/restore", {"allow_non_durable": True}),
    ("POST", _RESTORE, {"allow_non_durable": True}),
    ("GET", f"{SHARES}/a%2Fb", None),
    ("GET", f"{SHARES}/a%2Fb/snapshots", None),
    ("POST", _RESTORE, {"allow_non_durable": True}),
    ("GET", f"{SHARES}/a%2Fb/snapshots", None),
    ("POST", f"{SHARES}/a%2Fb/enable", None),
    ("GET", "/api/v1/clients", None),
    ("GET", "/api/v1/clients?share=/e", None),
    ("DELETE", "/api/v1/clients/none", None),
)

#: Snapshots of the share e; `{snapshot}` is the one that was begun last.
SNAPSHOTS: tuple[tuple[str, str, Any], ...] = (
    ("GET", _SNAPSHOTS, None),
    ("GET", f"{SHARES}/none/snapshots", None),
    ("POST", f"{SHARES}/none/snapshots", {"name": "x"}),
    ("POST", SHARES, {"name": "in-memory", "metadata_store_id": "mem", "local_block_store": "pm"}),
    ("POST", f"{SHARES}/in-memory/snapshots", {"name": "x"}),
    ("POST", _SNAPSHOTS, {"name": "x"}),
    (SETTLE, _SNAPSHOTS, None),
    ("GET", f"{_SNAPSHOTS}/{{snapshot}}", None),
    ("POST", _SNAPSHOTS, {"name": "x", "retry_of": "{snapshot}"}),
    ("POST", _SNAPSHOTS, {"name": "x", "retry_of": "none"}),
    ("GET", f"{SHARES}/a%2Fb/snapshots/{{snapshot}}", None),
    ("DELETE", f"{SHARES}/a%2Fb/snapshots/{{snapshot}}", None),
    ("POST", _SNAPSHOTS, {"name": "x"}),
    (SETTLE, _SNAPSHOTS, None),
    ("GET", _SNAPSHOTS, None),
    ("DELETE", f"{_SNAPSHOTS}/{{snapshot}}", None),
    ("DELETE", f"{_SNAPSHOTS}/{{snapshot}}", None),
    ("GET", f"{_SNAPSHOTS}/{{snapshot}}", None),
    ("GET", f"{_SNAPSHOTS}/none", None),
    ("DELETE", f"{_SNAPSHOTS}/none", None),
    ("POST", f"{SHARES}/e/disable", None),
    ("POST", _SNAPSHOTS, {"no_verify": True}),
    (SETTLE, _SNAPSHOTS, None),
    ("GET", _SNAPSHOTS, None),
    ("POST", f"{SHARES}/e/enable", None),
    ("DELETE", f"{SHARES}/in-memory", None),
    ("POST", f"{SHARES}/a%2Fb/snapshots", {"name": "y"}),
    (SETTLE, f"{SHARES}/a%2Fb/snapshots", None),
    ("GET", f"{SHARES}/a%2Fb/snapshots/{{snapshot}}", None),
    *RESTORES,
)

_POLICY = f"{SHARES}/e/snapshot-policy"
_PATTERNS = (
    ["[a"],
    ["[]a]"],
    ["[^]"],
    ["x\\"],
    ["[a-]"],
    ["[^^]", "[!a]", "a]", "-", "[[]", "a/b", ""],
    ["*.tmp"],
    [],
    None,
)

#: What the server does in the share e by itself.
SHARE_POLICIES: tuple[tuple[str, str, Any], ...] = (
    *(("PUT", f"{SHARES}/e", {"trash_exclude_patterns": patterns}) for patterns in _PATTERNS),
    ("PUT", f"{SHARES}/e", {"trash_retention_days": -1}),
    ("PUT", f"{SHARES}/e", {"trash_max_bytes": -1}),
    ("PUT", f"{SHARES}/e", {"trash_max_bytes": 1.5}),
    ("PUT", f"{SHARES}/e", {"trash_max_bytes": 2**60 + 1}),
    ("PUT", f"{SHARES}/e", {"trash_enabled": True, "trash_retention_days": 7, "trash_restrict_to_admin": True}),
    ("PUT", f"{SHARES}/e", {"trash_exclude_patterns": ["*.tmp", "~$*"]}),
    ("GET", f"{SHARES}/e", None),
    ("PUT", f"{SHARES}/e", {"trash_enabled": False}),
    ("GET", SHARES, None),
    ("GET", _POLICY, None),
    ("DELETE", _POLICY, None),
    ("GET", f"{SHARES}/none/snapshot-policy", None),
    ("GET", "/api/v1/snapshot-policies", None),
    *(
        ("PUT", _POLICY, body)
        for body in (
            {},
            *(
                {"interval": i}
                for i in ("24h", "@daily", " @Daily ", "@monthly", "x", "0s", "-1h", "1.000001h", "90.5s")
            ),
            *({"interval": "1h", "ttl": ttl} for ttl in ("36h", "0", "", "x", "-1h")),
            {"interval": "1h", "keep_last": -1},
            {"interval": "1h", "name_prefix": "a b"},
            {"interval": "1h", "name_prefix": "a" * 65},
            {"interval": "1h", "enabled": False, "nope": 1},
            {"interval": "@weekly", "keep_last": 3, "ttl": "720h", "name_prefix": "x", "enabled": True},
        )
    ),
    ("GET", _POLICY, None),
    ("PUT", f"{SHARES}/none/snapshot-policy", {"interval": "1h"}),
    ("PUT", f"{SHARES}/a%2Fb/snapshot-policy", {"interval": "1h", "keep_last": 7, "name_prefix": "scheduled"}),
    ("GET", f"{SHARES}/a%2Fb/snapshot-policy", None),
    ("GET", "/api/v1/snapshot-policies", None),
    ("DELETE", _POLICY, None),
    ("GET", _POLICY, None),
)


def _bucket(**values: Any) -> str:
    """Settings of a remote store whose endpoint is the server's own API, which says at once that it has no bucket."""
    endpoint = "http://127.99.1.1:8080"
    keys = {"access_key_id": "identifier", "secret_access_key": "key", "operator_fingerprint": "f"}
    return _config(**{"bucket": "bucket", "endpoint": endpoint, "allow_private_endpoint": True, **keys, **values})


#: Method, path, body. What a call needs was made by calls before it.
CALLS: tuple[tuple[str, str, Any], ...] = (
    ("GET", "/", None),
    ("GET", "/health", None),
    ("POST", "/health", None),
    ("GET", "/health/ready", None),
    ("GET", "/nope", None),
    ("POST", "/api/v1/auth/login", {"username": "admin", "password": "wrong"}),
    ("POST", "/api/v1/auth/login", {}),
    ("POST", "/api/v1/auth/refresh", {"refresh_token": "x"}),
    ("POST", "/api/v1/auth/refresh", {}),
    ("GET", "/api/v1/auth/me", None),
    ("GET", "/api/v1/users", None),
    ("GET", "/api/v1/users/admin", None),
    ("GET", "/api/v1/users/nobody", None),
    ("GET", "/api/v1/groups", None),
    ("POST", "/api/v1/groups", {"name": "staff", "gid": 3000}),
    ("POST", "/api/v1/groups", {"name": "staff", "gid": 3001}),
    ("POST", "/api/v1/groups", {"name": "other", "gid": 3000}),
    ("POST", "/api/v1/groups", {"name": "nogid"}),
    ("POST", "/api/v1/groups", {}),
    ("PUT", "/api/v1/groups/staff", {"gid": 3005}),
    ("PUT", "/api/v1/groups/staff", {"gid": 1000}),
    ("PUT", "/api/v1/groups/nope", {"gid": 7}),
    ("GET", "/api/v1/groups/staff", None),
    ("GET", "/api/v1/groups/nope", None),
    ("POST", "/api/v1/users", {}),
    ("POST", "/api/v1/users", {"username": "u"}),
    ("POST", "/api/v1/users", {"username": "u", "password": "short", "uid": 1009}),
    ("POST", "/api/v1/users", {"username": "u", "password": "long enough", "role": "king"}),
    ("POST", "/api/v1/users", {"username": "u", "password": "long enough", "groups": ["nope"]}),
    (
        "POST",
        "/api/v1/users",
        {"username": "u", "password": "long enough", "uid": 1001, "gid": 3005, "groups": ["staff"], "enabled": False},
    ),
    ("POST", "/api/v1/users", {"username": "u", "password": "long enough"}),
    ("POST", "/api/v1/users", {"username": "v", "password": "long enough", "uid": 1001}),
    ("PUT", "/api/v1/users/u", {"enabled": False, "display_name": "U"}),
    ("PUT", "/api/v1/users/u", {"groups": ["nope"]}),
    ("PUT", "/api/v1/users/u", {"uid": 0}),
    ("PUT", "/api/v1/users/nobody", {"uid": 5}),
    ("GET", "/api/v1/users/u", None),
    ("POST", "/api/v1/auth/login", {"username": "u", "password": "long enough"}),
    ("POST", "/api/v1/auth/login", {"username": "u", "password": "wrong enough"}),
    ("POST", "/api/v1/users/u/password", {"new_password": "short"}),
    ("POST", "/api/v1/users/u/password", {}),
    ("POST", "/api/v1/users/u/password", {"new_password": "long enough too"}),
    ("POST", "/api/v1/users/nobody/password", {"new_password": "long enough"}),
    ("PUT", "/api/v1/users/u", {"enabled": True, "groups": []}),
    ("POST", "/api/v1/auth/login", {"username": "u", "password": "long enough too"}),
    ("GET", "/api/v1/users", None),
    ("DELETE", "/api/v1/users/u", None),
    ("DELETE", "/api/v1/users/u", None),
    ("DELETE", "/api/v1/users/admin", None),
    ("DELETE", "/api/v1/groups/staff", None),
    ("DELETE", "/api/v1/groups/admins", None),
    ("DELETE", "/api/v1/groups/nope", None),
    ("GET", "/api/v1/adapters", None),
    ("GET", "/api/v1/adapters/ports", None),
    ("GET", "/api/v1/adapters/nfs", None),
    ("GET", "/api/v1/adapters/ftp", None),
    ("PUT", "/api/v1/adapters/ftp", {"port": 1}),
    ("PUT", "/api/v1/adapters/nfs", {"enabled": True, "port": 12049}),
    ("PUT", "/api/v1/adapters/nfs", {"port": "12049"}),
    ("PUT", "/api/v1/adapters/smb", {"enabled": False, "port": 12445}),
    ("GET", "/api/v1/adapters/smb/status", None),
    ("POST", "/api/v1/adapters", {"type": "nfs"}),
    ("POST", "/api/v1/adapters", {}),
    ("GET", "/api/v1/adapters/nfs/settings", None),
    ("GET", "/api/v1/adapters/smb/settings", None),
    ("GET", "/api/v1/adapters/ftp/settings", None),
    ("PATCH", "/api/v1/adapters/nfs/settings", {"max_connections": 5}),
    ("PATCH", "/api/v1/adapters/nfs/settings", {"max_connections": -1, "lease_time": 5}),
    ("PATCH", "/api/v1/adapters/nfs/settings", {"max_connections": "5"}),
    ("PATCH", "/api/v1/adapters/nfs/settings", {"lease_time": 60.5}),
    ("PATCH", "/api/v1/adapters/nfs/settings", {"nope": 1}),
    ("PATCH", "/api/v1/adapters/nfs/settings", {"v4_max_minor_version": 1}),
    ("PATCH", "/api/v1/adapters/nfs/settings", {"v4_max_minor_version": 7}),
    ("PATCH", "/api/v1/adapters/nfs/settings", {"min_version": "5"}),
    ("PATCH", "/api/v1/adapters/nfs/settings", {"blocked_operations": ["MKNOD"]}),
    ("PATCH", "/api/v1/adapters/nfs/settings", {"delegations_enabled": False}),
    ("PATCH", "/api/v1/adapters/smb/settings", {"signing": "required"}),
    ("PATCH", "/api/v1/adapters/smb/settings", {"signing": "maybe"}),
    ("PATCH", "/api/v1/adapters/ftp/settings", {}),
    ("GET", METADATA, None),
    ("POST", METADATA, {"type": "badger"}),
    ("POST", METADATA, {"name": "m"}),
    ("POST", METADATA, {"name": "m", "type": "unknown", "config": "{}"}),
    ("POST", METADATA, {"name": "m", "type": "badger", "config": {"path": "/data/metadata/m"}}),
    ("POST", METADATA, {"name": "m", "type": "badger", "config": "{}"}),
    ("POST", METADATA, {"name": "m", "type": "badger", "config": "no json"}),
    ("POST", METADATA, {"name": "m", "type": "badger", "config": _config(path="/data/metadata/m")}),
    ("POST", METADATA, {"name": "m", "type": "badger", "config": _config(path="/data/metadata/m")}),
    ("POST", METADATA, {"name": "m", "type": "badger", "config": _config(path="/data/metadata/other")}),
    ("POST", METADATA, {"name": "s", "type": "sqlite", "config": _config(path="/data/metadata/s.db")}),
    ("POST", METADATA, {"name": "t", "type": "sqlite", "config": _config(path="/data/metadata/none/t.db")}),
    ("POST", METADATA, {"name": "mem", "type": "memory"}),
    ("PUT", f"{METADATA}/mem", {"config": _config(a_key="x", password="y", plain="z")}),
    ("PUT", f"{METADATA}/none", {"config": "{}"}),
    ("GET", f"{METADATA}/m", None),
    ("GET", f"{METADATA}/m/status", None),
    ("GET", f"{METADATA}/none", None),
    ("GET", f"{METADATA}/none/status", None),
    ("GET", METADATA, None),
    ("GET", LOCAL, None),
    ("GET", "/api/v1/store/block/odd", None),
    ("POST", LOCAL, {"name": "p"}),
    ("POST", LOCAL, {"type": "fs"}),
    ("POST", LOCAL, {"name": "p", "type": "s3", "config": "{}"}),
    ("POST", LOCAL, {"name": "p", "type": "fs", "config": "{}"}),
    ("POST", LOCAL, {"name": "p", "type": "fs", "config": _config(path="relative")}),
    ("POST", LOCAL, {"name": "p", "type": "fs", "config": _config(path="/data/payload", max_size=2**60)}),
    ("POST", LOCAL, {"name": "p", "type": "fs", "config": _config(path="/data/payload")}),
    ("POST", LOCAL, {"name": "pm", "type": "memory"}),
    ("GET", f"{LOCAL}/p", None),
    ("GET", f"{LOCAL}/p/status", None),
    ("GET", f"{LOCAL}/none", None),
    ("GET", REMOTE, None),
    ("POST", REMOTE, {"name": "r", "type": "s3", "config": "{}"}),
    ("POST", REMOTE, {"name": "r", "type": "s3", "config": _bucket(secret_access_key="")}),
    ("POST", REMOTE, {"name": "r", "type": "s3", "config": _bucket(allow_private_endpoint=False)}),
    ("POST", REMOTE, {"name": "r", "type": "s3", "config": _bucket(endpoint="http://169.254.169.254")}),
    ("POST", REMOTE, {"name": "r", "type": "s3", "config": _bucket()}),
    ("POST", REMOTE, {"name": "r", "type": "s3", "config": _bucket()}),
    ("PUT", f"{REMOTE}/r", {"config": _bucket(region="eu", secret_access_key="********")}),
    ("PUT", f"{REMOTE}/r", {"config": _bucket(allow_private_endpoint=False)}),
    ("PUT", f"{REMOTE}/none", {"config": _bucket()}),
    ("GET", f"{REMOTE}/r", None),
    ("GET", f"{REMOTE}/r/status", None),
    ("GET", f"{REMOTE}/none", None),
    ("GET", REMOTE, None),
    ("GET", SHARES, None),
    ("POST", SHARES, {}),
    ("POST", SHARES, {"name": "e"}),
    ("POST", SHARES, {"name": "e", "metadata_store_id": "m"}),
    ("POST", SHARES, {"name": "e", "metadata_store_id": "none", "local_block_store": "p"}),
    ("POST", SHARES, {"name": "e", "metadata_store_id": "m", "local_block_store": "none"}),
    ("POST", SHARES, {"name": "e", "metadata_store_id": "m", "local_block_store": "p", "default_permission": "x"}),
    ("POST", SHARES, {"name": "e", "metadata_store_id": "m", "local_block_store": "p", "quota_bytes": "abc"}),
    ("POST", SHARES, {"name": "e", "metadata_store_id": "m", "local_block_store": "p", "quota_bytes": "10GiB"}),
    ("POST", SHARES, {"name": "/e", "metadata_store_id": "m", "local_block_store": "p"}),
    ("POST", SHARES, {"name": "f", "metadata_store_id": "s", "local_block_store": "p", "remote_block_store": "none"}),
    ("POST", SHARES, {"name": "a/b", "metadata_store_id": "s", "local_block_store": "p"}),
    ("GET", f"{SHARES}/a%2Fb", None),
    ("GET", f"{SHARES}/%2Fa%2Fb", None),
    ("GET", f"{SHARES}/a/b", None),
    ("GET", SHARES, None),
    ("GET", f"{SHARES}/e/status", None),
    ("GET", f"{SHARES}/none", None),
    ("GET", f"{SHARES}/none/status", None),
    ("PUT", f"{SHARES}/none", {}),
    ("POST", f"{SHARES}/none/enable", None),
    ("POST", f"{SHARES}/e/disable", None),
    ("POST", f"{SHARES}/e/disable", None),
    ("POST", f"{SHARES}/e/enable", None),
    ("PUT", f"{SHARES}/e", {"read_only": True, "quota_bytes": "1234567890"}),
    ("PUT", f"{SHARES}/e", {"quota_bytes": "5MB"}),
    ("PUT", f"{SHARES}/e", {"quota_bytes": "700"}),
    ("PUT", f"{SHARES}/e", {"quota_bytes": "3KiB"}),
    ("PUT", f"{SHARES}/e", {"quota_bytes": "1.5TiB"}),
    ("PUT", f"{SHARES}/e", {"quota_bytes": ""}),
    ("PUT", f"{SHARES}/e", {"quota_bytes": "x"}),
    ("PUT", f"{SHARES}/e", {"default_permission": "read-write"}),
    ("PUT", f"{SHARES}/e", {"default_permission": "x"}),
    ("GET", f"{SHARES}/e/adapters/nfs/config", None),
    ("PATCH", f"{SHARES}/e/adapters/nfs/config", {"squash": "none"}),
    ("PATCH", f"{SHARES}/e/adapters/nfs/config", {"squash": "x"}),
    ("PATCH", f"{SHARES}/e/adapters/nfs/config", {"netgroup": "none"}),
    ("GET", f"{SHARES}/none/adapters/nfs/config", None),
    *SHARE_DETAILS,
    *SHARE_OPTIONS,
    *SNAPSHOTS,
    *SHARE_POLICIES,
    ("DELETE", f"{METADATA}/m", None),
    ("DELETE", f"{LOCAL}/p", None),
    ("DELETE", f"{SHARES}/a%2Fb", None),
    ("GET", f"{SHARES}/a%2Fb/snapshots", None),
    ("GET", f"{SHARES}/a%2Fb/snapshot-policy", None),
    ("DELETE", f"{SHARES}/a%2Fb", None),
    ("DELETE", f"{METADATA}/mem", None),
    ("DELETE", f"{METADATA}/mem", None),
    ("GET", "/health/ready", None),
    ("POST", "/api/v1/users/me/password", {"current_password": "x", "new_password": "another-horse"}),
    ("POST", "/api/v1/users/me/password", {"current_password": PASSWORD, "new_password": "short"}),
    ("POST", "/api/v1/users/me/password", {"new_password": "another-horse"}),
    ("POST", "/api/v1/users/me/password", {"current_password": PASSWORD}),
    ("POST", "/api/v1/users/me/password", {"current_password": PASSWORD, "new_password": "another-horse"}),
    ("GET", SHARES, None),
)

#: Values that differ from run to run, by the name of their field; compared by their type only.
_VARYING = frozenset(
    {"id", "created_at", "updated_at", "checked_at", "timestamp", "started_at", "uptime", "uptime_sec", "last_login"}
    | {"access_token", "refresh_token", "expires_at", "metadata_store_id", "local_block_store_id"}
    | {"snapshot_id", "safety_snapshot_id", "dump_bytes"}
)

_CAUSE = re.compile(r"(Failed to create metadata store: ).*", re.DOTALL)


@contextmanager
def running(binary: Path | None, folder: Path) -> Iterator[Process]:
    mounts = [Mount(folder / "config", "/config", read_only=True)]
    for name in ("controlplane", "metadata", "payload"):
        (folder / name).mkdir()
        mounts.append(Mount(folder / name, f"/data/{name}"))
    (folder / "config").mkdir()
    (folder / "config" / "config.yaml").write_text(CONFIG)
    environment = {"DITTOFS_CONTROLPLANE_SECRET": JWT_SECRET, "DITTOFS_ADMIN_INITIAL_PASSWORD": PASSWORD}
    launch = Launch(
        container={"name": "dittofs", "image": SERVER_IMAGE},
        pod={"metadata": {"name": "demo-0"}, "spec": {}},
        environment=environment,
        mounts=mounts,
        address="127.99.1.1",
        folder=folder / "pod",
        log=folder / "log",
        on_exit=lambda: None,
    )
    process = Launcher(binary).start(launch)
    try:
        yield process
    finally:
        process.kill()


def ask(process: Process, method: str, path: str, body: Any, token: str) -> tuple[int, str, Any]:
    connection = http.client.HTTPConnection("localhost")
    connection.sock = process.connect(8080, 5.0)
    headers = {"Authorization": f"Bearer {token}"} if token else {}
    try:
        connection.request(method, path, json.dumps(body) if body is not None else None, headers)
        answer = connection.getresponse()
        kind, content = answer.headers.get_content_type(), answer.read()
        return answer.status, kind, json.loads(content) if "json" in kind else content.decode()
    finally:
        connection.close()


def transcript(process: Process) -> list[str]:
    def login() -> str:
        body = {"username": "admin", "password": PASSWORD}
        try:
            return str(ask(process, "POST", "/api/v1/auth/login", body, "")[2]["access_token"])
        except OSError:
            return ""

    token = eventually(login, what="a login")
    lines: list[str] = []
    snapshot = ""
    for method, pattern, given in (("GET", SHARES, None), *CALLS):
        path, body = pattern.replace("{snapshot}", snapshot), _filled(given, snapshot)
        if method == SETTLE:
            eventually(partial(_settled, process, path, token), what="the snapshots")
            continue
        status, kind, content = ask(process, method, path, body, token if lines else "")
        snapshot = content.get("snapshot_id", snapshot) if isinstance(content, dict) else snapshot
        shown = "" if status in (204, 307, 405) else f"{kind} {json.dumps(_shape(content), sort_keys=True)}"
        lines.append(f"{method} {pattern} {json.dumps(given)} -> {status} {shown}")
    return lines


def _filled(body: Any, snapshot: str) -> Any:
    return json.loads(json.dumps(body).replace("{snapshot}", snapshot))


def _settled(process: Process, path: str, token: str) -> bool:
    return all(row["state"] != "creating" for row in ask(process, "GET", path, None, token)[2])


def _shape(value: Any, field: str = "") -> Any:
    if isinstance(value, dict):
        return {key: _shape(item, key) for key, item in value.items() if key != "latency_ms"}
    if isinstance(value, list):
        # Lists of stores come in no particular order from the real server.
        return sorted((_shape(item) for item in value), key=lambda item: json.dumps(item, sort_keys=True))
    if field in _VARYING:
        return type(value).__name__
    return _CAUSE.sub(r"\1…", value) if field == "detail" else value


def test_the_double_answers_as_the_real_server_does(tmp_path: Path) -> None:
    binary = dfs_or_skip()
    (tmp_path / "real").mkdir()
    (tmp_path / "double").mkdir()
    with running(binary, tmp_path / "real") as real:
        expected = transcript(real)
    with running(None, tmp_path / "double") as double:
        found = transcript(double)
    differences = [f"real    {a}\ndouble  {b}" for a, b in zip(expected, found, strict=True) if a != b]
    assert not differences, "\n".join(differences)
