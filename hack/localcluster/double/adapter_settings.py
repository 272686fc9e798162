"""The settings of the protocol listeners: what is taken, what is refused, and what is taken but never stored."""

from __future__ import annotations

from collections.abc import Mapping
from http import HTTPStatus
from typing import Any

from hack.localcluster.double.answers import Answer, Problem, json_answer, not_found
from hack.localcluster.double.request import Request
from hack.localcluster.double.state import Row

DEFAULTS: Mapping[str, Mapping[str, Any]] = {
    "nfs": {
        "min_version": "3",
        "max_version": "4.1",
        "lease_time": 90,
        "grace_period": 90,
        "delegation_recall_timeout": 90,
        "callback_timeout": 5,
        "lease_break_timeout": 35,
        "max_connections": 0,
        "max_clients": 10000,
        "max_compound_ops": 50,
        "max_read_size": 1048576,
        "max_write_size": 1048576,
        "preferred_transfer_size": 1048576,
        "delegations_enabled": True,
        "max_delegations": 10000,
        "dir_deleg_batch_window_ms": 50,
        "v4_min_minor_version": 0,
        "v4_max_minor_version": 2,
        "v4_max_connections_per_session": 16,
        "blocked_operations": [],
        "portmapper_enabled": False,
        "portmapper_port": 10111,
        "portmapper_register_with_system": False,
        "udp_enabled": False,
        "mdns_enabled": False,
    },
    "smb": {
        "min_dialect": "SMB2.0",
        "max_dialect": "SMB3.1.1",
        "session_timeout": 900,
        "oplock_break_timeout": 35,
        "max_connections": 0,
        "max_sessions": 10000,
        "enable_encryption": False,
        "signing": "",
        "directory_leasing_enabled": True,
        "blocked_operations": [],
        "mdns_enabled": False,
        "wsdiscovery_enabled": False,
    },
}
NEVER_STORED = frozenset({"v4_min_minor_version", "v4_max_minor_version", "v4_max_connections_per_session"})

RANGES: Mapping[str, tuple[int, int]] = {
    "lease_time": (10, 3600),
    "grace_period": (10, 3600),
    "delegation_recall_timeout": (10, 600),
    "callback_timeout": (1, 60),
    "lease_break_timeout": (5, 120),
    "max_connections": (0, 100000),
    "max_clients": (1, 1000000),
    "max_compound_ops": (4, 1000),
    "max_read_size": (4096, 16777216),
    "max_write_size": (4096, 16777216),
    "preferred_transfer_size": (4096, 16777216),
    "max_delegations": (0, 1000000),
    "dir_deleg_batch_window_ms": (0, 5000),
    "v4_min_minor_version": (0, 2),
    "v4_max_minor_version": (0, 2),
    "v4_max_connections_per_session": (0, 1024),
    "portmapper_port": (1, 65535),
    "session_timeout": (60, 86400),
    "oplock_break_timeout": (5, 120),
    "max_sessions": (1, 1000000),
}
_VERSIONS = ("3", "4.0", "4.1")
_DIALECTS = ("SMB2.0", "SMB2.1", "SMB3.0", "SMB3.0.2", "SMB3.1.1")
CHOICES: Mapping[str, tuple[str, ...]] = {
    "min_version": _VERSIONS,
    "max_version": _VERSIONS,
    "min_dialect": _DIALECTS,
    "max_dialect": _DIALECTS,
}


class _Invalid(Problem):
    def __init__(self, errors: Mapping[str, str]) -> None:
        super().__init__(HTTPStatus.UNPROCESSABLE_ENTITY, "One or more settings are outside valid range")
        self._errors = errors

    def answer(self) -> Answer:
        body = {
            "type": "about:blank",
            "title": "Validation Failed",
            "status": self.status.value,
            "detail": self.detail,
            "errors": dict(sorted(self._errors.items())),
        }
        return Answer(self.status.value, json_answer(body).body, {"Content-Type": "application/problem+json"})


def get(request: Request) -> Answer:
    """GET /adapters/{name}/settings."""
    return json_answer(_settings(request))


def patch(request: Request) -> Answer:
    """PATCH /adapters/{name}/settings: unknown ones are passed over, and each write counts as a version."""
    stored = _settings(request)
    defaults = DEFAULTS[request.parameters["name"]]
    fields = request.fields(**{name: type(value) for name, value in defaults.items()})
    errors = {name: error for name, value in fields.items() if (error := _error(name, value))}
    if errors:
        raise _Invalid(errors)
    stored.update({name: value for name, value in fields.items() if name not in NEVER_STORED})
    stored["version"] += 1
    request.state.save()
    return json_answer(stored)


def _settings(request: Request) -> Row:
    name = request.parameters["name"]
    if name not in DEFAULTS:
        raise not_found("Adapter not found")
    return request.state.tables["settings"].setdefault(name, {**DEFAULTS[name], "version": 1})


def _error(name: str, value: Any) -> str:
    if name in RANGES:
        low, high = RANGES[name]
        return "" if low <= value <= high else f"must be between {low} and {high}"
    if name in CHOICES:
        return "" if value in CHOICES[name] else f"must be one of: [{' '.join(CHOICES[name])}]"
    if name == "signing" and value not in ("", "disabled", "enabled", "required"):
        return "must be empty (inherit) or one of: [disabled enabled required]"
    return ""
