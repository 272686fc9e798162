"""What reconcilers read and write through: the parts of the controller layer that they use, and no more."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Protocol

from informers.apply import Applied
from informers.finalizer import Patcher
from informers.resource import Manifest, ObjectKey, Resource, View


class Cache(Protocol):
    """The indexed, read-only objects of one informer (`informers.store.Store`)."""

    def get(self, key: ObjectKey) -> View | None:
        """The object named `key`, None when there is none."""

    def by_index(self, index: str, value: str) -> Iterable[View]:
        """The objects that `index` files under `value`."""


class OptionalCache(Cache, Protocol):
    """A cache of a type that not every cluster has."""

    @property
    def absent(self) -> bool:
        """Whether this cluster does not have the type now."""


class ApiClient(Patcher, Protocol):
    """The calls to the API server that are made besides server-side apply (`informers.client.Client`)."""

    def get(self, resource: Resource, key: ObjectKey) -> Manifest:
        """A live read."""

    def create(self, resource: Resource, manifest: Manifest, *, field_manager: str) -> Manifest:
        """Makes a new object; AlreadyExists when there is one of that name."""

    def apply(
        self, resource: Resource, manifest: Manifest, *, field_manager: str, force: bool, subresource: str = ""
    ) -> Manifest:
        """Server-side apply."""

    def merge_patch(
        self, resource: Resource, key: ObjectKey, patch: dict[str, Any], *, field_manager: str, subresource: str = ""
    ) -> Manifest:
        """RFC 7386."""

    def delete(
        self, resource: Resource, key: ObjectKey, *, uid: str | None = None, propagation: str = "Background"
    ) -> None:
        """Asks for deletion; Conflict when the name belongs to another object than `uid` by now."""


class Applier(Protocol):
    """Server-side apply that sends nothing while nothing differs (`informers.apply.Applier`)."""

    def ensure(self, resource: Resource, intent: Manifest, live: View | None) -> Applied:
        """Makes the object have what `intent` says, given that it is `live` or, when None, absent."""


class Recorder(Protocol):
    """Tells people what was done (`informers.events.EventRecorder`)."""

    def normal(self, regarding: View, reason: str, note: str, action: str = "Reconcile") -> None:
        """Something that is as it should be."""

    def warning(self, regarding: View, reason: str, note: str, action: str = "Reconcile") -> None:
        """Something that a person should look at."""
