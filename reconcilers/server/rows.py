"""What the REST API of a DittoFS server gives back, as frozen values: unknown fields are passed over.

Field names and quirks: dittofs-server 1.9 and 3.1 to 3.4, tried against v0.29.0.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any, TypeVar

from reconcilers.server.errors import ServerUnreachable
from reconcilers.server.share_options import DEFAULTS, told_options

Row = TypeVar("Row")

HEALTHY = "healthy"
#: What a share's row says of its bin of deleted files, by the server's names, and what it means where it says nothing.
_TRASH: Mapping[str, Any] = {
    "trash_enabled": False,
    "trash_retention_days": 0,
    "trash_max_bytes": 0,
    "trash_restrict_to_admin": False,
    "trash_exclude_patterns": [],
}
#: The health of a share that is a row in the database but could not be loaded (and of a part never started).
UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True)
class HealthReport:
    """The health of one row: healthy, degraded, unhealthy, unknown or disabled; up to 5 s old."""

    status: str
    message: str = ""

    @classmethod
    def parse(cls, data: object) -> HealthReport:
        """From a health report; a row that carries none counts as unknown."""
        if not isinstance(data, Mapping):
            return cls(UNKNOWN)
        return cls(_text(data, "status") or UNKNOWN, _text(data, "message"))


@dataclass(frozen=True, slots=True)
class Health:
    """The answer of `GET /health`: its HTTP status is always 200, so only `status` tells."""

    status: str
    control_plane_db: str = UNKNOWN
    started_at: str = ""

    @property
    def healthy(self) -> bool:
        """The process runs and reaches its database."""
        return self.status == HEALTHY

    @classmethod
    def parse(cls, data: object) -> Health:
        """From the health envelope."""
        envelope = json_object(data, "health")
        details = envelope.get("data")
        details = details if isinstance(details, Mapping) else {}
        return cls(
            _text(envelope, "status"), _text(details, "control_plane_db") or UNKNOWN, _text(details, "started_at")
        )


@dataclass(frozen=True, slots=True)
class GracePeriod:
    """After a start, NFSv4 clients may reclaim what they had open, and nothing else is served to them."""

    active: bool
    expected_clients: int
    reclaimed_clients: int

    @classmethod
    def parse(cls, data: object) -> GracePeriod | None:
        """From the answer of `GET /health/ready`; None when it has none, as without NFS."""
        details = json_object(data, "health").get("data")
        period = details.get("grace_period") if isinstance(details, Mapping) else None
        if not isinstance(period, Mapping):
            return None
        return cls(
            period.get("active") is True, _number(period, "expected_clients"), _number(period, "reclaimed_clients")
        )


@dataclass(frozen=True, slots=True)
class GroupRow:
    """A group; `gid` is 0 when it has none."""

    name: str
    gid: int

    @classmethod
    def parse(cls, data: object) -> GroupRow:
        """From a group row."""
        row = json_object(data, "group")
        return cls(_required(row, "name", "group"), _number(row, "gid"))


@dataclass(frozen=True, slots=True)
class UserRow:
    """A user; what is not set is 0 or empty."""

    name: str
    role: str
    uid: int
    gid: int
    groups: frozenset[str]
    display_name: str
    enabled: bool

    @classmethod
    def parse(cls, data: object) -> UserRow:
        """From a user row."""
        row = json_object(data, "user")
        groups = row.get("groups")
        return cls(
            name=_required(row, "username", "user"),
            role=_text(row, "role"),
            uid=_number(row, "uid"),
            gid=_number(row, "gid"),
            groups=frozenset(str(group) for group in groups) if isinstance(groups, list) else frozenset(),
            display_name=_text(row, "display_name"),
            enabled=bool(row.get("enabled")),
        )


@dataclass(frozen=True, slots=True)
class Adapter:
    """A protocol listener. `running` does not mean that the port is bound: `health` does."""

    type: str
    enabled: bool
    running: bool
    port: int
    health: HealthReport

    @classmethod
    def parse(cls, data: object) -> Adapter:
        """From an adapter row."""
        row = json_object(data, "adapter")
        return cls(
            type=_required(row, "type", "adapter"),
            enabled=bool(row.get("enabled")),
            running=bool(row.get("running")),
            port=_number(row, "port"),
            health=HealthReport.parse(row.get("status")),
        )


@dataclass(frozen=True, slots=True)
class Store:
    """A metadata store or a block store. Numbers in `config` come back rounded to a float64's precision."""

    id: str
    name: str
    type: str
    config: Mapping[str, Any] = field(default_factory=lambda: MappingProxyType({}), repr=False)

    @property
    def path(self) -> str:
        """Where its files are in the pod; empty for a store without files."""
        return str(self.config.get("path") or self.config.get("db_path") or "")

    @classmethod
    def parse(cls, data: object) -> Store:
        """From a store row, of metadata or of blocks."""
        row = json_object(data, "store")
        config = row.get("config")
        return cls(
            id=_required(row, "id", "store"),
            name=_required(row, "name", "store"),
            type=_text(row, "type"),
            config=MappingProxyType(dict(config) if isinstance(config, Mapping) else {}),
        )


