"""The text of shares.yaml: the declared shares of an instance with the addresses of their data, to rebuild from."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from types import MappingProxyType
from typing import Any

import yaml

from reconcilers import names
from reconcilers.api.dittofs import DittoFS
from reconcilers.api.storage import MetadataType
from reconcilers.remote_store import location
from reconcilers.share.declared import DeclaredShare

#: An object of the API may have 1 MiB; config.yaml and the rest of the ConfigMap need a part of it.
MAX_BYTES = 900 * 1024

_TRUNCATED = "truncated"
_NOTHING: Mapping[str, Any] = MappingProxyType({})


def shares_file(
    instance: DittoFS,
    shares: Iterable[DeclaredShare],
    addresses: Mapping[str, str] = _NOTHING,
    adopted: Mapping[str, Mapping[str, str]] = _NOTHING,
) -> str:
    """The declared `shares` by path, without anything observed but where their data is.

    By path, `addresses` has what is not at its path, and `adopted` the stores of what was adopted with others.
    Only their names when all would be too much, and only their number when that is too much as well.
    """
    ordered = sorted(shares)
    entries = []
    for share in ordered:
        stores = adopted.get(share.path) or _stores(instance, addresses.get(share.path, share.path))
        entries.append({**share.as_document(), "stores": dict(stores)})
    text = _dump({"shares": entries})
    if len(text.encode()) <= MAX_BYTES:
        return text
    text = _dump({_TRUNCATED: True, "names": [share.name for share in ordered]})
    return text if len(text.encode()) <= MAX_BYTES else _dump({_TRUNCATED: True, "count": len(ordered)})


def is_truncated(text: str) -> bool:
    """Whether the shares.yaml with this `text` says less of the shares than there is to say."""
    return text.startswith(f"{_TRUNCATED}:")


def _stores(instance: DittoFS, address: str) -> dict[str, str]:
    stores = {
        "metadata": names.metadata_store(address),
        "local": names.local_store(address, names.PAYLOAD_STORE),
    }
    if instance.spec.payload.s3 is not None:
        objects = f"{location(instance)}{names.store_key(address)}/"
        local = names.local_store(address, names.CACHE_STORE)
        stores |= {"local": local, "remote": names.remote_store(address), "objects": objects}
    match instance.spec.metadata.type:
        case MetadataType.BADGER:
            stores["metadataPath"] = names.badger_directory(address)
        case MetadataType.SQLITE:
            stores["metadataPath"] = names.sqlite_file(address)
        case MetadataType.MEMORY:
            pass
    return stores


def _dump(document: dict[str, Any]) -> str:
    # Without line folding: a path or name must be found by grep. In C, since a thousand shares take a second else.
    return yaml.dump(document, Dumper=yaml.CSafeDumper, sort_keys=False, default_flow_style=False, width=2**20)
