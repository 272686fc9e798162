"""Which call is answered by which handler, and who may make it."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from urllib.parse import unquote

from hack.localcluster.double import (
    accounts,
    adapter_settings,
    adapters,
    connections,
    restores,
    share_details,
    shares,
    snapshot_policies,
    snapshots,
    stores,
    users,
)
from hack.localcluster.double.answers import Answer
from hack.localcluster.double.request import Request

Handler = Callable[[Request], Answer]


@dataclass(frozen=True, slots=True)
class Route:
    """A call: `open_to_all` needs no token, `while_locked` is allowed before a forced change of the password."""

    method: str
    pattern: re.Pattern[str]
    handler: Handler
    open_to_all: bool = False
    while_locked: bool = False


def _route(method: str, path: str, handler: Handler, **rules: bool) -> Route:
    pattern = re.sub(r"\{(\w+)\}", r"(?P<\1>[^/]+)", path)
    return Route(method, re.compile(f"^{pattern}/?$"), handler, **rules)


_API = "/api/v1"
_METADATA = f"{_API}/store/metadata"
_BLOCK = f"{_API}/store/block/{{kind}}"
_SHARE = f"{_API}/shares/{{name}}"
_NETGROUPS = f"{_API}/adapters/nfs/netgroups"

ROUTES = (
    _route("GET", "", accounts.index, open_to_all=True),
    _route("GET", "/health", accounts.health, open_to_all=True),
    _route("GET", "/health/ready", accounts.ready, open_to_all=True),
    _route("POST", f"{_API}/auth/login", accounts.login, open_to_all=True),
    _route("POST", f"{_API}/auth/refresh", accounts.refresh, open_to_all=True),
    _route("GET", f"{_API}/auth/me", accounts.me, while_locked=True),
    _route("POST", f"{_API}/users/me/password", accounts.change_password, while_locked=True),
    _route("GET", f"{_API}/users", users.list_users),
    _route("POST", f"{_API}/users", users.create_user),
    _route("GET", f"{_API}/users/{{name}}", users.get_user),
    _route("PUT", f"{_API}/users/{{name}}", users.update_user),
    _route("DELETE", f"{_API}/users/{{name}}", users.delete_user),
    _route("POST", f"{_API}/users/{{name}}/password", users.set_password),
    _route("GET", f"{_API}/groups", users.list_groups),
    _route("POST", f"{_API}/groups", users.create_group),
    _route("GET", f"{_API}/groups/{{name}}", users.get_group),
    _route("PUT", f"{_API}/groups/{{name}}", users.update_group),
    _route("DELETE", f"{_API}/groups/{{name}}", users.delete_group),
    _route("GET", f"{_API}/adapters", adapters.list_adapters),
    _route("POST", f"{_API}/adapters", adapters.create),
    _route("GET", f"{_API}/adapters/ports", adapters.list_ports),
    _route("GET", f"{_API}/adapters/{{name}}", adapters.get),
    _route("PUT", f"{_API}/adapters/{{name}}", adapters.update),
    _route("GET", f"{_API}/adapters/{{name}}/status", adapters.status),
    _route("GET", f"{_API}/adapters/{{name}}/settings", adapter_settings.get),
    _route("PATCH", f"{_API}/adapters/{{name}}/settings", adapter_settings.patch),
    _route("GET", _METADATA, stores.list_stores),
    _route("POST", _METADATA, stores.create_metadata),
    _route("GET", f"{_METADATA}/{{name}}", stores.get),
    _route("PUT", f"{_METADATA}/{{name}}", stores.update),
    _route("DELETE", f"{_METADATA}/{{name}}", stores.delete),
    _route("GET", f"{_METADATA}/{{name}}/status", stores.status),
    _route("GET", _BLOCK, stores.list_stores),
    _route("POST", _BLOCK, stores.create_block),
    _route("GET", f"{_BLOCK}/{{name}}", stores.get),
    _route("PUT", f"{_BLOCK}/{{name}}", stores.update),
    _route("DELETE", f"{_BLOCK}/{{name}}", stores.delete),
    _route("GET", f"{_BLOCK}/{{name}}/status", stores.status),
    _route("GET", f"{_API}/shares", shares.list_shares),
    _route("POST", f"{_API}/shares", shares.create),
    _route("GET", _SHARE, shares.get),
    _route("PUT", _SHARE, shares.update),
    _route("DELETE", _SHARE, shares.delete),
    _route("POST", f"{_SHARE}/enable", shares.enable),
    _route("POST", f"{_SHARE}/disable", shares.disable),
    _route("GET", f"{_SHARE}/status", shares.status),
    _route("GET", f"{_SHARE}/adapters/nfs/config", share_details.get_nfs),
    _route("PATCH", f"{_SHARE}/adapters/nfs/config", share_details.patch_nfs),
    _route("GET", f"{_SHARE}/permissions", share_details.list_permissions),
    _route("PUT", f"{_SHARE}/permissions/{{kind}}/{{holder}}", share_details.put_permission),
    _route("DELETE", f"{_SHARE}/permissions/{{kind}}/{{holder}}", share_details.delete_permission),
    _route("GET", f"{_SHARE}/quotas", share_details.list_quotas),
    *(_route(method, f"{_SHARE}/quotas/default-user", share_details.no_scope) for method in ("GET", "PUT", "DELETE")),
    _route("GET", f"{_SHARE}/quotas/{{scope}}/{{id}}", share_details.get_quota),
    _route("PUT", f"{_SHARE}/quotas/{{scope}}/{{id}}", share_details.put_quota),
    _route("DELETE", f"{_SHARE}/quotas/{{scope}}/{{id}}", share_details.delete_quota),
    _route("GET", f"{_SHARE}/snapshots", snapshots.list_snapshots),
    _route("POST", f"{_SHARE}/snapshots", snapshots.create),
    _route("GET", f"{_SHARE}/snapshots/{{id}}", snapshots.get),
    _route("DELETE", f"{_SHARE}/snapshots/{{id}}", snapshots.delete),
    _route("POST", f"{_SHARE}/snapshots/{{id}}/restore", restores.restore),
    _route("GET", f"{_API}/clients", connections.list_clients),
    _route("DELETE", f"{_API}/clients/{{id}}", connections.disconnect),
    _route("GET", f"{_SHARE}/snapshot-policy", snapshot_policies.get),
    _route("PUT", f"{_SHARE}/snapshot-policy", snapshot_policies.put),
    _route("DELETE", f"{_SHARE}/snapshot-policy", snapshot_policies.delete),
    _route("GET", f"{_API}/snapshot-policies", snapshot_policies.list_policies),
    _route("GET", _NETGROUPS, share_details.list_netgroups),
    _route("POST", _NETGROUPS, share_details.create_netgroup),
    _route("GET", f"{_NETGROUPS}/{{name}}", share_details.get_netgroup),
    _route("DELETE", f"{_NETGROUPS}/{{name}}", share_details.delete_netgroup),
    _route("POST", f"{_NETGROUPS}/{{name}}/members", share_details.add_member),
    _route("DELETE", f"{_NETGROUPS}/{{name}}/members/{{id}}", share_details.remove_member),
)


def find(path: str) -> list[tuple[Route, dict[str, str]]]:
    """The routes that know `path` (still percent-encoded), whatever their method, with the decoded parameters."""
    found = []
    for route in ROUTES:
        match = route.pattern.match(path)
        if match is not None:
            found.append((route, {name: unquote(value) for name, value in match.groupdict().items()}))
    return found
