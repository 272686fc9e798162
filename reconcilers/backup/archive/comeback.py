"""The objects that come back from an archive: told in pages by the Job that restores it, and made anew here."""

from __future__ import annotations

import base64
import binascii
import json
import lzma
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from informers.errors import AlreadyExists, Forbidden, Invalid
from informers.resource import Manifest, ObjectKey
from reconcilers import names
from reconcilers.access import ApiClient
from reconcilers.api.dittofs import DittoFS
from reconcilers.api.resources import DITTOFS_SHARE, PERSISTENT_VOLUME_CLAIM

#: What all objects together may take: whoever can write the archive must not fill our memory.
MAX_BYTES = 64 << 20


class Unreadable(Exception):
    """The pages are not those of an archive."""


@dataclass(frozen=True, slots=True)
class ArchivedShare:
    """A DittoFSShare as it was archived."""

    name: str
    path: str
    labels: Mapping[str, str]
    annotations: Mapping[str, str]
    spec: Mapping[str, Any] = field(repr=False)


@dataclass(frozen=True, slots=True)
class Comeback:
    """What came back."""

    shares: tuple[ArchivedShare, ...]
    #: What the claim of the metadata said of files that are still to go; empty: nothing.
    purge: str


def unpacked(pages: Sequence[str]) -> Comeback:
    """What all `pages` hold together. Raises Unreadable."""
    try:
        packed = b"".join(base64.b64decode(page, validate=True) for page in pages)
        unpacking = lzma.LZMADecompressor()
        content = unpacking.decompress(packed, MAX_BYTES)
        items = json.loads(content) if unpacking.eof else None
        shares = tuple(_share(item) for item in items or () if item["kind"] == DITTOFS_SHARE.kind)
        claims = [item for item in items or () if item["kind"] == PERSISTENT_VOLUME_CLAIM.kind]
        purge = next((_texts(item, "annotations").get(names.PURGE_ANNOTATION, "") for item in claims), "")
    except (binascii.Error, lzma.LZMAError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise Unreadable(f"what came back of the archive's objects can't be read: {error}") from None
    if not unpacking.eof:
        raise Unreadable("what came back of the archive's objects is cut off, or too much")
    return Comeback(shares, purge)


@dataclass(frozen=True, slots=True)
class Refusals:
    """Why DittoFSShares could not be made, by their names."""

    #: By who may do what there, which a person can change.
    forbidden: Mapping[str, str] = field(default_factory=dict)
    #: For as long as they are what they are.
    final: Mapping[str, str] = field(default_factory=dict)

    @property
    def all(self) -> dict[str, str]:
        """Both."""
        return {**self.forbidden, **self.final}


class Remaker:
    """Makes objects anew; every method raises an `ApiError` that it does not expect."""

    def __init__(self, *, client: ApiClient) -> None:
        self._client = client

    def remake(self, comeback: Comeback, instance: DittoFS, *, shares: bool) -> Refusals:
        """Have `instance` know what is still to go and, with `shares`, its shares: those that aren't there yet."""
        if comeback.purge:
            key = ObjectKey(instance.metadata.namespace, names.metadata_claim(instance.metadata.name))
            patch = {"metadata": {"annotations": {names.PURGE_ANNOTATION: comeback.purge}}}
            self._client.merge_patch(PERSISTENT_VOLUME_CLAIM, key, patch, field_manager=names.SHARES_FIELD_MANAGER)
        if not shares:
            return Refusals()
        forbidden, final = {}, {}
        for share in comeback.shares:
            try:
                if words := self._share(share, instance):
                    final[share.name] = words
            except Forbidden as error:
                forbidden[share.name] = f'DittoFSShare "{share.name}": {error}'
        return Refusals(forbidden, final)

    def _share(self, share: ArchivedShare, instance: DittoFS) -> str:
        """Why the DittoFSShare can never be there; empty when it is. Raises Forbidden, too."""
        manifest: Manifest = {
            "apiVersion": DITTOFS_SHARE.api_version,
            "kind": DITTOFS_SHARE.kind,
            "metadata": {
                "name": share.name,
                "namespace": instance.metadata.namespace,
                "labels": dict(share.labels),
                "annotations": dict(share.annotations),
            },
            # Wherever it was: what was restored is here.
            "spec": {**share.spec, "instanceRef": {"name": instance.metadata.name}},
        }
        try:
            self._client.create(DITTOFS_SHARE, manifest, field_manager=names.FIELD_MANAGER)
        except AlreadyExists:
            there = self._client.get(DITTOFS_SHARE, ObjectKey.of(manifest))
            ours = (there.get("spec") or {}).get("instanceRef") == {"name": instance.metadata.name}
            return "" if ours else f'DittoFSShare "{share.name}" is there, of another DittoFS'
        except Invalid as error:
            return f'DittoFSShare "{share.name}": {error}'
        return ""


def _share(item: Mapping[str, Any]) -> ArchivedShare:
    name, spec = str(item["metadata"]["name"]), dict(item["spec"])
    path = str(spec.get("path") or f"/{name}")
    return ArchivedShare(name, path, _texts(item, "labels"), _texts(item, "annotations"), spec)


def _texts(item: Mapping[str, Any], part: str) -> dict[str, str]:
    return {str(key): str(value) for key, value in (item["metadata"].get(part) or {}).items()}
