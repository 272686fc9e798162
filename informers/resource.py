"""What names a resource type and one object of it: the two values that every other part passes around."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple

#: An object as plain JSON, on its way to the API server: the builder of it may change it.
Manifest = dict[str, Any]

#: An object as read from a cache: deeply read-only (see `informers.view`).
View = Mapping[str, Any]


class ObjectKey(NamedTuple):
    """The namespace and name of an object; the namespace is empty for a cluster-scoped one.

    A tuple, since every event looks several of them up: the hash of a dataclass takes seven times as long.
    """

    namespace: str
    name: str

    def __str__(self) -> str:
        return f"{self.namespace}/{self.name}" if self.namespace else self.name

    @classmethod
    def of(cls, obj: Mapping[str, Any]) -> ObjectKey:
        """The key of `obj`, read from its metadata, unless it knows its `object_key` (`informers.packed`)."""
        known: ObjectKey | None = getattr(obj, "object_key", None)
        if known is not None:
            return known
        metadata = obj["metadata"]
        return cls(metadata.get("namespace", ""), metadata["name"])


def version_of(obj: View) -> str:
    """The resourceVersion of `obj`, empty when it has none; not read from its metadata if it knows it itself."""
    known: str | None = getattr(obj, "resource_version", None)
    return str(obj["metadata"].get("resourceVersion") or "") if known is None else known


@dataclass(frozen=True, slots=True)
class Resource:
    """A resource type of the API: a Kubernetes group, version, plural and kind."""

    group: str
    version: str
    plural: str
    kind: str
    namespaced: bool = True

    @property
    def api_version(self) -> str:
        """The `apiVersion` of its objects: `v1`, `apps/v1`."""
        return f"{self.group}/{self.version}" if self.group else self.version

    def collection_path(self, namespace: str = "") -> str:
        """The URL path of its collection, in `namespace` or (when empty) in all."""
        root = f"/apis/{self.group}/{self.version}" if self.group else f"/api/{self.version}"
        scope = f"/namespaces/{namespace}" if self.namespaced and namespace else ""
        return f"{root}{scope}/{self.plural}"

    def object_path(self, key: ObjectKey, subresource: str = "") -> str:
        """The URL path of the object named `key`, or of its `subresource`."""
        path = f"{self.collection_path(key.namespace)}/{key.name}"
        return f"{path}/{subresource}" if subresource else path

    def __str__(self) -> str:
        return f"{self.plural}.{self.group}" if self.group else self.plural
