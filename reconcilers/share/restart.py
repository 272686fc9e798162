"""What a running server has of the fields that it reads only when it starts, and what waits for its next start. Pure.

The server does not tell. It tells when it was started and when a row was made and last changed; and a start, or the
making of a share, takes all that the row says. So what was in the row then is written down, and compared.
"""

from __future__ import annotations

from collections.abc import Container, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from reconcilers.api.share import DittoFSShare, ShareCondition
from reconcilers.conditions import Condition, false, true, unknown
from reconcilers.server.rows import Share
from reconcilers.server.share_options import DEFAULTS, SMB_OPTIONS
from reconcilers.share.detail_plan import NFS_FIELDS
from reconcilers.share.row_options import ROW_FIELDS

#: By the server's name, with the field of the specification and what is in force when nobody set it: tried against
#: v0.29.0, where neither the adapter's restart nor a new connection takes them up.
WAITING_ROW_OPTIONS: Mapping[str, str] = {
    name: ROW_FIELDS[name] for name in (*SMB_OPTIONS, "local_store_size", "read_buffer_size")
}
_NFS_DEFAULTS: Mapping[str, object] = {
    "allow_auth_sys": True,
    "require_kerberos": False,
    "min_kerberos_level": "krb5",
    "disable_readdirplus": False,
}
WAITING_NFS_OPTIONS: Mapping[str, str] = {name: f"nfs.{NFS_FIELDS[name]}" for name in _NFS_DEFAULTS}


@dataclass(frozen=True, slots=True)
class InForce:
    """What the server that was started at `started_at` (its own time) runs with, by field; defaults are left out.

    Not `known`: the share was changed since by nobody knows whom, or during that start, so these are only the values
    of its row.
    """

    started_at: str
    values: Mapping[str, str] = field(default_factory=dict)
    known: bool = True

    @classmethod
    def of_status(cls, share: DittoFSShare) -> InForce | None:
        """What the last pass wrote down."""
        written = share.status.in_force
        return None if written is None else cls(written.started_at, dict(written.values), written.known)

    def document(self) -> dict[str, Any]:
        """The same, for a status."""
        values = {"values": dict(self.values)} if self.values else {}
        return {"startedAt": self.started_at, **values, "known": self.known}


def row_values(options: Mapping[str, object]) -> dict[str, str]:
    """Of the `options` of a share's row those that wait for a start, by field; defaults are left out."""
    return {
        field: _text(options[name])
        for name, field in WAITING_ROW_OPTIONS.items()
        if name in options and options[name] != DEFAULTS[name]
    }


def nfs_values(options: Mapping[str, object]) -> dict[str, str]:
    """Of the NFS `options` those that wait for a start, by field; defaults are left out."""
    return {
        field: _text(options[name])
        for name, field in WAITING_NFS_OPTIONS.items()
        if name in options and options[name] != _NFS_DEFAULTS[name]
    }


def in_force(
    memory: InForce | None,
    *,
    started_at: str,
    row: Share,
    row_found: Mapping[str, str],
    nfs_found: Mapping[str, str],
    in_sync: bool,
) -> InForce:
    """What is in force of a share that the server had already.

    `row` and the values are those that were found, before this pass changed anything; `in_sync`: so the pass before
    left the share, and nothing kept it from looking since.
    """
    if memory is not None and memory.started_at == started_at:
        return memory
    untouched = row.updated_at == row.created_at
    if _after(row.created_at, started_at) and (untouched or memory is None):
        # Made in this run of the server, which makes all shares with its NFS options by default.
        return InForce(started_at, row_found, known=untouched)
    found = {**row_found, **nfs_found}
    if memory is None:
        known = (untouched or _before(row.updated_at, started_at)) and not nfs_found
    elif _after(row.updated_at, started_at):
        # By others, since a note goes before our own changes: the start took up what is there still, or who knows.
        kept = {field: value for field, value in memory.values.items() if field in WAITING_ROW_OPTIONS.values()}
        known = memory.known and in_sync and kept == row_found
    else:
        known = True
    return InForce(started_at, found, known=known)


def pending(in_force: InForce, wanted: Mapping[str, str], *, ignored: Container[str] = ()) -> tuple[str, ...]:
    """The fields whose `wanted` values, which the rows have, are not in force; `ignored` ones never will be."""
    differing = {
        field
        for field in (*WAITING_NFS_OPTIONS.values(), *WAITING_ROW_OPTIONS.values())
        if in_force.values.get(field) != wanted.get(field) and field not in ignored
    }
    return tuple(sorted(differing))


def restart_required(in_force: InForce, fields: tuple[str, ...], *, instance: str) -> Condition:
    """The condition, for the `fields` that are `pending` on the server of the DittoFS `instance`."""
    kind, advice = ShareCondition.RESTART_REQUIRED, f'delete the pod "{instance}-0" when a pause suits'
    if not in_force.known:
        message = (
            "the share was changed since the server's start, by others or while it started: nobody can tell whether "
            f"all its values are in force. They are after the server's next start: {advice}"
        )
        return unknown(kind, "NotKnown", message)
    if fields:
        message = f"the server takes up {', '.join(fields)} only when it starts: {advice}"
        return true(kind, "WaitsForStart", message)
    return false(kind, "InForce", "the running server has all values")


# The server tells its start in whole seconds: what was in that second was before or after.


def _before(moment: str, start: str) -> bool:
    return datetime.fromisoformat(moment) < datetime.fromisoformat(start)


def _after(moment: str, start: str) -> bool:
    return datetime.fromisoformat(moment) >= datetime.fromisoformat(start) + timedelta(seconds=1)


def _text(value: object) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)
