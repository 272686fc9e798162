"""Which resource types are served now: the built-in ones and those of established CustomResourceDefinitions."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from hack.localcluster.apiserver import events
from hack.localcluster.apiserver.builtin import BUILTIN_TYPES, ResourceType

Object = dict[str, Any]


class Registry:
    """Looks resource types up. Changed only under the storage's write lock; readers see whole tuples."""

    def __init__(self) -> None:
        self._types: tuple[ResourceType, ...] = BUILTIN_TYPES
        self._by_name = self._index()

    @property
    def types(self) -> tuple[ResourceType, ...]:
        """All that is served."""
        return self._types

    def find(self, group: str, version: str, plural: str) -> ResourceType | None:
        """The type at a URL."""
        return self._by_name.get((group, version, plural))

    def of_table(self, table: tuple[str, str]) -> ResourceType | None:
        """A type whose objects are stored in `table`."""
        return next((entry for entry in self._types if entry.table == table and entry.group == table[0]), None)

    def of_kind(self, api_version: str, kind: str) -> ResourceType | None:
        """The type of an object's `apiVersion` and `kind`."""
        return next((entry for entry in self._types if entry.api_version == api_version and entry.kind == kind), None)

    def is_builtin(self, group: str) -> bool:
        """Whether `group` is one of the server's own, and not of CRDs alone."""
        return any(entry.group == group for entry in BUILTIN_TYPES)

    def groups(self) -> list[str]:
        """The served groups but the legacy one, in order of appearance."""
        return list(dict.fromkeys(entry.group for entry in self._types if entry.group))

    def versions(self, group: str) -> list[str]:
        """The served versions of `group`."""
        return list(dict.fromkeys(entry.version for entry in self._types if entry.group == group))

    def of_version(self, group: str, version: str) -> list[ResourceType]:
        """The types of one group and version."""
        return [entry for entry in self._types if (entry.group, entry.version) == (group, version)]

    def replace_custom(self, group: str, plural: str, types: Iterable[ResourceType]) -> None:
        """Serve `types` for the CRD `plural`.`group`; none: serve it no more."""
        kept = tuple(entry for entry in self._types if (entry.group, entry.plural) != (group, plural))
        self._types = (*kept, *types)
        self._by_name = self._index()

    def _index(self) -> dict[tuple[str, str, str], ResourceType]:
        return {(entry.group, entry.version, entry.plural): entry for entry in self._types}


def present(resource: ResourceType, obj: Object) -> Object:
    """A stored object as the API of `resource` shows it."""
    if obj["apiVersion"] == resource.api_version:
        return obj
    if resource.group == "events.k8s.io":
        return events.from_core(obj)
    return obj | {"apiVersion": resource.api_version}


def stored(resource: ResourceType, obj: Object) -> Object:
    """An object of the API of `resource` as it is stored."""
    return events.to_core(obj) if resource.group == "events.k8s.io" else obj
