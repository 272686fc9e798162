"""Who may use a share, from where, and how much each may store in it."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated

from pydantic import ConfigDict, Field, StringConstraints

from reconcilers.api.accounts import AccountId, AccountName
from reconcilers.api.common import ApiModel
from reconcilers.api.scalars import Duration, Size
from reconcilers.api.schema import Rule, atomic_list, validated

MAX_PERMISSIONS = 128
MAX_QUOTAS = 64
MAX_CLIENTS = 64

#: An address, a range of addresses, or a host's name, which ends in no number.
_CLIENT = (
    "^(([0-9]{1,3}[.]){3}[0-9]{1,3}(/[0-9]{1,2})?"
    "|[0-9a-fA-F]{0,4}:[0-9a-fA-F:.]{1,42}(/[0-9]{1,3})?"
    "|([A-Za-z0-9]([-A-Za-z0-9]*[A-Za-z0-9])?[.])*[A-Za-z]([-A-Za-z0-9]*[A-Za-z0-9])?)$"
)
_SID = "^S-1-[0-9]{1,15}(-[0-9]{1,10}){1,15}$"
#: The server's id of nobody, whom anonymous users act as.
NOBODY = 65534

_ONE_HOLDER = Rule(
    "(has(self.user) ? 1 : 0) + (has(self.group) ? 1 : 0) + (has(self.sid) ? 1 : 0) == 1",
    "exactly one of user, group and sid must be set",
)
_HOLDERS_DIFFER = Rule(
    "self.all(p, self.exists_one(q, (has(p.user) ? 'u/' + p.user : has(p.group) ? 'g/' + p.group : "
    "has(p.sid) ? 's/' + p.sid : '') == (has(q.user) ? 'u/' + q.user : has(q.group) ? 'g/' + q.group : "
    "has(q.sid) ? 's/' + q.sid : '')))",
    "each user, group and sid may be named once",
)
_ID_OF_WHOM = Rule(
    "(self.scope == 'default-user') != has(self.id)",
    "id is the uid or gid that the scope user or group is about; remove it with default-user",
)
_SOME_LIMIT = Rule(
    "has(self.hardSize) || has(self.softSize) || has(self.hardFiles) || has(self.softFiles)",
    "at least one of hardSize, softSize, hardFiles and softFiles must be set",
)
_SOFT_SIZE = Rule(
    "!has(self.hardSize) || !has(self.softSize) || !isQuantity(string(self.hardSize)) || "
    "!isQuantity(string(self.softSize)) || "
    "quantity(string(self.softSize)).compareTo(quantity(string(self.hardSize))) <= 0",
    "softSize must not exceed hardSize",
    ".softSize",
)
_SOFT_FILES = Rule(
    "!has(self.hardFiles) || !has(self.softFiles) || self.softFiles <= self.hardFiles",
    "softFiles must not exceed hardFiles",
    ".softFiles",
)
_GRACE = Rule(
    "!has(self.grace) || has(self.softSize) || has(self.softFiles)",
    "grace is about softSize and softFiles: set one of them or remove it",
    ".grace",
)
_SUBJECTS_DIFFER = Rule(
    "self.all(p, self.exists_one(q, q.scope == p.scope && (has(q.id) ? q.id : 0) == (has(p.id) ? p.id : 0)))",
    "each user, group and default-user may have one quota",
)


class AccessLevel(StrEnum):
    """What somebody may do in a share."""

    NONE = "none"
    READ = "read"
    READ_WRITE = "read-write"
    ADMIN = "admin"


class Permission(ApiModel):
    """What one user, group or Windows account may do."""

    model_config = ConfigDict(json_schema_extra=validated(_ONE_HOLDER))

    user: Annotated[AccountName | None, Field(description="Name of a user of the server.")] = None
    group: Annotated[AccountName | None, Field(description="Name of a group of the server.")] = None
    sid: Annotated[
        str | None,
        Field(max_length=184, pattern=_SID, description="Security identifier of a Windows group of a domain."),
    ] = None
    level: Annotated[AccessLevel, Field(description="What they may do: none, read, read-write or admin.")]


class QuotaScope(StrEnum):
    """Whose use a quota limits."""

    USER = "user"
    GROUP = "group"
    DEFAULT_USER = "default-user"


FileCount = Annotated[int, Field(ge=1, le=2**53)]


class IdentityQuota(ApiModel):
    """How much one user or group may store in the share, or every user without a quota of their own."""

    model_config = ConfigDict(json_schema_extra=validated(_ID_OF_WHOM, _SOME_LIMIT, _SOFT_SIZE, _SOFT_FILES, _GRACE))

    scope: Annotated[
        QuotaScope, Field(description="Whom it is about: user, group, or default-user, everybody without their own.")
    ]
    id: Annotated[AccountId | None, Field(description="The uid or gid; absent with default-user.")] = None
    hard_size: Annotated[Size | None, Field(description="The most that their files may take, such as 10Gi.")] = None
    soft_size: Annotated[Size | None, Field(description="What they may exceed for the time of `grace` only.")] = None
    hard_files: Annotated[FileCount | None, Field(description="The most files that they may have.")] = None
    soft_files: Annotated[FileCount | None, Field(description="What they may exceed for the time of `grace` only.")] = (
        None
    )
    grace: Annotated[
        Duration | None,
        Field(description="For how long a soft limit may be exceeded, in whole seconds; absent: the server's choice."),
    ] = None


class Squash(StrEnum):
    """Whom NFS clients' users act as on the server."""

    NONE = "none"
    ROOT_TO_ADMIN = "root_to_admin"
    ROOT_TO_GUEST = "root_to_guest"
    ALL_TO_ADMIN = "all_to_admin"
    ALL_TO_GUEST = "all_to_guest"


