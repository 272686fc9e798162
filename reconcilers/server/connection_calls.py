"""The calls about connected clients (dittofs-server 3.10, tried against v0.29.0)."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass

from reconcilers.server.calls import API, Caller, path_of, rows_of
from reconcilers.server.errors import NotFound
from reconcilers.server.rows import json_object


@dataclass(frozen=True, slots=True)
class Connection:
    """One connected client. `shares` is empty where the server does not tell, which v0.29.0 never does."""

    id: str
    #: nfs or smb.
    protocol: str
    shares: tuple[str, ...]

    @classmethod
    def parse(cls, data: object) -> Connection:
        """From a client row. Raises ServerUnreachable when it is none."""
        row = json_object(data, "client")
        shares = tuple(str(share) for share in row.get("shares") or ())
        return cls(str(row.get("client_id") or ""), str(row.get("protocol") or ""), shares)


class ConnectionCalls:
    """The calls; every one raises a `ServerError` when it fails."""

    def __init__(self, caller: Caller) -> None:
        self._caller = caller

    def connections(self) -> tuple[Connection, ...]:
        """Every connected client."""
        return rows_of(self._caller.call("GET", f"{API}/clients"), Connection.parse)

    def disconnect(self, connection_id: str) -> None:
        """Close the connection of a client, who may come back; nothing when it is gone."""
        with suppress(NotFound):
            self._caller.call("DELETE", path_of("clients", connection_id))
