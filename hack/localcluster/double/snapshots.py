"""Snapshots of shares: made in the background, so that a request begins one and later ones see how it stands."""

from __future__ import annotations

import shutil
import time
from http import HTTPStatus
from pathlib import Path
from typing import Any

from hack.localcluster.double.answers import Answer, bad_request, conflict, json_answer, not_found, timestamp
from hack.localcluster.double.request import Request
from hack.localcluster.double.state import Row, new_row

#: How long a snapshot of an almost empty share is in the making.
MAKING_S = 0.01
#: What its copy of the metadata holds here; its size is all that is ever told.
_DUMP = b"the metadata of a share"


def list_snapshots(request: Request) -> Answer:
    """GET /shares/{name}/snapshots: newest first; an unknown share has none."""
    return json_answer([_shown(row) for row in reversed(_of_share(request))])


def create(request: Request) -> Answer:
    """POST /shares/{name}/snapshots: the body may be empty, and names need not be unique."""
    name = _share_name(request)
    fields = request.fields(name=str, no_verify=bool, retry_of=str)
    share = request.state.tables["shares"].get(name)
    if share is None or name not in request.state.loaded:
        raise not_found("share not found")
    if request.state.share_folder(share) is None:
        raise bad_request("snapshots require an fs-backed local store")
    rows = _of_share(request)
    if fields.get("retry_of"):
        row = next((row for row in rows if row["id"] == fields["retry_of"]), None)
        if row is None:
            raise not_found("retry target snapshot not found")
        if row["state"] != "failed":
            raise conflict("retry target is not in failed state")
    else:
        row = new_row(name=fields.get("name", ""), share=name, state="", remote_durable=False, scheduled=False)
    if any(other["state"] == "creating" for other in rows):
        raise conflict("snapshot is not in a state that allows this operation")
    row.update(state="creating", error="", updated_at=timestamp())
    request.state.tables["snapshots"][row["id"]] = row
    request.state.snapshots_begun_at[row["id"]] = time.monotonic()
    request.state.save()
    return json_answer({"snapshot_id": row["id"], "share": name}, HTTPStatus.ACCEPTED)


def get(request: Request) -> Answer:
    """GET /shares/{name}/snapshots/{id}, with the size of what it keeps on disk."""
    row = _find(request)
    dump = _folder(request, row) / "metadata.dump"
    size = {"dump_bytes": dump.stat().st_size} if dump.exists() else {}
    return json_answer({**_shown(row), **size})


def delete(request: Request) -> Answer:
    """DELETE /shares/{name}/snapshots/{id}."""
    row = _find(request)
    if row["state"] == "creating":
        raise conflict("snapshot operation is in progress; retry once it completes")
    shutil.rmtree(_folder(request, row), ignore_errors=True)
    del request.state.tables["snapshots"][row["id"]]
    request.state.save()
    return Answer(HTTPStatus.NO_CONTENT.value)


def _share_name(request: Request) -> str:
    return "/" + request.parameters["name"].lstrip("/")


def _of_share(request: Request) -> list[Row]:
    """The snapshots of the share, oldest first, each as it stands by now."""
    rows = [row for row in request.state.tables["snapshots"].values() if row["share"] == _share_name(request)]
    for row in rows:
        if row["state"] == "creating" and time.monotonic() >= request.state.snapshots_begun_at[row["id"]] + MAKING_S:
            folder = _folder(request, row)
            folder.mkdir(parents=True, exist_ok=True)
            (folder / "metadata.dump").write_bytes(_DUMP)
            share = request.state.tables["shares"][row["share"]]
            durable = bool(share["remote_block_store_id"])
            row.update(state="ready", remote_durable=durable, updated_at=timestamp())
            request.state.save()
    return rows


def _find(request: Request) -> Row:
    row = next((row for row in _of_share(request) if row["id"] == request.parameters["id"]), None)
    if row is None:
        raise not_found("snapshot not found")
    return row


def _folder(request: Request, row: Row) -> Path:
    folder = request.state.share_folder(request.state.tables["shares"][row["share"]])
    if folder is None:
        raise not_found("share not found")
    return folder / "snapshots" / str(row["id"])


def _shown(row: Row) -> dict[str, Any]:
    return {key: value for key, value in row.items() if not (key in {"name", "error"} and value == "")}
