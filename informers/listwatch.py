"""What a reflector stands between: a collection of the API server that is listed and watched, and a sink."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from informers.client import ObjectList
from informers.resource import Resource, View
from informers.selector import check_field_selector, check_label_selector
from informers.watch import WatchStream


class ListerWatcher(Protocol):
    """The part of `informers.client.Client` that a reflector uses."""

    def list(
        self,
        resource: Resource,
        *,
        namespace: str,
        label_selector: str,
        field_selector: str,
        limit: int,
        continue_token: str,
        resource_version: str,
        metadata_only: bool,
    ) -> ObjectList:
        """One page."""

    def watch(
        self,
        resource: Resource,
        *,
        resource_version: str,
        timeout_s: int,
        namespace: str,
        label_selector: str,
        field_selector: str,
        metadata_only: bool,
        read_timeout_s: float,
    ) -> WatchStream:
        """The changes after `resource_version`."""


class Sink(Protocol):
    """Where a reflector puts what it learns; called by its one thread."""

    def replace(self, views: Sequence[View], resource_version: str) -> None:
        """`views` are all that there is."""

    def put(self, view: View) -> None:
        """An object was added or changed."""

    def remove(self, view: View) -> None:
        """An object was deleted."""

    def advance(self, resource_version: str) -> None:
        """Nothing happened up to `resource_version`."""


@dataclass(frozen=True, slots=True)
class Scope:
    """Which objects are watched, and how much of each; ValueError for what no API server can serve."""

    resource: Resource
    namespace: str = ""
    label_selector: str = ""
    field_selector: str = ""
    metadata_only: bool = False

    def __post_init__(self) -> None:
        check_label_selector(self.label_selector)
        check_field_selector(self.field_selector)
        if self.namespace and not self.resource.namespaced:
            raise ValueError(f"{self.resource.plural} have no namespace: leave {self.namespace!r} out")
        if self.namespace and not _NAMESPACE.fullmatch(self.namespace):
            raise ValueError(f"{self.namespace!r} is no name of a namespace (a DNS label of at most 63 characters)")


_NAMESPACE = re.compile(r"[a-z0-9](?:[-a-z0-9]{0,61}[a-z0-9])?")
