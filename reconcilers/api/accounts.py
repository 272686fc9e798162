"""The users and groups that a server is to have, beside those that it has by itself."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field, StringConstraints

from reconcilers.api.common import ApiModel, LocalReference, SecretKeyName
from reconcilers.api.schema import Rule, atomic_list, list_map, validated

MAX_ACCOUNTS = 128

ACCOUNT_NAME = "[A-Za-z_][A-Za-z0-9._-]*"
MAX_ACCOUNT_NAME = 64
_OWN_GROUPS = ("admins", "operators", "users")
_OWN_GROUP_IDS = (999, 1000)

AccountName = Annotated[str, StringConstraints(min_length=1, max_length=MAX_ACCOUNT_NAME, pattern=f"^{ACCOUNT_NAME}$")]
#: What Unix knows users and groups by; 0 is root, and 2^32-1 nobody's.
AccountId = Annotated[int, Field(ge=1, le=4294967294)]

_NOT_ADMIN = Rule(
    "self.all(u, u.name != 'admin')", "the user admin is the server's own: set its password by auth.adminSecretRef"
)
_USER_IDS_DIFFER = Rule(
    "self.all(u, self.exists_one(o, o.uid == u.uid))", "each uid may be given once: the server refuses a second user"
)
_NOT_OWN_GROUPS = Rule(
    f"self.all(g, !(g.name in [{', '.join(repr(name) for name in _OWN_GROUPS)}]) && "
    f"!(g.gid in [{', '.join(str(gid) for gid in _OWN_GROUP_IDS)}]))",
    f"the groups {', '.join(_OWN_GROUPS)} and the gids {', '.join(str(gid) for gid in _OWN_GROUP_IDS)} are the "
    "server's own: choose others",
)
_GROUP_IDS_DIFFER = Rule(
    "self.all(g, self.exists_one(o, o.gid == g.gid))", "each gid may be given once: the server refuses a second group"
)


class PasswordReference(LocalReference):
    """A password in a Secret."""

    key: Annotated[SecretKeyName, Field(description="Key of the password within the Secret.")] = "password"


class User(ApiModel):
    """A user of the server, who may use shares but not the REST API's administration."""

    name: Annotated[AccountName, Field(description="Name of the user, as SMB clients give it.")]
    uid: Annotated[AccountId, Field(description="User id of the files that the user makes; not 0.")]
    gid: Annotated[AccountId, Field(description="Id of the user's primary group; not 0.")]
    groups: Annotated[
        tuple[AccountName, ...],
        Field(
            description="Names of the groups that the user is in: of `groups`, or one of the server's own.",
            json_schema_extra=atomic_list(max_items=32),
        ),
    ] = ()
    display_name: Annotated[str, Field(max_length=128, description="The name that people read.")] = ""
    enabled: Annotated[bool, Field(description="Whether the user may log in.")] = True
    password_secret_ref: Annotated[
        PasswordReference,
        Field(description="The Secret with the user's password, plain, 8 to 72 bytes. A change is taken up live."),
    ]


class Group(ApiModel):
    """A group of users."""

    name: Annotated[AccountName, Field(description="Name of the group.")]
    gid: Annotated[AccountId, Field(description="Group id; not one of the server's own: 0, 999, 1000.")]


Users = Annotated[
    tuple[User, ...],
    Field(
        description="Users that the server is to have. One that is removed here stays on the server as it is: set "
        "enabled to false first.",
        json_schema_extra={
            **list_map("name", max_items=MAX_ACCOUNTS),
            **validated(_NOT_ADMIN, _USER_IDS_DIFFER),
        },
    ),
]
Groups = Annotated[
    tuple[Group, ...],
    Field(
        description="Groups that the server is to have. One that is removed here stays on the server.",
        json_schema_extra={
            **list_map("name", max_items=MAX_ACCOUNTS),
            **validated(_NOT_OWN_GROUPS, _GROUP_IDS_DIFFER),
        },
    ),
]
