"""Our finalizer on a DittoFS, put on and taken off by JSON patch with a test that nobody wrote in between."""

from __future__ import annotations

from informers.errors import Conflict, Invalid, NotFound
from informers.resource import Manifest, ObjectKey, View
from reconcilers import names
from reconcilers.api.resources import DITTOFS
from reconcilers.dittofs.caches import ApiClient


def has_finalizer(instance: View) -> bool:
    """Whether `instance` is kept until we let it go."""
    return names.FINALIZER in (instance["metadata"].get("finalizers") or ())


def add_finalizer(instance: View, client: ApiClient) -> Manifest | None:
    """Put the finalizer on `instance`, and give it as it is then; None when it was changed meanwhile: read it again."""
    if instance["metadata"].get("finalizers"):
        return _patch(instance, client, {"op": "add", "path": "/metadata/finalizers/-", "value": names.FINALIZER})
    return _patch(instance, client, {"op": "add", "path": "/metadata/finalizers", "value": [names.FINALIZER]})


def drop_finalizer(instance: View, client: ApiClient) -> bool:
    """Take the finalizer off `instance`; False when it was changed meanwhile: read it again."""
    index = instance["metadata"]["finalizers"].index(names.FINALIZER)
    try:
        return _patch(instance, client, {"op": "remove", "path": f"/metadata/finalizers/{index}"}) is not None
    except NotFound:
        return True


def _patch(instance: View, client: ApiClient, operation: dict[str, object]) -> Manifest | None:
    unchanged = {"op": "test", "path": "/metadata/resourceVersion", "value": instance["metadata"]["resourceVersion"]}
    try:
        return client.json_patch(
            DITTOFS, ObjectKey.of(instance), [unchanged, operation], field_manager=names.FIELD_MANAGER
        )
    except (Conflict, Invalid):  # a failed `test` is a 422 on kube-apiserver
        return None
