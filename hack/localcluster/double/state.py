"""The rows of the server, kept in one JSON file where its database would be, and what runs because of them."""

from __future__ import annotations

import fcntl
import hashlib
import json
import os
import secrets
import threading
import uuid
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import IO, Any
from urllib.parse import quote

import orjson

from hack.localcluster.double.answers import not_found, timestamp
from hack.localcluster.double.configuration import (
    MAX_PASSWORD_BYTES,
    MIN_PASSWORD_BYTES,
    ServerConfiguration,
    StartFailed,
)

Row = dict[str, Any]

#: The rows that a fresh server makes for itself; SMB really starts on 1445.
_DEFAULT_ADAPTERS: Mapping[str, int] = {"nfs": 12049, "smb": 1445}

#: The groups of a fresh server: gid and description.
DEFAULT_GROUPS: Mapping[str, tuple[int, str]] = {
    "admins": (0, "System administrators"),
    "operators": (999, "Service account operators"),
    "users": (1000, "Regular users"),
}

#: A file handle names the share and its id, and holds no more.
_FILE_HANDLE_BYTES = 64


class StoreUnusable(Exception):
    """A metadata store cannot be opened; the message is the server's."""


class State:
    """All rows by table and name, and the open stores; every caller holds `lock`."""

    def __init__(self, configuration: ServerConfiguration, resolve: Callable[[str], Path]) -> None:
        self.lock = threading.RLock()
        self.resolve = resolve
        self._file = resolve(f"{configuration.database_path}.json")
        self.tables: dict[str, dict[str, Row]] = {
            "users": {},
            "groups": {},
            "settings": {},
            "adapters": {},
            "metadata": {},
            "local": {},
            "remote": {},
            "shares": {},
            "netgroups": {},
            "quotas": {},
            "snapshots": {},
            "markers": {},
            "policies": {},
        }
        self.opened: dict[str, IO[bytes] | None] = {}
        self.loaded: set[str] = set()
        #: By id, when a snapshot in the making was begun, on the monotonic clock.
        self.snapshots_begun_at: dict[str, float] = {}
        self.reports: dict[str, tuple[float, Row]] = {}

    def boot(self, configuration: ServerConfiguration) -> None:
        """Do what the server does at its start, in its order; raises StartFailed."""
        try:
            self._file.parent.mkdir(parents=True, exist_ok=True)
            if self._file.exists():
                self.tables.update(orjson.loads(self._file.read_bytes()))
        except OSError as error:
            raise StartFailed(f"Error: failed to open the control plane database: {error.strerror}") from error
        self._ensure_admin(configuration.initial_password)
        for name, (gid, description) in DEFAULT_GROUPS.items():
            self.tables["groups"].setdefault(name, new_row(name=name, gid=gid, description=description))
        for adapter, port in _DEFAULT_ADAPTERS.items():
            self.tables["adapters"].setdefault(adapter, new_row(type=adapter, enabled=True, port=port))
        self.save()
        for name, row in self.tables["metadata"].items():
            try:
                self.opened[name] = self.open_metadata_store(row["type"], json.loads(row["config"] or "{}"))
            except StoreUnusable as error:
                raise StartFailed(f"Error: failed to open metadata store {name}: {error}") from error
        for name in self.tables["shares"]:
            self.load_share(name)
        for row in self.tables["snapshots"].values():
            if row["state"] == "creating":
                abandoned = "abandoned: server restarted while snapshot was still creating"
                row.update(state="failed", error=abandoned, updated_at=timestamp())

    def save(self) -> None:
        """Write all rows, in one step."""
        partial = self._file.with_suffix(".partial")
        partial.write_bytes(orjson.dumps(self.tables))
        partial.replace(self._file)

    def close(self) -> None:
        """Close the open stores, as the end of a process does."""
        for handle in self.opened.values():
            if handle is not None:
                handle.close()
        self.opened.clear()

    def open_metadata_store(self, kind: str, config: Mapping[str, Any]) -> IO[bytes] | None:
        """Open a store as the server would; the handle holds its lock. Raises StoreUnusable."""
        if kind == "memory":
            return None
        if kind not in {"badger", "sqlite"}:
            raise StoreUnusable(f"unsupported metadata store type: {kind}")
        path = config.get("path") or config.get("db_path")
        if not isinstance(path, str):
            raise StoreUnusable(f"{kind} metadata store requires path as string")
        place = self.resolve(path)
        try:
            if kind == "sqlite":
                return place.open("ab")
            place.mkdir(parents=True, exist_ok=True)
            handle = (place / "LOCK").open("ab")
        except OSError as error:
            raise StoreUnusable(f"{path}: {error.strerror}") from error
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            handle.close()
            raise StoreUnusable(f"metadata store at {path} is locked by another process") from error
        return handle

    def load_share(self, name: str) -> None:
        """Serve the share `name`; one that can't be loaded is left out, as the server does."""
        row = self.tables["shares"][name]
        local = self.by_id("local", row["local_block_store_id"])
        if local is None or self.by_id("metadata", row["metadata_store_id"]) is None:
            return
        if len(f"{name}:{row['id']}".encode()) > _FILE_HANDLE_BYTES:
            return
        try:
            folder = self.share_folder(row)
            if folder is not None:
                folder.mkdir(parents=True, exist_ok=True)
        except OSError:
            return
        self.loaded.add(name)

    def share_folder(self, share: Row) -> Path | None:
        """Where the local store keeps what is of `share`; None for one in memory."""
        local = self.by_id("local", share["local_block_store_id"]) or {}
        path = json.loads(local.get("config") or "{}").get("path")
        return None if path is None else self.resolve(path) / "shares" / quote(share["name"].lstrip("/"), safe="")

    def find(self, table: str, reference: str) -> Row | None:
        """The row of `table` whose name or id is `reference`."""
        return self.tables[table].get(reference) or self.by_id(table, reference)

    def by_id(self, table: str, identity: str) -> Row | None:
        """The row of `table` with this id."""
        return next((row for row in self.tables[table].values() if row["id"] == identity), None)

    def _ensure_admin(self, initial_password: str) -> None:
        if "admin" in self.tables["users"]:
            return
        if initial_password and not password_fits(initial_password):
            raise StartFailed(
                "Error: failed to ensure admin user: failed to hash password: "
                f"password must be {MIN_PASSWORD_BYTES} to {MAX_PASSWORD_BYTES} bytes"
            )
        password = initial_password or secrets.token_urlsafe(18)
        self.tables["users"]["admin"] = new_user(
            "admin",
            password,
            display_name="Administrator",
            role="admin",
            uid=0,
            groups=["admins"],
            must_change_password=not initial_password,
        )


