"""Health, and the login of every account."""

from __future__ import annotations

import time
from datetime import UTC, datetime, timedelta
from http import HTTPStatus
from typing import Any

from hack.localcluster.double import tokens
from hack.localcluster.double.answers import Answer, Problem, bad_request, json_answer, timestamp
from hack.localcluster.double.request import Request
from hack.localcluster.double.state import Row, hash_password, password_fits, password_matches
from hack.localcluster.double.users import shown


def index(_request: Request) -> Answer:
    """GET /."""
    return Answer(HTTPStatus.TEMPORARY_REDIRECT.value, b"", {"Location": "/health"})


def health(request: Request) -> Answer:
    """GET /health: healthy whenever it answers."""
    uptime = int(time.time() - request.started_at)
    started = datetime.fromtimestamp(request.started_at, UTC)
    return _envelope(
        {
            "service": "dittofs",
            "control_plane_db": "reachable",
            "started_at": timestamp(started.replace(microsecond=0)),
            "uptime": f"{uptime}s",
            "uptime_sec": uptime,
        }
    )


#: No client of the double has anything to reclaim after a start.
GRACE_PERIOD = {"active": False, "expected_clients": 0, "reclaimed_clients": 0, "remaining_seconds": 0}


def ready(request: Request) -> Answer:
    """GET /health/ready: counts of what runs."""
    running = [name for name, row in request.state.tables["adapters"].items() if row["enabled"]]
    return _envelope(
        {
            "adapters": {"running": len(running), "types": running},
            "metadata_stores": len(request.state.opened),
            "shares": len(request.state.loaded),
            "grace_period": GRACE_PERIOD,
        }
    )


def login(request: Request) -> Answer:
    """POST /auth/login."""
    fields = request.fields(username=str, password=str)
    if not fields.get("username") or not fields.get("password"):
        raise bad_request("Username and password are required")
    user = request.state.tables["users"].get(fields["username"])
    # A disabled user is told of before the password is looked at.
    if user is not None and not user["enabled"]:
        raise Problem(HTTPStatus.FORBIDDEN, "User account is disabled")
    if user is None or not password_matches(fields["password"], user["password"]):
        raise Problem(HTTPStatus.UNAUTHORIZED, "Invalid username or password")
    user["last_login"] = timestamp()
    request.state.save()
    return _session(request, user)


def refresh(request: Request) -> Answer:
    """POST /auth/refresh: a new pair."""
    token = request.fields(refresh_token=str).get("refresh_token")
    if not token:
        raise bad_request("Refresh token is required")
    claims = tokens.verify(request.configuration.secret, token, token_type="refresh")
    user = request.state.tables["users"].get(claims["username"]) if claims else None
    if user is None:
        raise Problem(HTTPStatus.UNAUTHORIZED, "Invalid refresh token")
    return _session(request, user)


def me(request: Request) -> Answer:
    """GET /auth/me."""
    return json_answer(shown(_caller(request)))


def change_password(request: Request) -> Answer:
    """POST /users/me/password; a password of a wrong length is a 500, as on the server."""
    fields = request.fields(current_password=str, new_password=str)
    user = _caller(request)
    if not fields.get("new_password"):
        raise bad_request("New password is required")
    if not user["must_change_password"]:
        if not fields.get("current_password"):
            raise bad_request("Current password is required")
        if not password_matches(fields["current_password"], user["password"]):
            raise Problem(HTTPStatus.UNAUTHORIZED, "Current password is incorrect")
    if not password_fits(fields["new_password"]):
        raise Problem(HTTPStatus.INTERNAL_SERVER_ERROR, "Failed to hash password")
    user["password"] = hash_password(fields["new_password"])
    user["must_change_password"] = False
    request.state.save()
    return _session(request, user)


def _caller(request: Request) -> Row:
    user = request.state.tables["users"].get(request.claims["username"])
    if user is None:
        raise Problem(HTTPStatus.UNAUTHORIZED, "User not found")
    return user


def _session(request: Request, user: Row) -> Answer:
    configuration = request.configuration
    claims: dict[str, Any] = {
        "sub": user["username"],
        "uid": user["id"],
        "username": user["username"],
        "role": user["role"],
        **({"groups": sorted(user["groups"])} if user["groups"] else {}),
    }
    if user["must_change_password"]:
        claims["must_change_password"] = True

    def token(kind: str, lifetime_s: float) -> str:
        return tokens.issue(configuration.secret, claims, token_type=kind, lifetime_s=lifetime_s)

    return json_answer(
        {
            "access_token": token("access", configuration.access_token_s),
            "refresh_token": token("refresh", configuration.refresh_token_s),
            "token_type": "Bearer",
            "expires_in": int(configuration.access_token_s),
            "expires_at": timestamp(datetime.now(UTC) + timedelta(seconds=configuration.access_token_s)),
            "user": shown(user),
        }
    )


def _envelope(data: dict[str, Any]) -> Answer:
    return json_answer({"status": "healthy", "timestamp": timestamp(), "data": data})
