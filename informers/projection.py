"""What of an object is kept in memory: a trimmed, packed, deeply read-only view."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from informers.packed import PackedView
from informers.resource import Manifest, Resource

Transform = Callable[[Manifest], Manifest]

_METADATA_KIND = "PartialObjectMetadata"
_METADATA_GROUP = "meta.k8s.io"


class Projection:
    """Turns objects of `resource`, as the API server sends them, into what the store keeps.

    Of metadata.managedFields only the entries of `field_manager` stay (none when it is empty). `transform` then may
    drop more; it must be idempotent and keep metadata's name, namespace, uid and resourceVersion.
    """

    def __init__(
        self,
        resource: Resource,
        *,
        metadata_only: bool = False,
        field_manager: str = "",
        transform: Transform | None = None,
    ) -> None:
        self._api_version, self._kind = resource.api_version, resource.kind
        self._metadata_only = metadata_only
        self._field_manager = field_manager
        self._transform = transform

    def is_of_kind(self, obj: Mapping[str, Any]) -> bool:
        """Whether `obj` is of the expected kind; items of a list may leave their kind out."""
        kind, api_version = obj.get("kind"), obj.get("apiVersion")
        if self._metadata_only:
            # never take whole objects where only metadata was asked for: these may be Secrets
            return kind == _METADATA_KIND and str(api_version).partition("/")[0] == _METADATA_GROUP
        return kind in (None, self._kind) and api_version in (None, self._api_version)

    def view(self, obj: Manifest) -> PackedView:
        """The view of `obj`, which is consumed: the caller must not use it afterwards."""
        obj["apiVersion"], obj["kind"] = self._api_version, self._kind
        managed = obj["metadata"].pop("managedFields", None)
        if managed and self._field_manager:
            kept = [entry for entry in managed if entry.get("manager") == self._field_manager]
            if kept:
                obj["metadata"]["managedFields"] = kept
        if self._transform is not None:
            obj = self._transform(obj)
        return PackedView(obj)
