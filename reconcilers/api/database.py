"""The control-plane database of a DittoFS: a file of its own, or a PostgreSQL that somebody else runs."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated

from pydantic import ConfigDict, Field, StringConstraints

from reconcilers.api.common import ApiModel, LocalReference
from reconcilers.api.scalars import Size
from reconcilers.api.schema import Rule, validated
from reconcilers.api.storage import Storage

_KINDS = ("sqlite", "postgresRef", "postgresSecretRef")
_EXACTLY_ONE = Rule(
    " + ".join(f"(has(self.{kind}) ? 1 : 0)" for kind in _KINDS) + " == 1",
    "exactly one of database.sqlite, database.postgresRef and database.postgresSecretRef must be set",
)
_KIND_FIXED = Rule(
    " && ".join(f"has(self.{kind}) == has(oldSelf.{kind})" for kind in _KINDS),
    "the kind of database is fixed; create a new DittoFS and restore an archive into it",
)

UserName = Annotated[str, StringConstraints(min_length=1, max_length=63, pattern="^[a-z0-9]([-a-z0-9]*[a-z0-9])?$")]


class SqliteStorage(Storage):
    """The claim of the control-plane database."""

    size: Annotated[Size, Field(description="Size of the volume, at least 1Mi. Can only grow.")] = "1Gi"


class SqliteDatabase(ApiModel):
    """A SQLite file on a volume of the instance."""

    storage: Annotated[
        SqliteStorage, Field(description="The volume that the database file is on, the claim `<name>-controlplane`.")
    ] = SqliteStorage()


class SslMode(StrEnum):
    """How the server protects its connections to PostgreSQL, in libpq's words."""

    DISABLE = "disable"
    REQUIRE = "require"
    VERIFY_CA = "verify-ca"
    VERIFY_FULL = "verify-full"


class ClusterSslMode(StrEnum):
    """The modes that a PerconaPGCluster takes: it refuses connections without TLS."""

    REQUIRE = "require"
    VERIFY_CA = "verify-ca"
    VERIFY_FULL = "verify-full"


class PostgresReference(LocalReference):
    """A PerconaPGCluster of the same namespace."""

    user: Annotated[
        UserName, Field(description="The user of the cluster that the server logs in as; its first database is used.")
    ] = "dittofs"
    ssl_mode: Annotated[
        ClusterSslMode,
        Field(
            description="verify-full checks certificate and name of the cluster against its own authority; verify-ca "
            "only the authority; require nothing. A change restarts the server."
        ),
    ] = ClusterSslMode.VERIFY_FULL


class PostgresSecretReference(LocalReference):
    """A Secret with the address of a PostgreSQL and the login."""

    ssl_mode: Annotated[
        SslMode,
        Field(
            description="disable, require, verify-ca or verify-full; the last two check against the Secret's ca.crt or "
            "the image's own authorities when it has none. A change restarts the server."
        ),
    ] = SslMode.REQUIRE


class Database(ApiModel):
    """The control-plane database: shares, stores, adapters and users as the server knows them."""

    model_config = ConfigDict(json_schema_extra=validated(_EXACTLY_ONE, _KIND_FIXED))

    sqlite: Annotated[SqliteDatabase | None, Field(description="A SQLite file on a volume of the instance.")] = None
    postgres_ref: Annotated[
        PostgresReference | None,
        Field(
            description="A PerconaPGCluster (pgv2.percona.com) of the same namespace, which is read and never changed. "
            "The kind of database is fixed."
        ),
    ] = None
    postgres_secret_ref: Annotated[
        PostgresSecretReference | None,
        Field(
            description="A Secret with the keys host, port, dbname, user, password and optionally ca.crt, of any "
            "PostgreSQL. The kind of database is fixed."
        ),
    ] = None

    @property
    def ssl_mode(self) -> SslMode | None:
        """How the server connects to PostgreSQL; None when there is none."""
        reference = self.postgres_ref or self.postgres_secret_ref
        return None if reference is None else SslMode(reference.ssl_mode.value)

    @property
    def verifies(self) -> bool:
        """Whether the certificate of PostgreSQL is checked."""
        return self.ssl_mode in (SslMode.VERIFY_CA, SslMode.VERIFY_FULL)

    @property
    def kind(self) -> str:
        """In one word, as the status says it."""
        return "sqlite" if self.ssl_mode is None else "postgres"
