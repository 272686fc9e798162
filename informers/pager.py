"""A whole collection by plain list requests, page by page."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from informers.client import ObjectList
from informers.connections import Interruption
from informers.errors import Expired, Garbled
from informers.intake import Intake, LeftOut
from informers.listwatch import ListerWatcher, Scope
from informers.resource import ObjectKey, View


@dataclass(slots=True)
class Listing:
    """All that there is at `version`; `left_out` are the keys of objects that can't be taken."""

    version: str
    views: list[View] = field(default_factory=list)
    left_out: list[ObjectKey] = field(default_factory=list)


class Pager:
    """Lists. One thread calls `list`; `stop` may be called from any, and ends it for good."""

    def __init__(
        self,
        client: ListerWatcher,
        scope: Scope,
        intake: Intake,
        *,
        page_size: int,
        logger: Any,  # noqa: ANN401 - structlog's bound loggers share no type
    ) -> None:
        self._client = client
        self._scope = scope
        self._intake = intake
        self._page_size = page_size
        self._logger = logger
        self._interruption = Interruption()
        self._server_pages = False

    def stop(self) -> None:
        """Ends a list under way, which then raises, and every later one. Idempotent."""
        self._interruption.interrupt()

    def list(self, version: str) -> Listing:
        """The collection, not older than `version`: "0" for any, empty for the newest. Raises what the client does."""
        # with a concrete version a limit makes the server bypass its watch cache; only where it has none it helps
        paged = version in ("", "0") or self._server_pages
        page = self._page(limit=self._page_size if paged else 0, resource_version=version)
        listing = self._begin(page)
        while page.continue_token:
            if version == "0":
                self._server_pages = True
            try:
                page = self._page(limit=self._page_size, continue_token=page.continue_token)
            except Expired:
                self._logger.info("the pages of a list expired: listing as a whole")
                return self._begin(self._page(limit=0, resource_version=version))
            self._take(page, listing)
        return listing

    def _begin(self, page: ObjectList) -> Listing:
        if not page.resource_version:
            raise Garbled(f"the list of {self._scope.resource} has no resourceVersion: it can't be watched")
        listing = Listing(page.resource_version)
        self._take(page, listing)
        return listing

    def _take(self, page: ObjectList, listing: Listing) -> None:
        page.items.reverse()
        while page.items:  # so that of no object more than one form is held
            taken = self._intake.take(page.items.pop())
            if not isinstance(taken, LeftOut):
                listing.views.append(taken)
            elif taken.key is not None:
                listing.left_out.append(taken.key)

    def _page(self, *, limit: int, resource_version: str = "", continue_token: str = "") -> ObjectList:
        scope = self._scope
        try:
            with self._interruption.over_this_thread():
                return self._client.list(
                    scope.resource,
                    namespace=scope.namespace,
                    label_selector=scope.label_selector,
                    field_selector=scope.field_selector,
                    limit=limit,
                    continue_token=continue_token,
                    resource_version=resource_version,
                    metadata_only=scope.metadata_only,
                )
        finally:
            self._interruption.release()