def find_share(state: State, reference: str) -> Row:
    """The share whose name, with or without its slash, or id is `reference`; raises Problem."""
    row = state.tables["shares"].get("/" + reference.lstrip("/")) or state.by_id("shares", reference)
    if row is None:
        raise not_found("Share not found")
    return row


def new_row(**fields: Any) -> Row:
    """A row with an id and its times."""
    now = timestamp()
    return {"id": str(uuid.uuid4()), **fields, "created_at": now, "updated_at": now}


def new_user(name: str, password: str, **fields: Any) -> Row:
    """The row of a user, with what the server gives it by itself."""
    defaults: Row = {
        "role": "user",
        "uid": None,
        "gid": None,
        "groups": [],
        "display_name": "",
        "email": "",
        "enabled": True,
        "must_change_password": False,
        "last_login": "",
    }
    return new_row(username=name, password=hash_password(password), **{**defaults, **fields})


def password_fits(password: str) -> bool:
    """Whether the server takes a password of this length."""
    return MIN_PASSWORD_BYTES <= len(password.encode()) <= MAX_PASSWORD_BYTES


def hash_password(password: str, salt: bytes | None = None) -> str:
    """A salted hash; cheap on purpose, the double guards nothing."""
    salt = salt or os.urandom(16)
    return f"{salt.hex()}:{hashlib.scrypt(password.encode(), salt=salt, n=256, r=8, p=1).hex()}"


def password_matches(password: str, stored: str) -> bool:
    """Whether `password` is the one that was hashed."""
    return secrets.compare_digest(hash_password(password, bytes.fromhex(stored.partition(":")[0])), stored)
