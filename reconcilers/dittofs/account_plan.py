"""What has to be done to users and groups so that a server has those that are declared. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any

from reconcilers.api.accounts import Group, User
from reconcilers.server.rows import GroupRow, UserRow

USER_ROLE = "user"


@dataclass(frozen=True, slots=True)
class CreateGroup:
    """The group is not there."""

    group: Group


@dataclass(frozen=True, slots=True)
class UpdateGroup:
    """The group has another gid."""

    group: Group


@dataclass(frozen=True, slots=True)
class CreateUser:
    """The user is not there."""

    user: User


@dataclass(frozen=True, slots=True)
class UpdateUser:
    """The user differs in these fields, by the server's names."""

    user: User
    fields: dict[str, Any] = field(hash=False)


@dataclass(frozen=True, slots=True)
class Refusal:
    """What is declared can't be had; `text` says why."""

    text: str


Step = CreateGroup | UpdateGroup | CreateUser | UpdateUser | Refusal


def plan(
    groups: Iterable[Group], users: Iterable[User], *, group_rows: Iterable[GroupRow], user_rows: Iterable[UserRow]
) -> tuple[Step, ...]:
    """The steps in order: groups first, since users are in them. Rows that nobody declares are left alone."""
    present_groups = {row.name: row for row in group_rows}
    present_users = {row.name: row for row in user_rows}
    return (*_group_steps(groups, present_groups), *_user_steps(users, present_users))


def fields_of(user: User) -> dict[str, Any]:
    """All fields of `user`, by the server's names."""
    return {
        "uid": user.uid,
        "gid": user.gid,
        "groups": list(user.groups),
        "display_name": user.display_name,
        "enabled": user.enabled,
    }


def _group_steps(groups: Iterable[Group], present: dict[str, GroupRow]) -> Iterator[Step]:
    for group in groups:
        row = present.get(group.name)
        if row is None:
            yield CreateGroup(group)
        elif row.gid != group.gid:
            yield UpdateGroup(group)


def _user_steps(users: Iterable[User], present: dict[str, UserRow]) -> Iterator[Step]:
    for user in users:
        row = present.get(user.name)
        if row is None:
            yield CreateUser(user)
            continue
        if row.role != USER_ROLE:
            yield Refusal(f'the server\'s user "{user.name}" has the role {row.role}: choose another name')
            continue
        found = {
            "uid": row.uid,
            "gid": row.gid,
            "groups": sorted(row.groups),
            "display_name": row.display_name,
            "enabled": row.enabled,
        }
        wanted = {**fields_of(user), "groups": sorted(user.groups)}
        differing = {key: value for key, value in wanted.items() if found[key] != value}
        if differing:
            yield UpdateUser(user, differing)
