"""The calls about users and groups (dittofs-server 3.5 and 3.6, tried against v0.29.0)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from reconcilers.server.calls import API, Caller, path_of, rows_of
from reconcilers.server.errors import NotFound, ServerRefused
from reconcilers.server.rows import GroupRow, UserRow


class AccountCalls:
    """The calls; every one raises a `ServerError` when it fails."""

    def __init__(self, caller: Caller) -> None:
        self._caller = caller

    def groups(self) -> tuple[GroupRow, ...]:
        """Every group, the server's own too."""
        return rows_of(self._caller.call("GET", f"{API}/groups"), GroupRow.parse)

    def create_group(self, name: str, *, gid: int) -> None:
        """Make a group; Conflict when the name or, with the same words, the gid is taken."""
        self._caller.call("POST", f"{API}/groups", {"name": name, "gid": gid})

    def update_group(self, name: str, *, gid: int) -> None:
        """Give a group another gid; 500 when that is taken."""
        self._caller.call("PUT", path_of("groups", name), {"gid": gid})

    def users(self) -> tuple[UserRow, ...]:
        """Every user, the administrator too."""
        return rows_of(self._caller.call("GET", f"{API}/users"), UserRow.parse)

    def user(self, name: str) -> UserRow | None:
        """The user of this name, None when there is none."""
        try:
            return UserRow.parse(self._caller.call("GET", path_of("users", name)))
        except NotFound:
            return None

    def create_user(self, name: str, *, password: str, fields: Mapping[str, Any]) -> None:
        """Make a user, who is enabled whatever `fields` say. `password` must be 8 to 72 bytes (500 otherwise)."""
        self._caller.call("POST", f"{API}/users", {**fields, "username": name, "password": password})

    def update_user(self, name: str, *, fields: Mapping[str, Any]) -> None:
        """Change the given fields; `groups` is the whole set."""
        self._caller.call("PUT", path_of("users", name), fields)

    def set_password(self, name: str, password: str) -> None:
        """Give a user another password, of 8 to 72 bytes (500 otherwise)."""
        self._caller.call("POST", path_of("users", name, "password"), {"new_password": password})

    def has_password(self, name: str, password: str) -> bool:
        """Whether `password` is known to be the user's; of a disabled user the server does not tell, so: False."""
        try:
            self._caller.call_openly("POST", f"{API}/auth/login", {"username": name, "password": password})
        except ServerRefused as error:
            if error.status in _NOT_PROVEN:
                return False
            raise
        return True


#: Malformed, wrong, or of a disabled user.
_NOT_PROVEN = frozenset({400, 401, 403})
