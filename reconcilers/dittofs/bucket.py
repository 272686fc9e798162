"""What can be wrong with a bucket and the cache in front of it, in words for a person. Pure."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from informers.resource import ObjectKey, View
from reconcilers import names
from reconcilers.api.dittofs import DittoFS
from reconcilers.api.scalars import parse_bytes
from reconcilers.dittofs.observe import is_marked_lost, used_bytes
from reconcilers.remote_store import object_prefix, overlap
from reconcilers.share.declared import DeclaredShare

#: The part of the cache's volume that the caches of all shares together may fill.
MAX_COMMITMENT = 0.9
#: The part of its cache that the files of a share may take. What was written over takes room as well until the server
#: has cleaned up, and whoever is warned at the brink has no time left.
MAX_FILLED = 0.5
#: How many shares a message names.
_NAMES_SHOWN = 5


@dataclass(frozen=True, slots=True)
class BucketFacts:
    """What one pass saw of the bucket and the cache of an instance."""

    #: Empty: there is no bucket.
    claim: str = ""
    metadata_claim: str = ""
    is_cache_lost: bool = False
    #: What the caches of all shares may take together.
    wanted_bytes: int = 0
    volume_bytes: int = 0
    #: The shares whose files take more than `MAX_FILLED` of their cache.
    filled: tuple[str, ...] = ()
    #: Other instances whose objects overlap with those of this one.
    sharers: tuple[str, ...] = ()

    @property
    def lost_cache(self) -> str:
        """What to do about a cache that was lost; empty when it was not."""
        if not self.is_cache_lost:
            return ""
        return (
            f"the claim {self.claim} was lost and made anew while {self.metadata_claim} was there: every file would "
            "read as zeros, so the shares are disabled and no client is let in. What was not uploaded is gone and "
            "reads as zeros for ever; the rest is in the bucket. For each share take a snapshot, wait until it is "
            "ready and restore it while the share is disabled: the server then reads from the bucket again. When all "
            "are done: "
            f"kubectl annotate pvc {self.claim} {names.CACHE_LOST_ANNOTATION}-"
        )

    @property
    def sharing(self) -> str:
        """What to do about others that have the same objects; empty without others."""
        if not self.sharers:
            return ""
        return (
            f"has the bucket and an overlapping prefix in common with DittoFS {', '.join(self.sharers)}: each deletes "
            "the objects of the other as garbage; set spec.replicas of all but one to 0 at once, then delete those"
        )

    @property
    def overcommitment(self) -> str:
        """What to do about more cache than its volume holds; empty when it holds it."""
        if not self.claim or self.wanted_bytes <= MAX_COMMITMENT * self.volume_bytes:
            return ""
        return (
            f"the shares may fill {self.wanted_bytes} bytes of cache together, and {self.claim} has "
            f"{self.volume_bytes}, of which they should have {MAX_COMMITMENT:.0%}: grow spec.cache.storage.size, or "
            "lower spec.cache.size, which is what each share may have, or spec.cache.localSize of single shares"
        )

    @property
    def small_caches(self) -> str:
        """What to do about caches that will soon be smaller than what the bucket holds of their shares."""
        if not self.filled:
            return ""
        more = f" and {len(self.filled) - _NAMES_SHOWN} more" if len(self.filled) > _NAMES_SHOWN else ""
        return (
            f"the files of {', '.join(self.filled[:_NAMES_SHOWN])}{more} take more than {MAX_FILLED:.0%} of their "
            "cache. A full one refuses writes, or drops what is in the bucket already, which DittoFS v0.29.0 reads as "
            "zeros after its next start: raise spec.cache.size (of each share) and spec.cache.storage.size "
            f"({self.claim}) beyond the size of the files. Files that do read as zeros are whole in the bucket: set "
            "spec.enabled of the share to false, take a snapshot, wait until it is ready, restore it and enable the "
            "share again"
        )


NO_BUCKET = BucketFacts()


def bucket_facts(
    instance: DittoFS,
    claim: View | None,
    others: Iterable[View],
    declared: Iterable[DeclaredShare],
    shares: Iterable[View],
) -> BucketFacts | None:
    """What `claim`, that of the cache, and the `others` with the same bucket mean for `instance`; None without one.

    `declared` are its shares as they are specified, `shares` the DittoFSShares with what is known of them.
    """
    if instance.spec.payload.s3 is None:
        return None
    name, default = instance.metadata.name, parse_bytes(instance.cache.size)
    cache_bytes, used = {share.path: share.cache_bytes(default) for share in declared}, used_bytes(shares)
    requested = ((claim or {}).get("spec") or {}).get("resources", {}).get("requests", {}).get("storage")
    return BucketFacts(
        claim=names.cache_claim(name),
        metadata_claim=names.metadata_claim(name),
        is_cache_lost=claim is not None and is_marked_lost(claim),
        wanted_bytes=sum(cache_bytes.values()),
        volume_bytes=parse_bytes(str(requested or instance.cache.storage.size)),
        filled=tuple(path for path, size in cache_bytes.items() if used.get(path, 0) > MAX_FILLED * size),
        sharers=tuple(sorted(str(ObjectKey.of(other)) for other in others if _overlaps(instance, other))),
    )


def _overlaps(instance: DittoFS, other: View) -> bool:
    key = ObjectKey.of(other)
    if key == instance.key:
        return False
    ours = object_prefix(instance)
    theirs = names.object_prefix(key, str(other["spec"]["payload"]["s3"].get("prefix") or ""))
    return overlap(ours, theirs)
