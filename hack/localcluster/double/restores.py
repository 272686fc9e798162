"""Restores of shares from their snapshots, in one request, with a mark by which the next start undoes half of one."""

from __future__ import annotations

import shutil
from http import HTTPStatus
from pathlib import Path

from hack.localcluster.double.answers import Answer, Problem, conflict, json_answer, not_found
from hack.localcluster.double.request import Request
from hack.localcluster.double.snapshots import CONTENT, find, folder_of, made, of_share, share_name
from hack.localcluster.double.state import Row, State


def restore(request: Request) -> Answer:
    """POST /shares/{name}/snapshots/{id}/restore: the share stays disabled, and what it had is a snapshot before."""
    name, state = share_name(request), request.state
    fields = request.fields(allow_non_durable=bool)
    share = state.tables["shares"].get(name)
    if share is None or name not in state.loaded:
        raise not_found("share not found")
    row = find(request)
    if share["enabled"]:
        raise conflict("share is enabled; disable before restore")
    if row["state"] != "ready":
        raise conflict("snapshot is not in a state that allows this operation")
    if not (row["remote_durable"] or fields.get("allow_non_durable")):
        detail = "snapshot not remotely durable; pass allow_non_durable=true to force"
        raise Problem(HTTPStatus.PRECONDITION_FAILED, detail)
    if not folder_of(state, row).exists():
        raise Problem(HTTPStatus.INTERNAL_SERVER_ERROR, "snapshot artifacts missing")
    if any(other["state"] == "creating" for other in of_share(request)):
        raise Problem(HTTPStatus.INTERNAL_SERVER_ERROR, "snapshot operation failed")
    safety = made(request, name="", at_once=True)
    state.tables["markers"][name] = {"target": row["id"], "safety": safety["id"]}
    state.save()
    try:
        bring_back(state, row)
    except OSError as error:
        raise Problem(HTTPStatus.INTERNAL_SERVER_ERROR, "snapshot operation failed") from error
    del state.tables["markers"][name]
    state.save()
    return json_answer({"snapshot_id": row["id"], "safety_snapshot_id": safety["id"], "share": name})


def bring_back(state: State, row: Row) -> None:
    """Make the content of the snapshot's share that of the snapshot."""
    kept = folder_of(state, row)
    share = kept.parents[1]
    for present in share.iterdir():
        if present.name != "snapshots":
            _remove(present)
    shutil.copytree(kept / CONTENT, share, dirs_exist_ok=True)


def undo_halves(state: State) -> None:
    """At a start: what was being restored gets what it had, and stays disabled."""
    for name, marker in list(state.tables["markers"].items()):
        row = state.tables["snapshots"].get(marker["safety"])
        if row is not None and name in state.loaded:
            bring_back(state, row)
            state.tables["shares"][name]["enabled"] = False
        del state.tables["markers"][name]


def _remove(present: Path) -> None:
    if present.is_dir():
        shutil.rmtree(present)
    else:
        present.unlink()
