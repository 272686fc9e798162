"""The objects of one type as one list found them, in place of an informer's cache."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

import structlog

from informers.client import Client
from informers.errors import NotFound
from informers.intake import Intake
from informers.listwatch import Scope
from informers.pager import Pager
from informers.projection import Projection
from informers.resource import ObjectKey, Resource, View
from informers.store import Indexer, Store
from reconcilers import names
from reconcilers.api import resources

_PAGE_SIZE = 500


class Listed:
    """A list of `resource` in `namespaces` (none: in all); `absent` when the cluster has no such type.

    Of Secrets the metadata alone. Raises the `ClientError` of a list that fails.
    """

    def __init__(
        self,
        client: Client,
        resource: Resource,
        namespaces: tuple[str, ...],
        *,
        indexers: Mapping[str, Indexer] | None,
        selector: str,
    ) -> None:
        logger = structlog.get_logger()
        metadata_only = resource == resources.SECRET
        projection = Projection(resource, metadata_only=metadata_only, field_manager=names.FIELD_MANAGER)
        intake = Intake(projection, logger=logger, count=_uncounted)
        self._store = Store(indexers=indexers, logger=logger, name=str(resource))
        self.absent = False
        found: list[View] = []
        scope = Scope(resource, namespaces, selector, metadata_only=metadata_only)
        for collection in scope.collections:
            pager = Pager(client, collection, intake, page_size=_PAGE_SIZE, logger=logger)
            try:
                found += pager.list("").views
            except NotFound:
                self.absent = True
        self._store.replace(found, "0")

    def get(self, key: ObjectKey) -> View | None:
        """The object named `key`, None when there is none."""
        return self._store.get(key)

    def by_index(self, index: str, value: str) -> Iterable[View]:
        """The objects that `index` files under `value`."""
        return self._store.by_index(index, value)

    def names(self) -> tuple[ObjectKey, ...]:
        """The keys of all objects."""
        return self._store.keys()


def _uncounted(reason: str) -> None:
    """A program of one run has no metrics; the log tells."""