@dataclass(frozen=True, slots=True)
class Share:
    """A share. Stores are given as ids; `quota` is the server's rounded text, empty without a quota."""

    id: str
    name: str
    enabled: bool
    read_only: bool
    default_permission: str
    quota: str
    metadata_store_id: str
    local_block_store_id: str
    health: HealthReport
    #: Empty: its contents stay on the local store.
    remote_block_store_id: str = ""
    used_bytes: int = 0
    #: Whom its root directory belongs to; None: nobody was named, so root.
    owner_uid: int | None = None
    created_at: str = ""
    updated_at: str = ""
    #: See `reconcilers.server.share_options`.
    options: Mapping[str, object] = field(default_factory=lambda: DEFAULTS)
    #: Of its bin of deleted files, by the server's names.
    trash: Mapping[str, Any] = field(default_factory=lambda: MappingProxyType(dict(_TRASH)))

    @property
    def loaded(self) -> bool:
        """The server serves it: a share that failed to load is a row whose health is unknown."""
        return self.health.status != UNKNOWN

    @classmethod
    def parse(cls, data: object) -> Share:
        """From a share row."""
        row = json_object(data, "share")
        return cls(
            id=_required(row, "id", "share"),
            name=_required(row, "name", "share"),
            enabled=bool(row.get("enabled")),
            read_only=bool(row.get("read_only")),
            default_permission=_text(row, "default_permission"),
            quota=_text(row, "quota_bytes"),
            metadata_store_id=_text(row, "metadata_store_id"),
            local_block_store_id=_text(row, "local_block_store_id"),
            remote_block_store_id=_text(row, "remote_block_store_id"),
            used_bytes=_number(row, "used_bytes"),
            owner_uid=_number(row, "owner_uid") if row.get("owner_uid") is not None else None,
            created_at=_text(row, "created_at"),
            updated_at=_text(row, "updated_at"),
            options=told_options(row),
            trash=MappingProxyType({name: row.get(name) or absent for name, absent in _TRASH.items()}),
            health=HealthReport.parse(row.get("status")),
        )


@dataclass(frozen=True, slots=True)
class Tokens:
    """What a login gives. Not for eyes: nothing of it shows in `repr`."""

    access: str = field(repr=False)
    refresh: str = field(repr=False)
    expires_in_s: float

    @classmethod
    def parse(cls, data: object) -> Tokens:
        """From the answer to a login or refresh."""
        row = json_object(data, "login")
        return cls(
            access=_required(row, "access_token", "login"),
            refresh=_text(row, "refresh_token"),
            expires_in_s=float(_number(row, "expires_in")),
        )


def json_object(data: object, what: str) -> Mapping[str, Any]:
    """`data` as a JSON object that is to be a `what`. Raises ServerUnreachable when it is none."""
    if not isinstance(data, Mapping):
        raise ServerUnreachable(f"the answer is no {what}: is it a DittoFS server of a known version?")
    return data


def _required(row: Mapping[str, Any], key: str, what: str) -> str:
    value = _text(row, key)
    if not value:
        raise ServerUnreachable(f"the answer is no {what}, it has no {key}: is it a DittoFS server of a known version?")
    return value


def _text(row: Mapping[str, Any], key: str) -> str:
    value = row.get(key)
    return "" if value is None else str(value)


def _number(row: Mapping[str, Any], key: str) -> int:
    value = row.get(key)
    return int(value) if isinstance(value, (int, float)) else 0
