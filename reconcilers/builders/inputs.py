"""What a builder is told beside the specification: facts that one pass observed."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType

from reconcilers.purge import Purge
from reconcilers.share.declared import DeclaredShare


@dataclass(frozen=True, slots=True)
class ObservedClaim:
    """What a claim that exists already has, and that can't be changed or taken back any more."""

    uid: str
    #: The storage it requests now, a quantity.
    requested: str
    access_modes: tuple[str, ...]
    #: The class that we once asked for, or the one it has when the specification names one; None: leave it out.
    storage_class: str | None = None
    #: Whether it is a cache that was made anew although the metadata was there already.
    cache_lost: bool = False
    leaving: bool = False


@dataclass(frozen=True, slots=True)
class PostgresSource:
    """Where the server finds the address and the login of its PostgreSQL, and the authority that signed for it."""

    #: The Secret with the keys host, port, dbname, user and password.
    secret: str
    #: The Secret with ca.crt; empty: no authority of its own.
    ca_secret: str = ""


@dataclass(frozen=True, slots=True)
class PodInputs:
    """What the pod consumes at its start, as far as it is not in the specification."""

    #: The Secret, and the key in it, that holds the signing key of tokens.
    jwt_secret_name: str
    jwt_secret_key: str
    #: `reconcilers.builders.config.config_hash` of the file and of everything out of Secrets.
    config_hash: str
    #: None: the database is no PostgreSQL.
    postgres: PostgresSource | None = None
    #: `names.RESTARTED_ANNOTATION`; empty: no process had to end.
    restarted: str = ""


@dataclass(frozen=True, slots=True)
class BuildFacts:
    """Everything outside the specification that the children of an instance depend on."""

    shares: tuple[DeclaredShare, ...] = ()
    #: By path, where the data of shares is that are on the server; a path that is absent is its own address.
    addresses: Mapping[str, str] = field(default_factory=lambda: MappingProxyType({}))
    #: By path, the stores of adopted shares, in the words of their status.
    adopted: Mapping[str, Mapping[str, str]] = field(default_factory=lambda: MappingProxyType({}))
    #: The deleted shares whose files are still there.
    purge: Purge = field(default_factory=Purge)
    claims: Mapping[str, ObservedClaim] = field(default_factory=lambda: MappingProxyType({}))
    #: The text of config.yaml to keep; None: as the specification and `pod` say.
    config_file: str | None = None
    #: Whether the cluster knows ServiceMonitors.
    service_monitors: bool = False
    #: Where the operator runs; empty: outside of the cluster.
    operator_namespace: str = ""
    #: None: the pod can't be built now, and one that runs is left alone.
    pod: PodInputs | None = None
