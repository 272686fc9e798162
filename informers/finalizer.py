"""A finalizer on an object, put on and taken off by JSON patch with a test that nobody wrote in between.

A merge patch would replace the whole list, and with it the finalizers of other controllers.
"""

from __future__ import annotations

from typing import Any, Protocol

from informers.errors import Conflict, Invalid, NotFound
from informers.resource import Manifest, ObjectKey, Resource, View


class Patcher(Protocol):
    """The one call that is needed (`informers.client.Client`)."""

    def json_patch(
        self,
        resource: Resource,
        key: ObjectKey,
        operations: list[dict[str, Any]],
        *,
        field_manager: str,
        subresource: str = "",
    ) -> Manifest:
        """RFC 6902."""


class Finalizer:
    """The finalizer `name` on objects of `resource`, written as `field_manager`."""

    def __init__(self, name: str, resource: Resource, client: Patcher, *, field_manager: str) -> None:
        self._name = name
        self._resource = resource
        self._client = client
        self._field_manager = field_manager

    def is_on(self, obj: View) -> bool:
        """Whether `obj` is kept until we let it go."""
        return self._name in (obj["metadata"].get("finalizers") or ())

    def add(self, obj: View) -> Manifest | None:
        """Put it on `obj`, and give the object as it is then; None when it was changed meanwhile: read it again.

        Raises the `ClientError` of a refusal for any other reason; so does `drop`.
        """
        if obj["metadata"].get("finalizers"):
            return self._patch(obj, {"op": "add", "path": "/metadata/finalizers/-", "value": self._name})
        return self._patch(obj, {"op": "add", "path": "/metadata/finalizers", "value": [self._name]})

    def drop(self, obj: View) -> bool:
        """Take it off `obj`; False when the object was changed meanwhile: read it again."""
        index = obj["metadata"]["finalizers"].index(self._name)
        try:
            return self._patch(obj, {"op": "remove", "path": f"/metadata/finalizers/{index}"}) is not None
        except NotFound:
            return True

    def _patch(self, obj: View, operation: dict[str, object]) -> Manifest | None:
        unchanged = {"op": "test", "path": "/metadata/resourceVersion", "value": obj["metadata"]["resourceVersion"]}
        try:
            return self._client.json_patch(
                self._resource, ObjectKey.of(obj), [unchanged, operation], field_manager=self._field_manager
            )
        except Conflict:
            return None
        except Invalid as error:
            # A failed `test` is a 422 without causes on kube-apiserver; to read again cures no other one.
            if error.causes:
                raise
            return None
