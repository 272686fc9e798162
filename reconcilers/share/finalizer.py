"""Our finalizer on a DittoFSShare, put on and taken off by JSON patch with a test that nobody wrote in between."""

from __future__ import annotations

from informers.errors import Conflict, Invalid, NotFound
from informers.resource import ObjectKey, View
from reconcilers import names
from reconcilers.api.resources import DITTOFS_SHARE
from reconcilers.share.caches import ApiWriter


def has_finalizer(share: View) -> bool:
    """Whether `share` is kept until we let it go."""
    return names.FINALIZER in (share["metadata"].get("finalizers") or ())


def add_finalizer(share: View, writer: ApiWriter) -> bool:
    """Put the finalizer on `share`; False when it was changed or deleted meanwhile: read it again."""
    present = share["metadata"].get("finalizers")
    if present:
        return _patch(share, writer, {"op": "add", "path": "/metadata/finalizers/-", "value": names.FINALIZER})
    return _patch(share, writer, {"op": "add", "path": "/metadata/finalizers", "value": [names.FINALIZER]})


def drop_finalizer(share: View, writer: ApiWriter) -> bool:
    """Take the finalizer off `share`; False when it was changed meanwhile: read it again."""
    index = share["metadata"]["finalizers"].index(names.FINALIZER)
    try:
        return _patch(share, writer, {"op": "remove", "path": f"/metadata/finalizers/{index}"})
    except NotFound:
        return True


def _patch(share: View, writer: ApiWriter, operation: dict[str, object]) -> bool:
    unchanged = {"op": "test", "path": "/metadata/resourceVersion", "value": share["metadata"]["resourceVersion"]}
    try:
        writer.json_patch(DITTOFS_SHARE, ObjectKey.of(share), [unchanged, operation], field_manager=names.FIELD_MANAGER)
    except (Conflict, Invalid):  # a failed `test` is a 422 on kube-apiserver
        return False
    return True
