"""The volume claims: objects of our own, named by the pod template, so that they grow without touching the pod."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from informers.resource import Manifest
from reconcilers import names
from reconcilers.api.dittofs import DittoFS
from reconcilers.api.resources import PERSISTENT_VOLUME_CLAIM
from reconcilers.api.scalars import parse_quantity
from reconcilers.api.storage import MetadataType, PayloadType, Storage
from reconcilers.builders.inputs import BuildFacts, ObservedClaim
from reconcilers.builders.metadata import keepsake

ACCESS_MODES = ("ReadWriteOnce",)


def claims(instance: DittoFS, facts: BuildFacts) -> list[Manifest]:
    """The claims of `instance`; types that keep everything in memory have none."""
    found = [_claim(instance, name, storage, facts.claims.get(name)) for name, storage in claimed(instance)]
    if is_cache_lost(instance, facts.claims):
        cache = next(claim for claim in found if claim["metadata"]["name"] == names.cache_claim(instance.metadata.name))
        cache["metadata"]["annotations"][names.CACHE_LOST_ANNOTATION] = "true"
    return found


def is_cache_lost(instance: DittoFS, observed: Mapping[str, ObservedClaim]) -> bool:
    """Whether the cache is, or is about to be made, emptier than the metadata that is there."""
    name = instance.metadata.name
    if instance.spec.payload.type is not PayloadType.S3:
        return False
    cache, metadata = observed.get(names.cache_claim(name)), observed.get(names.metadata_claim(name))
    if cache is not None:
        return cache.cache_lost
    return metadata is not None and not metadata.leaving


def claimed(instance: DittoFS) -> Iterator[tuple[str, Storage]]:
    """The name of each claim of `instance`, and the storage that it is to have."""
    name, spec = instance.metadata.name, instance.spec
    if spec.database.sqlite is not None:
        yield names.control_plane_claim(name), spec.database.sqlite.storage
    if spec.payload.type is PayloadType.S3:
        # Before the metadata: where that is there without a cache, the cache was lost.
        yield names.cache_claim(name), instance.cache.storage
    if spec.metadata.type is not MetadataType.MEMORY:
        yield names.metadata_claim(name), spec.metadata.storage
    if spec.payload.type is PayloadType.FILESYSTEM:
        yield names.payload_claim(name), spec.payload.storage


def _claim(instance: DittoFS, name: str, storage: Storage, observed: ObservedClaim | None) -> Manifest:
    manifest = keepsake(instance, PERSISTENT_VOLUME_CLAIM, name)
    if observed is not None:
        # What is said here holds for this volume alone: one that is gone by now must not be made anew unmarked.
        manifest["metadata"]["uid"] = observed.uid
    spec: Manifest = {
        "accessModes": list(observed.access_modes if observed else ACCESS_MODES),
        "resources": {"requests": {"storage": _size(storage, observed)}},
    }
    storage_class = observed.storage_class if observed else storage.storage_class_name
    if storage_class is not None:
        spec["storageClassName"] = storage_class
    manifest["spec"] = spec
    return manifest


def _size(storage: Storage, observed: ObservedClaim | None) -> str:
    # Never less than it has: a volume can't shrink, and one that was grown by hand stays so.
    if observed is not None and parse_quantity(observed.requested) >= parse_quantity(storage.size):
        return observed.requested
    return storage.size