class KerberosLevel(StrEnum):
    """How much of NFS traffic Kerberos protects."""

    KRB5 = "krb5"
    KRB5I = "krb5i"
    KRB5P = "krb5p"


AnonymousId = Annotated[int, Field(ge=0, le=4294967295)]
ClientName = Annotated[str, StringConstraints(min_length=1, max_length=253, pattern=_CLIENT)]


class NfsOptions(ApiModel):
    """Options of the share for NFS clients."""

    squash: Annotated[
        Squash,
        Field(
            description="Whom clients act as: none: as themselves; root_to_admin, root_to_guest: root as the server's "
            "administrator or guest; all_to_admin, all_to_guest: everybody."
        ),
    ] = Squash.ROOT_TO_GUEST
    anonymous_uid: Annotated[
        AnonymousId, Field(alias="anonymousUID", description="User id of those who act as guest.")
    ] = NOBODY
    anonymous_gid: Annotated[
        AnonymousId, Field(alias="anonymousGID", description="Group id of those who act as guest.")
    ] = NOBODY
    allowed_clients: Annotated[
        tuple[ClientName, ...],
        Field(
            description="Who may mount: addresses such as 10.1.2.3, ranges such as 10.0.0.0/8, names of hosts. Empty: "
            "everybody. A pod's address is that of its node's kernel, which mounts for it.",
            json_schema_extra=atomic_list(max_items=MAX_CLIENTS),
        ),
    ] = ()
    allow_auth_sys: Annotated[
        bool,
        Field(
            description="Whether clients may say who they are, without proof (AUTH_SYS). In force at the server's next "
            "start."
        ),
    ] = True
    require_kerberos: Annotated[
        bool,
        Field(description="Whether clients must prove by Kerberos who they are. In force at the server's next start."),
    ] = False
    min_kerberos_level: Annotated[
        KerberosLevel,
        Field(
            description="The least that Kerberos must protect: krb5, krb5i or krb5p. In force at the server's next "
            "start."
        ),
    ] = KerberosLevel.KRB5
    disable_readdirplus: Annotated[
        bool,
        Field(description="Whether NFSv3 clients must ask for attributes file by file. Waits for its next start."),
    ] = False


Permissions = Annotated[
    tuple[Permission, ...],
    Field(
        description="What users, groups and Windows accounts may do. The server's others for this share are removed.",
        json_schema_extra={**atomic_list(max_items=MAX_PERMISSIONS), **validated(_HOLDERS_DIFFER)},
    ),
]
Quotas = Annotated[
    tuple[IdentityQuota, ...],
    Field(
        description="How much users and groups may store in the share. The server's others for it are removed.",
        json_schema_extra={**atomic_list(max_items=MAX_QUOTAS), **validated(_SUBJECTS_DIFFER)},
    ),
]
