"""What the share reconciler reads and writes through, and the indexes and mappers that its wiring needs."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass

from informers.event import Added, Event, Updated, states
from informers.mapper import BEYOND_STATUS, Mapper, map_function, own_key, when_changed
from informers.resource import ObjectKey, View
from reconcilers.access import Cache
from reconcilers.api.dittofs import DittoFS
from reconcilers.api.share import DittoFSShare
from reconcilers.hold import annotation, held_by
from reconcilers.share.declared import instance_name, share_path

#: Indexes that the informer of DittoFSShares must have: see `SHARE_INDEXERS`.
BY_INSTANCE = "instance"
BY_INSTANCE_AND_PATH = "instance-and-path"


@dataclass(frozen=True, slots=True)
class ShareCaches:
    """The caches that the share reconciler reads."""

    instances: Cache
    shares: Cache
    backups: Cache


def instance_key(share: View) -> ObjectKey:
    """The key of the DittoFS that `share` belongs to."""
    return ObjectKey(str(share["metadata"].get("namespace") or ""), instance_name(share))


def instance_of(share: DittoFSShare, caches: ShareCaches) -> DittoFS | None:
    """The DittoFS of `share`, None when there is none. Raises InvalidObject."""
    view = caches.instances.get(ObjectKey(share.metadata.namespace, share.spec.instance_ref.name))
    return None if view is None else DittoFS.from_view(view)


def server_of_share(shares: Cache) -> Callable[[ObjectKey], ObjectKey | None]:
    """Gives the key of the DittoFS whose server the share of a key is on; None when the share is gone."""

    def server(key: ObjectKey) -> ObjectKey | None:
        view = shares.get(key)
        return None if view is None else instance_key(view)

    return server


def instance_index_value(instance: ObjectKey) -> str:
    """Where BY_INSTANCE files the shares of `instance`."""
    return str(instance)


def path_index_value(instance: ObjectKey, path: str) -> str:
    """Where BY_INSTANCE_AND_PATH files the shares of `instance` at `path`."""
    return f"{instance}:{path}"


SHARE_INDEXERS: Mapping[str, Callable[[View], Iterable[str]]] = {
    BY_INSTANCE: lambda share: (instance_index_value(instance_key(share)),),
    BY_INSTANCE_AND_PATH: lambda share: (path_index_value(instance_key(share), share_path(share)),),
}


#: From an event of a DittoFSShare to its instance, unless nothing but its status changed.
instance_of_share: Mapper = when_changed(map_function(lambda share: (instance_key(share),)), *BEYOND_STATUS)


#: From an event of a DittoFSShare to itself, unless nothing but its status changed, which the reconciler wrote.
changed_share: Mapper = when_changed(own_key, *BEYOND_STATUS)


def shares_of_instance(shares: Cache) -> Mapper:
    """From an event of a DittoFS to its shares, if it changed anything that they depend on."""

    def mapper(event: Event) -> Iterable[ObjectKey]:
        if isinstance(event, Updated) and _facts(event.old) == _facts(event.new):
            return ()
        value = instance_index_value(ObjectKey.of(states(event)[-1]))
        return tuple(ObjectKey.of(share) for share in shares.by_index(BY_INSTANCE, value))

    return mapper


def shares_held_by(instances: Cache, shares: Cache) -> Mapper:
    """From a DittoFSBackup that ends or goes to all shares of the instance that it holds."""
    held = held_by(instances)

    def mapper(event: Event) -> Iterable[ObjectKey]:
        values = (instance_index_value(instance) for instance in held(event))
        return tuple(ObjectKey.of(share) for value in values for share in shares.by_index(BY_INSTANCE, value))

    return mapper


def shares_of_same_path(shares: Cache) -> Mapper:
    """From a DittoFSShare that goes to the others of its path on its instance: one of them may take it over."""

    def mapper(event: Event) -> Iterable[ObjectKey]:
        share = states(event)[-1]
        if isinstance(event, Added) or (isinstance(event, Updated) and not share["metadata"].get("deletionTimestamp")):
            return ()
        value = path_index_value(instance_key(share), share_path(share))
        others = (ObjectKey.of(other) for other in shares.by_index(BY_INSTANCE_AND_PATH, value))
        return tuple(key for key in others if key != ObjectKey.of(share))

    return mapper


def _facts(instance: View) -> tuple[object, ...]:
    metadata, status = instance["metadata"], instance.get("status") or {}
    return (
        metadata.get("uid"),
        metadata.get("generation"),
        bool(metadata.get("deletionTimestamp")),
        annotation(instance),
        status.get("apiReachable"),
        status.get("endpoints"),
        status.get("cacheLost"),
    )
