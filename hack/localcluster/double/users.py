"""The rows of users and groups."""

from __future__ import annotations

from http import HTTPStatus
from typing import Any

from hack.localcluster.double.answers import Answer, Problem, bad_request, conflict, json_answer, not_found
from hack.localcluster.double.request import Request
from hack.localcluster.double.state import DEFAULT_GROUPS, Row, hash_password, new_row, new_user, password_fits

ROLES = ("user", "admin", "operator")

_USER_FIELDS: dict[str, type] = {
    "email": str,
    "display_name": str,
    "role": str,
    "uid": int,
    "gid": int,
    "groups": list,
    "enabled": bool,
}


def list_users(request: Request) -> Answer:
    """GET /users."""
    return json_answer([shown(user) for user in request.state.tables["users"].values()])


def get_user(request: Request) -> Answer:
    """GET /users/{name}."""
    return json_answer(shown(_user(request)))


def create_user(request: Request) -> Answer:
    """POST /users; the user is enabled whatever the request says."""
    fields = request.fields(username=str, password=str, **_USER_FIELDS)
    name = fields.pop("username", "")
    if not name:
        raise bad_request("Username is required")
    password = fields.pop("password", "")
    if not password:
        raise bad_request("Password is required")
    if fields.get("role", "user") not in ROLES:
        raise bad_request("Invalid role. Must be 'user', 'admin', or 'operator'")
    if not password_fits(password):
        raise Problem(HTTPStatus.INTERNAL_SERVER_ERROR, "Failed to hash password")
    _check_groups(request, fields)
    users = request.state.tables["users"]
    if name in users or _taken(users, "uid", fields.get("uid")):
        raise conflict("User already exists")
    row = new_user(name, password, **{**fields, "enabled": True})
    row["must_change_password"] = row["role"] == "admin"
    users[name] = row
    request.state.save()
    return json_answer(shown(row), HTTPStatus.CREATED)


def update_user(request: Request) -> Answer:
    """PUT /users/{name}: the fields that are present; `groups` is the whole set."""
    row = _user(request)
    fields = request.fields(**_USER_FIELDS)
    _check_groups(request, fields)
    others = {name: other for name, other in request.state.tables["users"].items() if other is not row}
    if _taken(others, "uid", fields.get("uid")):
        raise Problem(HTTPStatus.INTERNAL_SERVER_ERROR, "Failed to update user")
    row.update(fields)
    request.state.save()
    return json_answer(shown(row))


def set_password(request: Request) -> Answer:
    """POST /users/{name}/password."""
    row = _user(request)
    password = request.fields(new_password=str).get("new_password")
    if not password:
        raise bad_request("New password is required")
    if not password_fits(password):
        raise Problem(HTTPStatus.INTERNAL_SERVER_ERROR, "Failed to hash password")
    row["password"] = hash_password(password)
    request.state.save()
    return Answer(HTTPStatus.NO_CONTENT.value, b"")


def delete_user(request: Request) -> Answer:
    """DELETE /users/{name}."""
    name = request.parameters["name"]
    if name == "admin":
        raise Problem(HTTPStatus.FORBIDDEN, "Cannot delete admin user")
    _user(request)
    del request.state.tables["users"][name]
    request.state.save()
    return Answer(HTTPStatus.NO_CONTENT.value, b"")


def list_groups(request: Request) -> Answer:
    """GET /groups."""
    return json_answer([_shown_group(request, row) for row in request.state.tables["groups"].values()])


def get_group(request: Request) -> Answer:
    """GET /groups/{name}."""
    return json_answer(_shown_group(request, _group(request)))


def create_group(request: Request) -> Answer:
    """POST /groups; a gid that is taken is told in the words of a name that is."""
    fields = request.fields(name=str, gid=int, description=str)
    name = fields.get("name")
    if not name:
        raise bad_request("Group name is required")
    groups = request.state.tables["groups"]
    if name in groups or _taken(groups, "gid", fields.get("gid")):
        raise conflict("Group already exists")
    groups[name] = new_row(name=name, gid=fields.get("gid"), description=fields.get("description", ""))
    request.state.save()
    return json_answer(_shown_group(request, groups[name]), HTTPStatus.CREATED)


def update_group(request: Request) -> Answer:
    """PUT /groups/{name}."""
    row = _group(request)
    fields = request.fields(gid=int, description=str)
    others = {name: other for name, other in request.state.tables["groups"].items() if other is not row}
    if _taken(others, "gid", fields.get("gid")):
        raise Problem(HTTPStatus.INTERNAL_SERVER_ERROR, "Internal server error")
    row.update(fields)
    request.state.save()
    return json_answer(_shown_group(request, row))


def delete_group(request: Request) -> Answer:
    """DELETE /groups/{name}."""
    name = request.parameters["name"]
    if name in DEFAULT_GROUPS:
        raise Problem(HTTPStatus.FORBIDDEN, "Cannot delete system group")
    _group(request)
    del request.state.tables["groups"][name]
    for user in request.state.tables["users"].values():
        user["groups"] = [group for group in user["groups"] if group != name]
    request.state.save()
    return Answer(HTTPStatus.NO_CONTENT.value, b"")


def shown(user: Row) -> dict[str, Any]:
    """A user as the API tells it: what is empty is left out."""
    answer = {"id": user["id"], "username": user["username"]}
    answer |= {key: user[key] for key in ("display_name", "email") if user[key]}
    answer["role"] = user["role"]
    answer |= {key: user[key] for key in ("uid", "gid") if user[key] is not None}
    if user["groups"]:
        answer["groups"] = list(user["groups"])
    answer |= {key: user[key] for key in ("enabled", "must_change_password", "created_at")}
    return {**answer, "last_login": user["last_login"]} if user["last_login"] else answer


def _shown_group(request: Request, row: Row) -> dict[str, Any]:
    answer = {"id": row["id"], "name": row["name"]}
    if row["gid"] is not None:
        answer["gid"] = row["gid"]
    if row["description"]:
        answer["description"] = row["description"]
    members = [name for name, user in request.state.tables["users"].items() if row["name"] in user["groups"]]
    if members:
        answer["members"] = members
    return {**answer, "created_at": row["created_at"]}


def _user(request: Request) -> Row:
    user = request.state.find("users", request.parameters["name"])
    if user is None:
        raise not_found("User not found")
    return user


def _group(request: Request) -> Row:
    group = request.state.tables["groups"].get(request.parameters["name"])
    if group is None:
        raise not_found("Group not found")
    return group


def _check_groups(request: Request, fields: dict[str, Any]) -> None:
    if not set(fields.get("groups") or ()) <= request.state.tables["groups"].keys():
        raise bad_request("One or more specified groups do not exist")


def _taken(rows: dict[str, Row], field: str, value: object) -> bool:
    return value is not None and any(row[field] == value for row in rows.values())
