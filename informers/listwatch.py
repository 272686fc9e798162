"""What a reflector stands between: a collection of the API server that is listed and watched, and a sink."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Protocol

from informers.client import WATCH_READ_TIMEOUT_S, ObjectList
from informers.resource import ObjectKey, Resource, View
from informers.selector import check_field_selector, check_label_selector
from informers.streamed import END_TIMEOUT_S, StreamedLists
from informers.watch import WatchStream


class ListerWatcher(Protocol):
    """The part of `informers.client.Client` that a reflector uses."""

    @property
    def streamed_lists(self) -> StreamedLists:
        """What is known of the server's streamed lists."""

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
        send_initial_events: bool,
        progress: Callable[[], None],
    ) -> WatchStream:
        """The changes after `resource_version`, or first all that there is."""


class Sink(Protocol):
    """Where a reflector puts what it learns; called by its one thread."""

    def get(self, key: ObjectKey) -> View | None:
        """What was put in for `key`."""

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
    """Which objects are watched (without `namespaces` those of all), and how much of each.

    ValueError for what no API server can serve.
    """

    resource: Resource
    namespaces: tuple[str, ...] = ()
    label_selector: str = ""
    field_selector: str = ""
    metadata_only: bool = False

    def __post_init__(self) -> None:
        check_label_selector(self.label_selector)
        check_field_selector(self.field_selector)
        if self.namespaces and not self.resource.namespaced:
            raise ValueError(f"{self.resource.plural} have no namespace: leave {', '.join(self.namespaces)} out")
        for namespace in self.namespaces:
            if not _NAMESPACE.fullmatch(namespace):
                raise ValueError(f"{namespace!r} is no name of a namespace (a DNS label of at most 63 characters)")
            if self.namespaces.count(namespace) > 1:
                raise ValueError(f"namespace {namespace} is named twice")

    @property
    def namespace(self) -> str:
        """The only namespace; empty for all. ValueError when there are several, which are several collections."""
        if len(self.namespaces) > 1:
            raise ValueError(f"{', '.join(self.namespaces)} are several namespaces: see collections")
        return self.namespaces[0] if self.namespaces else ""

    @property
    def collections(self) -> tuple[Scope, ...]:
        """The scopes of one collection each, which a list or watch can be asked for."""
        return tuple(replace(self, namespaces=(namespace,)) for namespace in self.namespaces) or (self,)


@dataclass(frozen=True, slots=True)
class WatchOptions:
    """How a collection is listed and watched; ValueError for what can't work.

    A list asks for `page_size` objects at once; with `watch_list` it is streamed where the API server can do that, and
    the stream's end mark has to come within `end_timeout_s` and a little more for each object. A watch is made anew
    after a silence of `read_timeout_s`; without news for `stale_after_s` what is held isn't fit to act on. Of an
    `optional` type it is enough to know that the API server doesn't serve it. `forbidden_advice` is what a person does
    about a 403: it is told with the error.
    """

    page_size: int = 500
    watch_list: bool = True
    end_timeout_s: float = END_TIMEOUT_S
    read_timeout_s: float = WATCH_READ_TIMEOUT_S
    stale_after_s: float = 180.0
    optional: bool = False
    forbidden_advice: str = ""

    def __post_init__(self) -> None:
        if self.page_size < 1:
            raise ValueError(f"a page of {self.page_size} objects: it must be at least 1")
        for name in ("end_timeout_s", "read_timeout_s"):
            if getattr(self, name) <= 0:
                raise ValueError(f"{name} is {getattr(self, name):g}: it must be longer than nothing")
        if self.stale_after_s < 2 * self.read_timeout_s:
            raise ValueError(
                f"stale after {self.stale_after_s:g} s: must be at least twice the read timeout of "
                f"{self.read_timeout_s:g} s, as only a second silent watch leads to a list"
            )


_NAMESPACE = re.compile(r"[a-z0-9](?:[-a-z0-9]{0,61}[a-z0-9])?")
