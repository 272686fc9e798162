"""The calls about snapshots of shares, and their rows (dittofs-server 5.3, tried against v0.29.0)."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass
from enum import StrEnum

from reconcilers.server.calls import Caller, path_of, rows_of
from reconcilers.server.errors import NotFound, ServerUnreachable
from reconcilers.server.rows import json_object
from reconcilers.server.share_calls import share_segment


class SnapshotState(StrEnum):
    """How far the server is with a snapshot."""

    CREATING = "creating"
    READY = "ready"
    FAILED = "failed"


#: What stands in the error of a snapshot that ended with the server's process: killed, or asked to stop.
_INTERRUPTED = ("abandoned: server restarted", "context canceled")


#: A little longer than the server gives a restore (`snapshot.restore_http_timeout`), so that its answer comes first.
RESTORE_PATIENCE_S = 1860.0


@dataclass(frozen=True, slots=True)
class Snapshot:
    """A snapshot of one share. `dump_bytes` is 0 in lists, and while there is no copy of the metadata on disk."""

    id: str
    name: str
    #: A `SnapshotState`, or a word of another version.
    state: str
    remote_durable: bool
    dump_bytes: int
    error: str
    created_at: str
    #: The policy of the share made it.
    scheduled: bool = False

    @property
    def interrupted(self) -> bool:
        """It failed because the server stopped meanwhile: made once more it may well succeed."""
        return self.state == SnapshotState.FAILED and any(words in self.error for words in _INTERRUPTED)

    @classmethod
    def parse(cls, data: object) -> Snapshot:
        """From a snapshot row. Raises ServerUnreachable when it is none."""
        row = json_object(data, "snapshot")
        size = row.get("dump_bytes")
        return cls(
            id=str(row.get("id") or ""),
            name=str(row.get("name") or ""),
            state=str(row.get("state") or ""),
            remote_durable=row.get("remote_durable") is True,
            dump_bytes=int(size) if isinstance(size, (int, float)) else 0,
            error=str(row.get("error") or ""),
            created_at=str(row.get("created_at") or ""),
            scheduled=row.get("scheduled") is True,
        )


class SnapshotCalls:
    """The calls; every one raises a `ServerError` when it fails."""

    def __init__(self, caller: Caller) -> None:
        self._caller = caller

    def snapshots(self, share: str) -> tuple[Snapshot, ...]:
        """The snapshots of a share, newest first; none when there is no such share."""
        return rows_of(self._caller.call("GET", _path(share)), Snapshot.parse)

    def snapshot(self, share: str, snapshot_id: str) -> Snapshot | None:
        """One snapshot by its whole id, None when there is none."""
        try:
            return Snapshot.parse(self._caller.call("GET", _path(share, snapshot_id)))
        except NotFound:
            return None

    def create_snapshot(self, share: str, name: str) -> str:
        """Begin a snapshot, while clients work, and give its id; the server is done when its state says so.

        Names need not be unique and a second call makes a second snapshot: look the name up first. Conflict while
        another snapshot of the share is being made, NotFound when the share is not loaded.
        """
        answer = json_object(self._caller.call("POST", _path(share), {"name": name}), "snapshot")
        if not answer.get("snapshot_id"):
            raise ServerUnreachable("the answer names no snapshot: is it a DittoFS server of a known version?")
        return str(answer["snapshot_id"])

    def retry_snapshot(self, share: str, snapshot_id: str) -> None:
        """Make a snapshot that failed once more, under its id; Conflict while another of the share is being made."""
        self._caller.call("POST", _path(share), {"retry_of": snapshot_id})

    def restore_snapshot(self, share: str, snapshot_id: str, *, allow_non_durable: bool) -> None:
        """Make the content of a share that of a snapshot, which wipes its metadata store; the share stays disabled.

        Before, the server makes a snapshot without a name of what is there. It can be asked again: the content is the
        same then. Conflict when the share is enabled or the snapshot not ready, NotFound when one of them is gone, 412
        when it is not durable and `allow_non_durable` false; 500 also while another restore of the share goes on.
        """
        body = {"allow_non_durable": allow_non_durable}
        self._caller.call("POST", _path(share, snapshot_id, "restore"), body, patience_s=RESTORE_PATIENCE_S)

    def delete_snapshot(self, share: str, snapshot_id: str) -> None:
        """Remove a snapshot; Conflict while it is being made or restored, nothing when it is gone."""
        with suppress(NotFound):
            self._caller.call("DELETE", _path(share, snapshot_id))


def _path(share: str, *segments: str) -> str:
    return path_of("shares", share_segment(share), "snapshots", *segments)
