"""A reconciler's client whose writes are only rehearsed, and what each of them would have changed."""

from __future__ import annotations

import difflib
from dataclasses import dataclass
from typing import Any

from dittofs_operator.crds import dump_part
from informers.client import Client
from informers.errors import NotFound
from informers.resource import Manifest, ObjectKey, Resource
from reconcilers.api import resources

#: Of metadata, what the API server writes by itself.
_SERVERS_OWN = frozenset({"creationTimestamp", "generation", "managedFields", "resourceVersion", "selfLink", "uid"})


@dataclass(frozen=True, slots=True)
class Change:
    """One object that would change: its kind and name, how, and a unified diff in YAML; secrets are left out."""

    what: str
    text: str
    restarts: bool = False


class Rehearsal:
    """The client of a reconciler: every write is sent as a dry run, and what it would have changed is kept."""

    def __init__(self, client: Client) -> None:
        self._client = client
        self.changes: list[Change] = []

    def get(self, resource: Resource, key: ObjectKey) -> Manifest:
        """A live read."""
        return self._client.get(resource, key)

    def create(self, resource: Resource, manifest: Manifest, *, field_manager: str) -> Manifest:
        """Would make a new object."""
        answer = self._client.create(resource, manifest, field_manager=field_manager)
        self._note(resource, None, answer)
        return answer

    def apply(
        self, resource: Resource, manifest: Manifest, *, field_manager: str, force: bool, subresource: str = ""
    ) -> Manifest:
        """Would apply."""
        before = self._live(resource, ObjectKey.of(manifest))
        answer = self._client.apply(
            resource, manifest, field_manager=field_manager, force=force, subresource=subresource
        )
        return self._noted(resource, before, answer, subresource)

    def merge_patch(
        self, resource: Resource, key: ObjectKey, patch: dict[str, Any], *, field_manager: str, subresource: str = ""
    ) -> Manifest:
        """Would patch."""
        before = self._live(resource, key)
        answer = self._client.merge_patch(resource, key, patch, field_manager=field_manager, subresource=subresource)
        return self._noted(resource, before, answer, subresource)

    def json_patch(
        self,
        resource: Resource,
        key: ObjectKey,
        operations: Any,  # noqa: ANN401 - the client's own type
        *,
        field_manager: str,
        subresource: str = "",
    ) -> Manifest:
        """Would patch."""
        before = self._live(resource, key)
        answer = self._client.json_patch(
            resource, key, operations, field_manager=field_manager, subresource=subresource
        )
        return self._noted(resource, before, answer, subresource)

    def delete(
        self, resource: Resource, key: ObjectKey, *, uid: str | None = None, propagation: str = "Background"
    ) -> None:
        """Would delete."""
        before = self._live(resource, key)
        self._client.delete(resource, key, uid=uid, propagation=propagation)
        self._note(resource, before, None)

    def _live(self, resource: Resource, key: ObjectKey) -> Manifest | None:
        try:
            return self._client.get(resource, key)
        except NotFound:
            return None

    def _noted(self, resource: Resource, before: Manifest | None, answer: Manifest, subresource: str) -> Manifest:
        # The status tells of what is seen; it changes all the time and restarts nothing.
        if not subresource:
            self._note(resource, before, answer)
        return answer

    def _note(self, resource: Resource, before: Manifest | None, after: Manifest | None) -> None:
        change = changed(resource, before, after)
        if change is not None:
            self.changes.append(change)


def changed(resource: Resource, before: Manifest | None, after: Manifest | None) -> Change | None:
    """The difference between an object as it is and as it would be; None without one."""
    key = ObjectKey.of(after or before or {})
    what = f"{resource.kind} {key}"
    one, other = _shown(resource, before, after), _shown(resource, after, before)
    lines = list(difflib.unified_diff(one, other, fromfile=f"{what} (as it is)", tofile=f"{what} (as it would be)"))
    if not lines:
        return None
    restarts = before is not None and after is not None and _template(before) != _template(after)
    return Change(what, "".join(lines), restarts)


def _shown(resource: Resource, obj: Manifest | None, other: Manifest | None) -> list[str]:
    if obj is None:
        return []
    metadata = {name: value for name, value in obj["metadata"].items() if name not in _SERVERS_OWN}
    shown = {**{name: value for name, value in obj.items() if name != "status"}, "metadata": metadata}
    if resource == resources.SECRET:
        known = (other or {}).get("data") or {}
        shown["data"] = {
            name: "(not shown)" if known.get(name) == value else "(not shown, another value)"
            for name, value in (obj.get("data") or {}).items()
        }
    return dump_part(shown).splitlines(keepends=True)


def _template(obj: Manifest) -> Any:  # noqa: ANN401 - JSON of any shape
    return (obj.get("spec") or {}).get("template") if obj.get("kind") == resources.STATEFUL_SET.kind else None
