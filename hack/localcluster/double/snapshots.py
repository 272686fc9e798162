"""Snapshots of shares: made in the background, so that a request begins one and later ones see how it stands."""

from __future__ import annotations

import shutil
import time
from http import HTTPStatus
from pathlib import Path
from typing import Any

from hack.localcluster.double.answers import Answer, bad_request, conflict, json_answer, not_found, timestamp
from hack.localcluster.double.request import Request
from hack.localcluster.double.state import Row, State, new_row

#: How long a snapshot of an almost empty share is in the making.
MAKING_S = 0.01
#: What its copy of the metadata holds here; its size is all that is ever told.
_DUMP = b"the metadata of a share"
#: In the folder of a snapshot: what the share had.
CONTENT = "content"


def list_snapshots(request: Request) -> Answer:
    """GET /shares/{name}/snapshots: newest first; an unknown share has none."""
    return json_answer([_shown(row) for row in reversed(of_share(request))])


def create(request: Request) -> Answer:
    """POST /shares/{name}/snapshots: the body may be empty, and names need not be unique."""
    name = share_name(request)
    fields = request.fields(name=str, no_verify=bool, retry_of=str)
    share = request.state.tables["shares"].get(name)
    if share is None or name not in request.state.loaded:
        raise not_found("share not found")
    if request.state.share_folder(share) is None:
        raise bad_request("snapshots require an fs-backed local store")
    rows, row = of_share(request), None
    if fields.get("retry_of"):
        row = next((row for row in rows if row["id"] == fields["retry_of"]), None)
        if row is None:
            raise not_found("retry target snapshot not found")
        if row["state"] != "failed":
            raise conflict("retry target is not in failed state")
    if any(other["state"] == "creating" for other in rows):
        raise conflict("snapshot is not in a state that allows this operation")
    row = made(request, name=fields.get("name", ""), row=row)
    return json_answer({"snapshot_id": row["id"], "share": name}, HTTPStatus.ACCEPTED)


def made(request: Request, *, name: str, row: Row | None = None, at_once: bool = False) -> Row:
    """A snapshot that is being made, or (`at_once`) is; of `row`, or else of a new one."""
    share = request.state.tables["shares"][share_name(request)]
    if row is None:
        row = new_row(name=name, share=share["name"], state="", remote_durable=False, scheduled=False)
    row.update(state="creating", error="", updated_at=timestamp())
    request.state.tables["snapshots"][row["id"]] = row
    begun = time.monotonic()
    request.state.snapshots_begun_at[row["id"]] = begun - MAKING_S if at_once else begun
    folder = folder_of(request.state, row)
    shutil.copytree(folder.parents[1], folder / CONTENT, ignore=shutil.ignore_patterns("snapshots"), dirs_exist_ok=True)
    of_share(request)
    request.state.save()
    return row


def get(request: Request) -> Answer:
    """GET /shares/{name}/snapshots/{id}, with the size of what it keeps on disk."""
    row = find(request)
    dump = folder_of(request.state, row) / "metadata.dump"
    size = {"dump_bytes": dump.stat().st_size} if dump.exists() else {}
    return json_answer({**_shown(row), **size})


def delete(request: Request) -> Answer:
    """DELETE /shares/{name}/snapshots/{id}."""
    row = find(request)
    if row["state"] == "creating":
        raise conflict("snapshot operation is in progress; retry once it completes")
    if row["id"] in request.state.tables["markers"].get(row["share"], {}).values():
        raise conflict("snapshot is protected by an in-progress restore; retry once it completes")
    shutil.rmtree(folder_of(request.state, row), ignore_errors=True)
    del request.state.tables["snapshots"][row["id"]]
    request.state.save()
    return Answer(HTTPStatus.NO_CONTENT.value)


def share_name(request: Request) -> str:
    """The share of the path."""
    return "/" + request.parameters["name"].lstrip("/")


def of_share(request: Request) -> list[Row]:
    """The snapshots of the share, oldest first, each as it stands by now."""
    rows = [row for row in request.state.tables["snapshots"].values() if row["share"] == share_name(request)]
    for row in rows:
        if row["state"] == "creating" and time.monotonic() >= request.state.snapshots_begun_at[row["id"]] + MAKING_S:
            folder = folder_of(request.state, row)
            folder.mkdir(parents=True, exist_ok=True)
            (folder / "metadata.dump").write_bytes(_DUMP)
            share = request.state.tables["shares"][row["share"]]
            durable = bool(share["remote_block_store_id"])
            row.update(state="ready", remote_durable=durable, updated_at=timestamp())
            request.state.save()
    return rows


def find(request: Request) -> Row:
    """The snapshot of the path; raises Problem."""
    row = next((row for row in of_share(request) if row["id"] == request.parameters["id"]), None)
    if row is None:
        raise not_found("snapshot not found")
    return row


def folder_of(state: State, row: Row) -> Path:
    """Where the local store of its share keeps what is of the snapshot."""
    folder = state.share_folder(state.tables["shares"][row["share"]])
    if folder is None:
        raise not_found("share not found")
    return folder / "snapshots" / str(row["id"])


def _shown(row: Row) -> dict[str, Any]:
    return {key: value for key, value in row.items() if not (key in {"name", "error"} and value == "")}
