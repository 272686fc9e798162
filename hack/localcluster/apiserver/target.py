"""What a request is about: the resource type, and the namespace, name and subresource in its URL."""

from __future__ import annotations

from dataclasses import dataclass

from hack.localcluster.apiserver.builtin import ResourceType


@dataclass(frozen=True, slots=True)
class Target:
    """A collection (empty name) or an object, or a subresource of it."""

    resource: ResourceType
    namespace: str = ""
    name: str = ""
    subresource: str = ""

    @property
    def key(self) -> tuple[str, str]:
        """Where the object is stored in its table."""
        return (self.namespace, self.name)
