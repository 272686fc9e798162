"""The objects that a restore gives back to whoever started it, in pages that fit a termination message.

So the operator needs no right to read logs, and what it reads stays as long as the pod's object does. All of the
objects are compressed together: there are hundreds of like shares to a page.
"""

from __future__ import annotations

import base64
import json
import lzma
from typing import Any

#: Of what is compressed, in each page; with the rest of the result it stays below what the kubelet keeps.
PAGE_BYTES = 2400
#: What is made anew by itself: the shares, and what the claim of the metadata knows of files that are still to go.
KINDS = ("DittoFSShare", "PersistentVolumeClaim")
_PARTS = ("name", "labels", "annotations")


class NoSuchPage(Exception):
    """There are fewer pages."""


def page(objects: bytes, number: int) -> dict[str, object]:
    """Page `number`, from 0, of the archived List `objects`, as a part of the result. Raises NoSuchPage."""
    items = [_given_back(one) for one in json.loads(objects)["items"] if one["kind"] in KINDS]
    packed = lzma.compress(json.dumps(items, sort_keys=True, separators=(",", ":")).encode())
    pages = [packed[start : start + PAGE_BYTES] for start in range(0, len(packed), PAGE_BYTES)]
    if number >= len(pages):
        raise NoSuchPage(f"there are {len(pages)} pages, counted from 0")
    return {"page": number, "pages": len(pages), "objects": base64.b64encode(pages[number]).decode()}


def _given_back(item: dict[str, Any]) -> dict[str, Any]:
    metadata = {part: item["metadata"][part] for part in _PARTS if part in item["metadata"]}
    spec = {"spec": item["spec"]} if item["kind"] == KINDS[0] and "spec" in item else {}
    return {"kind": item["kind"], "metadata": metadata, **spec}
