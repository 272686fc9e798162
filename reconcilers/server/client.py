"""The typed calls to a DittoFS server that the operator makes, with the server's quirks dealt with here.

Names go into paths percent-encoded and without the leading slash; a store's config goes in as a JSON string.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from contextlib import suppress
from typing import Any

from reconcilers.server.account_calls import AccountCalls
from reconcilers.server.calls import API, path_of, rows_of
from reconcilers.server.connection_calls import ConnectionCalls
from reconcilers.server.errors import Conflict, NotFound, ServerUnreachable
from reconcilers.server.rows import Adapter, GracePeriod, Health, HealthReport, Row, Share, Store, json_object
from reconcilers.server.share_calls import ShareCalls, share_segment
from reconcilers.server.snapshot_calls import SnapshotCalls


class ServerClient(AccountCalls, ConnectionCalls, ShareCalls, SnapshotCalls):
    """The calls; every one raises a `ServerError` (see `reconcilers.server.errors`) when it fails."""

    def health(self) -> Health:
        """Whether the process runs and reaches its database. Needs no login."""
        return Health.parse(self._caller.call_openly("GET", "/health"))

    def grace_period(self) -> GracePeriod | None:
        """The grace period for NFSv4 clients; None while NFS doesn't run. Needs no login."""
        return GracePeriod.parse(self._caller.call_openly("GET", "/health/ready"))

    def login(self) -> None:
        """Prove that the credentials are good; LoginRefused when they are not."""
        self._caller.call("GET", f"{API}/auth/me")

    def change_password(self, current: str, new: str) -> None:
        """Give the account of this session another password; LoginRefused when `current` is wrong.

        `new` must be 8 to 72 bytes: the server answers a bad length with 500.
        """
        self._caller.call("POST", f"{API}/users/me/password", {"current_password": current, "new_password": new})

    def adapters(self) -> tuple[Adapter, ...]:
        """Every protocol listener."""
        return rows_of(self._caller.call("GET", f"{API}/adapters"), Adapter.parse)

    def adapter(self, adapter_type: str) -> Adapter:
        """The listener for `adapter_type` (`nfs` or `smb`)."""
        return Adapter.parse(self._caller.call("GET", path_of("adapters", adapter_type)))

    def adapter_status(self, adapter_type: str) -> HealthReport:
        """The health of a listener, up to 5 s old: right after a change it may still be the one before."""
        return HealthReport.parse(self._caller.call("GET", path_of("adapters", adapter_type, "status")))

    def put_adapter(self, adapter_type: str, *, enabled: bool, port: int) -> Adapter:
        """Turn a listener on or off and set its port; gives what the server has afterwards.

        Stopping one can outlast the server's own write timeout, which cuts the answer off: then it is read again.
        """
        try:
            answer = self._caller.call("PUT", path_of("adapters", adapter_type), {"enabled": enabled, "port": port})
        except ServerUnreachable:
            return self.adapter(adapter_type)
        return Adapter.parse(answer)

    def adapter_settings(self, adapter_type: str) -> dict[str, Any]:
        """The settings of a listener, by the server's names."""
        return dict(json_object(self._caller.call("GET", path_of("adapters", adapter_type, "settings")), "settings"))

    def patch_adapter_settings(self, adapter_type: str, settings: Mapping[str, Any]) -> dict[str, Any]:
        """Change some settings; gives all as they are then, since the server takes some without storing them."""
        answer = self._caller.call("PATCH", path_of("adapters", adapter_type, "settings"), settings)
        return dict(json_object(answer, "settings"))

    def metadata_store(self, name: str) -> Store | None:
        """The metadata store with this name or id, None when there is none."""
        return self._found(path_of("store", "metadata", name), Store.parse)

    def create_metadata_store(self, name: str, *, store_type: str, config: Mapping[str, Any]) -> Store:
        """Create a metadata store. Look it up first: a second create of a badger store is a 400, not a 409."""
        body = {"name": name, "type": store_type, "config": json.dumps(config)}
        return Store.parse(self._caller.call("POST", f"{API}/store/metadata", body))

    def local_store(self, name: str) -> Store | None:
        """The local block store with this name or id, None when there is none."""
        return self._found(path_of("store", "block", "local", name), Store.parse)

    def create_local_store(self, name: str, *, store_type: str, config: Mapping[str, Any]) -> Store:
        """Create a local block store; one that somebody else created meanwhile is given as it is."""
        body = {"name": name, "type": store_type, "config": json.dumps(config)}
        try:
            return Store.parse(self._caller.call("POST", f"{API}/store/block/local", body))
        except Conflict:
            present = self.local_store(name)
            if present is None:
                raise
            return present

    def remote_stores(self) -> tuple[Store, ...]:
        """Every remote block store. The server asks each S3 service how it is first, for up to 5 s in all."""
        return rows_of(self._caller.call("GET", f"{API}/store/block/remote"), Store.parse)

    def remote_store(self, name: str) -> Store | None:
        """The remote block store with this name or id, None when there is none; as slow as its S3 service."""
        return self._found(path_of("store", "block", "remote", name), Store.parse)

    def create_remote_store(self, name: str, *, store_type: str, config: Mapping[str, Any]) -> Store:
        """Create a remote block store; Conflict when there is one of that name."""
        body = {"name": name, "type": store_type, "config": json.dumps(config)}
        return Store.parse(self._caller.call("POST", f"{API}/store/block/remote", body))

    def update_remote_store(self, name: str, *, config: Mapping[str, Any]) -> Store:
        """Give a remote block store another `config`; values shown masked stay. Shares take it up at the next start."""
        path = path_of("store", "block", "remote", name)
        return Store.parse(self._caller.call("PUT", path, {"config": json.dumps(config)}))

    def shares(self) -> tuple[Share, ...]:
        """Every share, with its health."""
        return rows_of(self._caller.call("GET", f"{API}/shares"), Share.parse)

    def share(self, name: str) -> Share | None:
        """The share with this name, None when there is none."""
        return self._found(path_of("shares", share_segment(name)), Share.parse)

    def share_status(self, name: str) -> HealthReport:
        """The health of a share; `unknown` when the server could not load it."""
        return HealthReport.parse(self._caller.call("GET", path_of("shares", share_segment(name), "status")))

    def create_share(
        self, name: str, *, metadata_store: str, local_store: str, remote_store: str = "", fields: Mapping[str, Any]
    ) -> Share:
        """Create a share on its stores (by name). Success does not mean that it works: read `share_status`.

        It is always created enabled, whatever `fields` say.
        """
        body = {**fields, "name": name, "metadata_store_id": metadata_store, "local_block_store": local_store}
        if remote_store:
            body["remote_block_store"] = remote_store
        return Share.parse(self._caller.call("POST", f"{API}/shares", body))

    def update_share(self, name: str, *, fields: Mapping[str, Any]) -> Share:
        """Change the given fields of a share and leave the others."""
        return Share.parse(self._caller.call("PUT", path_of("shares", share_segment(name)), fields))

    def enable_share(self, name: str) -> Share:
        """Let clients in again. NotFound also when the share is there but not loaded."""
        return Share.parse(self._caller.call("POST", path_of("shares", share_segment(name), "enable")))

    def disable_share(self, name: str) -> Share:
        """Keep clients out; data stays. NotFound also when the share is there but not loaded."""
        return Share.parse(self._caller.call("POST", path_of("shares", share_segment(name), "disable")))

    def delete_share(self, name: str) -> None:
        """Remove a share with its permissions, snapshots and snapshot policy; nothing when it is gone.

        What its stores hold stays, and so do its quotas.
        """
        with suppress(NotFound):
            self._caller.call("DELETE", path_of("shares", share_segment(name)))

    def delete_metadata_store(self, name: str) -> None:
        """Remove the row of a metadata store; Conflict while a share uses it, nothing when it is gone.

        Its files stay, and stay open until the server ends.
        """
        with suppress(NotFound):
            self._caller.call("DELETE", path_of("store", "metadata", name))

    def delete_remote_store(self, name: str) -> None:
        """Remove the row of a remote block store; Conflict while a share uses it, nothing when it is gone."""
        with suppress(NotFound):
            self._caller.call("DELETE", path_of("store", "block", "remote", name))

    def _found(self, path: str, parse: Callable[[object], Row]) -> Row | None:
        try:
            return parse(self._caller.call("GET", path))
        except NotFound:
            return None
