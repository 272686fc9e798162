"""Metadata stores and block stores: their config is a JSON string on the way in and a masked object on the way out."""

from __future__ import annotations

import json
from collections.abc import Mapping
from decimal import Decimal
from http import HTTPStatus
from typing import Any

from hack.localcluster.double import buckets
from hack.localcluster.double.answers import Answer, bad_request, conflict, json_answer, not_found, timestamp
from hack.localcluster.double.request import Request
from hack.localcluster.double.state import Row, StoreUnusable, new_row

_MASK = "********"

#: Largest whole number that survives the server's way through floating point.
_EXACT_NUMBER_MAX = 2**53

_TYPES_OF_KIND: Mapping[str, frozenset[str]] = {
    "local": frozenset({"fs", "memory"}),
    "remote": frozenset({"s3", "memory"}),
}

_HEALTH_MESSAGES: Mapping[str, str] = {
    "fs": "path accessible and writable",
    "memory": "in-memory store is always healthy",
}


def list_stores(request: Request) -> Answer:
    """GET of a collection."""
    table = _table(request)
    return json_answer([_store(table, row) for row in request.state.tables[table].values()])


def create_metadata(request: Request) -> Answer:
    """POST /store/metadata: it is opened before a duplicate is looked for, so a locked path is a 400, not a 409."""
    fields = _required(request)
    state = request.state
    try:
        handle = state.open_metadata_store(fields["type"], _config(fields.get("config", "")))
    except (StoreUnusable, ValueError) as error:
        raise bad_request(f"Failed to create metadata store: {error}") from None
    if fields["name"] in state.tables["metadata"]:
        if handle is not None:
            handle.close()
        raise conflict("Metadata store already exists")
    # One of a row that was deleted is open still.
    if (forgotten := state.opened.get(fields["name"])) is not None:
        forgotten.close()
    state.opened[fields["name"]] = handle
    return _create(request, "metadata", fields)


def create_block(request: Request) -> Answer:
    """POST /store/block/{kind}."""
    table = _table(request)
    fields = _required(request)
    if fields["type"] not in _TYPES_OF_KIND[table]:
        raise bad_request(f"Store type '{fields['type']}' is not valid for kind '{table}'")
    try:
        config = _config(fields.get("config", ""))
    except ValueError as error:
        raise bad_request(f"Invalid block store config: {error}") from None
    _checked_block(request, table, fields["type"], config)
    if fields["name"] in request.state.tables[table]:
        raise conflict("Block store already exists")
    return _create(request, table, fields)


def get(request: Request) -> Answer:
    """GET of one."""
    return json_answer(_store(_table(request), _find(request)))


def update(request: Request) -> Answer:
    """PUT: a masked value keeps the stored one; of a metadata store nothing is checked, as on the server."""
    table, row = _table(request), _find(request)
    fields = request.fields(type=str, config=str)
    if "config" in fields:
        kept = json.loads(row["config"] or "{}")
        values = _config(fields["config"])
        merged = {key: kept.get(key) if val == _MASK else val for key, val in values.items()}
        fields["config"] = json.dumps(merged)
        if table != "metadata":
            _checked_block(request, table, fields.get("type") or row["type"], merged)
    row.update(fields)
    request.state.save()
    return json_answer(_store(_table(request), row))


def delete(request: Request) -> Answer:
    """DELETE: the row goes, an open metadata store stays open until the process ends."""
    table, row = _table(request), _find(request)
    column = "metadata_store_id" if table == "metadata" else f"{table}_block_store_id"
    if any(share[column] == row["id"] for share in request.state.tables["shares"].values()):
        raise conflict(f"Cannot delete {_noun(table).lower()}: it is in use by one or more shares")
    del request.state.tables[table][row["name"]]
    request.state.save()
    return Answer(HTTPStatus.NO_CONTENT.value)


def status(request: Request) -> Answer:
    """GET …/status."""
    return json_answer(_status(_table(request), _find(request)))


def _create(request: Request, table: str, fields: dict[str, Any]) -> Answer:
    row = new_row(name=fields["name"], type=fields["type"], config=fields.get("config", ""))
    request.state.tables[table][row["name"]] = row
    request.state.save()
    return json_answer(_store(table, row), HTTPStatus.CREATED)


def _required(request: Request) -> dict[str, Any]:
    fields = request.fields(name=str, type=str, config=str)
    if not fields.get("name"):
        raise bad_request("Store name is required")
    if not fields.get("type"):
        raise bad_request("Store type is required")
    return fields


def _checked_block(request: Request, table: str, kind: str, config: Mapping[str, Any]) -> None:
    try:
        _check_block(request, table, kind, config)
    except ValueError as error:
        raise bad_request(f"Invalid block store config: {error}") from None


def _check_block(request: Request, table: str, kind: str, config: Mapping[str, Any]) -> None:
    if kind == "s3":
        for key in ("bucket", "access_key_id", "secret_access_key"):
            if not config.get(key):
                raise ValueError(f"s3 remote block store requires {key} in config")
        buckets.check_endpoint(config)
    if table != "local" or kind != "fs":
        return
    path = config.get("path")
    if not path:
        raise ValueError("fs local block store requires path in config")
    if not str(path).startswith("/"):
        raise ValueError(f'fs local block store path must be absolute, got "{path}"')
    try:
        request.state.resolve(str(path)).mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise ValueError(f"{path}: {error.strerror}") from error


def _table(request: Request) -> str:
    kind = request.parameters.get("kind", "metadata")
    if kind != "metadata" and kind not in _TYPES_OF_KIND:
        raise bad_request("Invalid block store kind: must be 'local' or 'remote'")
    return kind


def _find(request: Request) -> Row:
    table = _table(request)
    row = request.state.find(table, request.parameters["name"])
    if row is None:
        raise not_found(f"{_noun(table)} not found")
    return row


def _noun(table: str) -> str:
    return "Metadata store" if table == "metadata" else "Block store"


def _config(text: str) -> dict[str, Any]:
    values = json.loads(text) if text else {}
    if not isinstance(values, dict):
        raise ValueError("failed to get config: an object is expected")  # noqa: TRY004 - a wrong value of the caller
    return values


def _store(table: str, row: Row) -> dict[str, Any]:
    shown = {key: row[key] for key in ("id", "name", "type", "created_at")}
    if table != "metadata":
        shown["kind"] = table
    config = {key: _shown_value(key, value) for key, value in _config(row["config"]).items()}
    if config:
        shown["config"] = config
    return {**shown, "status": _status(table, row)}


def _shown_value(key: str, value: Any) -> Any:
    if "secret" in key or "password" in key or key.endswith("_key"):
        return _MASK
    if isinstance(value, int) and abs(value) > _EXACT_NUMBER_MAX:
        return int(Decimal(repr(float(value))))
    return value


def _status(table: str, row: Row) -> dict[str, Any]:
    if row["type"] == "s3":
        return buckets.health(_config(row["config"]))
    report = {"status": "healthy", "checked_at": timestamp()}
    if table != "metadata" and row["type"] in _HEALTH_MESSAGES:
        report["message"] = _HEALTH_MESSAGES[row["type"]]
    return report
