"""The rows of the two protocol listeners."""

from __future__ import annotations

import time
from typing import Any

from hack.localcluster.double.answers import Answer, bad_request, conflict, json_answer, not_found, timestamp
from hack.localcluster.double.request import Request
from hack.localcluster.double.state import Row

#: How long the server repeats a report before it looks again.
_REPORT_AGE_MAX_S = 5.0


def list_adapters(request: Request) -> Answer:
    """GET /adapters."""
    return json_answer([_adapter(request, row) for row in request.state.tables["adapters"].values()])


def list_ports(request: Request) -> Answer:
    """GET /adapters/ports."""
    rows = request.state.tables["adapters"].values()
    return json_answer(
        [{key: _adapter(request, row)[key] for key in ("type", "port", "enabled", "running")} for row in rows]
    )


def create(request: Request) -> Answer:
    """POST /adapters: both exist from the first start, so there is nothing that it could make."""
    kind = request.fields(type=str).get("type")
    if not kind:
        raise bad_request("Adapter type is required")
    if kind not in request.state.tables["adapters"]:
        raise bad_request(f"Unknown adapter type: {kind}")
    raise conflict("Adapter already exists")


def get(request: Request) -> Answer:
    """GET /adapters/{name}."""
    return json_answer(_adapter(request, _find(request)))


def update(request: Request) -> Answer:
    """PUT /adapters/{name}: the fields that are present."""
    row = _find(request)
    row.update(request.fields(enabled=bool, port=int, config=dict))
    row["updated_at"] = timestamp()
    request.state.save()
    return json_answer(_adapter(request, row))


def status(request: Request) -> Answer:
    """GET /adapters/{name}/status."""
    return json_answer(_status(request, _find(request)))


def _find(request: Request) -> Row:
    row = request.state.find("adapters", request.parameters["name"])
    if row is None:
        raise not_found("Adapter not found")
    return row


def _adapter(request: Request, row: Row) -> dict[str, Any]:
    return {**row, "running": row["enabled"], "status": _status(request, row)}


def _status(request: Request, row: Row) -> dict[str, Any]:
    """The server looks at most every few seconds: right after a change, its report is still the old one."""
    now = time.monotonic()
    checked, report = request.state.reports.get(row["id"], (-_REPORT_AGE_MAX_S, {}))
    if now - checked >= _REPORT_AGE_MAX_S:
        report = {"status": "healthy", "checked_at": timestamp()}
        if not row["enabled"]:
            report |= {"status": "unknown", "message": f"adapter {row['type']} not running"}
        request.state.reports[row["id"]] = (now, report)
    return report
